//! The status of an object that can't be read: it says so, for the generation that can't be, and stays as it was in everything
//! else. What runs is as it was said to be, and what it should be is not known.

use crate::conditions::{Finding, Findings, merge};
use crate::facts::Unreadable;
use helios_crds::kube::{AccountStatus, Condition, StrategyStatus};

/// As a condition's reason.
const UNREADABLE: &str = "Unreadable";

/// The status of a strategy that can't be read.
pub fn unreadable_strategy_status(u: &Unreadable<StrategyStatus>, wall_s: i64) -> StrategyStatus {
    let before = u.status.clone().unwrap_or_default();
    let words = u.words("what runs goes on with the parameters it has");
    StrategyStatus {
        observed_generation: Some(generation(u)),
        conditions: conditions(&before.conditions, words, generation(u), wall_s),
        ..before
    }
}

/// The status of an account that can't be read.
pub fn unreadable_account_status(u: &Unreadable<AccountStatus>, wall_s: i64) -> AccountStatus {
    let before = u.status.clone().unwrap_or_default();
    let words = u.words("what runs goes on as it is");
    AccountStatus {
        observed_generation: Some(generation(u)),
        conditions: conditions(&before.conditions, words, generation(u), wall_s),
        ..before
    }
}

fn generation<S>(u: &Unreadable<S>) -> i64 {
    u.metadata.generation.unwrap_or(0)
}

fn conditions(before: &[Condition], words: String, generation: i64, wall_s: i64) -> Vec<Condition> {
    let found = Findings {
        ready: Finding::no(UNREADABLE, words.clone()),
        progressing: Finding::no("Stalled", ""),
        degraded: Finding::no("AsWanted", ""),
        paused: Finding::no("Running", ""),
        stalled: Some((UNREADABLE, words)),
    };
    let mut all = merge(before, &found, generation, wall_s);
    // Of these what was found last holds on: it is about what runs, which goes on.
    for c in &mut all {
        let kept = ["Degraded", "Paused"].contains(&c.type_.as_str());
        if let Some(old) = before.iter().find(|o| kept && o.type_ == c.type_) {
            *c = Condition {
                observed_generation: Some(generation),
                ..old.clone()
            };
        }
    }
    all
}
