//! The record of each strategy: closed trades become W, R, n.

use super::Guardian;
use crate::fixed::Money;
use crate::messages::ClosedTrade;
use crate::risk::margin::believable;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Closed trades remembered, so that a repeated report counts once.
const COUNTED: usize = 4096;

impl Guardian {
    /// Adds a closed trade to W, R, n of its strategy, once.
    pub(super) fn count_trade(&mut self, t: &ClosedTrade) {
        if !self.config.strategies.iter().any(|s| s.name == t.strategy) {
            return;
        }
        let notional = t
            .qty
            .checked_mul(t.entry_price)
            .filter(|n| *n > Decimal::ZERO && believable(*n));
        let Some(notional) = notional else {
            return;
        };
        let key = (t.symbol.clone(), t.entry_id.clone(), t.shadow);
        if self.counted.contains(&key) {
            return;
        }
        if self.counted.len() >= COUNTED {
            self.counted.pop_front();
        }
        self.counted.push_back(key);
        let part = |m: Money| {
            m.checked_div(notional)
                .and_then(|v| v.to_f64())
                .filter(|v| v.is_finite())
        };
        let net = t.gross.checked_sub(t.fees).and_then(part);
        let (Some(net), Some(gross)) = (net, part(t.gross_mid)) else {
            return;
        };
        let k = self.state.kelly.entry(t.strategy.clone()).or_default();
        k.n = k.n.saturating_add(1);
        if net > 0.0 {
            k.wins = k.wins.saturating_add(1);
            k.sum_win += net;
        } else {
            k.sum_loss -= net;
        }
        k.sum_gross += gross;
        self.office.dirty(false, true);
    }
}
