//! Equity marks and what they trip: peak, day start, daily loss, drawdown.
//!
//! A UTC day of market time. The daily loss is latched until the day changes, the drawdown until a person releases it
//! (then the peak starts anew). Transfers are not told to the guardian yet and count as gain or loss.

use super::event::GuardianState;
use crate::fixed::Money;
use crate::params::AccountParams;
use crate::risk::margin::HUNDRED;
use rust_decimal::Decimal;

/// Set by a person (`helios kill`): everything is flattened.
pub const KILL: &str = "kill";
/// Set by the loss since 00:00 UTC, released by the next day.
pub const DAILY_LOSS: &str = "dailyLoss";
/// Set by the loss from the peak, released by a person.
pub const DRAWDOWN: &str = "drawdown";

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What a look at the equity changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Something that must be written at once.
    pub urgent: bool,
    /// Something that may wait for the minute.
    pub marks: bool,
    /// Latches set, with the words for people.
    pub tripped: Vec<(&'static str, String)>,
    /// Latches released.
    pub released: Vec<&'static str>,
}

/// A latch that flattens; any other name only halts.
pub(super) fn flattens(latch: &str) -> bool {
    matches!(latch, KILL | DAILY_LOSS | DRAWDOWN)
}

/// Takes the equity of a known account at `market_ms`.
pub(super) fn mark(
    state: &mut GuardianState,
    params: &AccountParams,
    market_ms: i64,
    equity: Money,
) -> Marked {
    let mut out = Marked::default();
    let day = market_ms.div_euclid(DAY_MS);
    // A day never goes back: a restored venue or a clock step must not renew the day's allowance.
    if day > state.day || state.day_start_equity.is_none() {
        state.day = state.day.max(day);
        state.day_start_equity = Some(equity);
        out.urgent = true;
        if state.latches.remove(DAILY_LOSS).is_some() {
            out.released.push(DAILY_LOSS);
        }
    }
    match state.peak_equity {
        None => {
            state.peak_equity = Some(equity);
            out.urgent = true;
        }
        Some(p) if equity > p => {
            state.peak_equity = Some(equity);
            out.marks = true;
        }
        Some(_) => {}
    }
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
    for (name, from, limit, words) in limits {
        let Some(lost) = from.and_then(|f| lost_percent(f, equity)) else {
            continue;
        };
        if lost > Decimal::ZERO && lost >= limit && !state.latches.contains_key(name) {
            state.latches.insert(name.into(), market_ms);
            out.urgent = true;
            let text = format!(
                "equity {equity} is {lost:.2} % down {words}, limit {limit} %: everything is flattened"
            );
            out.tripped.push((name, text));
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
