//! The exchange's words for sides, types and states, shared by REST and the user stream.

use super::frames::SymbolText;
use super::text::fixed;
use crate::engine::{OrderTerms, StopView};
use helios_core::fixed::Side;
use helios_core::order::{AlgoStatus, ExecType, OrderKind, OrderStatus, TimeInForce};
use rust_decimal::Decimal;

/// A side in the exchange's words.
pub(super) const fn side(s: Side) -> &'static str {
    match s {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// A time in force in the exchange's words; market orders show GTC, those with a date GTD.
pub(super) const fn tif(kind: &OrderKind, terms: &OrderTerms) -> &'static str {
    match kind {
        _ if terms.good_till_ms > 0 => "GTD",
        OrderKind::Market => "GTC",
        OrderKind::Limit { tif, .. } => match tif {
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
            TimeInForce::Fok => "FOK",
            TimeInForce::Gtx => "GTX",
        },
    }
}

/// A type in the exchange's words.
pub(super) const fn kind(kind: &OrderKind) -> &'static str {
    match kind {
        OrderKind::Market => "MARKET",
        OrderKind::Limit { .. } => "LIMIT",
    }
}

/// A status in the exchange's words.
pub(super) const fn status(s: OrderStatus) -> &'static str {
    match s {
        OrderStatus::New => "NEW",
        OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
        OrderStatus::Filled => "FILLED",
        OrderStatus::Canceled => "CANCELED",
        OrderStatus::Expired => "EXPIRED",
        OrderStatus::ExpiredInMatch => "EXPIRED_IN_MATCH",
        OrderStatus::Rejected => "REJECTED",
    }
}

/// A conditional order's status in the exchange's words.
pub(super) const fn algo_status(s: AlgoStatus) -> &'static str {
    match s {
        AlgoStatus::New => "NEW",
        AlgoStatus::Triggering => "TRIGGERING",
        AlgoStatus::Triggered => "TRIGGERED",
        AlgoStatus::Finished => "FINISHED",
        AlgoStatus::Canceled => "CANCELED",
        AlgoStatus::Expired => "EXPIRED",
        AlgoStatus::Rejected => "REJECTED",
    }
}

/// An execution type in the exchange's words.
pub(super) const fn exec(x: ExecType) -> &'static str {
    match x {
        ExecType::New => "NEW",
        ExecType::Trade => "TRADE",
        ExecType::Canceled => "CANCELED",
        ExecType::Expired => "EXPIRED",
        ExecType::Calculated => "CALCULATED",
        ExecType::Amendment => "AMENDMENT",
        ExecType::Rejected => "REJECTED",
    }
}

/// A price that is not on the grid (averages), with the contract's decimals at least.
pub(super) fn price(s: &SymbolText, p: Decimal) -> String {
    let p = p.normalize();
    let least = s.price.decimals() as u32;
    if p.scale() < least {
        fixed(p, least)
    } else {
        p.to_string()
    }
}

/// A conditional order's time in force: good till expired with `closePosition`, else that of the order it becomes.
pub(super) const fn algo_tif(stop: &StopView) -> &'static str {
    if stop.stop.qty.is_none() {
        "GTE_GTC"
    } else {
        tif(&stop.kind, &stop.terms)
    }
}
