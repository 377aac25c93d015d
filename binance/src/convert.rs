//! From the exchange's words and decimals to core's types, shared by REST answers and user-stream events.
//!
//! Quantities must be on the grid: a position that can't be counted in lots is an error, not a number. Prices of things
//! that already are (fills, triggers, others' orders) are rounded to the nearest tick, because liquidations fill at
//! bankruptcy prices and old orders may predate a change of the tick; the exchange's own `realised` stays exact.

use crate::rest::wire;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::Instrument;
use helios_core::order::{
    AlgoOrder, AlgoStatus, ClientId, ExecType, OpenOrder, OrderStatus, TradeFill, VenuePosition,
};
use rust_decimal::prelude::{Decimal, ToPrimitive};

/// What could not be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("unknown {0} {1:?}")]
    Word(&'static str, String),
    #[error("{0}")]
    Grid(#[from] helios_core::instrument::InstrumentError),
}

pub(crate) fn side(s: &str) -> Result<Side, ConvertError> {
    match s {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(ConvertError::Word("side", s.into())),
    }
}

/// `NEW_INSURANCE` and `NEW_ADL` are liquidation orders filled by the fund or by others' deleveraging.
pub(crate) fn order_status(s: &str, qty: Qty, filled: Qty) -> Result<OrderStatus, ConvertError> {
    Ok(match s {
        "NEW" | "PENDING_NEW" => OrderStatus::New,
        "PARTIALLY_FILLED" => OrderStatus::PartiallyFilled,
        "FILLED" => OrderStatus::Filled,
        "CANCELED" => OrderStatus::Canceled,
        "EXPIRED" => OrderStatus::Expired,
        "EXPIRED_IN_MATCH" => OrderStatus::ExpiredInMatch,
        "REJECTED" => OrderStatus::Rejected,
        "NEW_INSURANCE" | "NEW_ADL" if filled == qty => OrderStatus::Filled,
        "NEW_INSURANCE" | "NEW_ADL" => OrderStatus::PartiallyFilled,
        _ => return Err(ConvertError::Word("order status", s.into())),
    })
}

pub(crate) fn algo_status(s: &str) -> Result<AlgoStatus, ConvertError> {
    Ok(match s {
        "NEW" => AlgoStatus::New,
        "TRIGGERING" => AlgoStatus::Triggering,
        "TRIGGERED" => AlgoStatus::Triggered,
        "FINISHED" => AlgoStatus::Finished,
        "CANCELED" => AlgoStatus::Canceled,
        "EXPIRED" => AlgoStatus::Expired,
        "REJECTED" => AlgoStatus::Rejected,
        _ => return Err(ConvertError::Word("algo status", s.into())),
    })
}

pub(crate) fn exec_type(s: &str) -> Result<ExecType, ConvertError> {
    Ok(match s {
        "NEW" => ExecType::New,
        "TRADE" => ExecType::Trade,
        "CANCELED" => ExecType::Canceled,
        "EXPIRED" | "TRADE_PREVENTION" => ExecType::Expired,
        "CALCULATED" => ExecType::Calculated,
        "AMENDMENT" => ExecType::Amendment,
        "REJECTED" => ExecType::Rejected,
        _ => return Err(ConvertError::Word("execution type", s.into())),
    })
}

/// The nearest tick; exact for everything on the grid, 0 for what no price can be.
pub(crate) fn nearest_price(i: &Instrument, p: Decimal) -> Price {
    let ticks = p.checked_div(i.tick).and_then(|t| t.round().to_i64());
    Price(ticks.unwrap_or(0))
}

pub(crate) fn open_order(i: &Instrument, o: &wire::Order) -> Result<OpenOrder, ConvertError> {
    let (qty, filled) = (i.qty(o.orig_qty.0)?, i.qty(o.executed_qty.0)?);
    Ok(OpenOrder {
        client_id: ClientId::from(o.client_order_id.as_str()),
        order_id: o.order_id,
        side: side(&o.side)?,
        status: order_status(&o.status, qty, filled)?,
        qty,
        filled,
        price: (!o.price.0.is_zero() && o.kind != "MARKET").then(|| nearest_price(i, o.price.0)),
        reduce_only: o.reduce_only,
        update_ms: o.update_time,
    })
}

/// An order of a list of open ones, anybody's: it is open whatever word of a later protocol describes it, and one that was
/// made on another grid is counted in whole lots. One row that can't be read exactly must not hide all others.
pub(crate) fn listed_order(i: &Instrument, o: &wire::Order) -> Result<OpenOrder, ConvertError> {
    open_order(i, o).or_else(|e| {
        tracing::warn!(symbol = %o.symbol, id = o.order_id, error = %e, "an open order is read by its outline");
        let exact = wire::Order {
            status: "NEW".into(),
            orig_qty: wire::Dec(i.qty_dec(i.qty_floor(o.orig_qty.0))),
            executed_qty: wire::Dec(i.qty_dec(i.qty_floor(o.executed_qty.0))),
            ..o.clone()
        };
        open_order(i, &exact)
    })
}

/// A conditional order of a list of open ones, anybody's: as [`listed_order`].
pub(crate) fn listed_algo(i: &Instrument, o: &wire::AlgoOrder) -> Result<AlgoOrder, ConvertError> {
    algo_order(i, o).or_else(|e| {
        tracing::warn!(symbol = %o.symbol, id = o.algo_id, error = %e, "an open conditional order is read by its outline");
        let quantity = o.quantity.map(|q| wire::Dec(i.qty_dec(i.qty_floor(q.0))));
        let exact = wire::AlgoOrder {
            algo_status: "NEW".into(),
            quantity,
            ..o.clone()
        };
        algo_order(i, &exact)
    })
}

pub(crate) fn algo_order(i: &Instrument, o: &wire::AlgoOrder) -> Result<AlgoOrder, ConvertError> {
    let qty = match o.quantity {
        Some(q) if !o.close_position && !q.0.is_zero() => Some(i.qty(q.0)?),
        _ => None,
    };
    Ok(AlgoOrder {
        client_id: ClientId::from(o.client_algo_id.as_str()),
        algo_id: o.algo_id,
        side: side(&o.side)?,
        status: algo_status(&o.algo_status)?,
        trigger: nearest_price(i, o.trigger_price.map_or(Decimal::ZERO, |t| t.0)),
        qty,
        update_ms: o.update_time,
    })
}

pub(crate) fn position(
    i: &Instrument,
    p: &wire::PositionRisk,
) -> Result<VenuePosition, ConvertError> {
    let margin = p.isolated_margin.map_or(Decimal::ZERO, |m| m.0);
    let isolated = match p.margin_type.as_deref() {
        Some(t) => t.eq_ignore_ascii_case("isolated"),
        None => !margin.is_zero(),
    };
    Ok(VenuePosition {
        qty: i.qty(p.position_amt.0)?,
        entry_price: p.entry_price.0,
        isolated,
        update_ms: p.update_time,
    })
}

pub(crate) fn fill(i: &Instrument, t: &wire::UserTrade) -> Result<TradeFill, ConvertError> {
    Ok(TradeFill {
        trade_id: t.id,
        price: nearest_price(i, t.price.0),
        qty: i.qty(t.qty.0)?,
        fee: t.commission.0,
        fee_asset: t.commission_asset.as_str().into(),
        realised: t.realized_pnl.0,
        maker: t.maker,
    })
}
