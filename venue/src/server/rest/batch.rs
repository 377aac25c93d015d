//! Changes of orders, several orders in one request, and the history of changes.

use super::orders::{cancel_one, page, place_one, qty, reference, side, told};
use super::terms::{limit_price, price_match};
use super::{Answer, engine, json, symbol};
use crate::engine::{ModifyOrder, OrderRef, Request, Response};
use crate::server::params::{ApiError, Params};
use crate::server::venue::Venue;
use helios_core::order::ClientId;
use serde_json::{Value, json as object};

/// Orders in one request, and orders cancelled by one request, at most.
const BATCH: usize = 5;
const CANCELS: usize = 10;

fn modify_one(v: &mut Venue, p: &Params) -> Result<Value, ApiError> {
    let id = symbol(v, p)?;
    let which = reference(p, "orderId", "origClientOrderId")?;
    let side = side(p)?;
    let quantity = qty(v, id, p, "quantity")?.ok_or_else(|| ApiError::missing("quantity"))?;
    let price_match = price_match(p)?;
    let modify_id = p.uint("modifyId")?;
    let change = ModifyOrder {
        symbol: id,
        which,
        side,
        qty: quantity,
        price: limit_price(v, id, p, price_match)?,
        price_match,
        modify_id,
    };
    let Response::Order(done) = engine(v, Request::Modify(change))? else {
        return Err(ApiError::new(-1000, "An unknown error occurred."));
    };
    let mut answer = told(v, id, &OrderRef::Id(done.order_id), false)?;
    if let (Some(o), Some(m)) = (answer.as_object_mut(), modify_id) {
        o.insert("modifyId".to_owned(), m.into());
    }
    Ok(answer)
}

/// `PUT /order`.
pub(super) fn modify(v: &mut Venue, p: &Params) -> Answer {
    json(&modify_one(v, p)?)
}

/// Each element's result, or its refusal in its place.
fn each(
    v: &mut Venue,
    p: &Params,
    one: impl Fn(&mut Venue, &Params) -> Result<Value, ApiError>,
) -> Answer {
    let all: Vec<Params> = p.list("batchOrders", BATCH)?;
    let answers = all.iter().map(|p| one(v, p).unwrap_or_else(|e| e.json()));
    json(&answers.collect::<Vec<_>>())
}

/// `POST /batchOrders`.
pub(super) fn place(v: &mut Venue, p: &Params) -> Answer {
    each(v, p, place_one)
}

/// `PUT /batchOrders`.
pub(super) fn modify_all(v: &mut Venue, p: &Params) -> Answer {
    each(v, p, modify_one)
}

/// The elements of a JSON array in one parameter.
fn elements<T>(
    p: &Params,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<Vec<T>>, ApiError> {
    // Widely used clients write these names in small letters.
    let Some(text) = p.get(name).or_else(|| p.get(&name.to_lowercase())) else {
        return Ok(None);
    };
    let list: Option<Vec<T>> = serde_json::from_str::<Vec<Value>>(text)
        .ok()
        .and_then(|l| l.iter().map(read).collect());
    list.filter(|l| !l.is_empty() && l.len() <= CANCELS)
        .map(Some)
        .ok_or_else(|| {
            ApiError::new(
                -1130,
                format!("Data sent for parameter '{name}' is not valid."),
            )
        })
}

/// `DELETE /batchOrders`.
pub(super) fn cancel(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    // Some clients keep ids as text.
    let number = |v: &Value| v.as_u64().or_else(|| v.as_str()?.parse().ok());
    let ids = elements(p, "orderIdList", number)?;
    let names = elements(p, "origClientOrderIdList", |n| {
        n.as_str().map(ClientId::from)
    })?;
    let all: Vec<OrderRef> = match (ids, names) {
        (Some(ids), _) => ids.into_iter().map(OrderRef::Id).collect(),
        (None, Some(names)) => names.into_iter().map(OrderRef::Client).collect(),
        (None, None) => return Err(ApiError::missing("orderIdList")),
    };
    let answers = all
        .into_iter()
        .map(|which| cancel_one(v, id, which).unwrap_or_else(|e| e.json()));
    json(&answers.collect::<Vec<_>>())
}

/// `GET /orderAmendment`.
pub(super) fn history(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let text = v
        .text(id)
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?;
    let limit = p.limit(50, 100)?;
    let (order, client) = (p.uint("orderId")?, p.get("origClientOrderId"));
    let (start, end) = (p.time("startTime")?, p.time("endTime")?);
    let mut all = v.engine.amendments(v.account, id);
    all.retain(|a| {
        order.is_none_or(|o| a.order_id == o)
            && client.is_none_or(|c| a.client_id.as_str() == c)
            && start.is_none_or(|t| a.amendment.time_ms >= t)
            && end.is_none_or(|t| a.amendment.time_ms <= t)
    });
    page(&mut all, limit, false);
    let rows = all.iter().map(|a| {
        let c = &a.amendment;
        let mut change = object!({
            "price": {"before": text.p(c.price.0), "after": text.p(c.price.1)},
            "origQty": {"before": text.q(c.qty.0), "after": text.q(c.qty.1)},
            "count": c.count,
        });
        if let (Some(o), Some(m)) = (change.as_object_mut(), c.modify_id) {
            o.insert("modifyId".to_owned(), m.into());
        }
        object!({
            "amendmentId": c.id,
            "symbol": text.name,
            "pair": text.name,
            "orderId": a.order_id,
            "clientOrderId": a.client_id.as_str(),
            "time": c.time_ms,
            "amendment": change,
        })
    });
    json(&rows.collect::<Vec<_>>())
}
