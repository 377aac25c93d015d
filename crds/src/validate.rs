//! The rules of one object, and of an account with a strategy: the Rust twin of what admission checks.
//!
//! A rule names the field and says what to write. All problems of an object are reported, not only the first. What an
//! object breaks on its own is in `account` and `strategy`; `rules` are the words that such rules are written in.

mod account;
mod rules;
mod strategy;

pub use account::account;
pub use strategy::strategy;

use crate::account::{Environment, HeliosAccount, Venue};
use crate::strategy::{CostGate, HeliosStrategy, ModelMode, Sizing};
use rules::Rules;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Field, e.g. `spec.risk.atr.barSeconds`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// What only an account and a strategy together show: such a strategy is stalled and no worker starts.
pub fn pair(a: &HeliosAccount, h: &HeliosStrategy) -> Vec<Problem> {
    let mut r = Rules::default();
    let simulated = a.spec.venue == Venue::Simulated;
    r.must(
        simulated || h.spec.risk.sizing != Sizing::FixedNotional,
        "spec.risk.sizing",
        || "FixedNotional is for venue Simulated only: write Kelly or Probe".into(),
    );
    r.must(
        simulated || h.spec.risk.cost_gate != CostGate::Off,
        "spec.risk.costGate",
        || "Off is for venue Simulated only: write Enforce".into(),
    );
    let live = a.spec.environment == Environment::Live;
    r.must(
        !live || h.spec.signals.model.mode == ModelMode::Required,
        "spec.signals.model.mode",
        || format!("account {} is Live: write Required", a.metadata.name),
    );
    r.0
}
