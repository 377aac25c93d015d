//! Things that happen because time passes: funding, `countdownCancelAll`, dates of orders, triggered stops becoming orders.
//!
//! Funding of an interval is position × mark × rate at its end, longs pay a positive rate; rate and mark are the last the
//! source sent before that instant. Time never runs backwards: an earlier `now` counts as the latest seen.

use super::Engine;
use super::account::{LedgerKind, round_money};
use super::types::{AccountId, EngineEvent, Response, SymbolId, VenueError};
use helios_core::fixed::Qty;
use helios_core::market::MarkPrice;
use helios_core::order::{AlgoStatus, ExecType, OrderStatus};

impl Engine {
    /// Moves time forward and does what is due, in order of its due time and stamped with it.
    pub(super) fn pass_time(&mut self, now_ms: i64, out: &mut Vec<EngineEvent>) {
        let target = self.now_ms.max(now_ms);
        if self.next_due.is_none_or(|d| d > target) {
            self.now_ms = target;
            self.forget();
            return;
        }
        loop {
            let due = self.earliest();
            self.next_due = due;
            let Some(at) = due.filter(|d| *d <= target) else {
                break;
            };
            self.now_ms = self.now_ms.max(at);
            self.run_due(at, out);
            self.settle(out);
        }
        self.now_ms = target;
        self.forget();
    }

    pub(super) fn wake_at(&mut self, at: i64) {
        self.next_due = Some(self.next_due.map_or(at, |d| d.min(at)));
    }

    fn earliest(&self) -> Option<i64> {
        let triggers = self.triggering.iter().map(|t| t.0);
        let funding = self.markets.iter().filter_map(|m| m.next_funding);
        let countdowns = self
            .accounts
            .iter()
            .flat_map(|a| a.symbols.iter().filter_map(|s| s.countdown));
        let dates = self.good_till.iter().map(|d| d.0).take(1);
        let lost = self.loses_at();
        triggers
            .chain(funding)
            .chain(countdowns)
            .chain(dates)
            .chain(lost)
            .min()
    }

    fn run_due(&mut self, at: i64, out: &mut Vec<EngineEvent>) {
        self.lose_due(at, out);
        for s in 0..self.markets.len() {
            if self.markets[s].next_funding.is_some_and(|t| t <= at) {
                self.pay_funding(SymbolId(s as u16), out);
            }
        }
        for i in 0..self.accounts.len() {
            for s in 0..self.markets.len() {
                if self.accounts[i].symbols[s]
                    .countdown
                    .is_some_and(|t| t <= at)
                {
                    self.accounts[i].symbols[s].countdown = None;
                    self.strike_countdown(self.accounts[i].id, SymbolId(s as u16), out);
                }
            }
        }
        while let Some(&(date, id)) = self.good_till.first().filter(|d| d.0 <= at) {
            self.good_till.remove(&(date, id));
            self.finish(id, OrderStatus::Expired, ExecType::Expired, out);
            self.end_stop(id, AlgoStatus::Expired, Some("Good till date"), out);
        }
        while let Some(i) = self.triggering.iter().position(|t| t.0 <= at) {
            let (_, id) = self.triggering.remove(i);
            self.fire_stop(id, out);
        }
    }

    /// Learns from a mark price when the next funding is; one that is due sooner stays until it is paid.
    pub(super) fn note_funding(&mut self, symbol: SymbolId, m: &MarkPrice) {
        let now = self.now_ms;
        let market = self.market_mut(symbol);
        if m.next_funding_ms > now {
            let next = market
                .next_funding
                .map_or(m.next_funding_ms, |t| t.min(m.next_funding_ms));
            market.next_funding = Some(next);
            self.wake_at(next);
        }
    }

    fn pay_funding(&mut self, symbol: SymbolId, out: &mut Vec<EngineEvent>) {
        let now = self.now_ms;
        // Only the source knows when the next is.
        self.market_mut(symbol).next_funding = None;
        let Some(mark) = self.market(symbol).mark else {
            return;
        };
        for i in 0..self.accounts.len() {
            let inst = &self.config.symbols[usize::from(symbol.0)].instrument;
            let account = &mut self.accounts[i];
            let qty = account.at(symbol).position.qty;
            if qty == 0 {
                continue;
            }
            let id = account.id;
            let amount = round_money(-inst.qty_dec(Qty(qty)) * mark.mark * mark.funding_rate);
            account.book(now, LedgerKind::FundingFee, Some(symbol), amount, None);
            self.emit_wallet(id, symbol, "FUNDING_FEE", out);
            self.touched.push((id, symbol));
        }
    }

    fn strike_countdown(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) {
        self.cancel_open(account, symbol, out);
        if self.config.countdown_cancels_algo {
            // The symbol was checked when the countdown was set.
            let _ = self.cancel_all_stops(account, symbol, out);
        }
    }

    pub(super) fn set_countdown(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        ms: u64,
    ) -> Result<Response, VenueError> {
        self.spec(symbol)?;
        let at = i64::try_from(ms)
            .ok()
            .and_then(|ms| self.now_ms.checked_add(ms))
            .filter(|_| ms > 0);
        self.account_mut(account).at_mut(symbol).countdown = at;
        if let Some(at) = at {
            self.wake_at(at);
        }
        Ok(Response::Done)
    }
}
