//! Plain orders.

use super::{Answer, engine, json, symbol, symbol_opt, terms};
use crate::engine::{
    OrderOrigin, OrderRef, OrderView, PlaceOrder, Request, Response, SymbolId, price_on_grid,
    qty_on_grid,
};
use crate::server::audit::Named;
use crate::server::params::{ApiError, Params};
use crate::server::text::plain;
use crate::server::venue::Venue;
use crate::server::words;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::order::{ClientId, OrderKind, OrderStatus};
use serde::Serialize;
use serde_json::{Value, json as object};

/// `side`.
pub(super) fn side(p: &Params) -> Result<Side, ApiError> {
    match p.need("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(ApiError::new(-1117, "Invalid side.")),
    }
}

/// One-way mode: `positionSide` is absent or BOTH.
pub(super) fn one_way(p: &Params) -> Result<(), ApiError> {
    match p.get("positionSide") {
        None | Some("BOTH") => Ok(()),
        Some("LONG" | "SHORT") => Err(ApiError::new(
            -4061,
            "Order's position side does not match user's setting.",
        )),
        Some(_) => Err(ApiError::new(-4060, "Invalid position side.")),
    }
}

/// A quantity on the contract's grid.
pub(super) fn qty(
    v: &Venue,
    id: SymbolId,
    p: &Params,
    name: &str,
) -> Result<Option<Qty>, ApiError> {
    let Some(d) = p.decimal(name)? else {
        return Ok(None);
    };
    let spec = spec(v, id)?;
    Ok(Some(qty_on_grid(&spec.instrument, d)?))
}

/// A price on the contract's grid.
pub(super) fn price(
    v: &Venue,
    id: SymbolId,
    p: &Params,
    name: &str,
) -> Result<Option<Price>, ApiError> {
    let Some(d) = p.decimal(name)? else {
        return Ok(None);
    };
    let spec = spec(v, id)?;
    Ok(Some(price_on_grid(&spec.instrument, d)?))
}

fn spec(v: &Venue, id: SymbolId) -> Result<&crate::engine::SymbolSpec, ApiError> {
    let specs = &v.engine.config().symbols;
    specs
        .get(usize::from(id.0))
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))
}

/// An order's reference: `orderId` first, else the client's.
pub(super) fn reference(p: &Params, id: &str, client: &str) -> Result<OrderRef, ApiError> {
    match (p.uint(id)?, p.get(client)) {
        (Some(id), _) => Ok(OrderRef::Id(id)),
        (None, Some(c)) => Ok(OrderRef::Client(ClientId::from(c))),
        (None, None) => Err(ApiError::new(
            -1102,
            format!("Param '{client}' or '{id}' must be sent, but both were empty/null!"),
        )),
    }
}

/// Refuses a parameter that has no place here.
pub(super) fn unwanted(p: &Params, name: &str) -> Result<(), ApiError> {
    match p.get(name) {
        None => Ok(()),
        Some(_) => Err(ApiError::new(
            -1106,
            format!("Parameter '{name}' sent when not required."),
        )),
    }
}

fn request(v: &Venue, p: &Params) -> Result<PlaceOrder, ApiError> {
    let id = symbol(v, p)?;
    let side = side(p)?;
    one_way(p)?;
    let (kind, terms) = match p.need("type")? {
        "MARKET" => {
            unwanted(p, "price")?;
            unwanted(p, "timeInForce")?;
            (OrderKind::Market, terms::market(p)?)
        }
        "LIMIT" => terms::limit(v, id, p, None)?,
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            return Err(ApiError::new(
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
            ));
        }
        _ => return Err(ApiError::new(-1116, "Invalid orderType.")),
    };
    unwanted(p, "stopPrice")?;
    if p.flag("closePosition")? == Some(true) {
        return Err(ApiError::new(
            -4136,
            "Target strategy invalid for orderType MARKET,closePosition true",
        ));
    }
    let qty = qty(v, id, p, "quantity")?.ok_or_else(|| ApiError::missing("quantity"))?;
    Ok(PlaceOrder {
        symbol: id,
        client_id: p.get("newClientOrderId").map(ClientId::from),
        side,
        kind,
        qty,
        reduce_only: p.flag("reduceOnly")?.unwrap_or(false),
        terms,
    })
}

/// What both the answer to a request and a query tell.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    order_id: u64,
    symbol: &'a str,
    status: &'a str,
    client_order_id: &'a str,
    price: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_price: Option<String>,
    orig_qty: String,
    executed_qty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cum_qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cum_quote: Option<String>,
    time_in_force: &'a str,
    r#type: &'a str,
    reduce_only: bool,
    close_position: bool,
    side: &'a str,
    position_side: &'a str,
    stop_price: &'a str,
    working_type: &'a str,
    price_protect: bool,
    orig_type: &'a str,
    price_match: &'a str,
    self_trade_prevention_mode: &'a str,
    good_till_date: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    update_time: i64,
}

/// Answers of order and cancel requests carry `cumQty` and no average price or quote sum (since July 2026), queries the
/// other way round.
fn shape<'a>(v: &'a Venue, o: &'a OrderView, query: bool) -> Option<Shape<'a>> {
    let s = v.text(o.symbol)?;
    let closes = match o.origin {
        OrderOrigin::Stop(id) => v
            .engine
            .stop(v.account, &OrderRef::Id(id))
            .is_ok_and(|s| s.stop.qty.is_none()),
        _ => false,
    };
    let filled = s.q(o.order.filled);
    Some(Shape {
        order_id: o.order.order_id,
        symbol: &s.name,
        status: words::status(o.order.status),
        client_order_id: o.order.client_id.as_str(),
        price: o.order.price.map_or_else(|| "0".to_owned(), |p| s.p(p)),
        avg_price: query.then(|| words::price(s, o.avg_price)),
        orig_qty: s.q(o.order.qty),
        executed_qty: filled.clone(),
        cum_qty: (!query).then_some(filled),
        cum_quote: query.then(|| plain(o.cum_quote)),
        time_in_force: words::tif(&o.kind, &o.terms),
        r#type: words::kind(&o.kind),
        reduce_only: o.order.reduce_only,
        close_position: closes,
        side: words::side(o.order.side),
        position_side: "BOTH",
        stop_price: "0",
        working_type: "CONTRACT_PRICE",
        price_protect: false,
        orig_type: words::kind(&o.kind),
        price_match: terms::match_word(&o.terms),
        self_trade_prevention_mode: o.terms.self_trade.as_str(),
        good_till_date: o.terms.good_till_ms,
        time: query.then_some(o.created_ms),
        update_time: o.order.update_ms,
    })
}

fn tell(v: &Venue, o: &OrderView, query: bool) -> Answer {
    let shape = shape(v, o, query).ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?;
    json(&shape)
}

fn value(v: &Venue, o: &OrderView, query: bool) -> Result<Value, ApiError> {
    let shape = shape(v, o, query).ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?;
    serde_json::to_value(shape).map_err(|_| ApiError::new(-1000, "An unknown error occurred."))
}

/// An order as JSON.
pub(super) fn told(
    v: &Venue,
    id: SymbolId,
    which: &OrderRef,
    query: bool,
) -> Result<Value, ApiError> {
    value(v, &v.engine.order(v.account, id, which)?, query)
}

/// Puts the arrival of an order into the venue's own log, or its refusal.
fn log(v: &mut Venue, o: &PlaceOrder, refused: Option<i64>) {
    let at = v.at();
    let Some(text) = v.symbols.get(usize::from(o.symbol.0)) else {
        return;
    };
    let who = Named {
        symbol: o.symbol,
        name: &text.name,
        client_id: o.client_id.as_ref().map_or("", ClientId::as_str),
    };
    match refused {
        None => v
            .accounts
            .of_mut(v.account)
            .audit
            .order(&who, o.side, o.qty, o.reduce_only, at),
        Some(code) => v.accounts.of_mut(v.account).audit.refused(&who, code, at),
    }
}

/// `newOrderRespType`: whether the answer tells of fills.
fn wants_result(p: &Params) -> Result<bool, ApiError> {
    match p.get("newOrderRespType") {
        None | Some("ACK") => Ok(false),
        Some("RESULT") => Ok(true),
        Some(_) => Err(ApiError::new(-1136, "Invalid newOrderRespType.")),
    }
}

/// Places one order.
pub(super) fn place_one(v: &mut Venue, p: &Params) -> Result<Value, ApiError> {
    let result = wants_result(p)?;
    let request = request(v, p)?;
    let id = request.symbol;
    log(v, &request, None);
    let answer = engine(v, Request::Place(request.clone()));
    if let Err(e) = &answer {
        log(v, &request, Some(e.code));
    }
    let Response::Order(done) = answer? else {
        return Err(ApiError::new(-1000, "An unknown error occurred."));
    };
    let mut view = v
        .engine
        .order(v.account, id, &OrderRef::Id(done.order_id))?;
    if !result {
        // An acknowledgement knows nothing of fills: the user stream tells them.
        view.order.status = OrderStatus::New;
        view.order.filled = Qty::ZERO;
    }
    value(v, &view, false)
}

/// `POST /order`.
pub(super) fn place(v: &mut Venue, p: &Params) -> Answer {
    json(&place_one(v, p)?)
}

/// `POST /order/test`: everything is checked, nothing is matched.
pub(super) fn test(v: &mut Venue, p: &Params) -> Answer {
    wants_result(p)?;
    let request = request(v, p)?;
    v.engine.check_only(v.account, Request::Place(request))?;
    Ok(b"{}".to_vec())
}

/// `GET /order`.
pub(super) fn query(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let which = reference(p, "orderId", "origClientOrderId")?;
    let o = v.engine.order(v.account, id, &which)?;
    tell(v, &o, true)
}

/// Cancels one order.
pub(super) fn cancel_one(v: &mut Venue, id: SymbolId, which: OrderRef) -> Result<Value, ApiError> {
    let Response::Order(done) = engine(v, Request::Cancel(id, which))? else {
        return Err(ApiError::new(-2011, "Unknown order sent."));
    };
    told(v, id, &OrderRef::Id(done.order_id), false)
}

/// `DELETE /order`.
pub(super) fn cancel(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let which = reference(p, "orderId", "origClientOrderId")?;
    json(&cancel_one(v, id, which)?)
}

/// `GET /openOrder`: one that is open.
pub(super) fn open_one(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let which = reference(p, "orderId", "origClientOrderId")?;
    let o = v.engine.order(v.account, id, &which)?;
    if o.order.status.is_final() {
        return Err(ApiError::new(-2013, "Order does not exist."));
    }
    tell(v, &o, true)
}

/// Orders as queries tell them.
pub(super) fn tell_all(v: &Venue, all: &[OrderView]) -> Answer {
    json(
        &all.iter()
            .filter_map(|o| shape(v, o, true))
            .collect::<Vec<_>>(),
    )
}

/// `GET /openOrders`.
pub(super) fn open_all(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol_opt(v, p)?;
    tell_all(v, &v.engine.open_orders(v.account, id))
}

/// `GET /allOrders`.
pub(super) fn all(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol_opt(v, p)?;
    let limit = p.limit(500, 1000)?;
    let (from, start, end) = (p.uint("orderId")?, p.time("startTime")?, p.time("endTime")?);
    let mut all = v.engine.orders(v.account, id);
    all.retain(|o| {
        from.is_none_or(|f| o.order.order_id >= f)
            && start.is_none_or(|s| o.created_ms >= s)
            && end.is_none_or(|e| o.created_ms <= e)
    });
    page(&mut all, limit, from.is_some());
    tell_all(v, &all)
}

/// The first `limit` from a given id on, else the latest.
pub(super) fn page<T>(all: &mut Vec<T>, limit: usize, from_id: bool) {
    if from_id {
        all.truncate(limit);
    } else {
        all.drain(..all.len().saturating_sub(limit));
    }
}

/// `{"code":200,...}` of the cancel-all endpoints.
pub(super) fn all_cancelled() -> Answer {
    json(&object!({"code": 200, "msg": "The operation of cancel all open order is done."}))
}

/// `DELETE /allOpenOrders`.
pub(super) fn cancel_all(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    engine(v, Request::CancelAll(id))?;
    all_cancelled()
}

/// `POST /countdownCancelAll`.
pub(super) fn countdown(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let ms = p
        .uint("countdownTime")?
        .ok_or_else(|| ApiError::missing("countdownTime"))?;
    // A thousand years would not fit the engine's clock.
    if ms > 86_400_000 * 365 {
        return Err(ApiError::illegal("countdownTime"));
    }
    engine(v, Request::Countdown(id, ms))?;
    json(&object!({"symbol": p.get("symbol"), "countdownTime": ms.to_string()}))
}
