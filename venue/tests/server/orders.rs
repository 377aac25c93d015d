//! Orders, stops, the user stream, the log and the books.

use super::client::{Client, Ws, venue, with};
use super::source::{Flat, T0};
use helios_venue::server::VenueConfig;
use rust_decimal::Decimal;
use serde_json::{Value, json};

async fn open(c: &Client) -> Ws {
    let key = c.listen_key().await;
    c.ws(&format!("/private/ws/{key}")).await
}

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010&newClientOrderId=hello-1";
const ANCHOR: &str = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&workingType=MARK_PRICE&closePosition=true&priceProtect=FALSE&clientAlgoId=anchor-1";

async fn anchor(c: &Client, trigger: &str) -> super::client::Reply {
    c.signed(
        "POST",
        "/fapi/v1/algoOrder",
        &format!("{ANCHOR}&triggerPrice={trigger}"),
    )
    .await
}

#[tokio::test]
async fn a_market_order_is_acknowledged_and_its_fill_comes_by_the_user_stream() {
    let c = venue().await;
    let mut ws = open(&c).await;
    let ack = c.order(BUY).await.ok();
    assert_eq!(
        (&ack["status"], &ack["executedQty"]),
        (&json!("NEW"), &json!("0.000"))
    );
    for gone in ["avgPrice", "cumQuote"] {
        assert!(ack.get(gone).is_none(), "{gone}");
    }
    let new = ws.event("ORDER_TRADE_UPDATE").await;
    assert_eq!(
        (&new["o"]["x"], &new["o"]["c"]),
        (&json!("NEW"), &json!("hello-1"))
    );
    let account = ws.event("ACCOUNT_UPDATE").await;
    assert_eq!(account["a"]["m"], "ORDER");
    assert_eq!(account["a"]["P"][0]["pa"], "0.010");
    let lite = ws.event("TRADE_LITE").await;
    let fill = ws.event("ORDER_TRADE_UPDATE").await;
    let o = &fill["o"];
    assert_eq!(
        (&o["x"], &o["X"], &o["l"], &o["L"]),
        (
            &json!("TRADE"),
            &json!("FILLED"),
            &json!("0.010"),
            &json!("60000.10")
        )
    );
    assert_eq!(o["n"], "0.30000050");
    assert_eq!(lite["t"], o["t"]);
    assert_eq!(o["i"], ack["orderId"]);
    let q = c
        .signed(
            "GET",
            "/fapi/v1/order",
            "symbol=BTCUSDT&origClientOrderId=hello-1",
        )
        .await
        .ok();
    assert_eq!(
        (&q["status"], &q["avgPrice"]),
        (&json!("FILLED"), &json!("60000.10"))
    );
    // A filled order is no open order.
    let r = c
        .signed(
            "GET",
            "/fapi/v1/openOrder",
            "symbol=BTCUSDT&origClientOrderId=hello-1",
        )
        .await;
    assert_eq!(r.refusal(), (400, -2013));
    let l = c.venue.ledger().await.unwrap();
    assert_eq!(l.wallet, l.initial_balance + l.realised - l.fees + l.other);
    assert_eq!(l.positions[0].qty, Decimal::new(10, 3));
    let wallet = c.signed("GET", "/fapi/v3/balance", "").await.ok();
    assert_eq!(
        wallet[0]["balance"]
            .as_str()
            .unwrap()
            .parse::<Decimal>()
            .unwrap(),
        l.wallet
    );
    assert_eq!(account["a"]["B"][0]["wb"], wallet[0]["balance"]);
}

#[tokio::test]
async fn a_stop_is_new_then_triggers_on_the_mark_and_closes_the_position() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20.0;
    let c = with(config).await;
    let mut ws = open(&c).await;
    assert_eq!(anchor(&c, "59000").await.refusal(), (400, -4509));
    c.order(BUY).await.ok();
    assert_eq!(anchor(&c, "70000").await.refusal(), (400, -2021));
    let placed = anchor(&c, "59000.00").await.ok();
    assert_eq!(
        (&placed["algoStatus"], &placed["closePosition"]),
        (&json!("NEW"), &json!(true))
    );
    let new = ws.event("ALGO_UPDATE").await;
    assert_eq!(
        (&new["o"]["X"], &new["o"]["caid"], &new["o"]["tp"]),
        (&json!("NEW"), &json!("anchor-1"), &json!("59000.00"))
    );
    let twice = format!("{ANCHOR}&triggerPrice=58000").replace("anchor-1", "b");
    let twice = c.signed("POST", "/fapi/v1/algoOrder", &twice).await;
    assert_eq!(twice.refusal(), (400, -4130));
    let open = c
        .signed("GET", "/fapi/v1/openAlgoOrders", "symbol=BTCUSDT")
        .await
        .ok();
    assert_eq!(open[0]["algoId"], placed["algoId"]);
    c.venue.start_market().await.unwrap();
    c.admin(
        "POST",
        "/price-path",
        json!({"symbol": "BTCUSDT", "path": [[2000, 0.97]]}),
    )
    .await
    .ok();
    let mut seen = Vec::new();
    let fill = loop {
        let v = ws.next().await.unwrap();
        match v["e"].as_str().unwrap() {
            "ALGO_UPDATE" => seen.push(v["o"]["X"].as_str().unwrap().to_owned()),
            "ORDER_TRADE_UPDATE" if v["o"]["X"] == "FILLED" => break v,
            _ => {}
        }
    };
    assert_eq!(
        (&fill["o"]["S"], &fill["o"]["cp"], &fill["o"]["q"]),
        (&json!("SELL"), &json!(true), &json!("0.010"))
    );
    let done = ws
        .until(|v| v["e"] == "ALGO_UPDATE" && v["o"]["X"] == "FINISHED")
        .await;
    assert_eq!(done["o"]["ai"], fill["o"]["i"].to_string());
    assert_eq!(seen, ["TRIGGERING", "TRIGGERED"]);
    let l = c.venue.ledger().await.unwrap();
    assert!(
        l.positions.is_empty() && l.realised < Decimal::ZERO,
        "{l:?}"
    );
    let a = c.venue.audit().await.unwrap();
    assert_eq!(
        (a.fills, a.openings, a.protected, a.still_bare),
        (2, 1, 1, 0)
    );
    assert!(
        a.fill_to_stop_max_ms > 0.0 && a.max_unprotected_ms >= a.fill_to_stop_max_ms,
        "{a:?}"
    );
}

#[tokio::test]
async fn cancelling_works_in_both_books_and_by_countdown() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20.0;
    let c = with(config).await;
    let rest = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.010&price=59990.00";
    let a = c.order(&format!("{rest}&newClientOrderId=a")).await.ok();
    assert_eq!(
        c.order(&format!("{rest}&newClientOrderId=a"))
            .await
            .refusal(),
        (400, -4116)
    );
    c.order(&format!("{rest}&newClientOrderId=b")).await.ok();
    let gone = c
        .signed(
            "DELETE",
            "/fapi/v1/order",
            &format!("symbol=BTCUSDT&orderId={}", a["orderId"]),
        )
        .await
        .ok();
    assert_eq!(
        (&gone["status"], &gone["clientOrderId"]),
        (&json!("CANCELED"), &json!("a"))
    );
    let open = c
        .signed("GET", "/fapi/v1/openOrders", "symbol=BTCUSDT")
        .await
        .ok();
    assert_eq!(open.as_array().unwrap().len(), 1);
    c.signed("DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT")
        .await
        .ok();
    c.order(BUY).await.ok();
    anchor(&c, "59000").await.ok();
    let r = c
        .signed("DELETE", "/fapi/v1/algoOrder", "clientAlgoId=anchor-1")
        .await
        .ok();
    assert_eq!(
        (&r["code"], &r["clientAlgoId"]),
        (&json!("200"), &json!("anchor-1"))
    );
    anchor(&c, "59000").await.ok();
    c.signed("DELETE", "/fapi/v1/algoOpenOrders", "symbol=BTCUSDT")
        .await
        .ok();
    let all = c
        .signed("GET", "/fapi/v1/allAlgoOrders", "symbol=BTCUSDT")
        .await
        .ok();
    assert!(
        all.as_array()
            .unwrap()
            .iter()
            .all(|s| s["algoStatus"] == "CANCELED")
    );
    let mut ws = open_stream(&c).await;
    c.order(&format!("{rest}&newClientOrderId=c")).await.ok();
    let r = c
        .signed(
            "POST",
            "/fapi/v1/countdownCancelAll",
            "symbol=BTCUSDT&countdownTime=3000",
        )
        .await
        .ok();
    assert_eq!(r, json!({"symbol": "BTCUSDT", "countdownTime": "3000"}));
    c.venue.start_market().await.unwrap();
    let gone = ws
        .until(|v| v["o"]["X"] == "CANCELED" || v["o"]["X"] == "EXPIRED")
        .await;
    assert_eq!(gone["o"]["c"], "c");
    assert!(gone["E"].as_i64().unwrap() >= T0 + 3000);
}

async fn open_stream(c: &Client) -> Ws {
    open(c).await
}

#[tokio::test]
async fn a_listen_key_lives_an_hour_of_market_time_and_feeds_every_socket() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20_000.0;
    let c = with(config).await;
    assert_eq!(
        c.keyed("PUT", "/fapi/v1/listenKey").await.refusal(),
        (400, -1125)
    );
    assert_eq!(
        c.send("POST", "/fapi/v1/listenKey", None, "")
            .await
            .refusal(),
        (401, -2014)
    );
    let key = c.listen_key().await;
    assert_eq!(c.listen_key().await, key);
    assert_eq!(
        c.keyed("PUT", "/fapi/v1/listenKey").await.ok()["listenKey"],
        key
    );
    let mut all = c.ws(&format!("/ws/{key}")).await;
    let mut some = c
        .ws(&format!(
            "/private/ws?listenKey={key}&events=ACCOUNT_UPDATE/listenKeyExpired"
        ))
        .await;
    let mut wrapped = c.ws(&format!("/private/stream?streams={key}")).await;
    let mut other = c.ws("/private/ws/0123456789").await;
    let mut wrong = c.ws(&format!("/public/ws/{key}")).await;
    c.order(BUY).await.ok();
    all.event("ORDER_TRADE_UPDATE").await;
    assert_eq!(some.next().await.unwrap()["e"], "ACCOUNT_UPDATE");
    assert_eq!(wrapped.next().await.unwrap()["stream"], key);
    assert!(other.silent(50).await && wrong.silent(50).await);
    c.venue.start_market().await.unwrap();
    let gone = some.event("listenKeyExpired").await;
    assert_eq!(gone["listenKey"], key);
    assert!(gone["E"].as_i64().unwrap() >= T0 + 3_600_000);
    assert_eq!(
        c.keyed("PUT", "/fapi/v1/listenKey").await.refusal(),
        (400, -1125)
    );
    assert_ne!(c.listen_key().await, key);
    c.keyed("DELETE", "/fapi/v1/listenKey").await.ok();
    assert_eq!(
        c.keyed("DELETE", "/fapi/v1/listenKey").await.refusal(),
        (400, -1125)
    );
}

#[tokio::test]
async fn latency_delays_requests_and_events_by_half_each() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.latency_ms = 200;
    config.speed = 2.0;
    let c = with(config).await;
    let mut ws = open(&c).await;
    let t = c.now().await;
    let before = std::time::Instant::now();
    let k = c.venue.credentials();
    let q = format!("{BUY}&timestamp={t}");
    let target = format!(
        "/fapi/v1/order?{q}&signature={}",
        super::client::signature(&k.secret, &q)
    );
    let (r, event) = tokio::join!(c.send("POST", &target, Some(&k.key), ""), async {
        ws.event("ORDER_TRADE_UPDATE").await;
        before.elapsed()
    });
    r.ok();
    // 200 ms of market at twice real time: 100 ms of wall for the round trip, by either way back.
    assert!(
        before.elapsed().as_millis() >= 99 && event.as_millis() >= 99,
        "{event:?}"
    );
}

#[tokio::test]
async fn saved_state_goes_on_and_foreign_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = || {
        let mut config = VenueConfig::new(Box::new(Flat::endless()));
        config.state_dir = Some(dir.path().to_owned());
        config.speed = 100.0;
        config
    };
    let c = with(config()).await;
    c.order(BUY).await.ok();
    anchor(&c, "59000").await.ok();
    c.venue.start_market().await.unwrap();
    while c.now().await < T0 + 2_000 {
        tokio::task::yield_now().await;
    }
    let (ledger, now) = (c.venue.ledger().await.unwrap(), c.now().await);
    c.venue.shutdown().await.unwrap();
    let c = with(config()).await;
    assert!(c.now().await >= now);
    let again = c.venue.ledger().await.unwrap();
    assert_eq!((again.wallet, again.fills), (ledger.wallet, ledger.fills));
    assert_eq!(again.positions[0].qty, ledger.positions[0].qty);
    let stops = c.signed("GET", "/fapi/v1/openAlgoOrders", "").await.ok();
    assert_eq!(stops[0]["clientAlgoId"], "anchor-1");
    let mut ws = c.ws("/public/ws/btcusdt@depth").await;
    let snap = c.get("/fapi/v1/depth?symbol=BTCUSDT").await.ok();
    c.venue.start_market().await.unwrap();
    let first = ws.next().await.unwrap();
    assert_eq!(first["pu"], snap["lastUpdateId"]);
    assert_eq!(c.venue.audit().await.unwrap().still_bare, 0);
    c.venue.shutdown().await.unwrap();
    std::fs::write(dir.path().join("venue.json"), "{\"version\":").unwrap();
    let e = helios_venue::server::VenueServer::start(config())
        .await
        .err()
        .unwrap();
    assert!(e.to_string().contains("venue.json"), "{e}");
}

#[tokio::test]
async fn the_audit_file_holds_each_order_fill_and_stop() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.audit_file = Some(path.clone());
    let c = with(config).await;
    c.order(BUY).await.ok();
    anchor(&c, "59000").await.ok();
    c.venue.shutdown().await.unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["reduce_only"]),
        (&json!("order"), &json!(false))
    );
    assert_eq!(
        (&lines[1]["kind"], &lines[1]["position"]),
        (&json!("fill"), &json!(10))
    );
    assert!(lines[1]["gross"].is_string() && lines[1]["equity"].is_string());
    assert_eq!(
        (&lines[2]["kind"], &lines[2]["anchor"]),
        (&json!("algo"), &json!(true))
    );
}
