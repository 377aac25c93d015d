//! Margin of a cross, single-asset account on mark prices: how far a uniform adverse move is from liquidating it.
//!
//! `marginRatio = max(0, marginBalance − maintenanceMargin) / Σ|notional|`, in percent, 100 when flat; lower is worse.
//! The exchange's own ratio, maintenance margin / margin balance, stands beside it. Exact decimals throughout; a number
//! missing, out of all bounds or without brackets makes the whole unknown (`None`), never a guess.

use super::brackets::maintenance_margin;
use crate::fixed::Money;
use crate::instrument::Bracket;
use rust_decimal::Decimal;

/// One hundred, for percentages.
pub const HUNDRED: Decimal = Decimal::ONE_HUNDRED;
/// Prices, quantities and amounts above this are no numbers of a trading account.
const BELIEF: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0); // 1e15

/// True for what an account can really contain.
pub(crate) fn believable(v: Decimal) -> bool {
    v.abs() <= BELIEF
}

/// A cross position with what its margin hangs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossPosition<'a> {
    /// Signed, base asset.
    pub qty: Decimal,
    /// Average entry.
    pub entry: Decimal,
    /// Mark price.
    pub mark: Decimal,
    /// Brackets of the contract.
    pub brackets: &'a [Bracket],
}

impl CrossPosition<'_> {
    /// |quantity| × mark.
    pub fn notional(&self) -> Option<Money> {
        let ok = believable(self.qty) && believable(self.mark) && self.mark > Decimal::ZERO;
        ok.then(|| self.qty.abs().checked_mul(self.mark))
            .flatten()
            .filter(|n| believable(*n))
    }

    /// Profit at mark.
    pub fn unrealised(&self) -> Option<Money> {
        let ok = believable(self.qty)
            && believable(self.mark)
            && believable(self.entry)
            && self.mark > Decimal::ZERO
            && self.entry > Decimal::ZERO;
        ok.then(|| self.qty.checked_mul(self.mark - self.entry))
            .flatten()
            .filter(|n| believable(*n))
    }

    /// Maintenance margin at mark.
    pub fn maintenance(&self) -> Option<Money> {
        maintenance_margin(self.brackets, self.notional()?)
    }
}

/// Sums over the cross positions of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// Cross wallet + unrealised: the equity that carries the positions.
    pub balance: Money,
    /// Σ maintenance margin.
    pub maintenance: Money,
    /// Σ unrealised.
    pub unrealised: Money,
    /// Σ|notional|.
    pub gross_notional: Money,
}

impl Margin {
    /// The account of a wallet balance and its positions; flat ones don't count. `None` when a number of an open one is unknown.
    pub fn of(wallet: Money, positions: &[CrossPosition<'_>]) -> Option<Self> {
        if !believable(wallet) {
            return None;
        }
        let mut m = Self {
            balance: wallet,
            ..Self::default()
        };
        for p in positions.iter().filter(|p| !p.qty.is_zero()) {
            m.unrealised += p.unrealised()?;
            m.maintenance += p.maintenance()?;
            m.gross_notional += p.notional()?;
        }
        m.balance += m.unrealised;
        Some(m)
    }

    /// The design's margin ratio, percent: the uniform adverse move that liquidates. 100 when flat.
    pub fn ratio(&self) -> Decimal {
        if self.gross_notional.is_zero() {
            return HUNDRED;
        }
        (self.balance - self.maintenance)
            .max(Decimal::ZERO)
            .checked_mul(HUNDRED)
            .and_then(|v| v.checked_div(self.gross_notional))
            .unwrap_or(HUNDRED)
    }

    /// The exchange's own ratio, percent: liquidation at 100. 0 when flat; 100 at the least when the balance is used up.
    pub fn exchange_ratio(&self) -> Decimal {
        if self.gross_notional.is_zero() {
            return Decimal::ZERO;
        }
        if self.balance <= Decimal::ZERO {
            return HUNDRED;
        }
        self.maintenance
            .checked_mul(HUNDRED)
            .and_then(|v| v.checked_div(self.balance))
            .unwrap_or(HUNDRED)
    }
}

/// The mark price at which the account is liquidated when only this position's mark moves: margin balance =
/// maintenance margin there. `others` are the other cross positions at their present marks, `wallet` the cross wallet.
/// `None` when flat, unknown, or when no positive price does it.
pub fn liquidation_price(
    wallet: Money,
    others: &Margin,
    position: &CrossPosition<'_>,
) -> Option<Decimal> {
    let q = position.qty;
    if q.is_zero() || !believable(q) || !believable(position.entry) || !believable(wallet) {
        return None;
    }
    // wallet + U + q (P − E) = |q| P r − cum + M, solved for P in each bracket; equity less maintenance is strictly
    // monotone and continuous in P, so exactly one bracket contains its own solution.
    let cost = q.checked_mul(position.entry).filter(|c| believable(*c))?;
    let base = cost - wallet - others.unrealised + others.maintenance;
    let last = position.brackets.len().checked_sub(1)?;
    for (i, b) in position.brackets.iter().enumerate() {
        let slope = q.checked_sub(q.abs().checked_mul(b.maint_margin_ratio)?)?;
        let price = (base - b.cum).checked_div(slope)?;
        if price <= Decimal::ZERO {
            // Below the first bracket the position is worthless before it is liquidated; higher ones can't be met either.
            if i == 0 {
                return None;
            }
            continue;
        }
        let notional = q.abs().checked_mul(price)?;
        if notional > b.notional_floor && (notional <= b.notional_cap || i == last) {
            return Some(price);
        }
    }
    None
}

/// The largest |notional| of one symbol that keeps the margin ratio at or above `floor_percent`, all else as in
/// `others`, which carries the whole margin balance. `fee` is what opening it costs, as a fraction of notional.
/// 0 when there is no room.
pub fn max_notional_at_ratio(
    others: &Margin,
    brackets: &[Bracket],
    fee: Decimal,
    floor_percent: Decimal,
) -> Money {
    let floor = floor_percent / HUNDRED;
    let Some(need) = floor.checked_mul(others.gross_notional) else {
        return Decimal::ZERO;
    };
    let room = others.balance - others.maintenance - need;
    if room <= Decimal::ZERO {
        return Decimal::ZERO;
    }
    // room − fee x − (x r − cum) ≥ floor x: the left side less the right is concave and falls, so brackets are met in order.
    let mut best = Decimal::ZERO;
    for (i, b) in brackets.iter().enumerate() {
        let per = floor + b.maint_margin_ratio + fee.max(Decimal::ZERO);
        let Some(x) = (room + b.cum).checked_div(per) else {
            break;
        };
        if x <= b.notional_floor {
            break;
        }
        let cap = if i + 1 == brackets.len() {
            x
        } else {
            b.notional_cap
        };
        best = x.min(cap);
        if x < cap {
            break;
        }
    }
    best
}

#[cfg(test)]
#[path = "margin_tests.rs"]
mod tests;
