//! What holds entries back although the signal is there: losing streaks, too many entries, a mark far from mid, an old book.
//!
//! Streaks, pauses and entry counts run on market time, the age of the book on liveness time. They live with the process:
//! the account-wide ones (daily loss, drawdown) are the guardian's, which persists them.

use crate::params::ProtectionParams;
use crate::time::NS_PER_MS;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// Why an entry is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Losing trades in a row; paused until this market ms.
    ConsecutiveLosses(i64),
    /// So many entries within the last market hour.
    EntriesPerHour(usize),
    /// |mid − mark| / mark is too large, or one of them is no price.
    MarkDeviation,
    /// The book is this old, liveness ms.
    BookAge(u64),
}

impl Held {
    /// Stable name for decision records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsecutiveLosses(_) => "ConsecutiveLosses",
            Self::EntriesPerHour(_) => "EntriesPerHour",
            Self::MarkDeviation => "MarkDeviation",
            Self::BookAge(_) => "BookStale",
        }
    }
}

/// Memory of the protections of one symbol.
#[derive(Clone, Debug, Default)]
pub struct Protections {
    losses: u32,
    paused_until_ms: i64,
    entries: VecDeque<i64>,
}

const HOUR_MS: i64 = 3_600_000;

impl Protections {
    /// A round trip ended at `market_ms` with this net result.
    pub fn closed(&mut self, p: &ProtectionParams, market_ms: i64, net: Decimal) {
        if net >= Decimal::ZERO {
            self.losses = 0;
            return;
        }
        self.losses += 1;
        if p.max_consecutive_losses > 0 && self.losses >= p.max_consecutive_losses {
            self.paused_until_ms = market_ms.saturating_add(p.pause_seconds.saturating_mul(1000));
            self.losses = 0;
        }
    }

    /// An entry was sent.
    pub fn entered(&mut self, market_ms: i64) {
        self.forget(market_ms);
        // Bounded whatever the parameters say: beyond this the oldest no longer matter to any sensible limit.
        if self.entries.len() == 4096 {
            self.entries.pop_front();
        }
        self.entries.push_back(market_ms);
    }

    /// Checks what depends on history and time.
    ///
    /// # Errors
    /// The first protection that holds the entry back.
    pub fn check(&mut self, p: &ProtectionParams, market_ms: i64) -> Result<(), Held> {
        if market_ms < self.paused_until_ms {
            return Err(Held::ConsecutiveLosses(self.paused_until_ms));
        }
        self.forget(market_ms);
        if p.max_entries_per_hour > 0 && self.entries.len() >= p.max_entries_per_hour as usize {
            return Err(Held::EntriesPerHour(self.entries.len()));
        }
        Ok(())
    }

    fn forget(&mut self, market_ms: i64) {
        while self
            .entries
            .front()
            .is_some_and(|t| market_ms - t >= HOUR_MS)
        {
            self.entries.pop_front();
        }
    }
}

/// Checks mid against mark and the age of the book.
///
/// # Errors
/// [`Held::BookAge`] or [`Held::MarkDeviation`].
pub fn check_market(
    p: &ProtectionParams,
    mid: Decimal,
    mark: Decimal,
    book_age_ns: u64,
) -> Result<(), Held> {
    let age_ms = book_age_ns / NS_PER_MS;
    if age_ms > p.max_book_age_ms {
        return Err(Held::BookAge(age_ms));
    }
    if mid <= Decimal::ZERO || mark <= Decimal::ZERO {
        return Err(Held::MarkDeviation);
    }
    if (mid - mark).abs() * Decimal::from(10_000) > p.max_mark_deviation_bps * mark {
        return Err(Held::MarkDeviation);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p() -> ProtectionParams {
        ProtectionParams {
            max_consecutive_losses: 2,
            pause_seconds: 600,
            max_entries_per_hour: 3,
            max_mark_deviation_bps: Decimal::from(50),
            max_book_age_ms: 500,
        }
    }

    #[test]
    fn two_losses_in_a_row_pause_entries_for_ten_market_minutes() {
        let mut x = Protections::default();
        x.closed(&p(), 0, Decimal::NEGATIVE_ONE);
        x.closed(&p(), 1, Decimal::ONE);
        x.closed(&p(), 2, Decimal::NEGATIVE_ONE);
        assert_eq!(x.check(&p(), 3), Ok(()));
        x.closed(&p(), 4, Decimal::NEGATIVE_ONE);
        assert_eq!(x.check(&p(), 5), Err(Held::ConsecutiveLosses(600_004)));
        assert_eq!(x.check(&p(), 600_004), Ok(()));
    }

    #[test]
    fn a_fourth_entry_within_the_hour_waits_for_the_first_to_age() {
        let mut x = Protections::default();
        for t in [0, 10, 20] {
            assert_eq!(x.check(&p(), t), Ok(()));
            x.entered(t);
        }
        assert_eq!(x.check(&p(), 30), Err(Held::EntriesPerHour(3)));
        assert_eq!(x.check(&p(), HOUR_MS), Ok(()));
    }

    #[test]
    fn an_old_book_or_a_mark_far_from_mid_holds_entries_back() {
        let (mid, mark) = (Decimal::from(10_050), Decimal::from(10_000));
        assert_eq!(check_market(&p(), mid, mark, 500 * NS_PER_MS), Ok(()));
        assert_eq!(
            check_market(&p(), mid, mark, 501 * NS_PER_MS),
            Err(Held::BookAge(501))
        );
        assert_eq!(
            check_market(&p(), mid + Decimal::ONE, mark, 0),
            Err(Held::MarkDeviation)
        );
        assert_eq!(
            check_market(&p(), mid, Decimal::ZERO, 0),
            Err(Held::MarkDeviation)
        );
    }
}
