//! A person's word to the leader: latches. Only credentials of the account's administrators may send it.

use super::Versioned;
use serde::{Deserialize, Serialize};

/// What a person asks of the leader of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do", deny_unknown_fields)]
pub enum AdminRequest {
    /// Set or release a latch.
    #[serde(rename_all = "camelCase")]
    Latch {
        /// Name, e.g. `kill`, `drawdown`, `dailyLoss`, `stateLost`.
        name: String,
        /// Set or release.
        set: bool,
        /// Who asks, for the record.
        by: String,
    },
}

/// The leader's answer, given when the latch is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AdminReply {
    /// Done and written.
    Done {
        /// In words.
        text: String,
    },
    /// Not done.
    Refused {
        /// In words: why, and what to do instead.
        why: String,
    },
}

impl Versioned for AdminRequest {}
impl Versioned for AdminReply {}
