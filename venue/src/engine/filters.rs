//! The contract's filters: what a request must satisfy before margin or the book are asked.
//!
//! Grid conversion ([`price_on_grid`], [`qty_on_grid`]) is for whoever receives decimals (the server); the engine itself
//! counts ticks and lots. The percent-price bounds are taken against the mark price; without one they don't bind.

use super::refusal;
use super::types::VenueError;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::{Instrument, InstrumentError};
use helios_core::order::ClientId;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Notional beyond which arithmetic is not attempted.
const ABSURD_NOTIONAL: i64 = 1_000_000_000_000_000;

/// PRICE_FILTER `minPrice` of every contract, ticks.
pub const MIN_PRICE_TICKS: i64 = 1;
/// PRICE_FILTER `maxPrice` of every contract, ticks.
pub const MAX_PRICE_TICKS: i64 = 1_000_000_000;

/// A requested price in ticks.
///
/// # Errors
/// −4001 not positive, −1111 more decimals than the tick, −4014 off the tick grid.
pub fn price_on_grid(inst: &Instrument, p: Decimal) -> Result<Price, VenueError> {
    if p <= Decimal::ZERO {
        return Err(refusal::price_not_positive());
    }
    if p.normalize().scale() > inst.tick.normalize().scale() {
        return Err(refusal::precision());
    }
    inst.price(p).map_err(|e| match e {
        InstrumentError::NotOnGrid { .. } => refusal::off_tick(),
        InstrumentError::BadFilter { .. } => refusal::invalid_symbol(),
    })
}

/// A requested quantity in lots.
///
/// # Errors
/// −4003 not positive, −1111 more decimals than the step, −4023 off the step grid.
pub fn qty_on_grid(inst: &Instrument, q: Decimal) -> Result<Qty, VenueError> {
    if q <= Decimal::ZERO {
        return Err(refusal::qty_not_positive());
    }
    if q.normalize().scale() > inst.step.normalize().scale() {
        return Err(refusal::precision());
    }
    inst.qty(q).map_err(|e| match e {
        InstrumentError::NotOnGrid { .. } => refusal::off_step(),
        InstrumentError::BadFilter { .. } => refusal::invalid_symbol(),
    })
}

/// 1 to 36 characters of `.A-Z:/a-z0-9_-`.
pub(super) fn check_client_id(id: &ClientId) -> Result<(), VenueError> {
    let s = id.as_str();
    if s.is_empty() || s.chars().count() > 36 {
        return Err(refusal::client_id_length());
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || ".:/_-".contains(c);
    if s.chars().all(legal) {
        Ok(())
    } else {
        Err(refusal::illegal_characters())
    }
}

/// LOT_SIZE or MARKET_LOT_SIZE.
pub(super) fn check_qty(inst: &Instrument, market: bool, qty: Qty) -> Result<(), VenueError> {
    let max = if market {
        inst.market_max_qty
    } else {
        inst.max_qty
    };
    if qty.0 <= 0 {
        Err(refusal::qty_not_positive())
    } else if qty < inst.min_qty {
        Err(refusal::qty_too_small())
    } else if qty > max {
        Err(refusal::qty_too_large())
    } else {
        Ok(())
    }
}

/// Worst price PERCENT_PRICE allows a side, on the grid; `None` when it does not bind.
pub(super) fn percent_bound(inst: &Instrument, side: Side, mark: Option<Decimal>) -> Option<Price> {
    let mark = mark?;
    let (mult, up) = match side {
        Side::Buy => (inst.multiplier_up, true),
        Side::Sell => (inst.multiplier_down, false),
    };
    if mult <= Decimal::ZERO {
        return None;
    }
    let ticks = mark.checked_mul(mult)?.checked_div(inst.tick)?;
    let ticks = if up { ticks.floor() } else { ticks.ceil() };
    ticks.to_i64().map(Price)
}

/// PRICE_FILTER's bounds, both allowed themselves.
fn check_price_filter(price: Price, min: i64, max: i64) -> Result<(), VenueError> {
    if price.0 <= 0 {
        Err(refusal::price_not_positive())
    } else if price.0 < min {
        Err(refusal::price_below_min())
    } else if price.0 > max {
        Err(refusal::price_above_max())
    } else {
        Ok(())
    }
}

/// PRICE_FILTER of a trigger or activation price.
pub(super) fn check_trigger_price(price: Price) -> Result<(), VenueError> {
    if price.0 <= 0 {
        Err(refusal::stop_not_positive())
    } else if price.0 > MAX_PRICE_TICKS {
        Err(refusal::stop_above_max())
    } else {
        Ok(())
    }
}

/// How far the limit of a conditional order may lie from its trigger: PERCENT_PRICE's multipliers, taken of the trigger.
pub(super) fn check_stop_limit(
    inst: &Instrument,
    side: Side,
    trigger: Price,
    price: Price,
) -> Result<(), VenueError> {
    let bound = percent_bound(inst, side, Some(inst.price_dec(trigger)));
    match (side, bound) {
        (Side::Buy, Some(b)) if price > b => Err(refusal::above_stop_cap()),
        (Side::Sell, Some(b)) if price < b => Err(refusal::below_stop_floor()),
        _ => Ok(()),
    }
}

/// PRICE_FILTER and PERCENT_PRICE of a limit price.
pub(super) fn check_limit_price(
    inst: &Instrument,
    side: Side,
    price: Price,
    mark: Option<Decimal>,
) -> Result<(), VenueError> {
    check_price_filter(price, MIN_PRICE_TICKS, MAX_PRICE_TICKS)?;
    match (side, percent_bound(inst, side, mark)) {
        (Side::Buy, Some(b)) if price > b => Err(refusal::price_too_high(inst.price_dec(b))),
        (Side::Sell, Some(b)) if price < b => Err(refusal::price_too_low(inst.price_dec(b))),
        _ => Ok(()),
    }
}

/// PERCENT_PRICE of the best opposite price a market order would meet.
pub(super) fn check_counterparty(
    inst: &Instrument,
    side: Side,
    best: Option<Price>,
    mark: Option<Decimal>,
) -> Result<(), VenueError> {
    let bound = percent_bound(inst, side, mark);
    let ok = match (best, bound, side) {
        (None, ..) => false,
        (Some(_), None, _) => true,
        (Some(p), Some(b), Side::Buy) => p <= b,
        (Some(p), Some(b), Side::Sell) => p >= b,
    };
    if ok {
        Ok(())
    } else {
        Err(refusal::counterparty_price())
    }
}

/// `price × qty` when it is a sane amount.
pub(super) fn notional(inst: &Instrument, price: Decimal, qty: Qty) -> Result<Decimal, VenueError> {
    Decimal::from(qty.0.abs())
        .checked_mul(inst.step)
        .and_then(|q| q.checked_mul(price))
        .filter(|n| *n <= Decimal::from(ABSURD_NOTIONAL))
        .ok_or_else(refusal::qty_too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_filter_allows_its_bounds_and_nothing_beyond() {
        let code = |p| check_price_filter(Price(p), 10, 20).map_err(|e| e.code);
        assert_eq!(code(0), Err(-4001));
        assert_eq!(code(9), Err(-4013));
        assert_eq!((code(10), code(20)), (Ok(()), Ok(())));
        assert_eq!(code(21), Err(-4002));
    }
}
