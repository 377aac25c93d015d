//! Faults of streams: disorder, silence, keys that end.

use super::*;

#[tokio::test]
async fn frames_are_lost_doubled_and_swapped_and_an_event_type_is_meant_alone() {
    let c = running(50.0).await;
    let mut ws = c.ws("/public/ws/btcusdt@depth").await;
    let mut last = ws.next().await.unwrap();
    let mut broken = async |to: &str, looks_so: fn(&Value, &Value) -> bool| {
        fault(
            &c,
            json!({"fault": "frames", "stream": "btcusdt@depth", "to": to}),
        )
        .await;
        loop {
            let v = ws.next().await.unwrap();
            let hit = looks_so(&last, &v);
            last = v;
            if hit {
                return;
            }
        }
    };
    broken("lose", |a, b| b["pu"].as_u64() > a["u"].as_u64()).await;
    broken("duplicate", |a, b| a["u"] == b["u"]).await;
    broken("reorder", |a, b| b["u"].as_u64() < a["u"].as_u64()).await;

    let mut user = private(&c).await;
    fault(
        &c,
        json!({"fault": "frames", "stream": "user", "event": "TRADE_LITE", "to": "lose"}),
    )
    .await;
    for _ in 0..2 {
        c.order(BUY).await.ok();
    }
    let mut lite = 0;
    let mut trades = 0;
    while trades < 2 {
        let v = user.next().await.unwrap();
        lite += usize::from(v["e"] == "TRADE_LITE");
        trades += usize::from(v["o"]["x"] == "TRADE");
    }
    assert_eq!(lite, 1, "the first is lost, the second is not");
}

#[tokio::test]
async fn a_stalled_socket_stays_connected_and_answers_nothing_until_it_goes_on() {
    let c = running(1.0).await;
    let mut ws = c.ws("/public/ws/btcusdt@depth").await;
    ws.next().await.unwrap();
    let began = Instant::now();
    fault(&c, json!({"fault": "stall", "kind": "public", "ms": 700})).await;
    ws.say(json!({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
        .await;
    // What was written before the stall may still come.
    let answer = ws.until(|v| v["id"] == 1).await;
    assert_eq!(answer["result"], json!(["btcusdt@depth"]));
    assert!(began.elapsed() >= Duration::from_millis(700));
    let mut other = c.ws("/market/ws/btcusdt@aggTrade").await;
    other.ask("LIST_SUBSCRIPTIONS", json!([]), 2).await;
}

#[tokio::test]
async fn a_listen_key_ends_and_says_so_as_often_as_was_ordered() {
    let c = venue().await;
    let mut ws = private(&c).await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    fault(&c, json!({"fault": "listen-key", "told": 2})).await;
    for _ in 0..2 {
        ws.event("listenKeyExpired").await;
    }
    let r = c.keyed("PUT", "/fapi/v1/listenKey").await;
    assert_eq!(r.refusal().1, -1125);
    private(&c).await;
}
