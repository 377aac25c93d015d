//! Signal: NOBI gives the side, the model gate says act or skip, the regime may change the numbers of both.
//!
//! Positive NOBI is ask-heavy and asks for a short, negative is bid-heavy and asks for a long. Persistence is market time.

mod gate;
mod regime;

pub use gate::{Gate, GateInputs, ModelOutput, gate};
pub use regime::{Effective, RegimeFilter, effective};

use crate::fixed::Side;

/// The side NOBI asks for, when it is strong enough. What is no number asks for nothing.
pub fn nobi_side(nobi: f64, threshold: f64) -> Option<Side> {
    if !(nobi.is_finite() && threshold.is_finite()) || threshold <= 0.0 || nobi.abs() < threshold {
        return None;
    }
    Some(if nobi > 0.0 { Side::Sell } else { Side::Buy })
}

/// Remembers since when NOBI has triggered on one side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trigger {
    side: Option<Side>,
    since_ms: i64,
}

impl Trigger {
    /// Takes the newest NOBI (`None`: unknown, e.g. the book is out of sequence) and returns the side that has been asked
    /// for without interruption for at least `persistence_ms` of market time.
    pub fn update(
        &mut self,
        market_ms: i64,
        nobi: Option<f64>,
        threshold: f64,
        persistence_ms: i64,
    ) -> Option<Side> {
        let side = nobi.and_then(|n| nobi_side(n, threshold));
        if side != self.side {
            self.side = side;
            self.since_ms = market_ms;
        }
        side.filter(|_| market_ms - self.since_ms >= persistence_ms)
    }

    /// Forgets what was seen: the next trigger starts its persistence anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_heavy_book_asks_for_a_short_and_a_bid_heavy_one_for_a_long() {
        assert_eq!(nobi_side(0.4, 0.4), Some(Side::Sell));
        assert_eq!(nobi_side(-0.41, 0.4), Some(Side::Buy));
        assert_eq!(nobi_side(0.39, 0.4), None);
        assert_eq!(nobi_side(f64::NAN, 0.4), None);
        assert_eq!(nobi_side(1.0, 0.0), None);
    }

    #[test]
    fn a_trigger_counts_only_after_it_held_for_its_persistence() {
        let mut t = Trigger::default();
        assert_eq!(t.update(0, Some(0.5), 0.4, 100), None);
        assert_eq!(t.update(99, Some(0.9), 0.4, 100), None);
        assert_eq!(t.update(100, Some(0.6), 0.4, 100), Some(Side::Sell));
        assert_eq!(t.update(101, None, 0.4, 100), None);
        assert_eq!(t.update(102, Some(0.6), 0.4, 100), None);
        assert_eq!(t.update(103, Some(-0.6), 0.4, 0), Some(Side::Buy));
    }
}
