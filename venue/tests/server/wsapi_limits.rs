//! The WebSocket API's weights, order counts and connections.

use super::client::{venue, with};
use super::source::{Flat, T0};
use super::wsapi::buy;
use futures_util::SinkExt;
use helios_venue::server::VenueConfig;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn limits_are_told_unless_connection_or_request_says_otherwise() {
    let c = venue().await;
    let told = |v: &Value| v.get("rateLimits").is_some();
    let quiet = json!({"returnRateLimits": false});
    let loud = json!({"returnRateLimits": true});
    let mut ws = c.api().await;
    assert!(told(&ws.call(json!(1), "ping", json!({})).await));
    assert!(!told(&ws.call(json!(1), "ping", quiet).await));
    let mut ws = c.ws("/ws-fapi/v1?returnRateLimits=false").await;
    assert!(!told(&ws.call(json!(1), "ping", json!({})).await));
    assert!(told(&ws.call(json!(1), "ping", loud).await));
    let status = ws.call(json!(1), "session.status", json!({})).await;
    assert_eq!(status["result"]["returnRateLimits"], false);
}

#[tokio::test]
async fn weight_and_orders_are_rests_own_counters() {
    let c = venue().await;
    let mut ws = c.api().await;
    let weight = |v: &Value| {
        let rows = v["rateLimits"].as_array().unwrap();
        let row = rows
            .iter()
            .find(|r| r["rateLimitType"] == "REQUEST_WEIGHT")
            .unwrap();
        assert_eq!(
            (&row["interval"], &row["limit"]),
            (&json!("MINUTE"), &json!(2400))
        );
        row["count"].as_u64().unwrap()
    };
    // The handshake weighs five.
    let mut before = weight(&ws.call(json!(1), "ping", json!({})).await);
    assert_eq!(before, 6);
    let symbol = json!({"symbol": "BTCUSDT"});
    for (method, params, want) in [
        ("session.status", json!({}), 2),
        ("session.logout", json!({}), 2),
        ("time", json!({}), 1),
        ("depth", json!({"symbol": "BTCUSDT", "limit": 1000}), 20),
        ("depth", symbol.clone(), 10),
        ("ticker.price", symbol.clone(), 1),
        ("ticker.price", json!({}), 2),
        ("ticker.book", symbol, 2),
        ("ticker.book", json!({}), 5),
        ("no.such.method", json!({}), 1),
    ] {
        let now = weight(&ws.call(json!(1), method, params).await);
        assert_eq!(now - before, want, "{method}");
        before = now;
    }
    for (method, params, want) in [
        ("order.place", buy("50000.00"), 0),
        ("order.modify", json!({}), 1),
        ("order.status", json!({}), 1),
        ("order.cancel", json!({}), 1),
        ("algoOrder.place", json!({}), 0),
        ("algoOrder.cancel", json!({}), 1),
        ("account.balance", json!({}), 5),
        ("v2/account.status", json!({}), 5),
        ("account.position", json!({}), 5),
        ("userDataStream.start", json!({}), 1),
    ] {
        // Asking for the time to sign weighs one too.
        let params = c.api_params(params).await;
        let answer = ws.call(json!(1), method, params).await;
        let now = weight(&answer);
        assert_eq!(now - before, want + 1, "{method}");
        before = now;
        let orders = answer["rateLimits"].as_array().unwrap().len() == 3;
        assert_eq!(
            orders,
            ["order.place", "order.modify", "algoOrder.place"].contains(&method),
            "{method}"
        );
    }
    let rest = c
        .order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01")
        .await;
    assert_eq!(rest.header("x-mbx-order-count-10s"), Some("4"));
    let params = c.api_params(buy("50000.00")).await;
    let answer = ws.call(json!(1), "order.place", params).await;
    let row = |interval: &str, n: u32, limit: u32| json!({"rateLimitType": "ORDERS", "interval": interval, "intervalNum": n, "limit": limit, "count": 5});
    assert_eq!(answer["rateLimits"][0], row("SECOND", 10, 300));
    assert_eq!(answer["rateLimits"][1], row("MINUTE", 1, 1200));
}

#[tokio::test]
async fn beyond_the_weight_requests_are_refused_and_told_when_to_come_back() {
    let c = venue().await;
    let mut ws = c.api().await;
    let heavy = json!({"symbol": "BTCUSDT", "limit": 1000});
    let mut seen = Vec::new();
    for _ in 0..160 {
        let answer = ws.call(json!(1), "depth", heavy.clone()).await;
        if answer["status"] != 200 {
            assert_eq!(answer["error"]["code"], -1003);
            let data = &answer["error"]["data"];
            assert!(
                data["retryAfter"].as_i64() > data["serverTime"].as_i64(),
                "{answer}"
            );
        }
        if seen.last() != Some(&answer["status"]) {
            seen.push(answer["status"].clone());
        }
    }
    assert_eq!(seen, [200, 429, 418]);
    let url = format!("{}/ws-fapi/v1", c.venue.ws_url());
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
}

#[tokio::test]
async fn a_connection_is_ended_after_a_day_by_the_administration_and_for_too_many_pings() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 60_000.0;
    let c = with(config).await;
    let mut ws = c.api().await;
    ws.call(json!(1), "ping", json!({})).await;
    let r = c
        .admin("POST", "/drop-socket", json!({"kind": "api"}))
        .await
        .ok();
    assert_eq!(r["dropped"], 1);
    assert!(ws.next().await.is_none());
    let mut ws = c.api().await;
    for _ in 0..12 {
        if ws.0.send(Message::Ping(vec![1].into())).await.is_err() {
            break;
        }
    }
    assert!(ws.next().await.is_none());
    let mut ws = c.api().await;
    ws.call(json!(1), "ping", json!({})).await;
    c.venue.start_market().await.unwrap();
    assert!(ws.next().await.is_none());
    assert!(c.now().await >= T0 + 86_400_000);
}
