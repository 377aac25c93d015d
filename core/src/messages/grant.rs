//! Permission: a worker's question each half second and the coordinator's answer, commands, and the fence.

use super::{RateShare, Versioned};
use crate::fixed::Money;
use serde::{Deserialize, Serialize};

/// A worker's question, each 0.5 s of liveness time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantRequest {
    /// Symbol.
    pub symbol: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// Pod uid, or the task id of the run.
    pub task_uid: String,
    /// Counts up; the answer echoes it. The worker keeps its own t0 for it.
    pub seq: u64,
    /// Highest epoch the worker has honoured.
    pub epoch_seen: u64,
    /// |position + open entries| wanted at most, quote asset.
    pub wish_notional: Money,
    /// Signed position notional at mark.
    pub position_notional: Money,
    /// Σ|notional| of entries sent and not known to be over.
    pub open_entry_notional: Money,
    /// Loss at the stop of the position wanted, quote asset (risk clusters count it).
    pub wish_risk: Money,
    /// The worker has seen the message store go back and honours nothing up to `epoch_seen` any more. Since schema 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fence_lost: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GrantReply {
    /// Permission until t0 + `length_ms`.
    Granted(Grant),
    /// None; the running one (if any) still holds until its deadline. Exits never need one.
    Denied {
        /// Echo.
        seq: u64,
        /// Epoch of the coordinator that answers.
        epoch: u64,
        /// Why, in words and as a code.
        reason: DenyReason,
    },
}

/// Permission to add exposure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Echo of [`GrantRequest::seq`].
    pub seq: u64,
    /// Fence; a lower one than seen is refused.
    pub epoch: u64,
    /// Whom it binds.
    pub task_uid: String,
    /// For which symbol.
    pub symbol: String,
    /// Absolute ceiling on |position + open entries|, quote asset.
    pub ceiling: Money,
    /// Account equity, for sizing.
    pub equity: Money,
    /// Available balance, for the seed's formula.
    pub available: Money,
    /// W, R, n of the strategy.
    pub kelly: KellyStats,
    /// Liveness ms it holds from the worker's own t0, at most 2000.
    pub length_ms: u64,
    /// Share of the exchange's rate limits. Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<RateShare>,
}

/// Closed trades of a strategy, pooled over symbols (venue trades plus shadow trades).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KellyStats {
    /// Trades.
    pub n: u32,
    /// Of them won net of costs.
    pub wins: u32,
    /// Σ net return of winners, fraction of notional.
    pub sum_win: f64,
    /// Σ |net return| of losers.
    pub sum_loss: f64,
    /// Σ gross return mid to mid.
    pub sum_gross: f64,
}

/// Why no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DenyReason {
    /// Symbol is not on the watchlist of this strategy (any more).
    NotWanted,
    /// Account picture unknown or stale.
    AccountUnknown,
    /// Margin ladder above Normal.
    Ladder,
    /// Manifest or latch says halt.
    Halted,
    /// No room under a limit.
    Limit,
    /// Room is reserved by a grant not yet dead.
    Reserved,
    /// An orphaned or foreign order or position is in the way.
    External,
    /// This task is not the one that holds the symbol.
    NotOwner,
    /// Not ready: starting, or not the leader.
    NotReady,
}

/// Coordinator to one worker, at once; each also rides the snapshot, so a lost one is only late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Command {
    /// Cancel resting entries, send none.
    CancelEntries {
        /// Fence.
        epoch: u64,
    },
    /// Tighten the trail to 1 ATR (never nearer than 3 spreads or 0.5 ATR).
    TightenStop {
        /// Fence.
        epoch: u64,
    },
    /// Leave the position, then send no entries: the symbol is drained.
    Drain {
        /// Fence.
        epoch: u64,
        /// Close now instead of waiting for the normal exit.
        now: bool,
    },
    /// Read the venue again.
    Reconcile {
        /// Fence.
        epoch: u64,
    },
}

impl Versioned for Command {}

impl Versioned for GrantRequest {
    fn lower(&mut self, schema: u32) {
        if schema < 2 {
            self.fence_lost = false;
        }
    }
}

impl Versioned for GrantReply {
    fn lower(&mut self, schema: u32) {
        if let (true, Self::Granted(g)) = (schema < 2, self) {
            g.share = None;
        }
    }
}
