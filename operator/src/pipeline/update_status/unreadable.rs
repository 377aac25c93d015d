//! Saying of objects that can't be read that they can't be.

use super::haste::Haste;
use super::patch::difference;
use super::{Clerk, Due};
use crate::facts::Unreadable;
use crate::pipeline::status::{unreadable_account_status, unreadable_strategy_status};
use serde::Serialize;
use serde_json::Value;

impl Clerk<'_> {
    /// Takes in what is to be said of them; returns liveness ms at which what must wait may be.
    pub(super) fn say_unreadable(&mut self, all: &mut Vec<Due>) -> Option<u64> {
        let validated = self.validated;
        let mut wake: Option<u64> = None;
        let mut by = |at: Option<u64>| wake = wake.into_iter().chain(at).min();
        for s in &validated.unreadable {
            let u = &*s.object;
            let before = u.status.clone().unwrap_or_default();
            let status = unreadable_strategy_status(u, self.world.wall_s);
            self.memory.on_its_way.remove(&s.name);
            by(patch(u, &before, &status).and_then(|patch| {
                let conditions = [&before.conditions[..], &status.conditions];
                let due = Due {
                    key: s.name.clone(),
                    strategy: Some(s.name.clone()),
                    patch,
                    haste: Haste::Soon,
                    of_strategy: Some((u.metadata.uid.clone(), before.clone(), status.clone())),
                };
                self.say(all, due, &u.reference, conditions)
            }));
            self.tell_rollout(&s.name, &u.reference);
        }
        if let Some(u) = validated.account_unreadable.as_deref() {
            let before = u.status.clone().unwrap_or_default();
            let status = unreadable_account_status(u, self.world.wall_s);
            let key = self.key_of_account();
            self.memory.on_its_way.remove(&key);
            by(patch(u, &before, &status).and_then(|patch| {
                let due = Due {
                    key,
                    strategy: None,
                    patch,
                    haste: Haste::Soon,
                    of_strategy: None,
                };
                let conditions = [&before.conditions[..], &status.conditions];
                self.say(all, due, &u.reference, conditions)
            }));
        }
        wake
    }
}

/// What differs, and away with what of a status can't be read: it would never be written over, and read by nobody.
fn patch<S: Serialize>(u: &Unreadable<S>, before: &S, after: &S) -> Option<Value> {
    let mut patch = match difference(before, after) {
        Some(Value::Object(patch)) => patch,
        _ => serde_json::Map::new(),
    };
    for field in &u.spoilt {
        patch.entry(field.clone()).or_insert(Value::Null);
    }
    (!patch.is_empty()).then(|| patch.into())
}
