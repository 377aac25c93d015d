//! Equity marks and what they trip: peak, day start, daily loss, drawdown.
//!
//! A UTC day of market time. The daily loss is latched until the day changes, the drawdown until a person releases it
//! (then the peak starts anew). Transfers move both marks ([`super::transfers`]), so that money paid in is no gain and money
//! taken out no loss; until they are told a rise of the equity counts as one.

use super::event::{GuardianState, Transfer};
use crate::fixed::Money;
use crate::params::AccountParams;
use crate::risk::margin::HUNDRED;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// Set by a person (`helios kill`): everything is flattened.
pub const KILL: &str = "kill";
/// Set by the loss since 00:00 UTC, released by the next day.
pub const DAILY_LOSS: &str = "dailyLoss";
/// Set by the loss from the peak, released by a person.
pub const DRAWDOWN: &str = "drawdown";
/// Set when the guardian's state is gone that must have been there: halts, released by a person.
pub const STATE_LOST: &str = "stateLost";

/// Seconds of which the highest equity is remembered: transfers are told later than they happen.
const SECONDS: usize = 600;
/// A withdrawal is seen in the balance at most this long after its time.
const LATE_MS: i64 = 5_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What a look at the equity changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Something that must be written at once.
    pub urgent: bool,
    /// Something that may wait for the minute.
    pub marks: bool,
    /// Latches released.
    pub released: Vec<&'static str>,
}

/// The highest equity by second, so that a transfer told late moves the highs before it and not those after.
#[derive(Clone, Debug, Default)]
pub(super) struct Highs {
    /// Before all seconds: venue ms and equity.
    base: Option<(i64, Money)>,
    seconds: VecDeque<(i64, Money)>,
}

impl Highs {
    fn note(&mut self, ms: i64, equity: Money, peak: (i64, Money)) {
        self.base.get_or_insert(peak);
        let second = ms.div_euclid(1000).saturating_mul(1000);
        match self.seconds.back_mut() {
            Some((s, high)) if second <= *s => *high = (*high).max(equity),
            _ => self.seconds.push_back((second, equity)),
        }
        if self.seconds.len() > SECONDS
            && let Some((s, high)) = self.seconds.pop_front()
            && self.base.is_none_or(|b| high >= b.1)
        {
            self.base = Some((s, high));
        }
    }

    /// Moves every high that a transfer at `ms` came after; the highest of all is the peak.
    fn moved(&mut self, ms: i64, amount: Money) -> Option<(i64, Money)> {
        // What is seen of a second that it falls into (or of the frame's delay): the larger of before and after.
        let before = |at: i64| {
            if amount > Decimal::ZERO {
                at.saturating_add(1000) <= ms
            } else {
                at <= ms.saturating_add(LATE_MS)
            }
        };
        if let Some((at, high)) = &mut self.base
            && (*at == 0 || before(*at))
        {
            *high += amount;
        }
        for (at, high) in &mut self.seconds {
            if before(*at) {
                *high += amount;
            }
        }
        let all = self.base.iter().chain(&self.seconds);
        all.max_by_key(|h| h.1).copied()
    }
}

/// A latch that flattens; any other name only halts.
pub(super) fn flattens(latch: &str) -> bool {
    matches!(latch, KILL | DAILY_LOSS | DRAWDOWN)
}

/// Takes the equity of a known account at `market_ms`, which holds all that was transferred up to `seen_ms`.
pub(super) fn mark(
    state: &mut GuardianState,
    highs: &mut Highs,
    market_ms: i64,
    seen_ms: i64,
    equity: Money,
) -> Marked {
    let mut out = Marked::default();
    let day = market_ms.div_euclid(DAY_MS);
    // A day never goes back: a restored venue or a clock step must not renew the day's allowance.
    if day > state.day || state.day_start_equity.is_none() {
        state.day = state.day.max(day);
        state.day_start_equity = Some(equity);
        state.day_start_ms = market_ms;
        out.urgent = true;
        if state.latches.remove(DAILY_LOSS).is_some() {
            out.released.push(DAILY_LOSS);
        }
    }
    if state.transfers_since_ms.is_none() {
        // The account's first deposit may be of this very instant: the clock of a simulated venue stands still at first.
        state.transfers_since_ms = Some(market_ms.max(seen_ms).saturating_add(1));
        out.urgent = true;
    }
    let peak = state.peak_equity.map(|p| (state.peak_ms, p));
    highs.note(market_ms, equity, peak.unwrap_or((market_ms, equity)));
    if peak.is_none_or(|p| equity > p.1) {
        state.peak_equity = Some(equity);
        state.peak_ms = market_ms;
        out.urgent |= peak.is_none();
        out.marks = true;
    }
    out
}

/// Adjusts both marks by a transfer that they do not know yet.
pub(super) fn transferred(state: &mut GuardianState, highs: &mut Highs, t: &Transfer) {
    let taken_ms = if state.day_start_ms == 0 {
        state.day.saturating_mul(DAY_MS).saturating_sub(1)
    } else {
        state.day_start_ms
    };
    if t.venue_ms > taken_ms
        && let Some(d) = &mut state.day_start_equity
    {
        *d += t.amount;
    }
    if highs.base.is_none() {
        highs.base = state.peak_equity.map(|p| (state.peak_ms, p));
    }
    if let Some((ms, high)) = highs.moved(t.venue_ms, t.amount) {
        state.peak_equity = Some(high);
        state.peak_ms = ms;
    }
}

/// Losses at or above their limit that are not latched, with the words for people.
pub(super) fn losses(
    state: &GuardianState,
    params: &AccountParams,
    equity: Money,
) -> Vec<(&'static str, String)> {
    let limits = [
        (
            DAILY_LOSS,
            state.day_start_equity,
            params.max_daily_loss_percent,
            "since 00:00 UTC",
        ),
        (
            DRAWDOWN,
            state.peak_equity,
            params.max_drawdown_percent,
            "from the peak",
        ),
    ];
    let mut out = Vec::new();
    for (name, from, limit, words) in limits {
        let Some(lost) = from.and_then(|f| lost_percent(f, equity)) else {
            continue;
        };
        if lost > Decimal::ZERO && lost >= limit && !state.latches.contains_key(name) {
            let text = format!(
                "equity {equity} is {lost:.2} % down {words}, limit {limit} %: everything is flattened"
            );
            out.push((name, text));
        }
    }
    out
}

/// Loss in percent of `from`, negative for a gain. `None` when `from` is not positive.
fn lost_percent(from: Money, equity: Money) -> Option<Decimal> {
    (from > Decimal::ZERO)
        .then(|| (from - equity).checked_mul(HUNDRED)?.checked_div(from))
        .flatten()
}
