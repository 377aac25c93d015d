//! Every answer and event against the exchange's own examples: each field of the example is there, with its JSON type.

use super::client::{Client, with};
use super::samples::{examples, nautilus, same};
use super::source::Flat;
use helios_venue::server::VenueConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn traded() -> (Client, Vec<Value>) {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20.0;
    let c = with(config).await;
    let key = c.listen_key().await;
    let mut ws = c.ws(&format!("/private/ws/{key}")).await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    c.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.5")
        .await
        .ok();
    c.order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=59000.00&quantity=0.01")
        .await
        .ok();
    let stop = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&workingType=MARK_PRICE&triggerPrice=59900";
    c.signed(
        "POST",
        "/fapi/v1/algoOrder",
        &format!("{stop}&quantity=0.5&reduceOnly=true"),
    )
    .await
    .ok();
    c.venue.start_market().await.unwrap();
    c.admin(
        "POST",
        "/price-path",
        json!({"symbol": "BTCUSDT", "path": [[1000, 0.99]]}),
    )
    .await
    .ok();
    let mut events = Vec::new();
    loop {
        let v = ws.next().await.unwrap();
        let done = v["o"]["X"] == "FINISHED";
        events.push(v);
        if done {
            break;
        }
    }
    c.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.1")
        .await
        .ok();
    c.signed(
        "POST",
        "/fapi/v1/algoOrder",
        &format!("{stop}&quantity=0.1&reduceOnly=true").replace("59900", "50000"),
    )
    .await
    .ok();
    (c, events)
}

#[tokio::test]
async fn rest_answers_have_the_exchanges_fields_and_types() {
    let Some(examples) = examples() else {
        return;
    };
    let (c, _) = traded().await;
    let account = "rest_api/apis/account_api.rs";
    let trade = "rest_api/apis/trade_api.rs";
    let market = "rest_api/apis/market_data_api.rs";
    // Trailing-stop fields belong to types the venue does not have; a stop's own examples show limit kinds.
    let no_trail = [
        "activatePrice",
        "priceRate",
        "callbackRate",
        "icebergQuantity",
        "code",
        "msg",
    ];
    for (name, path, params) in [
        (
            format!("{account}/account_information_v2"),
            "/fapi/v2/account",
            "",
        ),
        (
            format!("{account}/account_information_v3"),
            "/fapi/v3/account",
            "",
        ),
        (
            format!("{account}/futures_account_balance_v2"),
            "/fapi/v2/balance",
            "",
        ),
        (
            format!("{account}/futures_account_balance_v2"),
            "/fapi/v3/balance",
            "",
        ),
        (
            format!("{account}/futures_account_configuration"),
            "/fapi/v1/accountConfig",
            "",
        ),
        (
            format!("{account}/get_current_multi_assets_mode"),
            "/fapi/v1/multiAssetsMargin",
            "",
        ),
        (
            format!("{account}/get_current_position_mode"),
            "/fapi/v1/positionSide/dual",
            "",
        ),
        (
            format!("{account}/get_income_history"),
            "/fapi/v1/income",
            "",
        ),
        (
            format!("{account}/symbol_configuration"),
            "/fapi/v1/symbolConfig",
            "",
        ),
        (
            format!("{account}/user_commission_rate"),
            "/fapi/v1/commissionRate",
            "symbol=BTCUSDT",
        ),
        (
            format!("{trade}/position_information_v2"),
            "/fapi/v2/positionRisk",
            "symbol=BTCUSDT",
        ),
        (
            format!("{trade}/position_information_v3"),
            "/fapi/v3/positionRisk",
            "",
        ),
        (
            format!("{trade}/account_trade_list"),
            "/fapi/v1/userTrades",
            "symbol=BTCUSDT",
        ),
        (
            format!("{trade}/all_orders"),
            "/fapi/v1/allOrders",
            "symbol=BTCUSDT",
        ),
        (
            format!("{trade}/query_current_open_order"),
            "/fapi/v1/openOrders",
            "symbol=BTCUSDT",
        ),
        (
            format!("{trade}/current_all_algo_open_orders"),
            "/fapi/v1/openAlgoOrders",
            "",
        ),
        (
            format!("{trade}/query_all_algo_orders"),
            "/fapi/v1/allAlgoOrders",
            "symbol=BTCUSDT",
        ),
    ] {
        let ours = c.signed("GET", path, params).await.ok();
        let sample = &examples[&name];
        let ours = match (sample, &ours) {
            (Value::Object(_), Value::Array(a)) => a[0].clone(),
            _ => ours,
        };
        assert!(
            !ours.as_array().is_some_and(Vec::is_empty),
            "{path} is empty"
        );
        same(&name, sample, &ours, &no_trail);
    }
    let brackets = c
        .signed("GET", "/fapi/v1/leverageBracket", "symbol=BTCUSDT")
        .await
        .ok();
    let want = json!([{"symbol": "X", "brackets": [{"bracket": 1, "initialLeverage": 75, "notionalCap": 10000, "notionalFloor": 0, "maintMarginRatio": 0.0065, "cum": 0.0}]}]);
    same("leverageBracket", &want, &brackets, &[]);
    for (name, target) in [
        ("check_server_time", "/fapi/v1/time"),
        ("order_book", "/fapi/v1/depth?symbol=BTCUSDT"),
        (
            "compressed_aggregate_trades_list",
            "/fapi/v1/aggTrades?symbol=BTCUSDT",
        ),
        ("mark_price", "/fapi/v1/premiumIndex?symbol=BTCUSDT"),
        (
            "get_funding_rate_history",
            "/fapi/v1/fundingRate?symbol=BTCUSDT",
        ),
        ("get_funding_rate_info", "/fapi/v1/fundingInfo"),
        (
            "symbol_order_book_ticker",
            "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT",
        ),
        (
            "symbol_price_ticker",
            "/fapi/v1/ticker/price?symbol=BTCUSDT",
        ),
        (
            "ticker24hr_price_change_statistics",
            "/fapi/v1/ticker/24hr?symbol=BTCUSDT",
        ),
    ] {
        let name = format!("{market}/{name}");
        same(&name, &examples[&name], &c.get(target).await.ok(), &[]);
    }
    if let Some(v) = nautilus("py_http_responses__http_futures_market_klines") {
        same(
            "klines",
            &v,
            &c.get("/fapi/v1/klines?symbol=BTCUSDT&interval=1m")
                .await
                .ok(),
            &[],
        );
    }
    if let Some(v) = nautilus("py_http_responses__http_futures_market_exchange_info") {
        let ours = c.get("/fapi/v1/exchangeInfo").await.ok();
        same("exchangeInfo", &v, &ours, &["filters"]);
        let filters = |v: &Value| -> BTreeMap<String, Value> {
            let all = v["symbols"][0]["filters"].as_array().unwrap().iter();
            all.map(|f| (f["filterType"].as_str().unwrap().to_owned(), f.clone()))
                .collect()
        };
        let mine = filters(&ours);
        for (name, f) in filters(&v)
            .iter()
            .filter(|(n, _)| *n != "MAX_NUM_ALGO_ORDERS")
        {
            same(name, f, &mine[name], &[]);
        }
    }
}

#[tokio::test]
async fn answers_to_orders_have_the_exchanges_fields_and_types() {
    let Some(examples) = examples() else {
        return;
    };
    let (c, _) = traded().await;
    let sample = |n: &str| &examples[&format!("rest_api/apis/trade_api.rs/{n}")];
    let no_trail = [
        "activatePrice",
        "priceRate",
        "callbackRate",
        "icebergQuantity",
    ];
    let ack = c
        .order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=50000.00&quantity=0.1")
        .await;
    let ack = ack.ok();
    same("new_order", sample("new_order"), &ack, &no_trail);
    let id = format!("symbol=BTCUSDT&orderId={}", ack["orderId"]);
    same(
        "query_order",
        sample("query_order"),
        &c.signed("GET", "/fapi/v1/order", &id).await.ok(),
        &no_trail,
    );
    same(
        "cancel_order",
        sample("cancel_order"),
        &c.signed("DELETE", "/fapi/v1/order", &id).await.ok(),
        &no_trail,
    );
    let stop = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&workingType=MARK_PRICE&triggerPrice=50000&closePosition=true";
    let placed = c.signed("POST", "/fapi/v1/algoOrder", stop).await.ok();
    same(
        "new_algo_order",
        sample("new_algo_order"),
        &placed,
        &no_trail,
    );
    let id = format!("algoId={}", placed["algoId"]);
    same(
        "query_algo_order",
        sample("query_algo_order"),
        &c.signed("GET", "/fapi/v1/algoOrder", &id).await.ok(),
        &no_trail,
    );
    same(
        "cancel_algo_order",
        sample("cancel_algo_order"),
        &c.signed("DELETE", "/fapi/v1/algoOrder", &id).await.ok(),
        &[],
    );
    let all = c
        .signed("DELETE", "/fapi/v1/algoOpenOrders", "symbol=BTCUSDT")
        .await
        .ok();
    same(
        "cancel_all_algo_open_orders",
        sample("cancel_all_algo_open_orders"),
        &all,
        &[],
    );
    let lev = c
        .signed("POST", "/fapi/v1/leverage", "symbol=BTCUSDT&leverage=21")
        .await
        .ok();
    same(
        "change_initial_leverage",
        sample("change_initial_leverage"),
        &lev,
        &[],
    );
    let cd = c
        .signed(
            "POST",
            "/fapi/v1/countdownCancelAll",
            "symbol=BTCUSDT&countdownTime=100000",
        )
        .await
        .ok();
    same(
        "auto_cancel_all_open_orders",
        sample("auto_cancel_all_open_orders"),
        &cd,
        &[],
    );
}

#[tokio::test]
async fn user_events_have_the_exchanges_fields_and_types() {
    let (_c, events) = traded().await;
    let find = |kind: &str, field: &str, value: &str| {
        let hit = events
            .iter()
            .find(|v| v["e"] == kind && v["o"][field] == value);
        hit.unwrap_or_else(|| panic!("{kind} {value}: {events:#?}"))
    };
    // AP and cr belong to trailing stops; a plain NEW has no commission.
    let trail = ["AP", "cr", "n", "N"];
    for (name, ours, but) in [
        (
            "rust_user_data_json__order_update_new",
            find("ORDER_TRADE_UPDATE", "x", "NEW"),
            &trail[..],
        ),
        (
            "rust_user_data_json__order_update_trade",
            find("ORDER_TRADE_UPDATE", "x", "TRADE"),
            &trail[..2],
        ),
        (
            "rust_user_data_json__algo_update_new",
            find("ALGO_UPDATE", "X", "NEW"),
            &["ap", "aq", "act", "rm"][..],
        ),
        (
            "py_ws_messages__ws_futures_algo_update_triggering",
            find("ALGO_UPDATE", "X", "TRIGGERING"),
            &[],
        ),
        (
            "py_ws_messages__ws_futures_algo_update_triggered",
            find("ALGO_UPDATE", "X", "TRIGGERED"),
            &[],
        ),
        (
            "py_ws_messages__ws_futures_algo_update_finished",
            find("ALGO_UPDATE", "X", "FINISHED"),
            &[],
        ),
        (
            "py_ws_messages__ws_futures_trade_lite",
            events.iter().find(|v| v["e"] == "TRADE_LITE").unwrap(),
            &[],
        ),
        (
            "rust_user_data_json__account_update",
            events.iter().find(|v| v["e"] == "ACCOUNT_UPDATE").unwrap(),
            &[],
        ),
    ] {
        if let Some(sample) = nautilus(name) {
            same(name, &sample, ours, but);
        }
    }
}

#[tokio::test]
async fn market_events_have_the_exchanges_fields_and_types() {
    let Some(examples) = examples() else {
        return;
    };
    let (c, _) = traded().await;
    let streams = "streams=btcusdt@depth/btcusdt@bookTicker/btcusdt@depth5/btcusdt@aggTrade/btcusdt@markPrice@1s/btcusdt@kline_1m/!markPrice@arr@1s";
    let mut ws = c.ws(&format!("/stream?{streams}")).await;
    for (name, stream) in [
        ("public_api.rs/diff_book_depth_streams", "btcusdt@depth"),
        (
            "public_api.rs/individual_symbol_book_ticker_streams",
            "btcusdt@bookTicker",
        ),
        ("public_api.rs/partial_book_depth_streams", "btcusdt@depth5"),
        ("market_api.rs/aggregate_trade_streams", "btcusdt@aggTrade"),
        ("market_api.rs/mark_price_stream", "btcusdt@markPrice@1s"),
        (
            "market_api.rs/kline_candlestick_streams",
            "btcusdt@kline_1m",
        ),
        (
            "market_api.rs/mark_price_stream_for_all_market",
            "!markPrice@arr@1s",
        ),
    ] {
        // A bookTicker comes only when the best levels change.
        let v = ws.until(|v| v["stream"] == stream).await;
        let key = format!("websocket_streams/apis/{name}_should_handle_incoming_message");
        same(name, &examples[&key], &v["data"], &[]);
    }
}
