//! How long done things can be asked for, and when they are forgotten.
//!
//! An order that ended without a fill shows for [`UNFILLED_MS`] after its last change, any order for [`ORDER_MS`], a
//! fill for [`TRADE_MS`]. What no longer shows is dropped from memory once a day of market time. The ledger stays whole.

use super::Engine;
use super::account::{AccountSymbol, UserTrade};
use super::state::{Order, Stop};
use std::collections::BTreeSet;

/// A day, ms.
const DAY_MS: i64 = 86_400_000;
/// How long an order that ended without a fill shows, ms.
pub const UNFILLED_MS: i64 = 3 * DAY_MS;
/// How long a done order shows, ms.
pub const ORDER_MS: i64 = 90 * DAY_MS;
/// How long a fill shows (three months), ms.
pub const TRADE_MS: i64 = 90 * DAY_MS;

impl Engine {
    /// A plain order can still be asked for.
    pub(super) fn shows_order(&self, o: &Order) -> bool {
        let life = if o.filled == 0 { UNFILLED_MS } else { ORDER_MS };
        !o.status.is_final() || self.now_ms - o.update_ms <= life
    }

    /// A conditional order can still be asked for.
    pub(super) fn shows_stop(&self, s: &Stop) -> bool {
        let life = if s.order_id.is_none() {
            UNFILLED_MS
        } else {
            ORDER_MS
        };
        !s.status.is_final() || self.now_ms - s.update_ms <= life
    }

    /// A fill can still be asked for.
    pub(super) fn shows_trade(&self, t: &UserTrade) -> bool {
        self.now_ms - t.time_ms <= TRADE_MS
    }

    /// Forgets what no longer shows, on the first call of a day.
    pub(super) fn forget(&mut self) {
        let day = self.now_ms.div_euclid(DAY_MS);
        if day == self.forgot_day {
            return;
        }
        self.forgot_day = day;
        let gone = |e: &Self| -> (BTreeSet<u64>, BTreeSet<u64>) {
            let orders = e.orders.values().filter(|o| !e.shows_order(o));
            let stops = e.stops.values().filter(|s| !e.shows_stop(s));
            (
                orders.map(|o| o.id).collect(),
                stops.map(|s| s.id).collect(),
            )
        };
        let (orders, stops) = gone(self);
        self.orders.retain(|id, _| !orders.contains(id));
        self.stops.retain(|id, _| !stops.contains(id));
        let oldest = self.now_ms - TRADE_MS;
        for a in &mut self.accounts {
            a.trades.retain(|t| t.time_ms >= oldest);
            a.stops.retain(|id| !stops.contains(id));
            a.stop_by_client.retain(|_, id| !stops.contains(id));
            for slot in &mut a.symbols {
                drop_orders(slot, &orders);
            }
        }
    }
}

fn drop_orders(slot: &mut AccountSymbol, gone: &BTreeSet<u64>) {
    slot.orders.retain(|id| !gone.contains(id));
    slot.by_client.retain(|_, id| !gone.contains(id));
}
