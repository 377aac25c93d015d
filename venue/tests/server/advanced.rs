//! All kinds of conditional orders, amendments, and the further terms of orders, over REST and the user stream.

use super::client::{Client, Reply, Ws, venue, with};
use super::samples::{examples, same};
use super::source::Flat;
use helios_venue::server::VenueConfig;
use serde_json::json;

const REST: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.010";
const ALGO: &str = "algoType=CONDITIONAL&symbol=BTCUSDT&quantity=0.010";

async fn stream(c: &Client) -> Ws {
    let key = c.listen_key().await;
    c.ws(&format!("/private/ws/{key}")).await
}

async fn algo(c: &Client, more: &str) -> Reply {
    let params = format!("{ALGO}&{more}");
    c.signed("POST", "/fapi/v1/algoOrder", &params).await
}

async fn limit(c: &Client, more: &str) -> Reply {
    c.order(&format!("{REST}&{more}")).await
}

async fn modify(c: &Client, more: &str) -> Reply {
    let params = format!("symbol=BTCUSDT&side=BUY&{more}");
    c.signed("PUT", "/fapi/v1/order", &params).await
}

/// A market that has traded.
async fn running() -> Client {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 20.0;
    let c = with(config).await;
    c.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010")
        .await
        .ok();
    c
}

#[tokio::test]
async fn every_kind_of_conditional_order_is_taken_and_told_of() {
    let c = running().await;
    let mut ws = stream(&c).await;
    for (kind, more, tif) in [
        ("STOP", "side=BUY&triggerPrice=61000&price=61100", "GTC"),
        (
            "STOP_MARKET",
            "side=SELL&triggerPrice=59000&reduceOnly=true",
            "GTC",
        ),
        (
            "TAKE_PROFIT",
            "side=SELL&triggerPrice=61000&price=61500&timeInForce=GTX",
            "GTX",
        ),
        (
            "TAKE_PROFIT_MARKET",
            "side=BUY&triggerPrice=59000&priceProtect=true",
            "GTC",
        ),
        (
            "TRAILING_STOP_MARKET",
            "side=SELL&activatePrice=61000&callbackRate=1.5",
            "GTC",
        ),
    ] {
        let placed = algo(&c, &format!("type={kind}&{more}")).await.ok();
        assert_eq!(placed["orderType"], kind);
        assert_eq!(
            placed["workingType"], "CONTRACT_PRICE",
            "the exchange's default"
        );
        assert_eq!(placed["timeInForce"], tif);
        let event = ws.event("ALGO_UPDATE").await;
        let o = &event["o"];
        assert_eq!((&o["o"], &o["X"]), (&json!(kind), &json!("NEW")));
        assert_eq!(o["wt"], "CONTRACT_PRICE");
        assert_eq!(o.get("ia").is_some(), kind == "TRAILING_STOP_MARKET");
        let which = format!("algoId={}", placed["algoId"]);
        let told = c.signed("GET", "/fapi/v1/algoOrder", &which).await.ok();
        assert_eq!(told["orderType"], kind);
        assert_eq!(told["price"], placed["price"]);
    }
    let all = c.signed("GET", "/fapi/v1/openAlgoOrders", "").await.ok();
    assert_eq!(all.as_array().unwrap().len(), 5);
    let trailing = &all[4];
    assert_eq!(
        (&trailing["activatePrice"], &trailing["callbackRate"]),
        (&json!("61000.00"), &json!("1.5"))
    );
    if let Some(all) = examples() {
        let sample = &all["rest_api/apis/trade_api.rs/new_algo_order"];
        let placed = algo(&c, "type=TRAILING_STOP_MARKET&side=SELL&callbackRate=1");
        same(
            "new_algo_order",
            sample,
            &placed.await.ok(),
            &["icebergQuantity"],
        );
        let event = ws.until(|v| v["o"]["ia"] == true).await;
        assert_eq!(event["o"]["X"], "NEW", "activated at once");
    }
}

#[tokio::test]
async fn what_does_not_go_together_in_a_conditional_order_is_refused() {
    let c = running().await;
    for (more, code) in [
        ("type=STOP&side=BUY&triggerPrice=61000", -1102),
        ("type=STOP&side=BUY&price=61000", -1102),
        ("type=STOP&side=BUY&triggerPrice=61000&price=80000", -4183),
        (
            "type=STOP_MARKET&side=BUY&triggerPrice=61000&price=61000",
            -1106,
        ),
        (
            "type=STOP_MARKET&side=BUY&triggerPrice=61000&workingType=X",
            -1130,
        ),
        ("type=STOP_MARKET&side=BUY&triggerPrice=59000", -2021),
        ("type=TAKE_PROFIT_MARKET&side=BUY&triggerPrice=61000", -2021),
        ("type=TRAILING_STOP_MARKET&side=BUY&callbackRate=21", -2007),
        ("type=TRAILING_STOP_MARKET&side=BUY", -1102),
        (
            "type=TRAILING_STOP_MARKET&side=BUY&callbackRate=1&triggerPrice=1",
            -2021,
        ),
        (
            "type=STOP_MARKET&side=BUY&triggerPrice=61000&callbackRate=1",
            -1106,
        ),
        ("type=OCO&side=BUY", -1116),
    ] {
        assert_eq!(algo(&c, more).await.refusal(), (400, code), "{more}");
    }
}

#[tokio::test]
async fn a_limit_that_is_refused_at_its_trigger_is_told_of_with_the_reason() {
    let c = running().await;
    let mut ws = stream(&c).await;
    let more =
        "type=STOP&side=SELL&triggerPrice=59500&price=58800&timeInForce=GTX&workingType=MARK_PRICE";
    let placed = algo(&c, more).await.ok();
    let old = json!({"fault": "rules", "trigger_reject_event": true});
    c.admin("POST", "/fault", old).await.ok();
    c.venue.start_market().await.unwrap();
    let path = json!({"symbol": "BTCUSDT", "path": [[2000, 0.985]]});
    c.admin("POST", "/price-path", path).await.ok();
    let event = ws.event("CONDITIONAL_ORDER_TRIGGER_REJECT").await;
    assert_eq!(
        (&event["or"]["s"], &event["or"]["i"]),
        (&json!("BTCUSDT"), &placed["algoId"])
    );
    let end = ws.event("ALGO_UPDATE").await;
    assert_eq!(
        (&end["o"]["X"], &end["o"]["rm"]),
        (&json!("EXPIRED"), &event["or"]["r"])
    );
}

#[tokio::test]
async fn a_resting_order_is_modified_and_its_history_is_kept() {
    let c = venue().await;
    let mut ws = stream(&c).await;
    let placed = limit(&c, "timeInForce=GTC&price=59000&newClientOrderId=m")
        .await
        .ok();
    ws.event("ORDER_TRADE_UPDATE").await;
    let changed = modify(
        &c,
        "origClientOrderId=m&quantity=0.020&price=59100&modifyId=9",
    )
    .await
    .ok();
    assert_eq!(changed["orderId"], placed["orderId"]);
    assert_eq!(
        (&changed["price"], &changed["origQty"], &changed["modifyId"]),
        (&json!("59100.00"), &json!("0.020"), &json!(9))
    );
    let event = ws.event("ORDER_TRADE_UPDATE").await;
    assert_eq!(
        (&event["o"]["x"], &event["o"]["X"], &event["o"]["p"]),
        (&json!("AMENDMENT"), &json!("NEW"), &json!("59100.00"))
    );
    for (more, code) in [
        ("origClientOrderId=m&quantity=0.020&price=59100", -5027),
        ("origClientOrderId=x&quantity=0.020&price=59100", -2013),
        ("origClientOrderId=m&quantity=0.020", -1102),
        (
            "origClientOrderId=m&quantity=0.020&price=59100&priceMatch=QUEUE",
            -1106,
        ),
        ("quantity=0.020&price=59100", -1102),
    ] {
        assert_eq!(modify(&c, more).await.refusal(), (400, code), "{more}");
    }
    let which = format!("symbol=BTCUSDT&orderId={}", placed["orderId"]);
    let history = c
        .signed("GET", "/fapi/v1/orderAmendment", &which)
        .await
        .ok();
    let a = &history[0]["amendment"];
    assert_eq!(
        a["price"],
        json!({"before": "59000.00", "after": "59100.00"})
    );
    assert_eq!(a["origQty"], json!({"before": "0.010", "after": "0.020"}));
    assert_eq!((&a["count"], &a["modifyId"]), (&json!(1), &json!(9)));
    if let Some(all) = examples() {
        let trade = "rest_api/apis/trade_api.rs";
        let sample = &all[&format!("{trade}/modify_order")];
        same("modify_order", sample, &changed, &["pair"]);
        let sample = &all[&format!("{trade}/get_order_modify_history")];
        same("get_order_modify_history", sample, &history, &[]);
    }
}

#[tokio::test]
async fn dates_prevention_and_price_matches_are_obeyed_and_told_of() {
    let c = venue().await;
    let mut ws = stream(&c).await;
    let date = c.now().await + 3_600_000;
    let more = format!(
        "timeInForce=GTD&goodTillDate={date}&price=59000&selfTradePreventionMode=EXPIRE_BOTH"
    );
    let placed = limit(&c, &more).await.ok();
    assert_eq!(
        (
            &placed["timeInForce"],
            &placed["goodTillDate"],
            &placed["selfTradePreventionMode"]
        ),
        (&json!("GTD"), &json!(date), &json!("EXPIRE_BOTH"))
    );
    let event = ws.event("ORDER_TRADE_UPDATE").await;
    let o = &event["o"];
    assert_eq!(
        (&o["f"], &o["gtd"], &o["V"]),
        (&json!("GTD"), &json!(date), &json!("EXPIRE_BOTH"))
    );
    let matched = limit(&c, "timeInForce=GTC&priceMatch=QUEUE_5").await.ok();
    assert_eq!(
        (&matched["price"], &matched["priceMatch"]),
        (&json!("59999.60"), &json!("QUEUE_5"))
    );
    for (more, code) in [
        ("timeInForce=GTD&price=59000", -1102),
        ("timeInForce=GTD&price=59000&goodTillDate=1", -5040),
        ("timeInForce=GTC&price=59000&goodTillDate=1", -1106),
        ("timeInForce=GTC&price=59000&priceMatch=QUEUE", -1106),
        ("timeInForce=GTC&priceMatch=BEST", -5037),
        (
            "timeInForce=GTC&price=59000&selfTradePreventionMode=MAYBE",
            -5039,
        ),
        ("timeInForce=GTC&price=59000&newOrderRespType=FULL", -1136),
    ] {
        assert_eq!(limit(&c, more).await.refusal(), (400, code), "{more}");
    }
    let market = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010&priceMatch=QUEUE";
    assert_eq!(c.order(market).await.refusal(), (400, -5038));
}

#[tokio::test]
async fn orders_of_one_account_meet_as_the_taker_wants_it() {
    for (mode, maker, taker) in [
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED"),
        ("NONE", "FILLED", "FILLED"),
    ] {
        let c = venue().await;
        let sell = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.010&price=60000.10&newClientOrderId=s";
        // Takes the bid first, then rests in front of the outside.
        let ahead = sell
            .replace("60000.10", "60000.00")
            .replace("0.010", "1.010");
        c.order(&ahead).await.ok();
        let buy = format!(
            "timeInForce=GTC&price=60000.10&selfTradePreventionMode={mode}&newOrderRespType=RESULT"
        );
        let took = limit(&c, &buy).await.ok();
        assert_eq!(took["status"], taker, "{mode}");
        let which = "symbol=BTCUSDT&origClientOrderId=s";
        let rested = c.signed("GET", "/fapi/v1/order", which).await.ok();
        let want = if maker == "NEW" {
            "PARTIALLY_FILLED"
        } else {
            maker
        };
        assert_eq!(rested["status"], want, "{mode}");
    }
}

#[tokio::test]
async fn a_test_order_is_refused_for_what_the_order_would_be_refused_for() {
    let c = venue().await;
    let test = async |params: &str| {
        let r = c.signed("POST", "/fapi/v1/order/test", params).await;
        if r.status == 200 { 0 } else { r.refusal().1 }
    };
    assert_eq!(
        test(&format!("{REST}&timeInForce=GTC&price=59000")).await,
        0
    );
    for (more, code) in [
        ("timeInForce=GTX&price=60010", -5022),
        ("timeInForce=GTC&price=99000", -4016),
        ("timeInForce=GTC&price=59000&reduceOnly=true", -2022),
        ("timeInForce=GTC&price=59000&newOrderRespType=FULL", -1136),
    ] {
        assert_eq!(test(&format!("{REST}&{more}")).await, code, "{more}");
    }
    let poor = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=59000&quantity=9";
    assert_eq!(test(poor).await, -2019);
    let open = c.signed("GET", "/fapi/v1/openOrders", "").await.ok();
    assert_eq!(open, json!([]), "nothing was placed");
}
