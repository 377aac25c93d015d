//! What the public liquidation streams tell of an order.

use super::frames::SymbolText;
use super::user::{json, limit, price_or_zero, zero};
use super::words::{kind, side, status, tif};
use crate::engine::OrderTerms;
use helios_core::order::{OrderKind, OrderUpdate};
use rust_decimal::Decimal;
use serde::Serialize;

#[derive(Serialize)]
struct Forced<'a> {
    s: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    o: &'a str,
    f: &'a str,
    q: String,
    p: String,
    ap: String,
    #[serde(rename = "X")]
    status: &'a str,
    l: String,
    z: String,
    #[serde(rename = "T")]
    trade_time: i64,
}

/// The object `o` of `forceOrder`.
pub(super) fn forced(
    s: &SymbolText,
    u: &OrderUpdate,
    (k, terms): (&OrderKind, &OrderTerms),
    avg_price: Decimal,
) -> Vec<u8> {
    json(&Forced {
        s: &s.name,
        side: side(u.side),
        o: kind(k),
        f: tif(k, terms),
        q: s.q(u.qty),
        p: limit(s, k),
        ap: price_or_zero(s, avg_price),
        status: status(u.status),
        l: u.fill.as_ref().map_or_else(zero, |f| s.q(f.qty)),
        z: s.q(u.filled),
        trade_time: u.transact_ms,
    })
}
