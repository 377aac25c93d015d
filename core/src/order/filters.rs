//! Orders and stops made to fit the exchange's filters before they are sent, or refused here with the reason.
//!
//! Quantities are rounded down, stop triggers towards the market (the safe side: they fire earlier, never later). A
//! reduce-only order is exempt from MIN_NOTIONAL and is never refused for size where a smaller one helps: exits over the
//! maximum are cut, what is left is derived anew from the position.

use super::{NewOrder, NewStop, OrderKind};
use crate::fixed::{Money, Price, Qty, Side};
use crate::instrument::Instrument;
use rust_decimal::Decimal;

/// Why an order can't be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing left after rounding down, or not positive.
    #[error("quantity {0:?} lots is nothing to send")]
    NoQty(Qty),
    /// LOT_SIZE `minQty`.
    #[error("quantity {qty} is below LOT_SIZE minQty {min}")]
    BelowMinQty {
        /// Asked.
        qty: Decimal,
        /// Smallest.
        min: Decimal,
    },
    /// MIN_NOTIONAL.
    #[error("notional {notional} is below MIN_NOTIONAL {min}")]
    BelowMinNotional {
        /// Asked.
        notional: Money,
        /// Smallest.
        min: Money,
    },
    /// PERCENT_PRICE: a buy above mark × multiplierUp or a sell below mark × multiplierDown.
    #[error("price {price} is outside PERCENT_PRICE: bound {bound} at mark {mark}")]
    OutsidePercentPrice {
        /// Asked.
        price: Decimal,
        /// Allowed.
        bound: Decimal,
        /// Mark price.
        mark: Decimal,
    },
    /// Zero or negative price or trigger.
    #[error("price {0:?} ticks is not positive")]
    BadPrice(Price),
    /// The mark price is unknown, so the order can't be judged.
    #[error("mark price unknown")]
    MarkUnknown,
}

/// Fits an order: quantity cut to LOT_SIZE or MARKET_LOT_SIZE, everything else checked. A reduce-only limit outside
/// PERCENT_PRICE is pulled to the bound; an entry there is refused.
///
/// # Errors
/// [`FilterError`] says which filter and with which numbers.
pub fn fit_order(
    inst: &Instrument,
    order: &NewOrder,
    mark: Option<Decimal>,
) -> Result<NewOrder, FilterError> {
    let mark = mark.filter(|m| *m > Decimal::ZERO);
    let mut fitted = order.clone();
    if order.qty.0 <= 0 {
        return Err(FilterError::NoQty(order.qty));
    }
    let max = match order.kind {
        OrderKind::Market => inst.market_max_qty.min(inst.max_qty),
        OrderKind::Limit { .. } => inst.max_qty,
    };
    fitted.qty = order.qty.min(max);
    check_min_qty(inst, fitted.qty)?;
    let price = match order.kind {
        OrderKind::Market => mark,
        OrderKind::Limit { price, tif } => {
            let price = within_percent_price(inst, order, price, mark)?;
            fitted.kind = OrderKind::Limit { price, tif };
            Some(inst.price_dec(price))
        }
    };
    if !order.reduce_only {
        let notional = price.ok_or(FilterError::MarkUnknown)? * inst.qty_dec(fitted.qty);
        if notional < inst.min_notional {
            return Err(FilterError::BelowMinNotional {
                notional,
                min: inst.min_notional,
            });
        }
    }
    Ok(fitted)
}

/// Fits a stop: a trail's quantity is cut to MARKET_LOT_SIZE (it becomes a market order), the trigger must be positive.
///
/// # Errors
/// [`FilterError`] says which filter and with which numbers.
pub fn fit_stop(inst: &Instrument, stop: &NewStop) -> Result<NewStop, FilterError> {
    let mut fitted = stop.clone();
    if stop.trigger.0 <= 0 {
        return Err(FilterError::BadPrice(stop.trigger));
    }
    if let Some(qty) = stop.qty {
        if qty.0 <= 0 {
            return Err(FilterError::NoQty(qty));
        }
        let qty = qty.min(inst.market_max_qty).min(inst.max_qty);
        check_min_qty(inst, qty)?;
        fitted.qty = Some(qty);
    }
    Ok(fitted)
}

/// A stop's trigger on the tick grid, rounded to the safe side: up for a sell stop (guards a long), down for a buy stop.
pub fn stop_trigger(inst: &Instrument, side: Side, price: Decimal) -> Price {
    match side {
        Side::Sell => inst.price_ceil(price),
        Side::Buy => inst.price_floor(price),
    }
}

fn check_min_qty(inst: &Instrument, qty: Qty) -> Result<(), FilterError> {
    if qty < inst.min_qty {
        return Err(FilterError::BelowMinQty {
            qty: inst.qty_dec(qty),
            min: inst.qty_dec(inst.min_qty),
        });
    }
    Ok(())
}

fn within_percent_price(
    inst: &Instrument,
    order: &NewOrder,
    price: Price,
    mark: Option<Decimal>,
) -> Result<Price, FilterError> {
    if price.0 <= 0 {
        return Err(FilterError::BadPrice(price));
    }
    let Some(mark) = mark else {
        return if order.reduce_only {
            Ok(price)
        } else {
            Err(FilterError::MarkUnknown)
        };
    };
    let bound = match order.side {
        Side::Buy => inst.price_floor(mark * inst.multiplier_up),
        Side::Sell => inst.price_ceil(mark * inst.multiplier_down),
    };
    let inside = match order.side {
        Side::Buy => price <= bound,
        Side::Sell => price >= bound,
    };
    match (inside, order.reduce_only) {
        (true, _) => Ok(price),
        (false, true) => Ok(bound),
        (false, false) => Err(FilterError::OutsidePercentPrice {
            price: inst.price_dec(price),
            bound: inst.price_dec(bound),
            mark,
        }),
    }
}
