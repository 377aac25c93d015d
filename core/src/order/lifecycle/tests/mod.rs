//! Tests of the order tracker: named scenes, and properties over a model venue.

#![allow(clippy::unwrap_used)]

mod properties;
mod scenes;

use super::{Orders, OrdersOut};
use crate::fixed::{Price, Qty, Side};
use crate::order::*;
use crate::time::Now;
use rust_decimal::Decimal;

const ACCOUNT: &str = "trading/paper";

fn ids(incarnation: u64) -> IdMaker {
    IdMaker::new(ACCOUNT, Role::Worker, "uid", "BTCUSDT", incarnation)
}

fn at(ms: i64) -> Now {
    Now::new(ms, ms as u64 * 1_000_000)
}

fn order(id: &ClientId, side: Side, qty: i64, purpose: EntryKind) -> NewOrder {
    NewOrder {
        client_id: id.clone(),
        side,
        kind: OrderKind::Limit {
            price: Price(100),
            tif: TimeInForce::Ioc,
        },
        qty: Qty(qty),
        reduce_only: purpose == EntryKind::Exit,
        purpose,
        recv_window_ms: 1_000,
    }
}

fn fill(trade_id: u64, qty: i64) -> TradeFill {
    TradeFill {
        trade_id,
        price: Price(100),
        qty: Qty(qty),
        fee: Decimal::ONE,
        fee_asset: "USDT".into(),
        realised: Decimal::ZERO,
        maker: false,
    }
}

/// An event of a buy order; `part` is (trade id, quantity).
fn update(
    id: &ClientId,
    status: OrderStatus,
    qty: i64,
    filled: i64,
    part: Option<(u64, i64)>,
) -> OrderUpdate {
    OrderUpdate {
        event_ms: 0,
        transact_ms: 0,
        client_id: id.clone(),
        order_id: 9,
        side: Side::Buy,
        exec: if part.is_some() {
            ExecType::Trade
        } else {
            ExecType::New
        },
        status,
        qty: Qty(qty),
        filled: Qty(filled),
        reduce_only: false,
        fill: part.map(|(t, q)| fill(t, q)),
    }
}

fn filled_sum(out: &[OrdersOut]) -> i64 {
    out.iter()
        .map(|o| match o {
            OrdersOut::Filled { side, fill, .. } => side.sign() * fill.qty.0,
            _ => 0,
        })
        .sum()
}

fn ends(out: &[OrdersOut], id: &ClientId) -> Vec<super::EndReason> {
    out.iter()
        .filter_map(|o| match o {
            OrdersOut::Ended {
                client_id, reason, ..
            } if client_id == id => Some(reason.clone()),
            _ => None,
        })
        .collect()
}

fn tracker() -> Orders {
    Orders::new(ACCOUNT, "BTCUSDT")
}
