//! One account: the picture of its margin, permission to take risk, and the way back from danger.
//!
//! Same shape as the trader. The shell (coordinator, simulator) feeds the account's own streams and reads and the
//! workers' questions; it carries out the effects. Persisted marks ([`GuardianState`]) are written before they count.

mod event;

pub use event::{GuardianConfig, GuardianEffect, GuardianEvent, GuardianState, StrategyInfo};

use crate::messages::AccountSnapshot;
use crate::time::Now;

/// The machine of one account.
#[derive(Debug)]
pub struct Guardian {
    config: GuardianConfig,
    state: GuardianState,
}

impl Guardian {
    /// Starts from persisted marks; grants nothing before the account picture is complete.
    pub fn new(config: GuardianConfig, state: GuardianState) -> Self {
        Self { config, state }
    }

    /// Handles one event; effects are appended to `out` in the order they must be carried out.
    pub fn on_event(&mut self, now: Now, event: &GuardianEvent, out: &mut Vec<GuardianEffect>) {
        let _ = (now, event, out, &self.config, &self.state);
    }

    /// What the rest of the system reads.
    pub fn snapshot(&self) -> AccountSnapshot {
        AccountSnapshot::default()
    }
}
