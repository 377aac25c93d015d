//! The fence: what the leader writes each second, so that a message store that was rolled back gives itself away.

use super::Versioned;
use serde::{Deserialize, Serialize};

/// Value of the key `fence.<account>`, written by compare-and-swap on its own last revision.
///
/// The number inside grants nothing. What counts is the revision it is stored at: one that goes back means that the store
/// lost what it had acknowledged, so workers are reduce-only until they hear of a higher epoch, and the leader raises it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    /// Epoch of the writer.
    pub epoch: u64,
    /// Identity of the writer.
    pub holder: String,
    /// Counts up with each write of this holder.
    pub beat: u64,
}

impl Versioned for Fence {}
