//! Which parameters a strategy's workers shall run now: all at once, or a few symbols first.
//!
//! A change runs on canary symbols for a while and is then promoted, or taken back if something breaks there. What stands
//! published is the whole memory of it: document in, document out, so that whoever plans next goes on where the last one
//! stopped. Where that memory is gone in the middle of a change, nobody can say any more what ran before it: then nothing is
//! opened by the change, until the object changes again. What stops risk (suspend), and what is no parameter of trading, never waits for a canary.

use crate::messages::{Canary, ParamsDocument};
use crate::params::StrategyParams;

/// What a rollout is decided from.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Wanted by the object as it stands: its uid, generation, account's generation and parameters, without a canary.
    pub wanted: &'a ParamsDocument,
    /// What stands published, of whichever uid.
    pub published: Option<&'a ParamsDocument>,
    /// Symbols that run a change first; 0 changes all at once.
    pub canary_symbols: usize,
    /// Symbols that have a worker, sorted.
    pub running: &'a [String],
    /// The canaries have run for the soak time.
    pub soaked: bool,
    /// Something broke on a canary.
    pub breached: bool,
    /// It is noted beside what stands published that a change was taken back. Parameters that differ without such a note were
    /// written by a version that derived others from the same object: that is a change like any other.
    pub taken_back: bool,
    /// It is known from elsewhere that this change was on canaries or was taken back, whatever stands published.
    pub unproven: bool,
    /// The last step of it that is known from there.
    pub last_step: u32,
    /// It is noted beside what stands published that what ran before was lost.
    pub lost: bool,
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All symbols run what the object says.
    Settled,
    /// Some symbols run it, the others what ran before.
    Soaking,
    /// It broke on the canaries: all run what ran before, until the object changes again.
    RolledBack,
    /// What ran before it is lost: all run it and open nothing, until the object changes again.
    Lost,
}

/// The document that shall stand published, without its digest, and where that leaves the rollout.
pub fn next(c: Change<'_>) -> (ParamsDocument, Stage) {
    let wanted = ParamsDocument {
        rollout_step: 0,
        sha256: String::new(),
        canary: None,
        ..c.wanted.clone()
    };
    let published = c
        .published
        .filter(|p| p.strategy_uid == wanted.strategy_uid);
    let Some(published) = published else {
        if c.unproven {
            return (suspended(wanted, c.last_step + 1), Stage::Lost);
        }
        return (wanted, Stage::Settled);
    };
    if c.lost {
        // What stands published there is no state to go back to, so the next change is like the first.
        let same = published.generation == wanted.generation;
        return if same {
            (suspended(wanted, published.rollout_step), Stage::Lost)
        } else {
            (wanted, Stage::Settled)
        };
    }
    let same_spec = published.generation == wanted.generation;
    let step = if same_spec { published.rollout_step } else { 0 };
    let all = |params: StrategyParams, rollout_step| ParamsDocument {
        stable: params,
        rollout_step,
        ..wanted.clone()
    };
    let before = immediate(&published.stable, &wanted.stable);
    if before == wanted.stable {
        // Nothing a canary could try, or promoted already.
        let step = if published.canary.is_some() && same_spec {
            step + 1
        } else {
            step
        };
        return (all(before, step), Stage::Settled);
    }
    if same_spec && published.canary.is_none() && c.taken_back {
        return (all(before, step), Stage::RolledBack);
    }
    let standing = published.canary.as_ref().filter(|_| same_spec);
    if standing.is_some() && c.breached {
        return (all(before, step + 1), Stage::RolledBack);
    }
    let kept: Vec<String> = standing
        .map(|k| &k.symbols)
        .into_iter()
        .flatten()
        .filter(|s| c.running.contains(s))
        .cloned()
        .collect();
    if !kept.is_empty() && c.soaked {
        return (all(wanted.stable.clone(), step + 1), Stage::Settled);
    }
    // One symbol at least must go on as before, or there is nothing to compare with.
    let n = c.canary_symbols.min(c.running.len().saturating_sub(1));
    let (symbols, step) = match (standing, kept.is_empty()) {
        (Some(k), false) => (k.symbols.clone(), step),
        _ if n == 0 => {
            let step = if same_spec { step + 1 } else { 0 };
            return (all(wanted.stable.clone(), step), Stage::Settled);
        }
        _ => (c.running[..n].to_vec(), step + 1),
    };
    let canary = Canary {
        symbols,
        params: wanted.stable.clone(),
    };
    let document = ParamsDocument {
        canary: Some(canary),
        ..all(before, step)
    };
    (document, Stage::Soaking)
}

/// Nothing is opened by it.
fn suspended(document: ParamsDocument, rollout_step: u32) -> ParamsDocument {
    ParamsDocument {
        stable: StrategyParams {
            suspend: true,
            ..document.stable
        },
        rollout_step,
        ..document
    }
}

/// What ran before, with what takes effect everywhere at once.
fn immediate(before: &StrategyParams, wanted: &StrategyParams) -> StrategyParams {
    StrategyParams {
        suspend: wanted.suspend,
        priority: wanted.priority,
        on_delete: wanted.on_delete,
        ..before.clone()
    }
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
