//! Trades, 24-hour figures and candles of pairs as streams, and what changes of an account's settings say.

use super::client::{Client, with};
use super::samples::{examples, nautilus, same};
use super::source::{Flat, T0};
use helios_venue::server::VenueConfig;
use serde_json::{Value, json};

async fn fast(source: Flat) -> Client {
    let mut config = VenueConfig::new(Box::new(source));
    config.speed = 20.0;
    with(config).await
}

#[tokio::test]
async fn new_streams_have_the_exchanges_fields_and_types_on_their_route_and_unrouted() {
    let Some(examples) = examples() else {
        return;
    };
    let c = fast(Flat::endless()).await;
    c.venue.start_market().await.unwrap();
    let trade = nautilus("rust_market_data_json__trade_stream");
    let continuous = "btcusdt_perpetual@continuousKline_1m";
    for (stream, name) in [
        ("btcusdt@trade", ""),
        ("btcusdt@ticker", "individual_symbol_ticker_streams"),
        ("btcusdt@miniTicker", "individual_symbol_mini_ticker_stream"),
        ("!ticker@arr", "all_market_tickers_streams"),
        ("!miniTicker@arr", "all_market_mini_tickers_stream"),
        (continuous, "continuous_contract_kline_candlestick_streams"),
    ] {
        let key =
            format!("websocket_streams/apis/market_api.rs/{name}_should_handle_incoming_message");
        let sample = match name {
            "" => trade.as_ref().unwrap(),
            _ => &examples[&key],
        };
        let (own, other) = match name {
            "" => ("/public", "/market"),
            _ => ("/market", "/public"),
        };
        for route in [own, ""] {
            let mut ws = c.ws(&format!("{route}/ws/{stream}")).await;
            let v = ws.next().await.unwrap();
            same(stream, sample, &v, &[]);
        }
        for route in [own, ""] {
            let mut ws = c.ws(&format!("{route}/stream?streams={stream}")).await;
            let v = ws.next().await.unwrap();
            assert_eq!(v["stream"], stream);
            same(stream, sample, &v["data"], &[]);
        }
        for route in [other, "/private"] {
            let name = format!("{route}/ws/{stream}");
            assert!(c.ws(&name).await.silent(150).await, "{name}");
        }
    }
    let mut ws = c.ws("/public/ws/!bookTicker").await;
    let v = ws.next().await.unwrap();
    let key = "websocket_streams/apis/public_api.rs/all_book_tickers_stream_should_handle_incoming_message";
    same("!bookTicker", &examples[key], &v, &[]);
    // Listings and brackets never change here.
    for form in ["/market/ws/", "/ws/"] {
        assert!(
            c.ws(&format!("{form}!contractInfo"))
                .await
                .silent(150)
                .await
        );
    }
}

#[tokio::test]
async fn a_trade_is_one_trade_of_its_aggregate() {
    let c = fast(Flat::endless()).await;
    let mut ws = c.ws("/stream?streams=btcusdt@trade/btcusdt@aggTrade").await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    c.venue.start_market().await.unwrap();
    // The aggregate goes first.
    let agg = ws.until(|v| v["stream"] == "btcusdt@aggTrade").await;
    let trade = ws.until(|v| v["stream"] == "btcusdt@trade").await;
    let (agg, trade) = (&agg["data"], &trade["data"]);
    for (a, t) in [
        ("p", "p"),
        ("q", "q"),
        ("T", "T"),
        ("m", "m"),
        ("a", "t"),
        ("f", "t"),
        ("l", "t"),
    ] {
        assert_eq!(agg[a], trade[t], "{agg} {trade}");
    }
    assert_eq!(
        (&trade["e"], &trade["X"]),
        (&json!("trade"), &json!("MARKET"))
    );
}

#[tokio::test]
async fn tickers_come_each_second_or_two_and_say_what_rest_says() {
    let c = fast(Flat::until(T0 + 10_100)).await;
    let names = [
        "btcusdt@ticker",
        "btcusdt@miniTicker",
        "!ticker@arr",
        "!miniTicker@arr",
    ];
    let mut ws = c
        .ws(&format!("/market/stream?streams={}", names.join("/")))
        .await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    c.venue.start_market().await.unwrap();
    let mut times = [const { Vec::new() }; 4];
    let mut last = [const { Value::Null }; 4];
    while times.iter().any(|t| t.last() != Some(&10_000)) {
        let v = ws.next().await.unwrap();
        let i = names.iter().position(|n| v["stream"] == *n).unwrap();
        let data = match v["data"].as_array() {
            Some(all) => {
                assert_eq!((all.len(), &all[0]["s"]), (2, &json!("BTCUSDT")));
                all[0].clone()
            }
            None => v["data"].clone(),
        };
        times[i].push(data["E"].as_i64().unwrap() - T0);
        last[i] = data;
    }
    // The market begins on a whole second; nothing had traded then, so that the arrays had nothing to tell.
    let own: Vec<i64> = (0..=5).map(|i| i * 2000).collect();
    let all: Vec<i64> = (1..=10).map(|i| i * 1000).collect();
    assert_eq!(times, [own.clone(), own, all.clone(), all]);
    let rest = c.get("/fapi/v1/ticker/24hr?symbol=BTCUSDT").await.ok();
    for v in &last {
        for (short, long) in [
            ("o", "openPrice"),
            ("h", "highPrice"),
            ("l", "lowPrice"),
            ("v", "volume"),
            ("q", "quoteVolume"),
        ] {
            assert_eq!(v[short], rest[long], "{v} {rest}");
        }
    }
    assert_eq!(last[0], last[2]);
    assert_eq!(last[1], last[3]);
}

#[tokio::test]
async fn candles_of_a_pair_are_those_of_its_perpetual_contract() {
    let c = fast(Flat::endless()).await;
    let pair = "btcusdt_perpetual@continuousKline_1m";
    let mut ws = c
        .ws(&format!("/market/stream?streams=btcusdt@kline_1m/{pair}"))
        .await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    c.venue.start_market().await.unwrap();
    let (mut own, mut of_pair) = (Vec::new(), Vec::new());
    while own.len() < 5 || of_pair.len() < 5 {
        let mut v = ws.next().await.unwrap();
        let bars = if v["stream"] == pair {
            &mut of_pair
        } else {
            &mut own
        };
        let mut bar = v["data"]["k"].take();
        bar.as_object_mut().unwrap().remove("s");
        bars.push(bar);
    }
    assert_eq!(own[..5], of_pair[..5]);
    let mut quarter = c
        .ws("/market/ws/btcusdt_current_quarter@continuousKline_1m")
        .await;
    assert!(quarter.silent(100).await);
}

#[tokio::test]
async fn a_changed_leverage_is_told_on_the_user_stream() {
    let c = fast(Flat::endless()).await;
    let key = c.listen_key().await;
    let mut ws = c.ws(&format!("/private/ws/{key}")).await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    for leverage in [25, 25, 26] {
        let params = format!("symbol=BTCUSDT&leverage={leverage}");
        c.signed("POST", "/fapi/v1/leverage", &params).await.ok();
    }
    for leverage in [25, 26] {
        let v = ws.next().await.unwrap();
        assert_eq!(v["e"], "ACCOUNT_CONFIG_UPDATE");
        assert_eq!(v["ac"], json!({"s": "BTCUSDT", "l": leverage}));
        assert!(v["E"].is_i64() && v["T"].is_i64());
    }
    assert!(ws.silent(100).await);
}
