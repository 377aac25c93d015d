//! Faults between a client and the exchange: answers that are lost, wrong or late, a wrong clock, maintenance.

use super::*;

#[tokio::test]
async fn a_request_is_answered_wrongly_with_and_without_effect_as_often_as_was_ordered() {
    let c = venue().await;
    let on = json!({"request": "POST /fapi/v1/order", "params": {"type": "MARKET", "symbol": "BTCUSDT"}});
    for (say, refusal) in [
        (json!("timeout"), (408, -1007)),
        (json!("unexpected"), (400, -1006)),
        (json!("unavailable"), (503, -1000)),
        (json!("throttled"), (503, -1008)),
        (json!({"too-many": {"retry_after": 7}}), (429, -1003)),
        (json!({"banned": {"retry_after": 7}}), (418, -1003)),
        (
            json!({"code": {"status": 400, "code": -2021, "msg": "Order would immediately trigger."}}),
            (400, -2021),
        ),
    ] {
        for effect in [false, true] {
            let before = fills(&c).await;
            fault(
                &c,
                json!({"fault": "answer", "on": on, "say": say, "effect": effect}),
            )
            .await;
            // Another request is not meant.
            c.order("symbol=ETHUSDT&side=BUY&type=MARKET&quantity=0.100")
                .await
                .ok();
            let r = c.order(BUY).await;
            assert_eq!(r.refusal(), refusal);
            let waits = say.is_object() && refusal.1 == -1003;
            assert_eq!(r.header("retry-after"), waits.then_some("7"), "{say}");
            assert_eq!(fills(&c).await - before, usize::from(effect), "{say}");
        }
    }
    c.order(BUY).await.ok();
    let told = c.admin("GET", "/fault", json!({})).await.ok();
    let all = told["faults"].as_array().unwrap();
    assert_eq!(all.len(), 14);
    assert!(
        all.iter().all(|f| f["left"] == 0 && f["hits"] == 1),
        "{told}"
    );
}

#[tokio::test]
async fn a_cut_connection_and_a_silent_one_leave_the_client_without_an_answer() {
    let c = venue().await;
    let target = async |say: &str, effect: bool| {
        fault(&c, json!({"fault": "answer", "say": say, "effect": effect, "on": {"request": "POST /fapi/v1/order"}})).await;
    };
    let order = async || {
        let keys = c.venue.credentials().clone();
        let query = format!("{BUY}&timestamp={}", c.now().await);
        let signature = crate::client::signature(&keys.secret, &query);
        format!(
            "POST /fapi/v1/order?{query}&signature={signature} HTTP/1.1\r\nHost: v\r\nX-MBX-APIKEY: {}\r\nConnection: close\r\n\r\n",
            keys.key
        )
    };
    let (addr, text) = (c.addr(), order().await);

    target("cut", true).await;
    let answer = crate::client::raw(&addr, text.as_bytes()).await;
    assert!(answer.is_none(), "nothing came");
    assert_eq!(fills(&c).await, 1);
    target("silence", true).await;
    let text = order().await;
    let waits =
        tokio::spawn(async move { crate::client::raw(&addr, text.as_bytes()).await.is_none() });
    // The order is there; its sender still waits.
    until(async || booked(&c).await == 2).await;
    assert!(!waits.is_finished());
    waits.abort();
}

#[tokio::test]
async fn a_late_answer_comes_after_the_fill_and_a_late_cancel_after_what_happened_meanwhile() {
    let c = venue().await;
    let mut ws = private(&c).await;
    fault(
        &c,
        json!({"fault": "delay", "after_ms": 3000, "on": {"request": "POST /fapi/v1/order"}}),
    )
    .await;
    let order = c.order(BUY);
    tokio::pin!(order);
    let first = tokio::select! {
        biased;
        f = ws.until(|v| v["o"]["x"] == "TRADE") => f,
        _ = &mut order => panic!("the acknowledgement was first"),
    };
    assert_eq!(order.await.ok()["orderId"], first["o"]["i"]);

    let rest = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price=59000&newClientOrderId=rests";
    c.order(rest).await.ok();
    fault(
        &c,
        json!({"fault": "delay", "before_ms": 4000, "on": {"request": "DELETE /fapi/v1/order"}}),
    )
    .await;
    let cancel = c.signed(
        "DELETE",
        "/fapi/v1/order",
        "symbol=BTCUSDT&origClientOrderId=rests",
    );
    let (cancelled, amended) = tokio::join!(cancel, async {
        c.signed(
            "PUT",
            "/fapi/v1/order",
            "symbol=BTCUSDT&side=BUY&quantity=0.010&price=60001&origClientOrderId=rests",
        )
        .await
    });
    assert_eq!(amended.ok()["status"], "FILLED");
    assert_eq!(cancelled.refusal(), (400, -2011));
}

#[tokio::test]
async fn a_wrong_clock_refuses_stamps_of_the_right_time_and_tells_its_own() {
    let c = venue().await;
    let right = c.now().await;
    let ask = async |stamp: i64| {
        let keys = c.venue.credentials().clone();
        let query = format!("timestamp={stamp}");
        let signature = crate::client::signature(&keys.secret, &query);
        let target = format!("/fapi/v3/balance?{query}&signature={signature}");
        c.send("GET", &target, Some(&keys.key), "").await
    };
    for ms in [-8000, 8000] {
        fault(&c, json!({"fault": "clock", "ms": ms})).await;
        assert_eq!(c.now().await, right + ms);
        assert_eq!(ask(right).await.refusal(), (400, -1021), "{ms}");
        ask(right + ms).await.ok();
    }
    c.admin("DELETE", "/fault", json!({})).await.ok();
    ask(right).await.ok();
}

#[tokio::test]
async fn maintenance_cuts_sockets_and_serves_nothing_until_it_is_over() {
    let c = venue().await;
    let mut ws = private(&c).await;
    ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    fault(&c, json!({"fault": "maintenance", "ms": 60_000})).await;
    assert!(ws.next().await.is_none());
    assert_eq!(c.get("/fapi/v1/time").await.status, 503);
    let url = format!("{}/public/ws/btcusdt@depth", c.venue.ws_url());
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
    c.admin("DELETE", "/fault", json!({})).await.ok();
    c.now().await;
    private(&c)
        .await
        .ask("LIST_SUBSCRIPTIONS", json!([]), 1)
        .await;
}
