//! The margin ladder: from numbers to a level, with hysteresis.
//!
//! Up at once, down only from a margin ratio of warning + 5 points held for 10 s of liveness time. What a level does is
//! elsewhere ([`super::reduce`], [`super::calm`]); this is only the level.

use crate::fixed::Money;
use crate::messages::LadderLevel;
use crate::params::AccountParams;
use crate::risk::margin::Margin;
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// A level is left only this long after the ratio has recovered.
pub(super) const CALM_NS: u64 = 10 * NS_PER_S;
/// Points above the warning ratio at which the account has recovered, and below which no new risk is granted.
pub(super) const RECOVERED_POINTS: Decimal = Decimal::from_parts(5, 0, 0, false, 0);
/// The exchange's own ratio (MM/MB) that trips Emergency, percent.
pub(super) const EXCHANGE_TRIP: Decimal = Decimal::from_parts(50, 0, 0, false, 0);

/// How far back the pace of a fall is measured: a mark of every symbol comes each second.
const PACE_NS: u64 = 1_500 * NS_PER_MS;

/// What the ladder is judged on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// The numbers at hand, `None` where there are none.
    pub margin: Option<Margin>,
    /// They can be relied on. In doubt they raise the level as they would otherwise, and never lower it.
    pub sure: bool,
    /// Nothing tells of the open positions any more.
    pub blind: bool,
    /// Slices do not bite.
    pub stuck: bool,
}

/// The level and how long the account has been calm.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    level: LadderLevel,
    calm_since: Option<u64>,
    pace: Pace,
}

/// How fast prices take the account: unrealised profit over the last moments, which transfers don't touch.
#[derive(Clone, Debug, Default)]
struct Pace {
    /// When, unrealised profit, gross notional.
    seen: VecDeque<(u64, Money, Money)>,
}

impl Pace {
    /// What prices took lately, as a share of the gross notional in percent; 0 when they gave. Losses that were realised
    /// meanwhile are left out, so it never says too much.
    fn lost(&mut self, now: Now, m: &Margin) -> Decimal {
        while self
            .seen
            .front()
            .is_some_and(|s| now.mono_since(s.0) > PACE_NS)
        {
            self.seen.pop_front();
        }
        let worst = self.seen.iter().filter_map(|(_, unrealised, gross)| {
            let lost = unrealised.checked_sub(m.unrealised)?;
            lost.max(Decimal::ZERO)
                .checked_mul(Decimal::ONE_HUNDRED)?
                .checked_div((*gross).max(m.gross_notional))
        });
        let worst = worst.max().unwrap_or_default();
        if self.seen.back().is_none_or(|s| s.1 != m.unrealised) {
            self.seen
                .push_back((now.mono_ns, m.unrealised, m.gross_notional));
        }
        worst
    }
}

/// The ratio at which the account has recovered, percent.
pub(super) fn recovered(params: &AccountParams) -> Decimal {
    params.warning_margin_ratio + RECOVERED_POINTS
}

impl Ladder {
    pub const fn level(&self) -> LadderLevel {
        self.level
    }

    /// Another process's level, at which it had begun to reduce.
    pub fn resume(&mut self, level: LadderLevel) {
        if level >= LadderLevel::Critical {
            self.level = self.level.max(level);
        }
    }

    /// Takes a reading; true when the level has changed.
    pub fn step(&mut self, now: Now, params: &AccountParams, reading: &Reading) -> bool {
        let before = self.level;
        let too_fast = reading.margin.is_some_and(|m| {
            let lost = self.pace.lost(now, &m);
            let critical = m.ratio() <= params.critical_margin_ratio;
            // Slices can't bite where the next moments, if they are like the last, leave nothing to slice. Critical comes
            // first all the same, be it by the mark before.
            critical && self.level >= LadderLevel::Critical && lost >= m.ratio()
        });
        let target = judge(
            params,
            &Reading {
                stuck: reading.stuck || too_fast,
                ..*reading
            },
        );
        if target > self.level {
            self.level = target;
        }
        let calm = reading.sure
            && target == LadderLevel::Normal
            && reading
                .margin
                .is_some_and(|m| m.ratio() >= recovered(params));
        if !calm {
            self.calm_since = None;
        } else if self.level != LadderLevel::Normal {
            let since = *self.calm_since.get_or_insert(now.mono_ns);
            if now.mono_since(since) >= CALM_NS {
                self.level = LadderLevel::Normal;
                self.calm_since = None;
            }
        }
        self.level != before
    }
}

/// The level that a reading alone asks for.
pub(super) fn judge(params: &AccountParams, reading: &Reading) -> LadderLevel {
    let by_sight = if reading.blind {
        LadderLevel::Critical
    } else {
        LadderLevel::Normal
    };
    let Some(m) = reading.margin else {
        return by_sight;
    };
    let (ratio, flat) = (m.ratio(), m.gross_notional.is_zero());
    let by_number = if flat {
        LadderLevel::Normal
    } else if m.exchange_ratio() >= EXCHANGE_TRIP || reading.stuck {
        LadderLevel::Emergency
    } else if ratio <= params.critical_margin_ratio {
        LadderLevel::Critical
    } else if ratio <= params.warning_margin_ratio {
        LadderLevel::Warning
    } else {
        LadderLevel::Normal
    };
    by_sight.max(by_number)
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
