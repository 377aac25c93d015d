//! Endpoints beside the usual ones: trades, open interest, candles of pairs, liquidations, limits.

use super::client::{Client, venue, with};
use super::samples::{examples, nautilus, same};
use super::source::{Flat, T0};
use helios_venue::server::VenueConfig;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A market that has run for five seconds and ended.
async fn ran() -> Client {
    let mut config = VenueConfig::new(Box::new(Flat::until(T0 + 5_000)));
    config.speed = 100.0;
    let c = with(config).await;
    c.venue.start_market().await.unwrap();
    while c.now().await < T0 + 5_000 {
        tokio::task::yield_now().await;
    }
    c
}

#[tokio::test]
async fn answers_have_the_exchanges_fields_and_types() {
    let Some(examples) = examples() else {
        return;
    };
    let c = ran().await;
    c.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010")
        .await
        .ok();
    let market = "rest_api/apis/market_data_api.rs";
    let account = "rest_api/apis/account_api.rs";
    let check = |name: &str, answer: &Value| same(name, &examples[name], answer, &[]);
    let of = "symbol=BTCUSDT";
    check(
        &format!("{market}/recent_trades_list"),
        &c.get(&format!("/fapi/v1/trades?{of}")).await.ok(),
    );
    let old = c
        .keyed("GET", &format!("/fapi/v1/historicalTrades?{of}"))
        .await;
    check(&format!("{market}/old_trades_lookup"), &old.ok());
    let open = c.get(&format!("/fapi/v1/openInterest?{of}")).await.ok();
    check(&format!("{market}/open_interest"), &open);
    assert_eq!(open["openInterest"], "0.010");
    let limits = c.signed("GET", "/fapi/v1/rateLimit/order", "").await.ok();
    check(&format!("{account}/query_user_rate_limit"), &limits);
    assert_eq!(
        (&limits[0]["limit"], &limits[1]["limit"]),
        // A hundred times the speed, a hundred times as many.
        (&json!(30_000), &json!(120_000))
    );
    let rules = c.signed("GET", "/fapi/v1/apiTradingStatus", "").await.ok();
    assert!(rules["indicators"].is_object() && rules["updateTime"].is_i64());
    let target = "/fapi/v1/continuousKlines?pair=BTCUSDT&contractType=PERPETUAL&interval=1m";
    let candles = c.get(target).await.ok();
    if let Some(sample) = nautilus("py_http_responses__http_futures_market_continuous_klines") {
        same("continuousKlines", &sample, &candles, &[]);
    }
    let own = c
        .get("/fapi/v1/klines?symbol=BTCUSDT&interval=1m")
        .await
        .ok();
    assert_eq!(candles, own);
}

#[tokio::test]
async fn trades_are_the_latest_or_those_from_an_id_on() {
    let c = ran().await;
    let ids = |v: Value| -> Vec<u64> {
        let rows = v.as_array().unwrap().iter();
        rows.map(|r| r["id"].as_u64().unwrap()).collect()
    };
    let all = ids(c.get("/fapi/v1/trades?symbol=BTCUSDT").await.ok());
    assert_eq!(all.len(), 50);
    assert!(all.windows(2).all(|w| w[0] < w[1]));
    let few = ids(c.get("/fapi/v1/trades?symbol=BTCUSDT&limit=3").await.ok());
    assert_eq!(few, all[47..]);
    let from = format!(
        "/fapi/v1/historicalTrades?symbol=BTCUSDT&limit=4&fromId={}",
        all[10]
    );
    assert_eq!(ids(c.keyed("GET", &from).await.ok()), all[10..14]);
    let row = c.get("/fapi/v1/trades?symbol=BTCUSDT&limit=1").await.ok()[0].clone();
    let n = |k: &str| row[k].as_str().unwrap().parse::<Decimal>().unwrap();
    assert_eq!(n("quoteQty"), n("price") * n("qty"));
}

#[tokio::test]
async fn bad_input_is_refused_and_each_request_has_its_weight() {
    let c = venue().await;
    let pairs = "/fapi/v1/continuousKlines?interval=1m";
    for (target, want) in [
        ("/fapi/v1/trades".to_owned(), (400, -1102)),
        ("/fapi/v1/trades?symbol=NOPE".into(), (400, -1121)),
        (
            "/fapi/v1/trades?symbol=BTCUSDT&limit=x".into(),
            (400, -1100),
        ),
        (
            "/fapi/v1/historicalTrades?symbol=BTCUSDT".into(),
            (401, -2014),
        ),
        ("/fapi/v1/openInterest".into(), (400, -1102)),
        (format!("{pairs}&contractType=PERPETUAL"), (400, -1102)),
        (
            format!("{pairs}&pair=NOPE&contractType=PERPETUAL"),
            (400, -4144),
        ),
        (
            format!("{pairs}&pair=BTCUSDT&contractType=SOON"),
            (400, -4104),
        ),
        (format!("{pairs}&pair=BTCUSDT"), (400, -1102)),
        (
            "/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1m".into(),
            (404, -5000),
        ),
    ] {
        assert_eq!(c.get(&target).await.refusal(), want, "{target}");
    }
    let none = format!("{pairs}&pair=BTCUSDT&contractType=NEXT_QUARTER");
    assert_eq!(c.get(&none).await.ok(), json!([]));
    let bad = c
        .signed("GET", "/fapi/v1/forceOrders", "autoCloseType=BOTH")
        .await;
    assert_eq!(bad.refusal(), (400, -1130));
    for (flag, code) in [("true", -4168), ("false", -4171)] {
        let params = format!("multiAssetsMargin={flag}");
        let r = c
            .signed("POST", "/fapi/v1/multiAssetsMargin", &params)
            .await;
        assert_eq!(r.refusal(), (400, code));
    }
    let used = |r: &super::client::Reply| -> u64 {
        r.header("x-mbx-used-weight-1m").unwrap().parse().unwrap()
    };
    for (path, params, want) in [
        ("trades", "symbol=BTCUSDT", 5),
        ("historicalTrades", "symbol=BTCUSDT", 20),
        ("openInterest", "symbol=BTCUSDT", 1),
        ("rateLimit/order", "", 1),
        ("apiTradingStatus", "", 10),
        ("apiTradingStatus", "symbol=BTCUSDT", 1),
        ("forceOrders", "", 50),
        ("forceOrders", "symbol=BTCUSDT", 20),
        (
            "continuousKlines",
            "pair=BTCUSDT&contractType=PERPETUAL&interval=1m&limit=99",
            1,
        ),
        (
            "continuousKlines",
            "pair=BTCUSDT&contractType=PERPETUAL&interval=1m",
            5,
        ),
    ] {
        let before = used(&c.get("/fapi/v1/ping").await);
        let r = c.signed("GET", &format!("/fapi/v1/{path}"), params).await;
        // One of it is the question for the time.
        assert_eq!(used(&r) - before - 1, want, "{path} {params}");
        r.ok();
    }
}

#[tokio::test]
async fn a_liquidation_is_told_publicly_and_to_its_account() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20.0;
    config.initial_balance = Decimal::from(1_000);
    let c = with(config).await;
    let mut one = c.ws("/market/ws/btcusdt@forceOrder").await;
    let mut all = c.ws("/ws/!forceOrder@arr").await;
    let mut other = c.ws("/market/ws/ethusdt@forceOrder").await;
    for ws in [&mut one, &mut all, &mut other] {
        ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    }
    c.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.300")
        .await
        .ok();
    let none = c.signed("GET", "/fapi/v1/forceOrders", "").await.ok();
    assert_eq!(none, json!([]));
    c.venue.start_market().await.unwrap();
    let path = json!({"symbol": "BTCUSDT", "path": [[500, 0.93]]});
    c.admin("POST", "/price-path", path).await.ok();
    let told = one.event("forceOrder").await;
    assert_eq!(all.event("forceOrder").await, told);
    assert_eq!(told["E"].as_i64().unwrap() % 1000, 0);
    let rows = c
        .signed("GET", "/fapi/v1/forceOrders", "symbol=BTCUSDT")
        .await
        .ok();
    let row = rows.as_array().unwrap().last().unwrap();
    let order = &told["o"];
    for (short, long) in [
        ("s", "symbol"),
        ("S", "side"),
        ("q", "origQty"),
        ("z", "executedQty"),
        ("X", "status"),
        ("f", "timeInForce"),
        ("o", "type"),
        ("p", "price"),
        ("ap", "avgPrice"),
        ("T", "updateTime"),
    ] {
        assert_eq!(order[short], row[long], "{told} {row}");
    }
    assert_eq!(
        (&order["S"], &order["q"], &order["X"]),
        (&json!("SELL"), &json!("0.300"), &json!("FILLED"))
    );
    assert!(
        row["clientOrderId"]
            .as_str()
            .unwrap()
            .starts_with("autoclose-")
    );
    let adl = c
        .signed("GET", "/fapi/v1/forceOrders", "autoCloseType=ADL")
        .await
        .ok();
    assert_eq!(adl, json!([]));
    assert!(other.silent(100).await);
    if let Some(examples) = examples() {
        let stream = "websocket_streams/apis/market_api.rs/all_market_liquidation_order_streams_should_handle_incoming_message";
        same("forceOrder", &examples[stream], &told, &[]);
        let rest = "rest_api/apis/trade_api.rs/users_force_orders";
        same("forceOrders", &examples[rest], &rows, &[]);
    }
}
