//! Several orders in one request.

use super::client::{Client, Reply, venue};
use super::samples::{examples, same};
use serde_json::{Value, json};

async fn batch(c: &Client, method: &str, list: &Value) -> Reply {
    let text: String = url::form_urlencoded::byte_serialize(list.to_string().as_bytes()).collect();
    let params = format!("batchOrders={text}");
    c.signed(method, "/fapi/v1/batchOrders", &params).await
}

#[tokio::test]
async fn each_order_of_a_batch_has_its_own_answer() {
    let c = venue().await;
    let order = |id: &str, price: &str| {
        json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.010", "price": price, "newClientOrderId": id})
    };
    let list = json!([
        order("a", "59000"),
        order("b", "59000.05"),
        order("c", "58000")
    ]);
    let placed = batch(&c, "POST", &list).await;
    assert_eq!(placed.header("x-mbx-order-count-10s"), Some("5"));
    let placed = placed.ok();
    assert_eq!(
        (&placed[0]["status"], &placed[2]["status"]),
        (&json!("NEW"), &json!("NEW"))
    );
    assert_eq!(placed[1]["code"], -1111);
    let change = |id: &str, price: f64| {
        json!({"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": id, "quantity": 0.02,
            "price": price})
    };
    let list = json!([change("a", 59050.0), change("b", 59050.0)]);
    let changed = batch(&c, "PUT", &list).await.ok();
    assert_eq!(
        (&changed[0]["origQty"], &changed[1]["code"]),
        (&json!("0.020"), &json!(-2013))
    );
    let names = "symbol=BTCUSDT&origClientOrderIdList=%5B%22a%22,%22b%22%5D";
    let gone = c.signed("DELETE", "/fapi/v1/batchOrders", names).await.ok();
    assert_eq!(
        (&gone[0]["status"], &gone[1]["code"]),
        (&json!("CANCELED"), &json!(-2011))
    );
    // As ccxt and python-binance spell it.
    let ids = format!(
        "symbol=BTCUSDT&orderidlist=%5B%22{}%22%5D",
        placed[2]["orderId"]
    );
    let gone_by_id = c.signed("DELETE", "/fapi/v1/batchOrders", &ids).await.ok();
    assert_eq!(gone_by_id[0]["clientOrderId"], "c");
    if let Some(all) = examples() {
        let but = [
            "code",
            "msg",
            "pair",
            "modifyId",
            "activatePrice",
            "priceRate",
        ];
        for (name, ours) in [
            ("place_multiple_orders", &placed),
            ("modify_multiple_orders", &changed),
            ("cancel_multiple_orders", &gone),
        ] {
            let sample = &all[&format!("rest_api/apis/trade_api.rs/{name}")];
            same(name, sample, ours, &but);
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_no_list_of_one_to_five_orders_is_refused() {
    let c = venue().await;
    for list in [
        json!([]),
        json!({}),
        json!([1]),
        json!([{}, {}, {}, {}, {}, {}]),
        json!([{"a": []}]),
    ] {
        assert_eq!(
            batch(&c, "POST", &list).await.refusal(),
            (400, -1130),
            "{list}"
        );
    }
    let none = c.signed("POST", "/fapi/v1/batchOrders", "").await;
    assert_eq!(none.refusal(), (400, -1102));
    for ids in [
        "orderIdList=%5B%5D",
        "orderIdList=%5B%22x%22%5D",
        "orderIdList=7",
    ] {
        let params = format!("symbol=BTCUSDT&{ids}");
        let r = c.signed("DELETE", "/fapi/v1/batchOrders", &params).await;
        assert_eq!(r.refusal(), (400, -1130), "{ids}");
    }
}
