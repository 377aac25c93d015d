//! What the real exchange has been seen to do both ways: each switch, both ways, as a client sees it.

use super::client::{Client, Ws, with};
use super::source::{Flat, T0};
use helios_venue::server::{FanOut, VenueConfig};
use serde_json::json;

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010";
const SELL: &str = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.010&reduceOnly=true";
const STOP: &str = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&workingType=MARK_PRICE&triggerPrice=59000&clientAlgoId=s";

async fn venue(change: impl FnOnce(&mut VenueConfig)) -> Client {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20.0;
    change(&mut config);
    with(config).await
}

async fn stop(c: &Client, more: &str) {
    let params = format!("{STOP}{more}");
    c.signed("POST", "/fapi/v1/algoOrder", &params).await.ok();
}

async fn socket(c: &Client, key: &str) -> Ws {
    let mut ws = c.ws(&format!("/private/ws/{key}")).await;
    // Subscribed when this is answered.
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    ws
}

#[tokio::test]
async fn the_sockets_of_one_listen_key_receive_as_the_switch_says() {
    for (fan_out, first, newest) in [
        (FanOut::All, true, true),
        (FanOut::Newest, false, true),
        (FanOut::First, true, false),
    ] {
        let c = venue(|v| v.fan_out = fan_out).await;
        let key = c.listen_key().await;
        let mut a = socket(&c, &key).await;
        let mut b = socket(&c, &key).await;
        c.order(BUY).await.ok();
        for (ws, hears) in [(&mut a, first), (&mut b, newest)] {
            if hears {
                ws.event("ORDER_TRADE_UPDATE").await;
            } else {
                assert!(ws.silent(200).await, "{fan_out:?}");
            }
        }
        // Whoever is left is first and newest.
        drop(a);
        while c.venue.stats().await.unwrap().sockets > 1 {
            tokio::task::yield_now().await;
        }
        c.order(SELL).await.ok();
        b.until(|v| v["o"]["S"] == "SELL").await;
    }
}

#[tokio::test]
async fn the_stop_of_a_position_that_went_flat_ends_as_the_switches_say() {
    for (cancel, canceled, want) in [
        (true, false, Some("EXPIRED")),
        (true, true, Some("CANCELED")),
        (false, false, None),
    ] {
        let c = venue(|v| {
            v.auto_cancel_orphan_stops = cancel;
            v.orphan_stops_canceled = canceled;
        })
        .await;
        let mut ws = socket(&c, &c.listen_key().await).await;
        c.order(BUY).await.ok();
        stop(&c, "&closePosition=true").await;
        let new = ws.event("ALGO_UPDATE").await;
        assert_eq!(new["o"]["X"], "NEW");
        c.order(SELL).await.ok();
        let open = c.signed("GET", "/fapi/v1/openAlgoOrders", "").await.ok();
        let left = open.as_array().unwrap().len();
        if let Some(want) = want {
            let end = ws.event("ALGO_UPDATE").await;
            assert_eq!((&end["o"]["X"], left), (&json!(want), 0));
        } else {
            assert_eq!(left, 1);
        }
    }
}

#[tokio::test]
async fn a_countdown_takes_or_spares_stops_as_the_switch_says() {
    for takes in [false, true] {
        let c = venue(|v| v.countdown_cancels_algo = takes).await;
        let mut ws = socket(&c, &c.listen_key().await).await;
        c.order(BUY).await.ok();
        stop(&c, "&closePosition=true").await;
        ws.event("ALGO_UPDATE").await;
        c.order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.010&price=59990&newClientOrderId=rest")
            .await
            .ok();
        let params = "symbol=BTCUSDT&countdownTime=1000";
        let path = "/fapi/v1/countdownCancelAll";
        c.signed("POST", path, params).await.ok();
        c.venue.start_market().await.unwrap();
        while c.now().await < T0 + 2_000 {
            tokio::task::yield_now().await;
        }
        let plain = c.signed("GET", "/fapi/v1/openOrders", "").await.ok();
        assert_eq!(plain, json!([]));
        let stops = c.signed("GET", "/fapi/v1/openAlgoOrders", "").await.ok();
        assert_eq!(stops.as_array().unwrap().len(), usize::from(!takes));
    }
}

#[tokio::test]
async fn untriggered_stops_hold_what_reduce_only_orders_may_reduce_as_the_switch_says() {
    for hold in [false, true] {
        let c = venue(|v| v.stops_hold_reduce_only = hold).await;
        c.order(BUY).await.ok();
        stop(&c, "&quantity=0.010&reduceOnly=true").await;
        let exit = c.order(SELL).await;
        if hold {
            assert_eq!(exit.refusal(), (400, -4118));
        } else {
            exit.ok();
        }
    }
}
