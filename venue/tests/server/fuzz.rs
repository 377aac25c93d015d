//! Whatever comes in, an answer goes out and the venue goes on.

use super::client::{raw, signature, venue};
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::Message;

const PATHS: [&str; 14] = [
    "v1/order",
    "v1/order/test",
    "v1/algoOrder",
    "v1/openOrders",
    "v1/allOrders",
    "v1/leverage",
    "v1/countdownCancelAll",
    "v1/userTrades",
    "v1/klines",
    "v1/depth",
    "v1/aggTrades",
    "v1/income",
    "v3/positionRisk",
    "v1/ticker/24hr",
];
const NAMES: [&str; 22] = [
    "side",
    "type",
    "quantity",
    "price",
    "timeInForce",
    "triggerPrice",
    "closePosition",
    "reduceOnly",
    "algoType",
    "workingType",
    "orderId",
    "algoId",
    "limit",
    "startTime",
    "endTime",
    "interval",
    "leverage",
    "countdownTime",
    "newClientOrderId",
    "clientAlgoId",
    "fromId",
    "positionSide",
];
const VALUES: [&str; 30] = [
    "",
    "0",
    "-1",
    "1",
    "0.001",
    "0.010",
    "60000",
    "59999.90",
    "1e400",
    "NaN",
    "99999999999999999999",
    "9223372036854775807",
    "18446744073709551615",
    "79228162514264337593543950335",
    "0.0000000000000000000000001",
    "BUY",
    "SELL",
    "MARKET",
    "LIMIT",
    "GTC",
    "IOC",
    "GTX",
    "true",
    "false",
    "STOP_MARKET",
    "CONDITIONAL",
    "MARK_PRICE",
    "1m",
    "%00%FF",
    "a%20b+c%F0%9F%98%80",
];

fn params() -> impl Strategy<Value = String> {
    let pair = (0..NAMES.len(), 0..VALUES.len());
    prop::collection::btree_map(0..NAMES.len(), 0..VALUES.len(), 0..9)
        .prop_map(|m| {
            m.into_iter()
                .map(|(n, v)| format!("&{}={}", NAMES[n], VALUES[v]))
                .collect()
        })
        .boxed()
        .prop_union(
            prop::collection::vec(pair, 0..4)
                .prop_map(|m| {
                    m.into_iter()
                        .map(|(n, v)| format!("&{}={}", NAMES[n], VALUES[v]))
                        .collect()
                })
                .boxed(),
        )
}

#[test]
fn any_signed_parameters_are_answered() {
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let c = rt.block_on(venue());
    let k = c.venue.credentials().clone();
    let method = prop::sample::select(vec!["GET", "POST", "DELETE", "PUT"]);
    let path = prop::sample::select(PATHS.to_vec());
    let config = ProptestConfig {
        cases: 400,
        ..ProptestConfig::default()
    };
    proptest!(config, |(method in method, path in path, more in params())| {
        let q = format!("symbol=BTCUSDT&recvWindow=60000&timestamp={}{more}", super::source::T0);
        let target = format!("/fapi/{path}?{q}&signature={}", signature(&k.secret, &q));
        let r = rt.block_on(c.send(method, &target, Some(&k.key), ""));
        prop_assert!([200, 400, 404, 429].contains(&r.status), "{} {}", r.status, target);
        if r.status != 200 {
            prop_assert!(r.json["code"].is_i64() && r.json["msg"].is_string());
        }
    });
    rt.block_on(c.venue.stats()).unwrap();
}

#[tokio::test]
async fn broken_http_and_websocket_bytes_end_only_their_connection() {
    let c = venue().await;
    for bytes in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /fapi/v1/time?\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"GET /public/ws HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n",
    ] {
        if let Some(r) = raw(&c.addr(), bytes).await {
            assert!(r.status >= 400, "{}", r.status);
        }
    }
    let big = format!(
        "POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n{}",
        "a".repeat(100_000)
    );
    if let Some(r) = raw(&c.addr(), big.as_bytes()).await {
        assert_eq!(r.status, 413);
    }
    let mut ws = c.ws("/public/ws").await;
    ws.0.send(Message::Binary(vec![1, 2, 3].into()))
        .await
        .unwrap();
    assert!(ws.next().await.is_none());
    let mut ws = c.ws("/market/stream").await;
    let _ = ws.0.send(Message::text("x".repeat(1_000_000))).await;
    while let Some(Ok(_)) = ws.0.next().await {}
    c.now().await;
}
