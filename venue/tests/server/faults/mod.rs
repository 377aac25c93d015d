//! The fault port: each fault of the menu, as a client sees it.

mod exchange;
mod requests;
mod streams;

use super::client::{Client, Reply, Ws, venue, with};
use super::source::Flat;
use helios_venue::server::{FaultPlan, VenueConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010";
const STOP: &str = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&workingType=MARK_PRICE&closePosition=true&triggerPrice=59000";

async fn fault(c: &Client, body: Value) -> Value {
    c.admin("POST", "/fault", body).await.ok()
}

async fn fills(c: &Client) -> usize {
    let trades = c.signed("GET", "/fapi/v1/userTrades", "symbol=BTCUSDT");
    trades.await.ok().as_array().unwrap().len()
}

/// Waits until something is so; the limit only ends a hopeless wait.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < super::client::PATIENCE, "it never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fills, from the venue's own books.
async fn booked(c: &Client) -> usize {
    let all = c.admin("GET", "/orders", json!({})).await.ok();
    all["fills"].as_array().unwrap().len()
}

async fn stop(c: &Client, id: &str) -> Reply {
    let params = format!("{STOP}&clientAlgoId={id}");
    c.signed("POST", "/fapi/v1/algoOrder", &params).await
}

async fn private(c: &Client) -> Ws {
    let key = c.listen_key().await;
    c.ws(&format!("/private/ws/{key}")).await
}

async fn running(speed: f64) -> Client {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = speed;
    let c = with(config).await;
    c.venue.start_market().await.unwrap();
    c
}

#[tokio::test]
async fn nonsense_is_refused_in_words_and_one_fault_is_taken_back_alone() {
    let c = venue().await;
    for body in [
        json!({}),
        json!({"fault": "earthquake"}),
        json!({"fault": "clock"}),
        json!({"fault": "clock", "ms": 1, "hours": 2}),
        json!({"fault": "partial", "symbol": "BTCUSDT", "percent": 101}),
        json!({"fault": "vanish", "symbol": "NOPE"}),
        json!({"fault": "frames", "stream": "user", "account": "nobody", "to": "lose"}),
        json!({"fault": "clock", "ms": i64::MAX}),
        json!({"fault": "vanish", "symbol": "BTCUSDT", "after_ms": i64::MAX}),
        json!({"fault": "listen-key", "told": u64::MAX}),
        json!({"fault": "frames", "stream": "btcusdt@nothing", "to": "lose"}),
        json!({"fault": "stall", "kind": "public"}),
        json!({"fault": "drop"}),
        json!({"fault": "liquidation", "symbol": "BTCUSDT", "account": "nobody"}),
        json!({"fault": "filters", "symbol": "BTCUSDT", "min_qty": "0.0005"}),
    ] {
        let r = c.admin("POST", "/fault", body.clone()).await;
        assert_eq!(r.status, 400, "{body}");
        assert!(r.json["error"].is_string());
    }
    let order = json!({"fault": "answer", "say": "timeout", "on": {"request": "GET /fapi/v1/ping"}, "times": 9});
    let one = fault(&c, order.clone()).await["id"].clone();
    fault(&c, order).await;
    c.admin("DELETE", &format!("/fault?id={one}"), json!({}))
        .await
        .ok();
    assert_eq!(
        c.admin("DELETE", &format!("/fault?id={one}"), json!({}))
            .await
            .status,
        400
    );
    assert_eq!(c.get("/fapi/v1/ping").await.status, 408);
    c.admin("DELETE", "/fault", json!({})).await.ok();
    c.get("/fapi/v1/ping").await.ok();
}

#[tokio::test]
async fn a_plan_orders_its_faults_when_market_time_has_come() {
    let timed = json!([
        {"at_ms": 2000, "fault": "clock", "ms": 5},
        {"at_ms": 1000, "every_ms": 1_000_000, "fault": "answer", "say": "timeout", "on": {"request": "GET /fapi/v1/ping"}, "times": 1000},
    ]);
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 50.0;
    config.faults = Some(FaultPlan::timed(serde_json::from_value(timed).unwrap()).unwrap());
    let c = with(config).await;
    c.get("/fapi/v1/ping").await.ok();
    c.venue.start_market().await.unwrap();
    until(async || c.get("/fapi/v1/ping").await.status == 408).await;
    let now = async || {
        c.admin("GET", "/now", json!({})).await.ok()["market_ms"]
            .as_i64()
            .unwrap()
    };
    assert!(now().await >= super::source::T0 + 1000);
    until(async || c.admin("GET", "/fault", json!({})).await.ok()["clock_ms"] == 5).await;
    assert!(now().await >= super::source::T0 + 2000);
}
