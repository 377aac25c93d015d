//! The WebSocket API: every method with good and with bad input, envelopes, ids.

use super::client::{Client, Ws, venue, with};
use super::samples::{examples, same};
use super::source::{Flat, T0};
use futures_util::SinkExt;
use helios_venue::server::VenueConfig;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Signed, and accepted.
async fn good(c: &Client, ws: &mut Ws, method: &str, params: Value) -> Value {
    let params = c.api_params(params).await;
    let answer = ws.call(json!(method), method, params).await;
    assert_eq!(answer["status"], 200, "{method}: {answer}");
    assert_eq!(answer["id"], method);
    assert!(answer.get("error").is_none(), "{answer}");
    answer
}

/// (status, code) of a refusal.
fn refusal(answer: &Value) -> (i64, i64) {
    assert!(
        answer.get("result").is_none() && answer["error"]["msg"].is_string(),
        "{answer}"
    );
    let code = answer["error"]["code"].as_i64();
    (answer["status"].as_i64().unwrap(), code.unwrap())
}

pub fn buy(price: &str) -> Value {
    json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.100", "price": price})
}

#[tokio::test]
async fn each_method_answers_with_the_exchanges_fields_and_types() {
    let Some(examples) = examples() else {
        return;
    };
    let c = venue().await;
    let mut ws = c.api().await;
    let sample = |name: &str| examples[&format!("websocket_api/apis/{name}_success")].clone();
    // Fields of trailing stops, and a limit that some examples leave out.
    let but = [
        "activatePrice",
        "priceRate",
        "icebergQuantity",
        "id",
        "count",
        "rateLimits",
        "bids",
        "asks",
    ];
    let check = |name: &str, answer: &Value| same(name, &sample(name), answer, &but);
    let one = json!({"symbol": "BTCUSDT"});
    for (name, method) in [
        ("market_data_api.rs/order_book", "depth"),
        ("market_data_api.rs/symbol_price_ticker", "ticker.price"),
        ("market_data_api.rs/symbol_order_book_ticker", "ticker.book"),
    ] {
        check(name, &ws.call(json!(1), method, one.clone()).await);
    }
    let book = ws
        .call(json!(1), "depth", json!({"symbol": "BTCUSDT", "limit": 5}))
        .await;
    assert_eq!(book["result"]["bids"].as_array().unwrap().len(), 5);
    assert_eq!(
        ws.call(json!(1), "ping", json!({})).await["result"],
        json!({})
    );
    let time = ws.call(json!(1), "time", json!({})).await;
    assert_eq!(time["result"], json!({"serverTime": T0}));

    let placed = good(&c, &mut ws, "order.place", buy("59000.00")).await;
    check("trade_api.rs/new_order", &placed);
    let id = placed["result"]["orderId"].clone();
    let change = json!({"symbol": "BTCUSDT", "orderId": id, "side": "BUY", "quantity": "0.200", "price": "58000.00", "modifyId": 7});
    let modified = good(&c, &mut ws, "order.modify", change).await;
    check("trade_api.rs/modify_order", &modified);
    assert_eq!(modified["result"]["origQty"], "0.200");
    let which = json!({"symbol": "BTCUSDT", "orderId": id});
    let status = good(&c, &mut ws, "order.status", which.clone()).await;
    check("trade_api.rs/query_order", &status);
    assert_eq!(status["result"]["price"], "58000.00");
    let cancelled = good(&c, &mut ws, "order.cancel", which).await;
    check("trade_api.rs/cancel_order", &cancelled);
    assert_eq!(cancelled["result"]["status"], "CANCELED");

    let market = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"});
    good(&c, &mut ws, "order.place", market).await;
    let stop = json!({"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "TAKE_PROFIT", "quantity": "0.010", "triggerPrice": "61000", "price": "61000", "reduceOnly": true});
    let stop = good(&c, &mut ws, "algoOrder.place", stop).await;
    check("trade_api.rs/new_algo_order", &stop);
    let which = json!({"algoId": stop["result"]["algoId"]});
    let gone = good(&c, &mut ws, "algoOrder.cancel", which).await;
    check("trade_api.rs/cancel_algo_order", &gone);

    for (name, method) in [
        ("account_api.rs/futures_account_balance", "account.balance"),
        (
            "account_api.rs/futures_account_balance",
            "v2/account.balance",
        ),
        ("account_api.rs/account_information", "account.status"),
        ("account_api.rs/account_information_v2", "v2/account.status"),
        ("trade_api.rs/position_information", "account.position"),
        (
            "trade_api.rs/position_information_v2",
            "v2/account.position",
        ),
    ] {
        let answer = good(&c, &mut ws, method, json!({})).await;
        check(name, &answer);
    }
    let position = good(&c, &mut ws, "v2/account.position", one).await;
    assert_eq!(position["result"][0]["positionAmt"], "0.010");

    let key = json!({"apiKey": c.venue.credentials().key});
    for (name, method) in [
        ("start", "userDataStream.start"),
        ("keepalive", "userDataStream.ping"),
        ("close", "userDataStream.stop"),
    ] {
        let answer = ws.call(json!(1), method, key.clone()).await;
        check(
            &format!("user_data_streams_api.rs/{name}_user_data_stream"),
            &answer,
        );
    }
    let answer = ws.call(json!(1), "userDataStream.ping", key).await;
    assert_eq!(refusal(&answer), (400, -1125));
}

#[tokio::test]
async fn each_method_refuses_bad_input_by_the_exchanges_code() {
    let c = venue().await;
    let mut ws = c.api().await;
    let symbol = json!({"symbol": "BTCUSDT"});
    for (method, params, want) in [
        ("depth", json!({}), (400, -1102)),
        ("depth", json!({"symbol": "XUSDT"}), (400, -1121)),
        (
            "depth",
            json!({"symbol": "BTCUSDT", "limit": 7}),
            (400, -4021),
        ),
        (
            "depth",
            json!({"symbol": "BTCUSDT", "limit": "x"}),
            (400, -1100),
        ),
        ("depth", json!({"symbol": ["BTCUSDT"]}), (400, -1130)),
        ("ticker.price", json!({"symbol": "btcusdt"}), (400, -1121)),
        ("ticker.book", json!({"symbol": 5}), (400, -1121)),
        ("order.fly", symbol.clone(), (404, -5000)),
        ("v3/order.place", symbol.clone(), (404, -5000)),
        ("", symbol.clone(), (404, -5000)),
        ("order.place", symbol.clone(), (400, -1102)),
        ("account.status", json!({"apiKey": "short"}), (401, -2014)),
        (
            "account.status",
            json!({"apiKey": "A".repeat(64)}),
            (401, -2015),
        ),
        ("userDataStream.start", json!({}), (400, -1102)),
        (
            "userDataStream.stop",
            json!({"apiKey": c.venue.credentials().key}),
            (400, -1125),
        ),
        ("session.logon", json!({}), (400, -1102)),
    ] {
        let answer = ws.call(json!(3), method, params.clone()).await;
        assert_eq!(refusal(&answer), want, "{method} {params}");
        assert_eq!(answer["id"], 3);
    }
    for (method, params, want) in [
        ("order.place", symbol.clone(), -1102),
        (
            "order.place",
            json!({"symbol": "BTCUSDT", "side": "UP"}),
            -1117,
        ),
        (
            "order.place",
            json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "5"}),
            -2019,
        ),
        (
            "order.place",
            json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.0005"}),
            -1111,
        ),
        (
            "order.place",
            json!({"symbol": "BTCUSDT", "side": "BUY", "type": "STOP_MARKET", "quantity": "1"}),
            -4120,
        ),
        (
            "order.modify",
            json!({"symbol": "BTCUSDT", "orderId": 5, "side": "BUY", "quantity": "1", "price": "60000"}),
            -2013,
        ),
        (
            "order.cancel",
            json!({"symbol": "BTCUSDT", "orderId": 5}),
            -2011,
        ),
        ("order.cancel", symbol.clone(), -1102),
        (
            "order.status",
            json!({"symbol": "BTCUSDT", "origClientOrderId": "x"}),
            -2013,
        ),
        ("algoOrder.place", symbol, -1102),
        ("algoOrder.cancel", json!({"algoId": 7}), -2011),
        ("account.position", json!({"symbol": "NOPE"}), -1121),
        ("v2/account.balance", json!({"recvWindow": 60001}), -1131),
    ] {
        let signed = c.api_params(params.clone()).await;
        let answer = ws.call(json!(4), method, signed).await;
        assert_eq!(refusal(&answer), (400, want), "{method} {params}");
    }
}

#[tokio::test]
async fn what_is_no_request_gets_an_answer_and_the_connection_stays() {
    let c = venue().await;
    let mut ws = c.api().await;
    for (text, id) in [
        ("{nonsense", json!(null)),
        ("[]", json!(null)),
        ("{\"id\":1.5,\"method\":\"ping\"}", json!(null)),
        ("{\"id\":\"a\",\"method\":5}", json!("a")),
        ("{\"id\":8,\"method\":\"ping\",\"params\":[1]}", json!(8)),
    ] {
        ws.0.send(Message::text(text)).await.unwrap();
        let answer = ws.next().await.unwrap();
        assert_eq!(refusal(&answer), (400, -1135), "{text}");
        assert_eq!(answer["id"], id, "{text}");
    }
    assert_eq!(ws.call(json!(9), "ping", json!({})).await["status"], 200);
    ws.0.send(Message::Binary(vec![1].into())).await.unwrap();
    assert!(ws.next().await.is_none());
}

#[tokio::test]
async fn an_id_comes_back_as_it_came_and_may_be_used_again() {
    let c = venue().await;
    // Paths and queries that clients send.
    for path in [
        "/ws-fapi/v1",
        "/ws-fapi/v1/",
        "/ws-fapi/v1?returnRateLimits=true",
    ] {
        let mut ws = c.ws(path).await;
        for id in [
            json!("9ca10e58-7452-467e-9454-f669bb9c764e"),
            json!(7),
            json!(-7),
            json!(null),
            json!(7),
        ] {
            assert_eq!(ws.call(id.clone(), "time", json!({})).await["id"], id);
        }
        // A number beyond any type is still the same number.
        let text = "{\"id\":123456789012345678901234567890,\"method\":\"ping\"}";
        ws.0.send(Message::text(text)).await.unwrap();
        let answer = futures_util::StreamExt::next(&mut ws.0)
            .await
            .unwrap()
            .unwrap();
        let begins = "{\"id\":123456789012345678901234567890,\"status\":200,";
        assert!(answer.into_text().unwrap().as_str().starts_with(begins));
    }
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests_whatever_the_latency() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.latency_ms = 40;
    let c = with(config).await;
    let mut ws = c.api().await;
    for i in 0..20 {
        let params = c.api_params(buy("50000.00")).await;
        ws.say(json!({"id": i, "method": "order.place", "params": params}))
            .await;
    }
    let mut last = 0;
    for i in 0..20 {
        let answer = ws.next().await.unwrap();
        let order = answer["result"]["orderId"].as_u64().unwrap();
        assert!(answer["id"] == i && order > last, "{answer}");
        last = order;
    }
}

#[tokio::test]
async fn numbers_are_signed_and_read_in_the_characters_they_were_sent_in() {
    let c = venue().await;
    let mut ws = c.api().await;
    let key = c.venue.credentials().clone();
    let now = c.now().await;
    // No binary fraction is 59000.10, and 1.0 is not 1 to a signature.
    let params = |signature: &str| {
        format!(
            "{{\"type\":\"LIMIT\",\"timeInForce\":\"GTC\",\"symbol\":\"BTCUSDT\",\"side\":\"BUY\",\"reduceOnly\":false,\"quantity\":0.10,\"price\":59000.10,\"timestamp\":{now},\"apiKey\":\"{}\",\"signature\":\"{signature}\"}}",
            key.key
        )
    };
    let payload = format!(
        "apiKey={}&price=59000.10&quantity=0.10&reduceOnly=false&side=BUY&symbol=BTCUSDT&timeInForce=GTC&timestamp={now}&type=LIMIT",
        key.key
    );
    let own = super::client::signature(&key.secret, &payload);
    let shorter = payload.replace("59000.10", "59000.1");
    let other = super::client::signature(&key.secret, &shorter);
    for (signature, status) in [(own, 200), (other, 400)] {
        let text = format!(
            "{{\"id\":1,\"method\":\"order.place\",\"params\":{}}}",
            params(&signature)
        );
        ws.0.send(Message::text(text)).await.unwrap();
        let answer = ws.next().await.unwrap();
        assert_eq!(answer["status"], status, "{answer}");
        if status == 200 {
            assert_eq!(answer["result"]["price"], "59000.10");
        } else {
            assert_eq!(refusal(&answer), (400, -1022));
        }
    }
}
