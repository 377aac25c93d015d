//! How an account and its strategies are, as their status says it. Pure.
//!
//! Ready speaks about the world, not about this loop: it does not fall because a change is being carried out, nor because
//! workers were missing for less than half a minute.

mod account;
mod strategy;
mod unreadable;

pub use account::account_status;
pub use strategy::strategy_status;
pub use unreadable::{unreadable_account_status, unreadable_strategy_status};

use super::apply::Failed;
use super::plan::Plan;
use crate::conditions::Finding;
use crate::config::Patience;
use crate::facts::OwnedKind;
use crate::memory::Memory;
use crate::names;
use crate::pipeline::dereference::World;
use crate::time::ms;
use helios_crds::kube::Condition;
use serde_json::Value;
use std::collections::BTreeMap;

/// How patient a Ready is.
struct Patient<'a> {
    /// Its object, as memory calls it.
    key: &'a str,
    /// Reasons that may last a moment without being news.
    flaps: &'a [&'a str],
    /// Reasons for which it holds, as they are kept meanwhile; the first stands for any other.
    kept: &'a [&'static str],
}

impl Patient<'_> {
    /// What is told of what was found, and liveness ms at which that patience ends.
    fn tell(
        &self,
        found: Finding,
        before: &[Condition],
        now_ms: u64,
        memory: &mut Memory,
        patience: &Patience,
    ) -> (Finding, Option<u64>) {
        let flaps = !found.holds && self.flaps.contains(&found.reason);
        let until = moment(&mut memory.unready, self.key, flaps, now_ms, patience);
        let was = before
            .iter()
            .find(|c| c.type_ == "Ready" && c.status == "True");
        match (was, until) {
            // Unready for a moment: what was said stays, word for word.
            (Some(c), Some(until)) => {
                let reason = self.kept.iter().find(|r| **r == c.reason);
                let reason = reason.or(self.kept.first()).copied().unwrap_or_default();
                (Finding::yes(reason, c.message.clone()), Some(until))
            }
            _ => (found, None),
        }
    }
}

/// A Progressing that has settled is patient, too: what is not ready for a moment is nobody's progress. Only on the way to
/// another generation, or after what moved already, it is said at once.
struct Settled<'a> {
    /// Its object, as memory calls it.
    key: &'a str,
    /// The reason that may last a moment without being news.
    flaps: &'static str,
    /// The object, as it stands, says this generation.
    same_generation: bool,
}

impl Settled<'_> {
    /// What is told of what was found, and liveness ms at which that patience ends.
    fn tell(
        &self,
        found: Finding,
        before: &[Condition],
        now_ms: u64,
        memory: &mut Memory,
        patience: &Patience,
    ) -> (Finding, Option<u64>) {
        let settled = before
            .iter()
            .any(|c| c.type_ == "Progressing" && c.status == "False" && c.reason == "Settled");
        let flaps = found.reason == self.flaps && settled && self.same_generation;
        match moment(&mut memory.moving, self.key, flaps, now_ms, patience) {
            Some(until) => (Finding::no("Settled", ""), Some(until)),
            None => (found, None),
        }
    }
}

/// Notes since when something flaps, by object; returns when patience with it ends, unless it has or nothing flaps.
fn moment(
    since: &mut BTreeMap<String, u64>,
    key: &str,
    flaps: bool,
    now_ms: u64,
    patience: &Patience,
) -> Option<u64> {
    if !flaps {
        since.remove(key);
        return None;
    }
    let began = *since.entry(key.into()).or_insert(now_ms);
    Some(began + ms(patience.flap)).filter(|until| now_ms < *until)
}

/// The sooner of two times.
fn sooner(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

/// Coordinators that are ready, of how many wanted; `None` when there is no Deployment.
pub fn coordinators(world: &World) -> Option<(i64, i64)> {
    let (namespace, name) = names::split(&world.account);
    let full = format!("{namespace}/{}", names::coordinator(name));
    let d = world.owned.get(&(OwnedKind::Deployment, full))?;
    let number = |p: &str| d.content.pointer(p).and_then(Value::as_i64).unwrap_or(0);
    Some((number("/status/readyReplicas"), number("/spec/replicas")))
}

/// Why a coordinator's pods are not made, or do not run, in words.
fn coordinator_trouble(world: &World) -> Option<String> {
    let (namespace, name) = names::split(&world.account);
    let full = format!("{namespace}/{}", names::coordinator(name));
    let d = world.owned.get(&(OwnedKind::Deployment, full));
    let refused = d.and_then(|d| d.content.pointer("/status/refused")?.as_str());
    // Without their names, which are others each time.
    let pods = world.pods.iter().map(|p| &p.pod);
    let mut pods = pods.filter(|p| !p.worker && !p.deleting && !p.ready);
    let short = |words: &str| words.chars().take(300).collect();
    refused
        .map(short)
        .or_else(|| pods.find_map(|p| p.trouble.clone()))
}

/// The words of what could not be done for a strategy or, with `None`, for the account: of all, the first by name and how
/// many more. By name, because the order in which calls ended would make other words each time.
fn failure<'a>(
    failed: &'a [Failed],
    strategy: Option<&str>,
) -> Option<(&'static str, String, &'a Failed)> {
    let mine = failed.iter().filter(|f| f.strategy.as_deref() == strategy);
    let more = mine.clone().count().saturating_sub(1);
    let first = mine.min_by_key(|f| &f.what)?;
    let mut words = format!("{}: {}", first.what, first.failure);
    if more > 0 {
        words += &format!(" (and {more} more)");
    }
    Some((first.failure.refusal.name(), words, first))
}

/// What a coordinator's word led to before this process began. Until it is heard nothing else is known, and what is not known is
/// no news.
fn kept(before: &[Condition], type_: &str, reason: &'static str) -> Option<Finding> {
    let found = before
        .iter()
        .find(|c| c.type_ == type_ && c.reason == reason && c.status == "True");
    found.map(|c| Finding::yes(reason, c.message.clone()))
}

/// Symbols of a strategy, sorted; `None` when that is not known.
fn symbols(plan: &Plan, strategy: &str) -> Option<Vec<String>> {
    if plan.unscanned.contains(strategy) {
        return None;
    }
    let claims = plan.claims.as_ref()?;
    let mine = claims.iter().filter(|(_, s)| *s == strategy);
    Some(mine.map(|(symbol, _)| symbol.clone()).collect())
}
