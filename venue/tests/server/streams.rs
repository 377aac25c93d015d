//! Market streams: names and routes, the subscribe protocol, depth synchronisation, lagging readers, time.

use super::client::{Client, venue, with};
use super::source::{Flat, T0};
use futures_util::{SinkExt, StreamExt};
use helios_venue::server::{MarketState, VenueConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

fn at_speed(speed: f64) -> VenueConfig {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = speed;
    config
}

async fn running(speed: f64) -> Client {
    let c = with(at_speed(speed)).await;
    c.venue.start_market().await.unwrap();
    c
}

fn levels(v: &Value) -> BTreeMap<String, String> {
    let pair = |l: &Value| (l[0].as_str().unwrap().into(), l[1].as_str().unwrap().into());
    v.as_array().unwrap().iter().map(pair).collect()
}

#[tokio::test]
async fn a_book_kept_by_the_documented_rules_equals_the_venues() {
    let c = running(20.0).await;
    let mut ws = c.ws("/public/stream?streams=btcusdt@depth@100ms").await;
    let first = ws.next().await.unwrap();
    assert_eq!(first["stream"], "btcusdt@depth@100ms");
    let mut frames = vec![first["data"].clone()];
    // An own order in between must show in the frames too.
    c.order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=59990.00")
        .await
        .ok();
    let snap = c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await.ok();
    let last = snap["lastUpdateId"].as_u64().unwrap();
    let mut book = (levels(&snap["bids"]), levels(&snap["asks"]));
    let mut previous: Option<u64> = None;
    let mut applied = 0;
    c.order("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.4")
        .await
        .ok();
    while applied < 100 {
        let f = match frames.pop() {
            Some(f) => f,
            None => ws.next().await.unwrap()["data"].clone(),
        };
        let id = |k: &str| f[k].as_u64().unwrap();
        if id("u") < last {
            continue;
        }
        match previous {
            None => assert!(id("U") <= last && last <= id("u"), "{f}, {last}"),
            Some(p) => assert_eq!(id("pu"), p),
        }
        previous = Some(id("u"));
        for (side, key) in [(&mut book.0, "b"), (&mut book.1, "a")] {
            for (p, q) in levels(&f[key]) {
                if q.parse::<f64>().unwrap() == 0.0 {
                    side.remove(&p);
                } else {
                    side.insert(p, q);
                }
            }
        }
        applied += 1;
    }
    // Let time stand, catch up, compare.
    c.venue.set_speed(0.001).await.unwrap();
    let now = c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await.ok();
    let target = now["lastUpdateId"].as_u64().unwrap();
    while previous.unwrap() < target {
        let f = ws.next().await.unwrap()["data"].clone();
        previous = f["u"].as_u64();
        for (side, key) in [(&mut book.0, "b"), (&mut book.1, "a")] {
            for (p, q) in levels(&f[key]) {
                if q.parse::<f64>().unwrap() == 0.0 {
                    side.remove(&p);
                } else {
                    side.insert(p, q);
                }
            }
        }
    }
    assert_eq!(book, (levels(&now["bids"]), levels(&now["asks"])));
}

#[tokio::test]
async fn streams_come_by_path_query_and_subscription() {
    let c = running(5.0).await;
    let mut path = c.ws("/public/ws/btcusdt@bookTicker").await;
    assert_eq!(path.next().await.unwrap()["e"], "bookTicker");
    let mut old = c.ws("/stream?streams=btcusdt@aggTrade/ethusdt@depth").await;
    old.until(|v| v["stream"] == "btcusdt@aggTrade" && v["data"]["e"] == "aggTrade")
        .await;
    old.until(|v| v["stream"] == "ethusdt@depth" && v["data"]["s"] == "ETHUSDT")
        .await;
    let mut ws = c.ws("/market/ws").await;
    let names = json!([
        "btcusdt@markPrice@1s",
        "btcusdt@kline_1m",
        "!markPrice@arr@1s"
    ]);
    assert_eq!(
        ws.ask("SUBSCRIBE", names.clone(), 7).await,
        json!({"result": null, "id": 7})
    );
    ws.event("markPriceUpdate").await;
    let k = ws.event("kline").await;
    assert_eq!(k["k"]["i"], "1m");
    let all = ws.until(Value::is_array).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(
        ws.ask("LIST_SUBSCRIPTIONS", json!([]), 8).await["result"],
        names
    );
    assert_eq!(
        ws.ask("UNSUBSCRIBE", names, 9).await,
        json!({"result": null, "id": 9})
    );
    assert!(ws.silent(300).await);
    ws.ask("SUBSCRIBE", json!(["ethusdt@aggTrade"]), 10).await;
    assert_eq!(ws.event("aggTrade").await["s"], "ETHUSDT");
    ws.ask("SET_PROPERTY", json!(["combined", true]), 11).await;
    ws.until(|v| v["stream"] == "ethusdt@aggTrade").await;
    ws.ask("UNSUBSCRIBE", json!(["ethusdt@aggTrade"]), 12).await;
    let told = ws.ask("GET_PROPERTY", json!(["combined"]), 13).await;
    assert_eq!(told, json!({"result": true, "id": 13}));
    for (method, params, code) in [
        ("SET_PROPERTY", json!(["combined", "yes"]), 1),
        ("SET_PROPERTY", json!(["combined"]), 1),
        ("SET_PROPERTY", json!(["divided", true]), 0),
        ("SET_PROPERTY", json!([true]), 2),
        ("GET_PROPERTY", json!(["divided"]), 0),
        ("GET_PROPERTY", json!([]), 2),
    ] {
        // Ten messages a second are allowed.
        tokio::time::sleep(Duration::from_millis(120)).await;
        let refused = ws.ask(method, params.clone(), 14).await;
        assert_eq!(refused["error"]["code"], code, "{method} {params}");
    }
}

#[tokio::test]
async fn a_stream_on_the_wrong_route_is_acknowledged_and_silent() {
    let c = running(20.0).await;
    for (route, name) in [
        ("public", "btcusdt@aggTrade"),
        ("market", "btcusdt@depth"),
        ("private", "btcusdt@depth"),
        ("public", "nope@depth"),
    ] {
        let mut ws = c.ws(&format!("/{route}/ws")).await;
        assert_eq!(
            ws.ask("SUBSCRIBE", json!([name]), 1).await["result"],
            Value::Null
        );
        assert!(ws.silent(200).await, "{route} {name}");
    }
}

#[tokio::test]
async fn malformed_requests_get_an_error_and_floods_are_cut() {
    let c = venue().await;
    let mut ws = c.ws("/public/ws").await;
    for bad in [
        json!("text"),
        json!({"method": 5, "id": 1}),
        json!({"method": "FLY", "params": [], "id": 1}),
        json!({"method": "SUBSCRIBE", "params": [5], "id": 1}),
        json!({"method": "SUBSCRIBE", "params": ["a"], "id": {}}),
    ] {
        ws.say(bad).await;
        let e = ws.next().await.unwrap();
        assert!(
            e["error"]["code"].is_i64() && e["error"]["msg"].is_string(),
            "{e}"
        );
    }
    ws.0.send(Message::text("{nonsense")).await.unwrap();
    assert_eq!(ws.next().await.unwrap()["error"]["code"], 3);
    for i in 0..20 {
        if ws
            .0
            .send(Message::text(
                json!({"method": "LIST_SUBSCRIPTIONS", "id": i}).to_string(),
            ))
            .await
            .is_err()
        {
            break;
        }
    }
    while ws.next().await.is_some() {}
}

#[tokio::test]
async fn pings_are_answered() {
    let c = venue().await;
    let mut ws = c.ws("/public/ws").await;
    ws.0.send(Message::Ping(vec![1, 2, 3].into()))
        .await
        .unwrap();
    let pong = tokio::time::timeout(Duration::from_secs(5), ws.0.next())
        .await
        .unwrap();
    assert_eq!(pong.unwrap().unwrap(), Message::Pong(vec![1, 2, 3].into()));
}

#[tokio::test]
async fn an_accelerated_market_waits_for_a_lagging_subscriber() {
    let c = with(at_speed(2000.0)).await;
    let mut ws = c
        .ws("/public/stream?streams=btcusdt@depth/ethusdt@depth")
        .await;
    c.venue.start_market().await.unwrap();
    // Nobody reads: the market must come to a stand, within what the buffers hold.
    let mut before = -1;
    let stood = loop {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let now = c.venue.stats().await.unwrap().market_elapsed_ms;
        assert!(now < 150_000, "it goes on: {now}");
        if now == before {
            break now;
        }
        before = now;
    };
    // Reading lets it go on, without a lost frame.
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let f = ws.next().await.unwrap()["data"].clone();
        let s = f["s"].as_str().unwrap().to_owned();
        if let Some(p) = last.insert(s, f["u"].as_u64().unwrap()) {
            assert_eq!(f["pu"].as_u64().unwrap(), p);
        }
        if f["E"].as_i64().unwrap() > T0 + stood + 100_000 {
            break;
        }
    }
    let s = c.venue.stats().await.unwrap();
    assert!(s.held_ms > 0 && s.dropped_slow == 0, "{s:?}");
    assert!(s.achieved_speed < 2000.0);
}

#[tokio::test]
async fn at_real_time_the_market_waits_for_nobody() {
    let c = running(1.0).await;
    // It never reads; what becomes of it is the hub's own test.
    let _idle = c.ws("/public/ws/btcusdt@depth").await;
    let mut ws = c.ws("/public/ws/ethusdt@depth@100ms").await;
    let a = ws.next().await.unwrap()["E"].as_i64().unwrap();
    let b = ws.next().await.unwrap()["E"].as_i64().unwrap();
    assert_eq!(b - a, 100);
    let s = c.venue.stats().await.unwrap();
    assert_eq!((s.held_ms, s.dropped_slow), (0, 0));
}

#[tokio::test]
async fn accelerated_venues_send_time_samples_to_who_asks() {
    let c = running(60.0).await;
    let mut ws = c.ws("/market/ws/helios@time").await;
    let a = ws.event("heliosTime").await["E"].as_i64().unwrap();
    let mut n = 0;
    let b = loop {
        n += 1;
        let b = ws.event("heliosTime").await["E"].as_i64().unwrap();
        if n == 20 {
            break b;
        }
        assert!(b >= a);
    };
    // 20 samples of 5 ms at 60: 6 s of market time, give or take a busy machine.
    assert!(b - a >= 3000, "{}", b - a);
    let slow = running(1.0).await;
    assert!(slow.ws("/market/ws/helios@time").await.silent(100).await);
}

#[tokio::test]
async fn a_recording_ends_and_requests_are_still_answered() {
    let mut config = VenueConfig::new(Box::new(Flat::until(T0 + 5_000)));
    config.speed = 100.0;
    let c = with(config).await;
    assert_eq!(c.venue.stats().await.unwrap().state, MarketState::Waiting);
    let mut ws = c.ws("/public/ws/btcusdt@depth").await;
    c.venue.start_market().await.unwrap();
    ws.until(|v| v["E"] == T0 + 5_000).await;
    let s = loop {
        let s = c.venue.stats().await.unwrap();
        if s.state != MarketState::Running {
            break s;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((s.state, s.market_elapsed_ms), (MarketState::Ended, 5_000));
    assert!(s.achieved_speed > 5.0 && s.achieved_speed <= 101.0, "{s:?}");
    assert_eq!(c.now().await, T0 + 5_000);
}
