//! What a run came to: trades, money, counts, and a fingerprint of it all.

use crate::driver::Sim;
use helios_core::fixed::Money;
use helios_core::instrument::Symbol;
use helios_core::messages::{Alert, ClosedTrade};
use helios_venue::engine::{LedgerEntry, LedgerKind};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct SimReport {
    /// The market's label.
    pub market: String,
    /// Virtual time passed, ms.
    pub market_ms: i64,
    /// Round trips in order of closing, shadow trades left out.
    pub trades: Vec<ClosedTrade>,
    /// Shadow trades in order of closing.
    pub shadow: Vec<ClosedTrade>,
    /// Wallet at the start and at the end, as the venue has it.
    pub wallet: (Money, Money),
    /// Every change of the wallet, as the venue booked it.
    pub ledger: Vec<LedgerEntry>,
    /// Alerts with their virtual time, ms.
    pub alerts: Vec<(i64, Alert)>,
    /// Decisions by reason.
    pub decisions: BTreeMap<String, u64>,
    /// Refusals by the venue, by class.
    pub refusals: BTreeMap<String, u64>,
    /// Depth resyncs of all traders.
    pub resyncs: u32,
    /// Longest time from a fill that opened a position to its anchor working at the venue, in the venue's own time, ms.
    pub max_unprotected_ms: i64,
    /// Events handled.
    pub events: u64,
}

impl SimReport {
    /// Σ of the ledger's entries of one kind.
    pub fn total(&self, kind: LedgerKind) -> Money {
        let of = self.ledger.iter().filter(|e| e.kind == kind);
        of.map(|e| e.amount).sum()
    }

    /// SHA-256 over every trade and every ledger entry, hex: equal for equal runs, in any process.
    pub fn fingerprint(&self) -> String {
        let mut h = Sha256::new();
        h.update(self.market.as_bytes());
        for t in self.trades.iter().chain(&self.shadow) {
            h.update(serde_json::to_vec(t).unwrap_or_default());
            h.update(b"\n");
        }
        for e in &self.ledger {
            h.update(serde_json::to_vec(e).unwrap_or_default());
            h.update(b"\n");
        }
        h.finalize().iter().fold(String::new(), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        })
    }
}

impl Sim {
    /// Contracts that have a trader, in the order they got it.
    pub fn symbols_traded(&self) -> Vec<Symbol> {
        let of = self.slots.iter();
        of.map(|s| self.names[usize::from(s.symbol.0)].clone())
            .collect()
    }

    /// What it came to so far.
    pub fn report(&self) -> SimReport {
        let resyncs = self.slots.iter().map(|s| s.trader.view().resyncs).sum();
        let wallet = self
            .engine
            .account(self.account)
            .map_or(Money::ZERO, |a| a.wallet);
        SimReport {
            market: self.source.label(),
            market_ms: self.now_ms - self.start_ms,
            trades: self.trades.clone(),
            shadow: self.shadow.clone(),
            wallet: (self.config.initial_balance, wallet),
            ledger: self.engine.ledger(self.account).to_vec(),
            alerts: self.alerts.clone(),
            decisions: self.decisions.clone(),
            refusals: self.refusals.clone(),
            resyncs,
            max_unprotected_ms: self.max_unprotected_ms,
            events: self.events,
        }
    }
}
