//! A stored state that could not be read: when to read it again, and what to make of it.
//!
//! A timeout or a lack of file handles passes, and a leader must not stay without permission to grant until somebody restarts
//! it: it reads again every few seconds. What is there and no state stays what it is for longer than one read, and then a
//! person has to look: the guardian takes it for lost. Neither is ever written over.

use crate::store::StoreError;
use std::time::Duration;
use tokio::time::Instant;

/// Between two reads of a state that can't be read.
const AGAIN: Duration = Duration::from_secs(3);
/// Reads that must find it damaged before it counts as lost.
const DAMAGED: u32 = 2;

/// What a read means for a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// It is read, or known to be missing.
    Read,
    /// It can't be read for now.
    Unread,
    /// It is damaged and stays so.
    Damaged,
}

/// What the last reads brought.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    tried: Option<Instant>,
    damaged: u32,
}

impl Unread {
    /// The last read brought nothing.
    pub(crate) const fn is_so(&self) -> bool {
        self.tried.is_some()
    }

    /// A read came back, with this error if any; what it means, and whether the guardian knows that already.
    pub(crate) fn heard(&mut self, error: Option<&StoreError>) -> (Means, bool) {
        let before = self.means();
        match error {
            None => *self = Self::default(),
            Some(e) => {
                self.tried = Some(Instant::now());
                self.damaged += u32::from(matches!(e, StoreError::Damaged { .. }));
            }
        }
        let means = self.means();
        (means, means == before)
    }

    fn means(&self) -> Means {
        match (self.tried, self.damaged) {
            (None, _) => Means::Read,
            (Some(_), n) if n >= DAMAGED => Means::Damaged,
            (Some(_), _) => Means::Unread,
        }
    }

    /// It is time to read again; says so once.
    pub(crate) fn due(&mut self) -> bool {
        let due = self.tried.is_some_and(|t| t.elapsed() >= AGAIN);
        if due {
            self.tried = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn passing() -> StoreError {
        StoreError::Io {
            path: "f".into(),
            why: "too many open files".into(),
        }
    }

    fn damaged() -> StoreError {
        StoreError::Damaged {
            path: "f".into(),
            why: "EOF".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_not_be_read_is_read_again_every_three_seconds_until_it_can() {
        let mut u = Unread::default();
        assert!(!u.due());
        assert_eq!(u.heard(Some(&passing())), (Means::Unread, false));
        for _ in 0..3 {
            advance(AGAIN - Duration::from_millis(1)).await;
            assert!(!u.due());
            advance(Duration::from_millis(1)).await;
            assert!(u.due());
            assert!(!u.due(), "one read at a time");
            assert_eq!(u.heard(Some(&passing())), (Means::Unread, true));
        }
        assert!(u.is_so());
        assert_eq!(u.heard(None), (Means::Read, false));
        assert!(!u.is_so());
        advance(2 * AGAIN).await;
        assert!(!u.due());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_stays_damaged_is_lost_and_a_passing_error_mends_nothing() {
        let mut u = Unread::default();
        assert_eq!(u.heard(Some(&damaged())), (Means::Unread, false));
        assert_eq!(u.heard(Some(&passing())), (Means::Unread, true));
        assert_eq!(u.heard(Some(&damaged())), (Means::Damaged, false));
        assert_eq!(u.heard(Some(&passing())), (Means::Damaged, true));
        assert_eq!(u.heard(Some(&damaged())), (Means::Damaged, true));
        assert_eq!(u.heard(None), (Means::Read, false));
        assert_eq!(u.heard(Some(&damaged())), (Means::Unread, false));
    }
}
