//! Faults inside the exchange: stops that vanish, partial fills, changed filters and rules, liquidations.

use super::*;

#[tokio::test]
async fn an_accepted_stop_vanishes_with_a_word_or_without_a_trace() {
    let c = running(50.0).await;
    c.order(BUY).await.ok();
    let mut ws = private(&c).await;
    fault(
        &c,
        json!({"fault": "vanish", "symbol": "BTCUSDT", "told": true}),
    )
    .await;
    assert_eq!(stop(&c, "told").await.ok()["algoStatus"], "NEW");
    let gone = ws.until(|v| v["o"]["X"] == "EXPIRED").await;
    assert_eq!(gone["o"]["caid"], "told");
    let q = async |id: &str| {
        c.signed("GET", "/fapi/v1/algoOrder", &format!("clientAlgoId={id}"))
            .await
    };
    assert_eq!(q("told").await.ok()["algoStatus"], "EXPIRED");

    fault(&c, json!({"fault": "vanish", "symbol": "BTCUSDT"})).await;
    stop(&c, "silent").await.ok();
    until(async || q("silent").await.status != 200).await;
    assert_eq!(q("silent").await.refusal().1, -2013);
    // The orders are used up: this one stays until it is told to go.
    stop(&c, "stays").await.ok();
    let t = c.now().await;
    until(async || c.now().await >= t + 2000).await;
    assert_eq!(q("stays").await.ok()["algoStatus"], "NEW");
    fault(
        &c,
        json!({"fault": "vanish", "symbol": "BTCUSDT", "standing": true}),
    )
    .await;
    assert_eq!(q("stays").await.refusal().1, -2013);
    let open = c.signed("GET", "/fapi/v1/openAlgoOrders", "").await.ok();
    assert_eq!(open, json!([]));
}

#[tokio::test]
async fn an_order_finds_less_than_the_book_shows() {
    let c = venue().await;
    fault(
        &c,
        json!({"fault": "partial", "symbol": "BTCUSDT", "percent": 45}),
    )
    .await;
    let mut ws = private(&c).await;
    c.order(BUY).await.ok();
    let end = ws.until(|v| v["o"]["X"] == "EXPIRED").await;
    assert_eq!(end["o"]["z"], "0.004");
    c.order(BUY).await.ok();
    ws.until(|v| v["o"]["X"] == "FILLED").await;
}

#[tokio::test]
async fn filters_change_for_what_comes_and_a_halted_contract_takes_nothing() {
    let c = venue().await;
    let rules = async |of: &str| {
        let info = c.get("/fapi/v1/exchangeInfo").await.ok();
        let all = info["symbols"].as_array().unwrap().clone();
        let s = all.into_iter().find(|s| s["symbol"] == "BTCUSDT").unwrap();
        let f = s["filters"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["filterType"] == of);
        (s["status"].clone(), f.cloned().unwrap())
    };
    let before = rules("MIN_NOTIONAL").await;
    fault(
        &c,
        json!({"fault": "filters", "symbol": "BTCUSDT", "min_notional": "700", "min_qty": "0.005"}),
    )
    .await;
    assert_eq!(rules("MIN_NOTIONAL").await.1["notional"], "700");
    assert_eq!(rules("LOT_SIZE").await.1["minQty"], "0.005");
    assert_eq!(c.order(BUY).await.refusal().1, -4164);
    fault(
        &c,
        json!({"fault": "filters", "symbol": "BTCUSDT", "halted": true}),
    )
    .await;
    assert_eq!(rules("MIN_NOTIONAL").await.0, "SETTLING");
    assert_eq!(
        c.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.020")
            .await
            .refusal()
            .1,
        -4108
    );
    c.order("symbol=ETHUSDT&side=BUY&type=MARKET&quantity=0.100")
        .await
        .ok();
    c.admin("DELETE", "/fault", json!({})).await.ok();
    assert_eq!(rules("MIN_NOTIONAL").await, before);
    c.order(BUY).await.ok();
}

#[tokio::test]
async fn a_position_is_liquidated_although_its_margin_is_sound() {
    let c = venue().await;
    let liquidate = json!({"fault": "liquidation", "symbol": "BTCUSDT"});
    let r = c.admin("POST", "/fault", liquidate.clone()).await;
    assert_eq!(r.status, 400, "nothing to liquidate");
    c.order(BUY).await.ok();
    let mut ws = private(&c).await;
    fault(&c, liquidate).await;
    let order = ws.event("ORDER_TRADE_UPDATE").await;
    assert!(
        order["o"]["c"].as_str().unwrap().starts_with("autoclose-"),
        "{order}"
    );
    let open = c.admin("GET", "/positions", json!({})).await.ok();
    assert_eq!(open, json!([]));
}

#[tokio::test]
async fn rules_are_others_from_now_on() {
    let c = venue().await;
    let closed_with = async |orphans_end: bool| {
        let rules = json!({"fault": "rules", "auto_cancel_orphan_stops": orphans_end});
        fault(&c, rules).await;
        c.order(BUY).await.ok();
        stop(&c, if orphans_end { "a" } else { "b" }).await.ok();
        c.order("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.010&reduceOnly=true")
            .await
            .ok();
        let open = c.signed("GET", "/fapi/v1/openAlgoOrders", "").await.ok();
        open.as_array().unwrap().len()
    };
    assert_eq!(closed_with(true).await, 0);
    assert_eq!(closed_with(false).await, 1);
}
