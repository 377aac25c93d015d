//! What the venue lets an address do, and how long a connection lives.

use super::client::{Client, venue, with};
use super::source::{Flat, T0};
use helios_venue::server::VenueConfig;
use serde_json::json;
use std::fmt::Write as _;

const HEAVY: &str = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";

async fn weight_of(c: &Client, target: &str) -> u64 {
    let used = |r: super::client::Reply| -> u64 {
        let used = r.header("x-mbx-used-weight-1m").map(str::parse);
        used.unwrap().unwrap()
    };
    let before = used(c.get("/fapi/v1/ping").await);
    used(c.get(target).await) - before
}

#[tokio::test]
async fn tickers_weigh_less_for_one_symbol() {
    let c = venue().await;
    for (path, one, all) in [
        ("/fapi/v1/ticker/price", 1, 2),
        ("/fapi/v2/ticker/price", 1, 2),
        ("/fapi/v1/ticker/bookTicker", 2, 5),
        ("/fapi/v1/premiumIndex", 1, 10),
        ("/fapi/v1/ticker/24hr", 1, 40),
    ] {
        assert_eq!(weight_of(&c, path).await, all, "{path}");
        let one_symbol = format!("{path}?symbol=BTCUSDT");
        assert_eq!(weight_of(&c, &one_symbol).await, one, "{path}");
    }
}

#[tokio::test]
async fn who_goes_on_after_429_gets_418_and_no_socket() {
    let c = venue().await;
    let mut seen = Vec::new();
    for _ in 0..160 {
        let r = c.get(HEAVY).await;
        if seen.last() != Some(&r.status) {
            seen.push(r.status);
        }
    }
    assert_eq!(seen, [200, 429, 418]);
    let r = c.get("/fapi/v1/ping").await;
    let wait: u64 = r.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=121).contains(&wait), "{wait}");
    assert_eq!(r.refusal(), (418, -1003));
    let msg = r.json["msg"].as_str().unwrap();
    assert!(msg.contains("banned until 1723161"), "{msg}");
    let url = format!("{}/public/ws", c.venue.ws_url());
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
    // The administration port is another matter.
    c.admin("GET", "/state", json!({})).await.ok();
}

#[tokio::test]
async fn without_limits_nothing_is_refused() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.enforce_limits = false;
    let c = with(config).await;
    for _ in 0..160 {
        c.get(HEAVY).await.ok();
    }
}

#[tokio::test]
async fn three_hundred_connections_in_five_minutes_and_no_more() {
    let c = venue().await;
    for i in 0..300 {
        let url = format!("{}/public/ws", c.venue.ws_url());
        let open = tokio_tungstenite::connect_async(url).await;
        assert!(open.is_ok(), "{i}");
    }
    let url = format!("{}/public/ws", c.venue.ws_url());
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
    c.get("/fapi/v1/ping").await.ok();
}

#[tokio::test]
async fn streams_named_in_the_address_count_against_the_limit() {
    let c = venue().await;
    let names = |n: usize| {
        let mut out = String::new();
        for i in 0..n {
            let _ = write!(out, "x{i}/");
        }
        format!("/public/ws/{}", out.trim_end_matches('/'))
    };
    let mut most = c.ws(&names(1024)).await;
    let r = most.ask("SUBSCRIBE", json!(["y@depth"]), 1).await;
    assert_eq!(r["error"]["code"], 2);
    let mut more = c.ws(&names(1025)).await;
    assert!(more.next().await.is_none());
}

#[tokio::test]
async fn a_socket_lives_for_a_day_of_market_time() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 60_000.0;
    let c = with(config).await;
    let mut ws = c.ws("/private/ws/quiet").await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    c.venue.start_market().await.unwrap();
    assert!(ws.next().await.is_none());
    assert!(c.now().await >= T0 + 86_400_000);
    assert!(c.ws("/private/ws/quiet").await.silent(100).await);
}
