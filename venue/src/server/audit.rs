//! The venue's own log of fills and protective stops, and what it says about unprotected time.
//!
//! Client and venue must not share a stopwatch: the time from a position-opening fill to its anchor's NEW is measured here,
//! on the venue's side, in wall and in market time.

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
    /// Openings that are neither protected nor flat now.
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
