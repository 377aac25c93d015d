//! Request weight and order counts: what a worker has used, and its share of what there is.
//!
//! The exchange counts weight for each IP and orders for each account, over all workers together. The coordinator owns both
//! budgets: workers report use and egress, grants carry shares. Exits are outside the shares: they may use everything.

use serde::{Deserialize, Serialize};

/// A worker's share for reads and entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateShare {
    /// Request weight a wall minute.
    pub weight_1m: u32,
    /// Orders in 10 s of wall time.
    pub orders_10s: u32,
    /// Orders a wall minute.
    pub orders_1m: u32,
}

/// What a process has used and been told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateReport {
    /// Name of the way out to the exchange (node or NAT gateway); processes of one name share one IP's weight.
    pub egress: String,
    /// Weight used by this process in the last minute.
    pub weight_1m: u64,
    /// Weight used on this IP by everybody, as the exchange's last header said.
    pub weight_seen_1m: u64,
    /// Orders of this process in the last minute.
    pub orders_1m: u64,
    /// Requests held back by the budget since start.
    pub held_back: u64,
    /// Refusals for rate (429, 418) since start.
    pub limited: u64,
}
