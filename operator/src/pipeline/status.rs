//! How an account and its strategies are, as their status says it. Pure.
//!
//! Ready speaks about the world, not about this loop: it does not fall because a change is being carried out, nor because
//! workers were missing for less than half a minute.

mod account;
mod strategy;

pub use account::account_status;
pub use strategy::strategy_status;

use super::apply::Failed;
use super::plan::Plan;
use crate::facts::OwnedKind;
use crate::names;
use crate::pipeline::dereference::World;
use serde_json::Value;

/// Coordinators that are ready, of how many wanted; `None` when there is no Deployment.
pub fn coordinators(world: &World) -> Option<(i64, i64)> {
    let (namespace, name) = names::split(&world.account);
    let full = format!("{namespace}/{}", names::coordinator(name));
    let d = world.owned.get(&(OwnedKind::Deployment, full))?;
    let number = |p: &str| d.content.pointer(p).and_then(Value::as_i64).unwrap_or(0);
    Some((number("/status/readyReplicas"), number("/spec/replicas")))
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

/// Symbols of a strategy, sorted; `None` when that is not known.
fn symbols(plan: &Plan, strategy: &str) -> Option<Vec<String>> {
    let claims = plan.claims.as_ref()?;
    let mine = claims.iter().filter(|(_, s)| *s == strategy);
    Some(mine.map(|(symbol, _)| symbol.clone()).collect())
}
