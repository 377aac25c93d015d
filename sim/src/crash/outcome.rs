//! What a crash came to.

use super::draw::CrashSet;
use super::watch::{Account, Note};
use crate::driver::Sim;
use helios_core::messages::LadderLevel;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A tick that left no time: it moved further than the whole distance to liquidation, from above the critical ratio, where
/// the ladder reduces nothing yet. Reckoned from the account before it and the path, not from what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overshoot {
    /// Second of the path.
    pub second: usize,
    /// Distance to liquidation before it, percent.
    pub distance: Decimal,
    /// What the tick moved against the account, percent of its gross notional.
    pub moved: Decimal,
}

/// What one crash came to.
#[derive(Clone, Debug)]
pub struct CrashOutcome {
    /// Where the account stood.
    pub set: CrashSet,
    /// Its seed.
    pub seed: u64,
    /// The guardian led.
    pub protected: bool,
    /// Workers alive, of five.
    pub workers: usize,
    /// The common fall drawn, a fraction.
    pub fall: f64,
    /// Its length, s.
    pub fall_s: usize,
    /// Factor by which depth shrank.
    pub shrink: f64,
    /// Margin ratio at the start, percent.
    pub start_ratio: f64,
    /// Lowest margin ratio seen, percent.
    pub lowest: f64,
    /// Margin ratio in the end, percent; 100 when flat.
    pub end_ratio: f64,
    /// No position in the end.
    pub flat: bool,
    /// Equity in the end as a share of the equity at the start.
    pub kept: f64,
    /// Levels in the order they were entered, with the second.
    pub levels: Vec<(f64, LadderLevel)>,
    /// Slices the guardian sent.
    pub slices: usize,
    /// Unsliced orders of the guardian.
    pub wholes: usize,
    /// From the first Critical to a ratio of recovery, s; `None` when it never was or did not recover.
    pub to_safety_s: Option<f64>,
    /// The first tick that left no time.
    pub overshoot: Option<Overshoot>,
    /// Second in which the venue took a position over.
    pub liquidated_at_s: Option<i64>,
    /// Rules that were broken, in words.
    pub broken: Vec<String>,
    /// SHA-256 of what happened, hex.
    pub fingerprint: String,
}

pub(crate) fn f(d: Decimal) -> f64 {
    d.to_f64().unwrap_or(f64::NAN)
}

impl CrashOutcome {
    pub(crate) fn begun(set: CrashSet, seed: u64, protected: bool, ratio: Decimal) -> Self {
        Self {
            set,
            seed,
            protected,
            workers: 0,
            fall: 0.0,
            fall_s: 0,
            shrink: 0.0,
            start_ratio: f(ratio),
            lowest: f(ratio),
            end_ratio: f(ratio),
            flat: false,
            kept: 1.0,
            levels: Vec::new(),
            slices: 0,
            wholes: 0,
            to_safety_s: None,
            overshoot: None,
            liquidated_at_s: None,
            broken: Vec::new(),
            fingerprint: String::new(),
        }
    }

    /// A level was reached at least once.
    pub fn reached(&self, level: LadderLevel) -> bool {
        self.levels.iter().any(|l| l.1 >= level)
    }

    pub(crate) fn finish(&mut self, sim: &Sim, seen: &[Account]) {
        let ratios = seen.iter().map(Account::ratio);
        self.lowest = ratios.min().map_or(self.lowest, f);
        if let (Some(a), Some(z)) = (seen.first(), seen.last()) {
            self.end_ratio = f(z.ratio());
            self.flat = z.gross.is_zero();
            self.kept = f(z.balance) / f(a.balance);
        }
        let since = |ms: i64| (ms - sim.start_ms) as f64 / 1e3;
        let mut level = LadderLevel::Normal;
        for n in sim.notes.iter().flatten() {
            match n {
                Note::Level { ms, level: l, .. } => {
                    level = *l;
                    self.levels.push((since(*ms), level));
                }
                Note::Order { .. } if level == LadderLevel::Critical => self.slices += 1,
                Note::Order { .. } => self.wholes += 1,
                _ => {}
            }
        }
        let bad = self.levels.iter().find(|l| l.1 >= LadderLevel::Critical);
        self.to_safety_s = bad.and_then(|(from, _)| {
            // Two readings a second: before its mark and after.
            let at = |k: usize| (k.saturating_sub(1) / 2) as f64;
            let safe = |a: &Account| a.ratio() >= Decimal::from(35);
            let found = (0..seen.len()).find(|k| at(*k) > *from && safe(&seen[*k]));
            found.map(|k| at(k) - from)
        });
        self.fingerprint = fingerprint(sim);
    }
}

fn fingerprint(sim: &Sim) -> String {
    let mut h = Sha256::new();
    for e in sim.engine.ledger(sim.account) {
        h.update(serde_json::to_vec(e).unwrap_or_default());
    }
    for n in sim.notes.iter().flatten() {
        h.update(format!("{n:?}").as_bytes());
    }
    h.finalize().iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}
