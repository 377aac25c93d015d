//! The next slice in a Critical: which symbol, how much.
//!
//! At most a quarter of the position and of visible depth within 20 bp, no more than the account needs, and of the
//! symbol that frees most maintenance margin per cost.

use super::event::GuardianEffect;
use super::reduce::{Bite, STUCK_AFTER};
use super::{Guardian, ladder, ms};
use crate::fixed::{Money, Qty};
use crate::instrument::{Symbol, SymbolInfo};
use crate::risk::brackets::maintenance_margin;
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;

/// A slice is at most this part (1/4) of the position and of visible depth.
const SLICE_PART: i64 = 4;
/// Symbols whose depth is read before a slice, most maintenance margin first.
const LOOK_AT: usize = 3;
/// Depth older than this is read again.
const DEPTH_FRESH_NS: u64 = NS_PER_S;
/// How long a slice waits for depth before it goes by the position alone.
const DEPTH_WAIT_NS: u64 = NS_PER_S;
/// Slices are judged over at least this long, so that a mark of every symbol is in.
const BITE_NS: u64 = ms(1200);
/// And over at least so many of them.
const BITE_SLICES: u32 = 3;

/// One reduction that could be made.
#[derive(Clone, Copy, Debug)]
struct Slice {
    qty: Qty,
    notional: Money,
    /// Maintenance margin it frees.
    freed: Money,
    fee: Decimal,
    /// Visible depth within 20 bp on its side.
    visible: Option<Money>,
}

impl Slice {
    /// Maintenance margin freed per cost, per unit of notional, with the cost of taking `size`: the fee, and half of the
    /// walk through what is visible within 20 bp over the part taken (all of it where nothing is known).
    fn freed_per_cost(&self, size: Money) -> Decimal {
        let part = self
            .visible
            .and_then(|d| size.checked_div(d))
            .unwrap_or(Decimal::ONE);
        let cost = self.fee + part.min(Decimal::ONE) / Decimal::ONE_THOUSAND;
        let freed = self.freed.checked_div(self.notional).unwrap_or_default();
        freed
            .checked_div(cost.max(Decimal::new(1, 6)))
            .unwrap_or_default()
            .round_dp(6)
    }
}

impl Guardian {
    /// The next slice, when the last one has been measured and the account has not recovered.
    pub(super) fn slice(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        if self.reduce.slicing() {
            return;
        }
        let ratio = self.ratio();
        if self.measured && ratio >= ladder::recovered(&self.config.account) {
            self.reduce.ratio_at_slice = None;
            self.reduce.misses = 0;
            self.reduce.bite = None;
            self.reduce.slices = 0;
            return;
        }
        let candidates = self.by_maintenance();
        let rested = |s: &Symbol| {
            self.reduce
                .rest_until
                .get(s)
                .is_none_or(|t| now.mono_ns >= *t)
        };
        let candidates: Vec<Symbol> = candidates
            .into_iter()
            .map(|x| x.0)
            .filter(rested)
            .take(LOOK_AT)
            .collect();
        // Asked for during the pause, so that it is there when the pause is over.
        let looked = !candidates.is_empty() && self.looked(now, &candidates, out);
        if now.mono_ns < self.reduce.slice_ready_at {
            return;
        }
        if let Some(before) = self.reduce.ratio_at_slice.take() {
            self.reduce.misses = if ratio > before {
                0
            } else {
                self.reduce.misses + 1
            };
        }
        self.judge_bite(now, ratio);
        if !looked {
            return;
        }
        let mut slices: Vec<(&Symbol, Slice)> = candidates
            .iter()
            .filter_map(|s| self.slice_of(now, s).map(|x| (s, x)))
            .collect();
        // Costs are compared for one size, else the smallest position would always seem the cheapest.
        let size = slices
            .iter()
            .map(|x| x.1.notional)
            .min()
            .unwrap_or_default();
        // A stable sort: among equals the one with most maintenance margin stays first.
        slices.sort_by_key(|x| std::cmp::Reverse(x.1.freed_per_cost(size)));
        let best = slices.first().map(|(s, x)| ((*s).clone(), x.qty));
        if let Some((s, qty)) = best {
            self.reduce.ratio_at_slice = Some(ratio);
            self.reduce.looking_since = None;
            self.reduce.slices += 1;
            if let Some(b) = &mut self.reduce.bite {
                b.slices += 1;
            }
            self.send_exit(now, &s, qty, true, out);
        }
    }

    /// Slices bite when, over a stretch of them, the ratio has risen in spite of what prices did meanwhile.
    fn judge_bite(&mut self, now: Now, ratio: Decimal) {
        let fresh = Bite {
            since: now.mono_ns,
            ratio,
            slices: 0,
        };
        let b = *self.reduce.bite.get_or_insert(fresh);
        if b.slices < BITE_SLICES || now.mono_since(b.since) < BITE_NS {
            return;
        }
        // Above the critical ratio there is still room for slices to work in.
        let critical = ratio <= self.config.account.critical_margin_ratio;
        if critical && ratio <= b.ratio {
            self.reduce.misses = self.reduce.misses.max(STUCK_AFTER);
        }
        self.reduce.bite = Some(fresh);
    }

    /// Asks for depth; true when it is there for all, or has been waited for long enough.
    fn looked(&mut self, now: Now, candidates: &[Symbol], out: &mut Vec<GuardianEffect>) -> bool {
        let since = *self.reduce.looking_since.get_or_insert(now.mono_ns);
        let mut all = true;
        for s in candidates {
            let fresh = self
                .reduce
                .depth
                .get(s)
                .is_some_and(|d| now.mono_since(d.2) <= DEPTH_FRESH_NS);
            if fresh {
                continue;
            }
            all = false;
            let asked = self.reduce.depth_asked.get(s);
            if asked.is_none_or(|t| now.mono_since(*t) >= DEPTH_WAIT_NS) {
                self.reduce.depth_asked.insert(s.clone(), now.mono_ns);
                out.push(GuardianEffect::ReadDepth(s.clone()));
            }
        }
        all || now.mono_since(since) >= DEPTH_WAIT_NS
    }

    /// A slice of this symbol and what its merit is reckoned from.
    fn slice_of(&self, now: Now, symbol: &Symbol) -> Option<Slice> {
        let v = self.picture.symbols.get(symbol)?;
        let info = self.info(symbol)?;
        let (inst, value) = (&info.instrument, v.value()?);
        let size = v.qty.abs();
        let visible = self
            .reduce
            .depth
            .get(symbol)
            .filter(|d| now.mono_since(d.2) <= DEPTH_FRESH_NS);
        let visible = visible.map(|d| if v.qty.0 > 0 { d.0 } else { d.1 });
        let mut lots = size.0 / SLICE_PART;
        if let Some(depth) = visible {
            let part = depth
                .checked_div(value)?
                .checked_div(Decimal::from(SLICE_PART))?;
            lots = lots.min(inst.qty_floor(part).0);
        }
        if self.measured {
            lots = lots.min(self.needed(value, info)?.0);
        }
        let least = inst.min_qty.0.max(1);
        lots = lots.max(least).min(size.0);
        // What would be left must still be an order; a remainder too small for that goes along.
        let worth = inst.qty_dec(size).checked_mul(value)?;
        let small = worth <= inst.min_notional * Decimal::from(SLICE_PART);
        if size.0 - lots < least || small {
            lots = size.0;
        }
        let before = maintenance_margin(&info.brackets, worth)?;
        let after = maintenance_margin(
            &info.brackets,
            inst.qty_dec(Qty(size.0 - lots)).checked_mul(value)?,
        )?;
        let sold = inst.qty_dec(Qty(lots)).checked_mul(value)?;
        Some(Slice {
            qty: Qty(lots),
            notional: sold,
            freed: before - after,
            fee: info.fees.taker.max(Decimal::ZERO),
            visible,
        })
    }

    /// Lots of this symbol whose sale alone would bring the account back, at least one.
    fn needed(&self, value: Decimal, info: &SymbolInfo) -> Option<Qty> {
        let m = self.margin?;
        let target = ladder::recovered(&self.config.account) / Decimal::ONE_HUNDRED;
        let allowed = (m.balance - m.maintenance).checked_div(target)?;
        let excess = (m.gross_notional - allowed).max(Decimal::ZERO);
        let lots = info.instrument.qty_floor(excess.checked_div(value)?);
        Some(Qty(lots.0.saturating_add(1)))
    }
}
