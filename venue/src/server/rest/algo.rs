//! Conditional orders.
//!
//! STOP, STOP_MARKET, TAKE_PROFIT, TAKE_PROFIT_MARKET and TRAILING_STOP_MARKET, on the mark or (when nothing is said) on the
//! last price.

use super::orders::{all_cancelled, one_way, page, price, qty, reference, side, unwanted};
use super::{Answer, engine, json, symbol, symbol_opt, terms};
use crate::engine::{
    NewConditional, OrderRef, Request, Response, StopView, SymbolId, Trigger, WorkingType,
};
use crate::server::params::{ApiError, Params};
use crate::server::text::plain;
use crate::server::venue::Venue;
use crate::server::words;
use helios_core::order::{ClientId, OrderKind};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json as object;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    algo_id: u64,
    client_algo_id: &'a str,
    algo_type: &'a str,
    order_type: &'a str,
    symbol: &'a str,
    side: &'a str,
    position_side: &'a str,
    time_in_force: &'a str,
    quantity: String,
    algo_status: &'a str,
    #[serde(flatten)]
    actual: Option<Actual>,
    trigger_price: String,
    price: String,
    iceberg_quantity: Option<&'a str>,
    self_trade_prevention_mode: &'a str,
    working_type: &'a str,
    price_match: &'a str,
    close_position: bool,
    price_protect: bool,
    reduce_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    activate_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_rate: Option<String>,
    create_time: i64,
    update_time: i64,
    trigger_time: i64,
    good_till_date: i64,
}

/// What queries tell of the plain order it became.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Actual {
    actual_order_id: String,
    actual_price: String,
    actual_type: &'static str,
    actual_qty: String,
    tp_trigger_price: &'static str,
    tp_price: &'static str,
    sl_trigger_price: &'static str,
    sl_price: &'static str,
    tp_order_type: &'static str,
}

fn shape<'a>(v: &'a Venue, s: &'a StopView, query: bool) -> Option<Shape<'a>> {
    let text = v.text(s.symbol)?;
    let close = s.stop.qty.is_none();
    let actual = query.then(|| Actual {
        actual_order_id: s.order_id.map(|i| i.to_string()).unwrap_or_default(),
        actual_price: words::price(text, s.actual_price),
        actual_type: if s.order_id.is_some() {
            words::kind(&s.kind)
        } else {
            ""
        },
        actual_qty: text.q(s.actual_qty),
        tp_trigger_price: "0.000",
        tp_price: "0.000",
        sl_trigger_price: "0.000",
        sl_price: "0.000",
        tp_order_type: "",
    });
    Some(Shape {
        algo_id: s.stop.algo_id,
        client_algo_id: s.stop.client_id.as_str(),
        algo_type: "CONDITIONAL",
        order_type: s.type_name(),
        symbol: &text.name,
        side: words::side(s.stop.side),
        position_side: "BOTH",
        time_in_force: words::algo_tif(s),
        quantity: text.q(s.stop.qty.unwrap_or_default()),
        algo_status: words::algo_status(s.stop.status),
        actual,
        trigger_price: text.p(s.stop.trigger),
        price: match s.kind {
            OrderKind::Limit { price, .. } => text.p(price),
            OrderKind::Market => "0".to_owned(),
        },
        iceberg_quantity: None,
        self_trade_prevention_mode: s.terms.self_trade.as_str(),
        working_type: s.working.as_str(),
        price_match: terms::match_word(&s.terms),
        close_position: close,
        price_protect: s.price_protect,
        reduce_only: s.reduce_only,
        activate_price: s
            .trail
            .map(|t| t.activation.map_or_else(String::new, |a| text.p(a))),
        callback_rate: s.trail.map(|t| plain(t.callback)),
        create_time: s.created_ms,
        update_time: s.stop.update_ms,
        trigger_time: s.trigger_ms,
        good_till_date: s.terms.good_till_ms,
    })
}

fn request(v: &Venue, p: &Params) -> Result<Request, ApiError> {
    let refuse = |code: i64, msg: &str| Err(ApiError::new(code, msg));
    if p.need("algoType")? != "CONDITIONAL" {
        return refuse(
            -1102,
            "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.",
        );
    }
    let id = symbol(v, p)?;
    let side = side(p)?;
    one_way(p)?;
    let kind = p.need("type")?;
    let take_profit = matches!(kind, "TAKE_PROFIT" | "TAKE_PROFIT_MARKET");
    let (order, terms) = match kind {
        "STOP" | "TAKE_PROFIT" => terms::limit(v, id, p, Some("GTC"))?,
        "STOP_MARKET" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            if p.decimal("price")?.is_some_and(|d| d != Decimal::ZERO) {
                unwanted(p, "price")?;
            }
            (OrderKind::Market, terms::market(p)?)
        }
        _ => return refuse(-1116, "Invalid orderType."),
    };
    let working = p
        .get("workingType")
        .map_or(Some(WorkingType::ContractPrice), WorkingType::parse)
        .ok_or_else(|| {
            ApiError::new(-1130, "Data sent for parameter 'workingType' is not valid.")
        })?;
    let trigger = trigger(v, id, p, take_profit, kind == "TRAILING_STOP_MARKET")?;
    let price_protect = p.flag("priceProtect")?.unwrap_or(false);
    let quantity = qty(v, id, p, "quantity")?;
    let reduce_only = p.flag("reduceOnly")?;
    let close = p.flag("closePosition")? == Some(true);
    if close && quantity.is_some() {
        return refuse(
            -4137,
            "Quantity must be zero with closePosition equals true.",
        );
    }
    if close && reduce_only.is_some() {
        return refuse(-1106, "Parameter 'reduceonly' sent when not required.");
    }
    if !close && quantity.is_none() {
        return Err(ApiError::missing("quantity"));
    }
    Ok(Request::NewConditional(NewConditional {
        symbol: id,
        client_id: p.get("clientAlgoId").map(ClientId::from),
        side,
        trigger,
        working,
        kind: order,
        qty: quantity,
        reduce_only: reduce_only.unwrap_or(false),
        price_protect,
        terms,
    }))
}

/// A trailing stop has a callback rate and no trigger price; all others the other way round.
fn trigger(
    v: &Venue,
    id: SymbolId,
    p: &Params,
    take_profit: bool,
    trailing: bool,
) -> Result<Trigger, ApiError> {
    if trailing {
        if p.get("triggerPrice").is_some() {
            return Err(ApiError::new(-2021, "Order would immediately trigger."));
        }
        let callback = p
            .decimal("callbackRate")?
            .ok_or_else(|| ApiError::missing("callbackRate"))?;
        let activation = price(v, id, p, "activatePrice")?;
        return Ok(Trigger::Trailing {
            activation,
            callback,
        });
    }
    unwanted(p, "activatePrice")?;
    unwanted(p, "callbackRate")?;
    let price =
        price(v, id, p, "triggerPrice")?.ok_or_else(|| ApiError::missing("triggerPrice"))?;
    Ok(Trigger::Level { price, take_profit })
}

/// `POST /algoOrder`.
pub(super) fn place(v: &mut Venue, p: &Params) -> Answer {
    let request = request(v, p)?;
    let Response::Stop(done) = engine(v, request)? else {
        return Err(ApiError::new(-1000, "An unknown error occurred."));
    };
    let s = v.engine.stop(v.account, &OrderRef::Id(done.algo_id))?;
    json(&shape(v, &s, false))
}

/// `GET /algoOrder`.
pub(super) fn query(v: &mut Venue, p: &Params) -> Answer {
    let which = reference(p, "algoId", "clientAlgoId")?;
    let s = v.engine.stop(v.account, &which)?;
    json(&shape(v, &s, true))
}

/// `DELETE /algoOrder`.
pub(super) fn cancel(v: &mut Venue, p: &Params) -> Answer {
    let which = reference(p, "algoId", "clientAlgoId")?;
    let Response::Stop(done) = engine(v, Request::CancelStop(which))? else {
        return Err(ApiError::new(-2011, "Unknown order sent."));
    };
    json(&object!({
        "algoId": done.algo_id,
        "clientAlgoId": done.client_id.as_str(),
        "code": "200",
        "msg": "success",
    }))
}

fn tell_all(v: &Venue, all: &[StopView]) -> Answer {
    json(
        &all.iter()
            .filter_map(|s| shape(v, s, true))
            .collect::<Vec<_>>(),
    )
}

/// `GET /openAlgoOrders`.
pub(super) fn open(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol_opt(v, p)?;
    tell_all(v, &v.engine.open_stops(v.account, id))
}

/// `GET /allAlgoOrders`.
pub(super) fn all(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let limit = p.limit(500, 1000)?;
    let (from, start, end) = (p.uint("algoId")?, p.time("startTime")?, p.time("endTime")?);
    let mut all = v.engine.stops(v.account, Some(id));
    all.retain(|s| {
        from.is_none_or(|f| s.stop.algo_id >= f)
            && start.is_none_or(|t| s.created_ms >= t)
            && end.is_none_or(|t| s.created_ms <= t)
    });
    page(&mut all, limit, from.is_some());
    tell_all(v, &all)
}

/// `DELETE /algoOpenOrders`.
pub(super) fn cancel_all(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    engine(v, Request::CancelAllStops(id))?;
    all_cancelled()
}
