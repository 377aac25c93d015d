//! What the ladder may and must do, judged by the venue's own books and by what the guardian had been told; apart from the
//! guardian's own code on purpose.
//!
//! Orders: reduce-only, against the position, one at a time in Critical, each at most a quarter of the position and of the
//! depth told last, in the contract that frees most maintenance margin per cost among the three that bind most. Stops:
//! tightened only in a Warning, one contract at a time, most maintenance margin first, 2 s apart. Levels rise at their
//! numbers. After Critical the account ends recovered or flat. Positions only ever shrink.

use super::draw::Portfolio;
use super::outcome::CrashOutcome;
use super::path::CONTRACTS;
use super::watch::{Account, Note};
use crate::driver::Sim;
use helios_core::fixed::{Qty, Side};
use helios_core::messages::LadderLevel;
use helios_core::order::NewOrder;
use helios_core::risk::brackets::maintenance_margin;
use rust_decimal::Decimal;

/// Contracts among which a slice chooses.
const LOOKED_AT: usize = 3;
/// Depth told longer ago than this counts for nothing, ms.
const DEPTH_HOLDS_MS: i64 = 1_000;
/// A contract whose order was refused rests so long, ms.
const REST_MS: i64 = 250;
/// Between two tightened stops, ms.
const TIGHTEN_APART_MS: i64 = 2_000;
/// Around a mark the guardian may still go by the one before, ms: then the choice is not judged.
const MARK_ON_ITS_WAY_MS: i64 = 50;

/// Every rule that was broken, in words.
pub(crate) fn broken(p: &Portfolio, sim: &Sim, seen: &[Account], o: &CrashOutcome) -> Vec<String> {
    let mut j = Judge::new(p, sim.start_ms, sim.config.latency.order_ms);
    j.broken = shrunk(seen);
    for n in sim.notes.iter().flatten() {
        j.note(n);
    }
    let recovered = o.flat || o.end_ratio >= 35.0;
    if j.level >= LadderLevel::Critical && !recovered && o.liquidated_at_s.is_none() {
        let last = format!("{:?}, and {:.1} % in the end", j.level, o.end_ratio);
        j.broken.push(last);
    }
    if !o.protected && !o.levels.is_empty() {
        j.broken.push("the guardian acted without leading".into());
    }
    j.broken
}

/// No position grows or turns.
fn shrunk(seen: &[Account]) -> Vec<String> {
    let pairs = seen
        .windows(2)
        .flat_map(|w| (0..CONTRACTS).map(move |i| (i, w[0].lots[i], w[1].lots[i])));
    let wrong = pairs.filter(|(_, a, b)| b.abs() > a.abs() || a.signum() * b.signum() < 0);
    wrong
        .map(|(i, a, b)| format!("position {i} went from {a} to {b}"))
        .collect()
}

struct Judge<'a> {
    p: &'a Portfolio,
    start_ms: i64,
    level: LadderLevel,
    /// Bids, asks and when they were told.
    depth: [Option<(Decimal, Decimal, i64)>; CONTRACTS],
    refused: [i64; CONTRACTS],
    bare: [bool; CONTRACTS],
    /// From the venue to the guardian, ms.
    back_ms: i64,
    ordered_ms: i64,
    tightened: Vec<usize>,
    tightened_ms: i64,
    broken: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(p: &'a Portfolio, start_ms: i64, back_ms: i64) -> Self {
        Self {
            p,
            start_ms,
            level: LadderLevel::Normal,
            depth: [None; CONTRACTS],
            refused: [i64::MIN; CONTRACTS],
            bare: [false; CONTRACTS],
            back_ms,
            ordered_ms: i64::MIN,
            tightened: Vec::new(),
            tightened_ms: i64::MIN,
            broken: Vec::new(),
        }
    }

    fn note(&mut self, n: &Note) {
        match n {
            Note::Depth {
                told_ms,
                symbol,
                bids,
                asks,
            } => self.depth[usize::from(symbol.0)] = Some((*bids, *asks, *told_ms)),
            Note::Bare { symbol } => self.bare[usize::from(symbol.0)] = true,
            Note::Refused { ms, symbol } => self.refused[usize::from(symbol.0)] = *ms,
            Note::Level { ms, level, ratio } => self.stepped(*ms, *level, *ratio),
            Note::Tighten {
                ms,
                symbol,
                account,
            } => self.tighten(*ms, usize::from(symbol.0), account),
            Note::Order {
                ms,
                symbol,
                order,
                account,
            } => self.order(*ms, usize::from(symbol.0), order, account),
        }
    }

    fn says(&mut self, ms: i64, what: String) {
        let at = (ms - self.start_ms) as f64 / 1e3;
        self.broken.push(format!("at {at:.3} s: {what}"));
    }

    fn stepped(&mut self, ms: i64, level: LadderLevel, ratio: Decimal) {
        let most = match level {
            LadderLevel::Normal => Decimal::MAX,
            LadderLevel::Warning => Decimal::from(30),
            LadderLevel::Critical => Decimal::from(15),
            LadderLevel::Emergency => Decimal::from(35),
        };
        if ratio > most {
            self.says(ms, format!("{level:?} at a ratio of {ratio:.2}"));
        }
        let down = level < self.level;
        if down && (level != LadderLevel::Normal || ratio < Decimal::from(35)) {
            self.says(ms, format!("down to {level:?} at a ratio of {ratio:.2}"));
        }
        if level == LadderLevel::Emergency
            && self.level < LadderLevel::Critical
            && ratio > Decimal::TWO
        {
            self.says(
                ms,
                format!("from {:?} to Emergency at {ratio:.2}", self.level),
            );
        }
        self.level = level;
        self.tightened.clear();
    }

    /// Maintenance margin of a position of so many lots.
    fn maintenance(&self, i: usize, lots: i64, mark: Decimal) -> Decimal {
        let spec = &self.p.starts[i].spec;
        let notional = spec.instrument.qty_dec(Qty(lots.abs())) * mark;
        maintenance_margin(&spec.brackets, notional).unwrap_or_default()
    }

    /// Contracts held, most maintenance margin first.
    fn by_maintenance(&self, a: &Account) -> Vec<usize> {
        let mut all: Vec<usize> = (0..CONTRACTS).filter(|i| a.lots[*i] != 0).collect();
        all.sort_by_key(|i| std::cmp::Reverse(self.maintenance(*i, a.lots[*i], a.marks[*i])));
        all
    }

    fn tighten(&mut self, ms: i64, i: usize, a: &Account) {
        if self.level != LadderLevel::Warning {
            self.says(ms, format!("a stop tightened in {:?}", self.level));
        }
        if ms - self.tightened_ms.max(i64::MIN / 2) < TIGHTEN_APART_MS {
            self.says(ms, "stops tightened less than 2 s apart".into());
        }
        // The sequence is settled with the first; later ones are only held against their own repetition.
        let first = self.by_maintenance(a).first().copied();
        let in_time = a.lots[i] != 0 && !self.near_mark(ms);
        if self.tightened.is_empty() && first != Some(i) && in_time {
            self.says(ms, format!("{i} tightened before {first:?}"));
        }
        if self.tightened.contains(&i) {
            self.says(ms, format!("{i} tightened twice in one Warning"));
        }
        self.tightened.push(i);
        self.tightened_ms = ms;
    }

    fn near_mark(&self, ms: i64) -> bool {
        (ms - self.start_ms).rem_euclid(1_000) < MARK_ON_ITS_WAY_MS
    }

    fn visible(&self, ms: i64, i: usize, lots: i64) -> Option<Decimal> {
        let (bids, asks, told) = self.depth[i]?;
        let holds = (told..=told + DEPTH_HOLDS_MS).contains(&ms);
        holds.then_some(if lots > 0 { bids } else { asks })
    }

    fn order(&mut self, ms: i64, i: usize, order: &NewOrder, a: &Account) {
        let held = a.lots[i];
        let against = match order.side {
            Side::Buy => held <= 0,
            Side::Sell => held >= 0,
        };
        if !order.reduce_only || !against || order.qty.0 <= 0 {
            self.says(ms, format!("an order that may add: {order:?} on {held}"));
        }
        // A stop that fired into a book too thin leaves a rest without one, which is closed whole at any level.
        if self.bare[i] {
            return;
        }
        if self.level < LadderLevel::Critical {
            self.says(ms, format!("an order in {:?}", self.level));
        }
        // A stop may have closed it in the meantime.
        if self.level != LadderLevel::Critical || held == 0 {
            return;
        }
        if ms - self.ordered_ms.max(i64::MIN / 2) < 20 {
            self.says(ms, "a slice before the last one's end was known".into());
        }
        self.ordered_ms = ms;
        self.size(ms, i, order.qty.0, a);
        self.choice(ms, i, a);
    }

    /// A quarter of the position and of what is visible, but at least what an order must be, and a small rest goes along.
    fn size(&mut self, ms: i64, i: usize, lots: i64, a: &Account) {
        let inst = &self.p.starts[i].spec.instrument;
        let (held, mark) = (a.lots[i].abs(), a.marks[i]);
        let worth = |lots: i64| inst.qty_dec(Qty(lots)) * mark;
        let small = worth(held) <= inst.min_notional * Decimal::from(5);
        let least = lots <= inst.min_qty.0.max(1);
        if small || least {
            return;
        }
        if lots > held / 4 {
            self.says(ms, format!("a slice of {lots} of {held} lots"));
        }
        // A mark on its way is worth a few per cent.
        let slack = Decimal::new(if self.near_mark(ms) { 130 } else { 101 }, 2);
        if let Some(v) = self.visible(ms, i, a.lots[i])
            && worth(lots) > v / Decimal::from(4) * slack
        {
            let w = worth(lots);
            self.says(ms, format!("a slice worth {w:.0} of {v:.0} visible"));
        }
    }

    /// Maintenance margin freed per cost: the fee, and half of the walk through 20 bp over the part taken.
    fn merit(&self, ms: i64, i: usize, size: Decimal, a: &Account) -> (Decimal, Decimal) {
        let spec = &self.p.starts[i].spec;
        let (held, mark) = (a.lots[i].abs(), a.marks[i]);
        let visible = self.visible(ms, i, a.lots[i]);
        let mut lots = held / 4;
        if let Some(v) = visible {
            lots = lots.min(spec.instrument.qty_floor(v / mark / Decimal::from(4)).0);
        }
        // No more than brings the account back.
        let allowed = (a.balance - a.maintenance) / Decimal::new(35, 2);
        let excess = (a.gross - allowed).max(Decimal::ZERO);
        let lots = lots.min(spec.instrument.qty_floor(excess / mark).0 + 1);
        let lots = lots.max(1);
        let sold = spec.instrument.qty_dec(Qty(lots)) * mark;
        let freed = self.maintenance(i, held, mark) - self.maintenance(i, held - lots, mark);
        let part = visible
            .and_then(|v| size.checked_div(v))
            .unwrap_or(Decimal::ONE)
            .min(Decimal::ONE);
        let cost = spec.fees.taker + part / Decimal::ONE_THOUSAND;
        (freed / sold / cost, sold)
    }

    fn choice(&mut self, ms: i64, chosen: usize, a: &Account) {
        let rests = |i: usize| ms < self.refused[i].saturating_add(self.back_ms + REST_MS);
        let among: Vec<usize> = self
            .by_maintenance(a)
            .into_iter()
            .filter(|i| !rests(*i))
            .take(LOOKED_AT)
            .collect();
        let told = among
            .iter()
            .all(|i| self.visible(ms, *i, a.lots[*i]).is_some());
        if self.near_mark(ms) || !told {
            return;
        }
        if !among.contains(&chosen) {
            self.says(ms, format!("{chosen} sliced, not one of {among:?}"));
            return;
        }
        let sizes = among.iter().map(|i| self.merit(ms, *i, Decimal::ONE, a).1);
        let size = sizes.min().unwrap_or_default();
        let best = among.iter().map(|i| self.merit(ms, *i, size, a).0).max();
        let (mine, best) = (self.merit(ms, chosen, size, a).0, best.unwrap_or_default());
        if mine < best * Decimal::new(99, 2) {
            self.says(
                ms,
                format!("{chosen} sliced frees {mine:.3} per cost, another {best:.3}"),
            );
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
