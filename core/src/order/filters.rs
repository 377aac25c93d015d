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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::order::{EntryKind, TimeInForce};
    use proptest::prelude::*;

    fn inst() -> Instrument {
        let mut i =
            Instrument::with_grid("BTCUSDT", Decimal::new(1, 1), Decimal::new(1, 3)).unwrap();
        i.min_qty = Qty(2);
        i.max_qty = Qty(1_000);
        i.market_max_qty = Qty(100);
        i.min_notional = Decimal::from(100);
        i
    }

    fn order(kind: OrderKind, side: Side, qty: i64, reduce_only: bool) -> NewOrder {
        NewOrder {
            client_id: "x".into(),
            side,
            kind,
            qty: Qty(qty),
            reduce_only,
            purpose: if reduce_only {
                EntryKind::Exit
            } else {
                EntryKind::Entry
            },
            recv_window_ms: 1_000,
        }
    }

    fn limit(price: i64) -> OrderKind {
        OrderKind::Limit {
            price: Price(price),
            tif: TimeInForce::Ioc,
        }
    }

    const MARK: Option<Decimal> = Some(Decimal::from_parts(60_000, 0, 0, false, 0));

    #[test]
    fn quantity_is_cut_to_the_lot_size_of_the_kind_and_never_raised() {
        let i = inst();
        let market =
            fit_order(&i, &order(OrderKind::Market, Side::Buy, 5_000, false), MARK).unwrap();
        assert_eq!(market.qty, Qty(100));
        let lim = fit_order(&i, &order(limit(600_000), Side::Buy, 5_000, false), MARK).unwrap();
        assert_eq!(lim.qty, Qty(1_000));
        for qty in [1, 0, -5] {
            let e =
                fit_order(&i, &order(OrderKind::Market, Side::Buy, qty, true), MARK).unwrap_err();
            assert!(
                matches!(e, FilterError::BelowMinQty { .. } | FilterError::NoQty(_)),
                "{e}"
            );
        }
    }

    #[test]
    fn only_reduce_only_orders_are_exempt_from_min_notional() {
        let mut i = inst();
        i.min_notional = Decimal::from(200);
        let e = fit_order(&i, &order(OrderKind::Market, Side::Buy, 3, false), MARK).unwrap_err();
        assert_eq!(
            e,
            FilterError::BelowMinNotional {
                notional: Decimal::from(180),
                min: Decimal::from(200)
            }
        );
        assert!(fit_order(&i, &order(OrderKind::Market, Side::Sell, 3, true), MARK).is_ok());
    }

    #[test]
    fn percent_price_refuses_entries_and_pulls_exits_to_the_bound() {
        let i = inst();
        for (side, price, bound) in [
            (Side::Buy, 630_001, 630_000),
            (Side::Sell, 569_999, 570_000),
        ] {
            let e = fit_order(&i, &order(limit(price), side, 50, false), MARK).unwrap_err();
            assert!(matches!(e, FilterError::OutsidePercentPrice { .. }), "{e}");
            let exit = fit_order(&i, &order(limit(price), side, 50, true), MARK).unwrap();
            assert_eq!(exit.kind, limit(bound));
            assert!(fit_order(&i, &order(limit(bound), side, 50, false), MARK).is_ok());
        }
    }

    #[test]
    fn an_unknown_or_zero_mark_holds_entries_and_never_exits() {
        let i = inst();
        for mark in [None, Some(Decimal::ZERO), Some(Decimal::NEGATIVE_ONE)] {
            for kind in [OrderKind::Market, limit(600_000)] {
                let e = fit_order(&i, &order(kind, Side::Buy, 50, false), mark);
                assert_eq!(e, Err(FilterError::MarkUnknown));
                assert!(fit_order(&i, &order(kind, Side::Sell, 50, true), mark).is_ok());
            }
        }
        let e = fit_order(&i, &order(limit(0), Side::Sell, 50, true), MARK);
        assert_eq!(e, Err(FilterError::BadPrice(Price(0))));
    }

    #[test]
    fn a_trail_is_cut_to_the_market_lot_and_an_anchor_needs_no_quantity() {
        let i = inst();
        let stop = |trigger, qty: Option<i64>| NewStop {
            client_id: "x".into(),
            side: Side::Sell,
            trigger: Price(trigger),
            qty: qty.map(Qty),
        };
        assert_eq!(
            fit_stop(&i, &stop(5, Some(500))).unwrap().qty,
            Some(Qty(100))
        );
        assert_eq!(fit_stop(&i, &stop(5, None)).unwrap().qty, None);
        assert!(fit_stop(&i, &stop(0, None)).is_err());
        assert!(fit_stop(&i, &stop(5, Some(1))).is_err());
        assert!(fit_stop(&i, &stop(5, Some(0))).is_err());
    }

    proptest! {
        #[test]
        fn triggers_are_rounded_towards_the_market_by_less_than_a_tick(cents in 1i64..1_000_000_000) {
            let i = inst();
            let p = Decimal::new(cents, 3);
            let (sell, buy) = (stop_trigger(&i, Side::Sell, p), stop_trigger(&i, Side::Buy, p));
            prop_assert!(i.price_dec(sell) >= p && i.price_dec(sell) - p < i.tick);
            prop_assert!(i.price_dec(buy) <= p && p - i.price_dec(buy) < i.tick);
        }

        #[test]
        fn whatever_passes_fits_every_filter(qty in -5i64..3_000, price in -5i64..900_000, buy in any::<bool>(),
            reduce_only in any::<bool>(), market in any::<bool>(), mark in prop::option::of(0i64..90_000)) {
            let i = inst();
            let side = if buy { Side::Buy } else { Side::Sell };
            let kind = if market { OrderKind::Market } else { limit(price) };
            let asked = order(kind, side, qty, reduce_only);
            let mark = mark.map(Decimal::from);
            if let Ok(o) = fit_order(&i, &asked, mark) {
                prop_assert!(o.qty <= asked.qty && o.qty >= i.min_qty && o.qty <= i.max_qty);
                prop_assert!(!market || o.qty <= i.market_max_qty);
                let at = match o.kind {
                    OrderKind::Market => mark,
                    OrderKind::Limit { price, .. } => Some(i.price_dec(price)),
                };
                prop_assert!(reduce_only || at.unwrap() * i.qty_dec(o.qty) >= i.min_notional);
                if let (OrderKind::Limit { price, .. }, Some(m)) = (o.kind, mark.filter(|m| *m > Decimal::ZERO)) {
                    let p = i.price_dec(price);
                    let inside = if buy { p <= m * i.multiplier_up } else { p >= m * i.multiplier_down };
                    prop_assert!(inside);
                }
            }
        }
    }
}
