//! Leverage brackets: maintenance margin of a notional, and the notional a leverage allows.
//!
//! A bracket holds for `floor < notional ≤ cap`; maintenance margin = notional × ratio − cum, where
//! `cum_k = cum_{k−1} + floor_k × (ratio_k − ratio_{k−1})` makes it continuous. Everything is exact; every function works
//! on the plain slice of [`crate::instrument::SymbolInfo::brackets`] after [`validate`] has said yes once.

use crate::fixed::Money;
use crate::instrument::Bracket;
use rust_decimal::Decimal;

/// Why a table of brackets is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BracketError {
    /// Nothing in it: unknown, so the symbol can't carry a position.
    #[error("no leverage brackets: the maintenance margin is unknown")]
    Empty,
    /// The first does not begin at 0, one does not begin where the one before ends, or a cap is not above its floor.
    #[error("bracket {index}: {floor}..{cap} does not continue the bracket before it")]
    Gap {
        /// Position in the table, from 0.
        index: usize,
        /// Its floor.
        floor: Money,
        /// Its cap.
        cap: Money,
    },
    /// Ratio outside (0, 1), falling from bracket to bracket, or a leverage of 0 or one that rises.
    #[error("bracket {index}: ratio {ratio} with leverage {leverage} is impossible here")]
    Ratio {
        /// Position in the table, from 0.
        index: usize,
        /// Its maintenance margin ratio.
        ratio: Decimal,
        /// Its initial leverage.
        leverage: u32,
    },
    /// `cum` is not what continuity asks.
    #[error("bracket {index}: cum is {found}, continuity asks {expected}")]
    Cum {
        /// Position in the table, from 0.
        index: usize,
        /// What is there.
        found: Money,
        /// What should be.
        expected: Money,
    },
}

/// Checks a table: ascending without gap, ratios and leverages sensible, `cum` continuous to the last digit.
///
/// # Errors
/// The first [`BracketError`] from below.
pub fn validate(brackets: &[Bracket]) -> Result<(), BracketError> {
    if brackets.is_empty() {
        return Err(BracketError::Empty);
    }
    let (mut floor, mut ratio, mut cum) = (Decimal::ZERO, None, Decimal::ZERO);
    let mut leverage = u32::MAX;
    for (index, b) in brackets.iter().enumerate() {
        if b.notional_floor != floor || b.notional_cap <= b.notional_floor {
            return Err(BracketError::Gap {
                index,
                floor: b.notional_floor,
                cap: b.notional_cap,
            });
        }
        let before = ratio.unwrap_or(b.maint_margin_ratio);
        if b.maint_margin_ratio <= Decimal::ZERO
            || b.maint_margin_ratio >= Decimal::ONE
            || b.maint_margin_ratio < before
            || b.initial_leverage == 0
            || b.initial_leverage > leverage
        {
            return Err(BracketError::Ratio {
                index,
                ratio: b.maint_margin_ratio,
                leverage: b.initial_leverage,
            });
        }
        let step = floor
            .checked_mul(b.maint_margin_ratio - before)
            .and_then(|s| s.checked_add(cum));
        if step != Some(b.cum) {
            return Err(BracketError::Cum {
                index,
                found: b.cum,
                expected: step.unwrap_or(Decimal::MAX),
            });
        }
        floor = b.notional_cap;
        ratio = Some(b.maint_margin_ratio);
        cum = b.cum;
        leverage = b.initial_leverage;
    }
    Ok(())
}

/// The bracket of a notional: `floor < notional ≤ cap`, the first for 0, the last above every cap. `None` without brackets.
pub fn bracket_for(brackets: &[Bracket], notional: Money) -> Option<&Bracket> {
    brackets
        .iter()
        .find(|b| notional <= b.notional_cap)
        .or(brackets.last())
}

/// Maintenance margin of a position of |notional|, quote asset; 0 when flat. `None` without brackets or on overflow.
pub fn maintenance_margin(brackets: &[Bracket], notional: Money) -> Option<Money> {
    let b = bracket_for(brackets, notional)?;
    notional
        .checked_mul(b.maint_margin_ratio)?
        .checked_sub(b.cum)
}

/// The largest notional the exchange lets a position have at this initial leverage; 0 when it allows none.
pub fn max_notional(brackets: &[Bracket], leverage: u32) -> Money {
    brackets
        .iter()
        .take_while(|b| b.initial_leverage >= leverage)
        .last()
        .map_or(Decimal::ZERO, |b| b.notional_cap)
}

#[cfg(test)]
#[path = "brackets_tests.rs"]
pub(crate) mod tests;
