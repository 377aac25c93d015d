//! A taker against the combined book, in price-time order, and what a changed position means afterwards.
//!
//! At one price the queue is: outside quantity that stood before the first own order, that order, outside quantity that
//! stood before the next, and so on. Where a taker meets an order of its own account, its self-trade prevention says what
//! happens.

use super::Engine;
use super::terms::SelfTrade;
use super::types::{AccountId, EngineEvent, SymbolId};
use helios_core::fixed::{Price, Side};
use helios_core::order::{AlgoStatus, ExecType, OrderKind, OrderStatus, TimeInForce};

impl Engine {
    /// Lets an open order take what it can at `limit` or better.
    pub(super) fn take(&mut self, id: u64, limit: Option<Price>, out: &mut Vec<EngineEvent>) {
        let Some(order) = self.orders.get(&id) else {
            return;
        };
        let (account, symbol, side) = (order.account, order.symbol, order.side);
        let mode = order.terms.self_trade;
        let (mut left, kind) = (order.remaining(), order.kind);
        if let OrderKind::Market
        | OrderKind::Limit {
            tif: TimeInForce::Ioc,
            ..
        } = kind
        {
            left = self.found(symbol, left);
        }
        let other = side.opposite();
        while left > 0 {
            let book = self.market(symbol).side(other);
            let Some(price) = book.best_price() else {
                break;
            };
            if limit.is_some_and(|l| !book.at_least(price, l)) {
                break;
            }
            let outside = book.outside_at(price);
            match book.front(price) {
                Some(r) if r.ahead.min(outside) == 0 => {
                    if r.account == account && mode != SelfTrade::None {
                        if mode != SelfTrade::ExpireTaker {
                            self.finish(r.id, OrderStatus::ExpiredInMatch, ExecType::Expired, out);
                        }
                        if mode.stops_taker() {
                            self.finish(id, OrderStatus::ExpiredInMatch, ExecType::Expired, out);
                            break;
                        }
                    } else {
                        left -= self.fill_resting(symbol, other, price, r, left, Some(id), out);
                    }
                }
                Some(r) => {
                    let lots = left.min(r.ahead.min(outside));
                    self.fill_outside(symbol, id, side, price, lots, out);
                    left -= lots;
                }
                None => {
                    let lots = left.min(outside);
                    self.fill_outside(symbol, id, side, price, lots, out);
                    left -= lots;
                }
            }
        }
    }

    /// Follows up on every position that changed: reduce-only orders that no longer reduce, orphaned stops, margin.
    pub(super) fn settle(&mut self, out: &mut Vec<EngineEvent>) {
        // Liquidation changes positions in turn; every round leaves fewer, so this ends.
        while !self.touched.is_empty() {
            let mut touched = std::mem::take(&mut self.touched);
            touched.sort_unstable();
            touched.dedup();
            for (account, symbol) in touched {
                self.expire_non_reducing(account, symbol, out);
                if self.config.auto_cancel_orphan_stops {
                    self.expire_orphans(account, symbol, out);
                }
                self.check_margin(account, out);
            }
        }
    }

    fn expire_non_reducing(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) {
        let dead: Vec<u64> = self
            .acct(account)
            .at(symbol)
            .open
            .iter()
            .copied()
            .filter(|id| {
                self.orders
                    .get(id)
                    .is_some_and(|o| o.reduce_only && self.reducible(account, symbol, o.side) == 0)
            })
            .collect();
        for id in dead {
            self.finish(id, OrderStatus::Expired, ExecType::Expired, out);
        }
    }

    fn expire_orphans(&mut self, account: AccountId, symbol: SymbolId, out: &mut Vec<EngineEvent>) {
        let dead: Vec<u64> = self
            .market(symbol)
            .stops
            .iter()
            .copied()
            .filter(|id| {
                self.stops.get(id).is_some_and(|s| {
                    s.account == account
                        && s.closes()
                        && s.status == AlgoStatus::New
                        && self.reducible(account, symbol, s.side) == 0
                })
            })
            .collect();
        for id in dead {
            self.end_stop(id, self.orphan_end(), None, out);
        }
    }

    /// Worst price a market order of this side may reach.
    pub(super) fn market_bound(&self, symbol: SymbolId, side: Side) -> Option<Price> {
        super::filters::percent_bound(
            &self.listed(symbol).instrument,
            side,
            self.market(symbol).mark_price(),
        )
    }
}
