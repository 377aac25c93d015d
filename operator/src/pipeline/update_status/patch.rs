//! What is sent of a status: only what differs, as a merge patch.

use serde::Serialize;
use serde_json::Value;

/// What turns one status into another as a merge patch: absent fields are taken away. `None` when they are the same.
pub(super) fn difference<T: Serialize>(before: &T, after: &T) -> Option<Value> {
    let value = |v: &T| serde_json::to_value(v).unwrap_or_default();
    merge_patch(&value(before), &value(after))
}

/// Objects are merged at every depth, so what is gone must be named at every depth.
fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(b), Value::Object(a)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let gone = b.keys().filter(|key| !a.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), Value::Null));
    let changed = a.iter().filter_map(|(key, value)| {
        let differs = match b.get(key) {
            Some(old) => merge_patch(old, value)?,
            None => value.clone(),
        };
        Some((key.clone(), differs))
    });
    let patch: serde_json::Map<String, Value> = gone.chain(changed).collect();
    (!patch.is_empty()).then(|| patch.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_crds::kube::{RolloutStatus, StrategyStatus};
    use proptest::prelude::*;
    use proptest::strategy::Strategy;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_sent_and_what_is_gone_is_taken_away() {
        let before = StrategyStatus {
            ready: Some("1/2".into()),
            ready_workers: Some(1),
            symbols: vec!["A".into()],
            ..StrategyStatus::default()
        };
        assert_eq!(difference(&before, &before), None);
        let after = StrategyStatus {
            ready: Some("1/1".into()),
            symbols: Vec::new(),
            ..before.clone()
        };
        assert_eq!(
            difference(&before, &after),
            Some(json!({"ready": "1/1", "symbols": null}))
        );
    }

    fn rollout(message: Option<String>, step: i32) -> RolloutStatus {
        RolloutStatus {
            generation: 2,
            step,
            canary_symbols: vec!["A".into()],
            started_at: None,
            outcome: None,
            message,
        }
    }

    fn statuses() -> impl Strategy<Value = StrategyStatus> {
        let rollout = (proptest::option::of("[ab]"), 0..2).prop_map(|(m, s)| rollout(m, s));
        let lists = proptest::collection::vec("[AB]", 0..3);
        let parts = (
            proptest::option::of("[ab]"),
            lists,
            proptest::option::of(rollout),
        );
        parts.prop_map(|(ready, symbols, rollout)| StrategyStatus {
            ready,
            symbols,
            rollout,
            ..StrategyStatus::default()
        })
    }

    proptest! {
        /// As an API server merges it.
        #[test]
        fn a_status_with_its_patch_is_the_other_status(before in statuses(), after in statuses()) {
            let mut now = serde_json::to_value(&before).unwrap();
            if let Some(patch) = difference(&before, &after) {
                merge(&mut now, &patch);
            }
            prop_assert_eq!(now, serde_json::to_value(&after).unwrap());
        }
    }

    fn merge(into: &mut Value, patch: &Value) {
        let (Value::Object(o), Value::Object(p)) = (&mut *into, patch) else {
            *into = patch.clone();
            return;
        };
        for (key, value) in p {
            if value.is_null() {
                o.remove(key);
            } else {
                merge(o.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}
