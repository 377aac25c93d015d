//! The administration port.

use super::client::{venue, with};
use super::source::{Flat, T0};
use helios_venue::server::VenueConfig;
use serde_json::{Value, json};

#[tokio::test]
async fn it_tells_and_changes_time_and_refuses_nonsense() {
    let c = venue().await;
    let s = c.admin("GET", "/state", json!({})).await.ok();
    assert_eq!(
        (&s["state"], &s["market_ms"]),
        (&json!("waiting"), &json!(T0))
    );
    assert!(s["label"].as_str().unwrap().contains("simulated market"));
    c.admin("POST", "/speed", json!({"speed": 50.0})).await.ok();
    assert_eq!(
        c.admin("POST", "/start", json!({})).await.ok()["state"],
        "running"
    );
    for (path, body) in [
        ("/speed", json!({"speed": 0})),
        ("/speed", json!({"speed": "fast"})),
        ("/speed", json!([])),
        ("/price-path", json!({"symbol": "NOPE", "path": [[1, 1.0]]})),
        ("/price-path", json!({"symbol": "BTCUSDT", "path": []})),
        (
            "/price-path",
            json!({"symbol": "BTCUSDT", "path": [[10, 1.0], [5, 1.0]]}),
        ),
        (
            "/price-path",
            json!({"symbol": "BTCUSDT", "path": [[10, -1.0]]}),
        ),
        ("/drop-socket", json!({})),
        ("/drop-socket", json!({"kind": "all of them"})),
        ("/pause-stream", json!({"stream": "user"})),
        ("/pause-stream", json!({"stream": "btcusdt@nothing"})),
        ("/save", json!({})),
    ] {
        let r = c.admin("POST", path, body.clone()).await;
        assert_eq!(r.status, 400, "{path} {body}");
        assert!(r.json["error"].is_string());
    }
    assert_eq!(c.admin("GET", "/nothing", json!({})).await.status, 404);
    for path in ["/audit", "/ledger", "/positions"] {
        c.admin("GET", path, json!({})).await.ok();
    }
}

#[tokio::test]
async fn sockets_are_dropped_by_kind_and_symbol() {
    let c = venue().await;
    let key = c.listen_key().await;
    let mut private = c.ws(&format!("/private/ws/{key}")).await;
    let mut btc = c.ws("/public/ws/btcusdt@depth").await;
    let mut eth = c.ws("/public/ws/ethusdt@depth").await;
    for ws in [&mut private, &mut btc, &mut eth] {
        // Subscribed when this is answered.
        ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    }
    let r = c
        .admin("POST", "/drop-socket", json!({"symbol": "BTCUSDT"}))
        .await
        .ok();
    assert_eq!(r["dropped"], 1);
    assert!(btc.next().await.is_none());
    let r = c
        .admin("POST", "/drop-socket", json!({"kind": "private"}))
        .await
        .ok();
    assert_eq!(r["dropped"], 1);
    assert!(private.next().await.is_none());
    eth.ask("LIST_SUBSCRIPTIONS", json!([]), 2).await;
}

#[tokio::test]
async fn a_paused_stream_loses_frames_and_breaks_the_chain() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 50.0;
    let c = with(config).await;
    c.venue.start_market().await.unwrap();
    let mut ws = c.ws("/public/ws/btcusdt@depth").await;
    let mut last = ws.next().await.unwrap()["u"].clone();
    c.admin(
        "POST",
        "/pause-stream",
        json!({"stream": "btcusdt@depth@100ms"}),
    )
    .await
    .ok();
    while let Ok(Some(v)) =
        tokio::time::timeout(std::time::Duration::from_millis(100), ws.next()).await
    {
        last = v["u"].clone();
    }
    c.admin("POST", "/resume", json!({})).await.ok();
    let v = ws.next().await.unwrap();
    assert!(v["pu"].as_u64() > last.as_u64(), "{v} after {last}");
    c.admin(
        "POST",
        "/pause-stream",
        json!({"stream": "btcusdt@depth", "ms": 1}),
    )
    .await
    .ok();
    ws.next().await.unwrap();
    ws.next().await.unwrap();
}

#[tokio::test]
async fn a_price_path_moves_book_mark_and_trades_together() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 50.0;
    let c = with(config).await;
    c.venue.start_market().await.unwrap();
    let path = json!({"symbol": "BTCUSDT", "path": [[1000, 1.01], [3000, 1.01], [4000, 0.99]]});
    c.admin("POST", "/price-path", path).await.ok();
    let t = c.now().await;
    while c.now().await < t + 7_000 {
        tokio::task::yield_now().await;
    }
    let d = c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await.ok();
    let price = |v: &Value| v.as_str().unwrap().parse::<f64>().unwrap();
    let (bid, ask) = (price(&d["bids"][0][0]), price(&d["asks"][0][0]));
    assert!(
        (bid / 60_000.0 - 0.99).abs() < 1e-5 && (ask - bid - 0.1).abs() < 1e-6,
        "{bid} {ask}"
    );
    assert_eq!(d["bids"].as_array().unwrap().len(), 40);
    let m = c.get("/fapi/v1/premiumIndex?symbol=BTCUSDT").await.ok();
    assert!((price(&m["markPrice"]) - (bid + 0.05)).abs() < 0.2, "{m}");
    let last = c.get("/fapi/v1/ticker/price?symbol=BTCUSDT").await.ok();
    assert!((price(&last["price"]) - bid).abs() < 0.2);
    let eth = c
        .get("/fapi/v1/ticker/bookTicker?symbol=ETHUSDT")
        .await
        .ok();
    assert_eq!(eth["bidPrice"], "2500.00");
}
