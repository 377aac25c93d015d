//! The parameters that plain and conditional orders share: time in force, date, self-trade prevention, price match.

use super::orders::{price, unwanted};
use crate::engine::{OrderTerms, PriceMatch, SelfTrade, SymbolId};
use crate::server::params::{ApiError, Params};
use crate::server::venue::Venue;
use helios_core::fixed::Price;
use helios_core::order::{OrderKind, TimeInForce};

/// `selfTradePreventionMode`; EXPIRE_MAKER when nothing is said.
fn self_trade(p: &Params) -> Result<SelfTrade, ApiError> {
    p.get("selfTradePreventionMode")
        .map_or(Some(SelfTrade::default()), SelfTrade::parse)
        .ok_or_else(|| ApiError::new(-5039, "Invalid self trade prevention mode"))
}

/// `priceMatch`; `NONE` is none.
pub(super) fn price_match(p: &Params) -> Result<Option<PriceMatch>, ApiError> {
    match p.get("priceMatch") {
        None | Some("NONE") => Ok(None),
        Some(word) => PriceMatch::parse(word)
            .map(Some)
            .ok_or_else(|| ApiError::new(-5037, "Invalid price match")),
    }
}

/// The price of a limit: as sent, or 0 when it is to be read off the book; both at once are refused.
pub(super) fn limit_price(
    v: &Venue,
    id: SymbolId,
    p: &Params,
    matched: Option<PriceMatch>,
) -> Result<Price, ApiError> {
    if matched.is_some() {
        unwanted(p, "price")?;
        return Ok(Price(0));
    }
    price(v, id, p, "price")?.ok_or_else(|| ApiError::missing("price"))
}

/// Time in force and date of a limit; GTD is GTC with a date.
fn time_in_force(p: &Params, word: &str) -> Result<(TimeInForce, i64), ApiError> {
    let tif = match word {
        "GTC" | "GTD" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        "GTX" => TimeInForce::Gtx,
        _ => return Err(ApiError::new(-1115, "Invalid timeInForce.")),
    };
    let date = p.time("goodTillDate")?.filter(|d| *d != 0);
    match (word, date) {
        ("GTD", None) => Err(ApiError::missing("goodTillDate")),
        // A date of a second that never was is still refused by the engine.
        ("GTD", Some(date)) => Ok((tif, date)),
        (_, None) => Ok((tif, 0)),
        (_, Some(_)) => unwanted(p, "goodTillDate").map(|()| (tif, 0)),
    }
}

/// A limit order's kind and terms; `default` is the time in force where none must be sent.
pub(super) fn limit(
    v: &Venue,
    id: SymbolId,
    p: &Params,
    default: Option<&str>,
) -> Result<(OrderKind, OrderTerms), ApiError> {
    let word = match (p.get("timeInForce"), default) {
        (Some(word), _) | (None, Some(word)) => word,
        (None, None) => return Err(ApiError::missing("timeInForce")),
    };
    let (tif, good_till_ms) = time_in_force(p, word)?;
    let price_match = price_match(p)?;
    let price = limit_price(v, id, p, price_match)?;
    let terms = OrderTerms {
        self_trade: self_trade(p)?,
        good_till_ms,
        price_match,
    };
    Ok((OrderKind::Limit { price, tif }, terms))
}

/// A market order's terms: it has neither date nor price.
pub(super) fn market(p: &Params) -> Result<OrderTerms, ApiError> {
    if price_match(p)?.is_some() {
        return Err(ApiError::new(
            -5038,
            "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT",
        ));
    }
    Ok(OrderTerms {
        self_trade: self_trade(p)?,
        ..OrderTerms::default()
    })
}

/// The exchange's word for a price match.
pub(super) fn match_word(terms: &OrderTerms) -> &'static str {
    terms.price_match.map_or("NONE", PriceMatch::as_str)
}
