//! What goes wrong inside the exchange, on order: conditional orders that vanish, orders that find less than the book shows, changed
//! filters, a halted contract, a liquidation that margin does not ask for.
//!
//! Part of no saved state: a venue that is started again is a sound one. Nothing here happens by itself.

use super::state::Stop;
use super::types::{AccountId, EngineEvent, SymbolId, SymbolSpec, UserEvent, VenueError};
use super::{Engine, refusal};
use helios_core::fixed::{Money, Qty};
use helios_core::order::AlgoStatus;
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is ordered.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// The next conditional orders of an account in a contract are lost.
    next_stops: Vec<NextStops>,
    /// When which conditional order is lost, and whether the user stream tells.
    losing: BTreeSet<(i64, u64, bool)>,
    /// Percent that the next market and IOC orders of a contract get, and how many of them.
    partial: BTreeMap<SymbolId, (u8, u64)>,
    /// Contracts as they were before their filters were changed.
    original: BTreeMap<SymbolId, SymbolSpec>,
    halted: BTreeSet<SymbolId>,
}

#[derive(Clone, Debug)]
struct NextStops {
    account: AccountId,
    symbol: SymbolId,
    after_ms: i64,
    told: bool,
    left: u64,
}

/// New filters of a contract; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FilterChange {
    /// MIN_NOTIONAL.
    pub min_notional: Option<Money>,
    /// LOT_SIZE and MARKET_LOT_SIZE `minQty`.
    pub min_qty: Option<Decimal>,
    /// LOT_SIZE and MARKET_LOT_SIZE `maxQty`.
    pub max_qty: Option<Decimal>,
    /// The contract is not tradable (SETTLING), or is again.
    pub halted: Option<bool>,
}

impl Engine {
    /// The next `times` conditional orders of an account in a contract are lost, so long after they were accepted. Where that is told
    /// they end as EXPIRED; else the exchange knows nothing of them any more.
    pub fn lose_next_stops(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        after_ms: i64,
        told: bool,
        times: u64,
    ) {
        self.faults.next_stops.push(NextStops {
            account,
            symbol,
            after_ms: after_ms.max(0),
            told,
            left: times,
        });
    }

    /// All conditional orders of an account in a contract are lost now.
    pub fn lose_stops(
        &mut self,
        now_ms: i64,
        account: AccountId,
        symbol: SymbolId,
        told: bool,
        out: &mut Vec<EngineEvent>,
    ) {
        self.pass_time(now_ms, out);
        let of = |s: &&Stop| s.account == account && s.symbol == symbol && !s.status.is_final();
        let all: Vec<u64> = self.stops.values().filter(of).map(|s| s.id).collect();
        for id in all {
            self.lose(id, told, out);
        }
        self.settle(out);
    }

    /// The next `times` market and IOC orders in a contract get this percentage of what they ask for, rounded down.
    pub fn fill_partially(&mut self, symbol: SymbolId, percent: u8, times: u64) {
        self.faults
            .partial
            .insert(symbol, (percent.min(100), times));
    }

    /// Changes a contract's filters.
    ///
    /// # Errors
    /// −1121 for a contract that is not listed, −4023 for a quantity that is off the step grid.
    pub fn change_filters(&mut self, symbol: SymbolId, c: &FilterChange) -> Result<(), VenueError> {
        let mut spec = self.spec(symbol)?.clone();
        let before = spec.clone();
        let i = &mut spec.instrument;
        let lots =
            |q: Decimal, i: &helios_core::instrument::Instrument| -> Result<Qty, VenueError> {
                i.qty(q).map_err(|_| refusal::off_step())
            };
        if let Some(q) = c.min_qty {
            i.min_qty = lots(q, i)?;
        }
        if let Some(q) = c.max_qty {
            i.max_qty = lots(q, i)?;
            i.market_max_qty = i.max_qty;
        }
        if let Some(n) = c.min_notional {
            i.min_notional = n;
        }
        self.faults.original.entry(symbol).or_insert(before);
        self.config.symbols[usize::from(symbol.0)] = spec;
        match c.halted {
            Some(true) => self.faults.halted.insert(symbol),
            Some(false) => self.faults.halted.remove(&symbol),
            None => false,
        };
        Ok(())
    }

    /// The contract takes no orders.
    #[must_use]
    pub fn is_halted(&self, symbol: SymbolId) -> bool {
        self.faults.halted.contains(&symbol)
    }

    /// Liquidates an account's position, whatever its margin; false without one.
    pub fn take_over_now(
        &mut self,
        now_ms: i64,
        account: AccountId,
        symbol: SymbolId,
        out: &mut Vec<EngineEvent>,
    ) -> bool {
        self.pass_time(now_ms, out);
        let held = self.check_account(account).is_ok()
            && self.spec(symbol).is_ok()
            && self.acct(account).at(symbol).position.qty != 0;
        if held {
            self.force_close(account, symbol, out);
            self.settle(out);
        }
        held
    }

    /// Everything is sound again: filters as they were, no order lost that is not lost already.
    pub fn clear_faults(&mut self) {
        for (symbol, spec) in std::mem::take(&mut self.faults).original {
            self.config.symbols[usize::from(symbol.0)] = spec;
        }
    }

    /// The engine as it is saved.
    #[must_use]
    pub fn sound(&self) -> Cow<'_, Self> {
        if self.faults.original.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut sound = self.clone();
        sound.clear_faults();
        Cow::Owned(sound)
    }

    /// A conditional order was accepted.
    pub(super) fn maybe_lost(&mut self, id: u64) {
        let Some(s) = self.stops.get(&id) else {
            return;
        };
        let (account, symbol, now) = (s.account, s.symbol, self.now_ms);
        let meant = |n: &&mut NextStops| n.left > 0 && (n.account, n.symbol) == (account, symbol);
        let Some(n) = self.faults.next_stops.iter_mut().find(meant) else {
            return;
        };
        n.left -= 1;
        // Not within the request that placed it: that one was accepted.
        let due = now.saturating_add(n.after_ms.max(1));
        let told = n.told;
        self.faults.next_stops.retain(|n| n.left > 0);
        self.faults.losing.insert((due, id, told));
        self.wake_at(due);
    }

    /// When the next conditional order is lost.
    pub(super) fn loses_at(&self) -> Option<i64> {
        self.faults.losing.first().map(|(at, ..)| *at)
    }

    /// Loses what is due.
    pub(super) fn lose_due(&mut self, at: i64, out: &mut Vec<EngineEvent>) {
        while let Some(first) = self.faults.losing.first().copied().filter(|f| f.0 <= at) {
            self.faults.losing.remove(&first);
            self.lose(first.1, first.2, out);
        }
    }

    fn lose(&mut self, id: u64, told: bool, out: &mut Vec<EngineEvent>) {
        if self
            .stops
            .get(&id)
            .is_none_or(|s| s.status != AlgoStatus::New)
        {
            return;
        }
        if told {
            self.end_stop(id, AlgoStatus::Expired, None, out);
            return;
        }
        let mut untold = Vec::new();
        self.end_stop(id, AlgoStatus::Expired, None, &mut untold);
        out.extend(untold.into_iter().filter_map(|e| match e {
            EngineEvent::User(a, s, UserEvent::Algo(u, _)) => Some(EngineEvent::Lost(a, s, u)),
            _ => None,
        }));
        if let Some(s) = self.stops.remove(&id) {
            let a = self.account_mut(s.account);
            a.stops.retain(|i| *i != id);
            a.stop_by_client.retain(|_, i| *i != id);
        }
    }

    /// How much of `left` a market or IOC order may get.
    pub(super) fn found(&mut self, symbol: SymbolId, left: i64) -> i64 {
        match self.faults.partial.get_mut(&symbol) {
            Some((percent, times)) if *times > 0 => {
                *times -= 1;
                // Both factors are small enough: a quantity's lots are below 2^62 / 100 at every contract that is listed.
                left.saturating_mul(i64::from(*percent)) / 100
            }
            _ => left,
        }
    }
}
