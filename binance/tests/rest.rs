//! The REST client against a scripted server: what is certain, what is unknown, what is never sent.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Http, btc, http, ok, refused, rest_client};
use helios_binance::rest::{Lane, RestConfig};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{
    CancelTarget, EntryKind, NewOrder, NewStop, OrderKind, Refusal, TimeInForce, VenueReply,
};
use std::time::Duration;

const WS: &str = "ws://127.0.0.1:1";

fn entry() -> NewOrder {
    NewOrder {
        client_id: "hAAAAAAwBBBBBB1-1".into(),
        side: Side::Buy,
        kind: OrderKind::Limit {
            price: Price(600_001),
            tif: TimeInForce::Ioc,
        },
        qty: Qty(10),
        reduce_only: false,
        purpose: EntryKind::Entry,
        recv_window_ms: 1_000,
    }
}

fn exit() -> NewOrder {
    NewOrder {
        side: Side::Sell,
        kind: OrderKind::Market,
        reduce_only: true,
        purpose: EntryKind::Exit,
        ..entry()
    }
}

fn stop() -> NewStop {
    NewStop {
        client_id: "hAAAAAAwBBBBBB1-2".into(),
        side: Side::Sell,
        trigger: Price(590_000),
        qty: None,
    }
}

fn quick() -> RestConfig {
    RestConfig {
        order_timeout: Duration::from_millis(200),
        ..RestConfig::default()
    }
}

#[tokio::test]
async fn an_order_is_signed_stamped_and_sent_once() {
    let (base, seen) =
        http(|_, _| ok(r#"{"orderId":77,"clientOrderId":"x","status":"NEW"}"#)).await;
    let c = rest_client(&base, WS, quick());
    c.clock().observe(1_700_000_000_000);
    assert_eq!(
        c.place_order(&btc(), &entry()).await,
        VenueReply::Accepted { id: 77 }
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    let wanted = "POST /fapi/v1/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&price=60000.1&quantity=0.01&newClientOrderId=hAAAAAAwBBBBBB1-1&selfTradePreventionMode=EXPIRE_MAKER&newOrderRespType=ACK&recvWindow=1000&timestamp=17000000";
    assert!(seen[0].starts_with(wanted), "{}", seen[0]);
    let signature = seen[0].rsplit_once("&signature=").unwrap().1;
    assert_eq!(signature.len(), 64);
}

#[tokio::test]
async fn a_socket_lost_after_the_request_is_an_unknown_outcome_and_is_not_retried() {
    let (base, seen) = http(|_, _| Http::Drop).await;
    let c = rest_client(&base, WS, quick());
    c.clock().observe(1_700_000_000_000);
    let reply = c.place_order(&btc(), &entry()).await;
    let VenueReply::Unknown { dead_after_ms, .. } = reply else {
        panic!("{reply:?}")
    };
    assert!((1_700_000_001_000..1_700_000_002_000).contains(&dead_after_ms));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn silence_5xx_and_unreadable_answers_are_unknown_outcomes() {
    for answer in [
        || Http::Hang,
        || Http::Reply(503, "", r#"{"code":-1000,"msg":"Unknown error"}"#.into()),
        || Http::Reply(504, "", "<html>".into()),
        || Http::Reply(408, "", r#"{"code":-1007,"msg":"Timeout"}"#.into()),
        || ok("not json"),
    ] {
        let (base, _) = http(move |_, _| answer()).await;
        let c = rest_client(&base, WS, quick());
        for reply in [
            c.place_order(&btc(), &entry()).await,
            c.place_stop(&btc(), &stop()).await,
        ] {
            assert!(matches!(reply, VenueReply::Unknown { .. }), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_never_came_about_proves_that_nothing_was_sent() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let c = rest_client(&base, WS, quick());
    let reply = c.place_order(&btc(), &entry()).await;
    assert!(
        matches!(reply, VenueReply::Refused(Refusal::NotSent { .. })),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_429_stops_entries_and_reads_for_its_retry_after_and_lets_an_exit_try() {
    let (base, seen) = http(|n, _| match n {
        0 => Http::Reply(
            429,
            "retry-after: 2\r\nx-mbx-used-weight-1m: 2401\r\n",
            r#"{"code":-1003,"msg":"Too many requests"}"#.into(),
        ),
        _ => ok(r#"{"orderId":1}"#),
    })
    .await;
    let c = rest_client(&base, WS, quick());
    assert_eq!(
        c.place_order(&btc(), &entry()).await,
        VenueReply::Refused(Refusal::RateLimited {
            retry_after_ms: 2_000
        })
    );
    let held = c.place_order(&btc(), &entry()).await;
    assert!(
        matches!(held, VenueReply::Refused(Refusal::NotSent { .. })),
        "{held:?}"
    );
    assert!(c.budget().try_acquire(Lane::Read, 1, 0).is_err());
    assert_eq!(seen.lock().unwrap().len(), 1, "nothing was sent meanwhile");
    let use_ = c.budget().usage();
    assert!(use_.stopped_ms > 1_000 && use_.limited == 1, "{use_:?}");
    // Weight is full, but an exit costs none: it may try once a second.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(
        c.place_order(&btc(), &exit()).await,
        VenueReply::Accepted { id: 1 }
    );
}

#[tokio::test]
async fn a_read_of_whoever_protects_goes_where_others_wait_for_room() {
    let (base, seen) = http(|_, _| ok("[]")).await;
    let c = rest_client(&base, WS, quick());
    let eighty = c.budget().limits().weight_1m * 80 / 100;
    c.budget().try_acquire(Lane::Read, eighty, 0).unwrap();
    let btc = btc();
    let patient = tokio::time::timeout(Duration::from_millis(300), c.open_orders(&btc));
    assert!(patient.await.is_err(), "it waits for the minute to pass");
    assert!(seen.lock().unwrap().is_empty());
    let urgent = c.urgent();
    let at_once = tokio::time::timeout(Duration::from_secs(5), urgent.open_orders(&btc));
    assert!(at_once.await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn an_exit_that_is_not_reduce_only_is_never_sent() {
    let (base, seen) = http(|_, _| ok(r#"{"orderId":1}"#)).await;
    let c = rest_client(&base, WS, quick());
    let bad = NewOrder {
        reduce_only: false,
        ..exit()
    };
    let reply = c.place_order(&btc(), &bad).await;
    assert!(matches!(
        reply,
        VenueReply::Refused(Refusal::NotSent { .. })
    ));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_read_refused_for_its_timestamp_syncs_the_clock_and_is_sent_again() {
    let (base, seen) = http(|_, line| {
        if line.starts_with("GET /fapi/v1/time") {
            ok(r#"{"serverTime":1600000000000}"#)
        } else if line.contains("timestamp=1600000000") {
            ok("[]")
        } else {
            refused(-1021)
        }
    })
    .await;
    let c = rest_client(&base, WS, quick());
    c.clock().observe(1_700_000_000_000);
    assert!(c.open_orders(&btc()).await.unwrap().is_empty());
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn an_order_refused_for_its_timestamp_is_not_sent_again_but_the_clock_is_synced() {
    let (base, seen) = http(|_, line| {
        if line.starts_with("GET /fapi/v1/time") {
            ok(r#"{"serverTime":1600000000000}"#)
        } else {
            refused(-1021)
        }
    })
    .await;
    let c = rest_client(&base, WS, quick());
    c.clock().observe(1_700_000_000_000);
    assert_eq!(
        c.place_order(&btc(), &entry()).await,
        VenueReply::Refused(Refusal::Clock)
    );
    tokio::time::timeout(common::WAIT, async {
        while c.clock().market_ms() > 1_600_000_100_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let orders = |l: &&String| l.starts_with("POST");
    assert_eq!(seen.lock().unwrap().iter().filter(orders).count(), 1);
}

#[tokio::test]
async fn cancels_and_queries_go_to_the_book_they_name() {
    let (base, seen) = http(|_, line| {
        if line.starts_with("DELETE /fapi/v1/order?") {
            refused(-2011)
        } else if line.starts_with("DELETE /fapi/v1/algoOrder?") {
            ok(r#"{"algoId":5,"clientAlgoId":"s","code":"200","msg":"success"}"#)
        } else {
            refused(-2013)
        }
    })
    .await;
    let c = rest_client(&base, WS, quick());
    let (order, stop) = (
        CancelTarget::Order("o".into()),
        CancelTarget::Stop("s".into()),
    );
    let not_found = VenueReply::Refused(Refusal::NotFound);
    assert_eq!(c.cancel(&btc(), &order).await, not_found);
    assert_eq!(
        c.cancel(&btc(), &stop).await,
        VenueReply::Accepted { id: 5 }
    );
    assert_eq!(c.query(&btc(), &order).await, not_found);
    assert_eq!(c.query(&btc(), &stop).await, not_found);
    let seen = seen.lock().unwrap();
    assert!(seen[1].contains("clientAlgoId=s&"));
    assert!(seen[2].starts_with("GET /fapi/v1/order?symbol=BTCUSDT&origClientOrderId=o&"));
}
