//! What the log says: how each opening was protected, and the spread of those times.
//!
//! A position that is bare now counts with the time until now, so that a report never looks better than the present.

use super::{At, Audit};
use serde::Serialize;

/// How one position-opening fill was protected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Protection {
    /// Contract.
    pub symbol: String,
    /// Market time of the fill that opened the position, ms.
    pub fill_market_ms: i64,
    /// Wall time of that fill since the venue's start, ns.
    pub fill_wall_ns: u64,
    /// Wall ms until the position was protected or flat (or until the report was made); 0 when a stop stood already.
    pub unprotected_wall_ms: f64,
    /// The same in market ms.
    pub unprotected_market_ms: i64,
    /// A `closePosition` stop in the closing direction became NEW; otherwise the position went flat, or is still bare.
    pub protected: bool,
    /// Neither protected nor flat yet.
    pub open: bool,
}

/// What the log says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AuditReport {
    /// Fills of the account.
    pub fills: u64,
    /// Fills that opened a position from flat (or through zero).
    pub openings: u64,
    /// Openings whose anchor became NEW.
    pub protected: u64,
    /// Openings that went flat before an anchor became NEW.
    pub flat_first: u64,
    /// Positions without a working `closePosition` stop now, a lost anchor included.
    pub still_bare: u64,
    /// Conditional orders that became NEW.
    pub algo_new: u64,
    /// Median wall ms from the opening fill to the anchor's NEW, over protected openings.
    pub fill_to_stop_p50_ms: f64,
    /// 99th percentile of the same.
    pub fill_to_stop_p99_ms: f64,
    /// Maximum of the same.
    pub fill_to_stop_max_ms: f64,
    /// Maximum market ms of the same.
    pub fill_to_stop_max_market_ms: i64,
    /// Longest wall ms any position stood without a working `closePosition` stop, bare ones and lost anchors included.
    pub max_unprotected_ms: f64,
    /// The same in market ms.
    pub max_unprotected_market_ms: i64,
    /// Each opening, in order.
    pub openings_log: Vec<Protection>,
}

impl Audit {
    /// What the log says now.
    pub(in crate::server) fn report(&self, now: At) -> AuditReport {
        let mut openings = self.openings.clone();
        let (mut max_wall, mut max_market) = (self.max_wall_ns, self.max_market_ms);
        for (since, opening) in self.symbols.values().filter_map(|w| w.bare) {
            let wall = now.wall_ns.saturating_sub(since.wall_ns);
            let market = now.market_ms - since.market_ms;
            max_wall = max_wall.max(wall);
            max_market = max_market.max(market);
            if let Some(p) = opening.and_then(|i| openings.get_mut(i)) {
                p.unprotected_wall_ms = wall as f64 / 1e6;
                p.unprotected_market_ms = market;
            }
        }
        let done = || openings.iter().filter(|p| p.protected);
        let mut walls: Vec<f64> = done().map(|p| p.unprotected_wall_ms).collect();
        walls.sort_by(f64::total_cmp);
        // Nearest rank: the smallest value that at least this share does not exceed.
        let rank = |share: f64| {
            let n = (share * walls.len() as f64).ceil() as usize;
            walls.get(n.max(1) - 1).copied().unwrap_or(0.0)
        };
        AuditReport {
            fills: self.fills,
            openings: openings.len() as u64,
            protected: walls.len() as u64,
            flat_first: self.flat_first,
            still_bare: self.symbols.values().filter(|w| w.bare.is_some()).count() as u64,
            algo_new: self.algo_new,
            fill_to_stop_p50_ms: rank(0.5),
            fill_to_stop_p99_ms: rank(0.99),
            fill_to_stop_max_ms: rank(1.0),
            fill_to_stop_max_market_ms: done().map(|p| p.unprotected_market_ms).max().unwrap_or(0),
            max_unprotected_ms: max_wall as f64 / 1e6,
            max_unprotected_market_ms: max_market,
            openings_log: openings,
        }
    }
}
