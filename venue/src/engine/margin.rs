//! Margin arithmetic of a cross, single-asset, one-way account: brackets, maintenance margin, liquidation price.
//!
//! Pure functions over decimals. Maintenance margin = notional × ratio − cum of the bracket with floor < notional ≤ cap;
//! the bracket's `cum` makes it continuous. A contract without brackets has no maintenance margin and no cap.

use helios_core::fixed::Money;
use helios_core::instrument::Bracket;
use rust_decimal::Decimal;

/// The bracket of a notional: the first whose cap is not exceeded, else the last.
#[must_use]
pub fn bracket_for(brackets: &[Bracket], notional: Money) -> Option<&Bracket> {
    brackets
        .iter()
        .find(|b| notional <= b.notional_cap)
        .or(brackets.last())
}

/// Maintenance margin of a position of this notional at mark.
#[must_use]
pub fn maintenance(brackets: &[Bracket], notional: Money) -> Money {
    bracket_for(brackets, notional).map_or(Money::ZERO, |b| {
        (notional * b.maint_margin_ratio - b.cum).max(Money::ZERO)
    })
}

/// Largest notional allowed at an initial leverage; `None` without brackets.
#[must_use]
pub fn max_notional(brackets: &[Bracket], leverage: u32) -> Option<Money> {
    brackets
        .iter()
        .take_while(|b| b.initial_leverage >= leverage)
        .last()
        .or(brackets.first())
        .map(|b| b.notional_cap)
}

/// Highest initial leverage of a contract (125 without brackets).
#[must_use]
pub fn max_leverage(brackets: &[Bracket]) -> u32 {
    brackets.first().map_or(125, |b| b.initial_leverage)
}

/// Mark price at which the account's equity equals its maintenance margin, all other marks unchanged.
///
/// `qty` is signed in base asset, `cost` = Σ entry price × |qty|, `rest` = wallet balance plus the unrealised profit and
/// minus the maintenance margin of every *other* position. `None`: no positive price does it.
#[must_use]
pub fn liquidation_price(
    brackets: &[Bracket],
    qty: Decimal,
    cost: Money,
    rest: Money,
) -> Option<Decimal> {
    let size = qty.abs();
    if size.is_zero() {
        return None;
    }
    let solve = |m: Decimal, cum: Money| {
        let price = if qty > Decimal::ZERO {
            (cost - rest - cum).checked_div(size * (Decimal::ONE - m))
        } else {
            (cost + rest + cum).checked_div(size * (Decimal::ONE + m))
        };
        price.filter(|p| *p > Decimal::ZERO)
    };
    if brackets.is_empty() {
        return solve(Decimal::ZERO, Money::ZERO);
    }
    let last = brackets.len() - 1;
    brackets.iter().enumerate().find_map(|(i, b)| {
        solve(b.maint_margin_ratio, b.cum).filter(|p| {
            let n = *p * size;
            (i == 0 || n > b.notional_floor) && (i == last || n <= b.notional_cap)
        })
    })
}
