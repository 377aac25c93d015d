//! What a strategy's workers share: the ConfigMap with their parameters, and the budget for drains.

use super::parts::labels;
use crate::names;
use helios_core::messages::ParamsDocument;
use helios_crds::{API_VERSION, HeliosAccount, HeliosStrategy};
use serde_json::{Value, json};

/// Owner of what goes with a strategy. It does not hold the strategy up: its finalizer does, for as long as it must.
pub fn owner(h: &HeliosStrategy) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "HeliosStrategy",
        "name": h.metadata.name,
        "uid": h.metadata.uid,
        "controller": true,
        "blockOwnerDeletion": false,
    })
}

fn meta(h: &HeliosStrategy, component: &str) -> Value {
    let mut labels = labels(component, &h.spec.account_ref.name);
    labels[names::STRATEGY] = json!(h.metadata.name);
    json!({
        "name": names::strategy(&h.metadata.name),
        "namespace": h.metadata.namespace.as_deref().unwrap_or("default"),
        "labels": labels,
        "ownerReferences": [owner(h)],
    })
}

/// Account and strategy as the workers read them, two YAML documents in flow style, which JSON is. Without what changes
/// often and no worker looks at: labels, annotations, the account's margin.
pub fn manifests(a: &HeliosAccount, h: &HeliosStrategy) -> String {
    let head = |m: &helios_crds::ObjectMeta| json!({"name": m.name, "namespace": m.namespace, "uid": m.uid});
    let account = json!({
        "apiVersion": a.api_version, "kind": a.kind, "metadata": head(&a.metadata), "spec": a.spec,
    });
    let strategy = json!({
        "apiVersion": h.api_version, "kind": h.kind, "metadata": head(&h.metadata), "spec": h.spec,
    });
    format!("{account:#}\n---\n{strategy:#}\n")
}

/// The ConfigMap: the parameters document, byte for byte as it goes over NATS, and the manifests beside it. `notes`,
/// the memory of a rollout, are its annotations.
pub fn parameters(
    a: &HeliosAccount,
    h: &HeliosStrategy,
    document: &ParamsDocument,
    notes: &[(&str, Option<&str>)],
) -> Value {
    let mut meta = meta(h, names::PARAMETERS);
    for (key, value) in notes {
        if let Some(v) = value {
            meta["annotations"][*key] = json!(v);
        }
    }
    // Core's types always encode.
    let document = serde_json::to_string(document).unwrap_or_default();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": {
            names::DOCUMENT_KEY: document,
            names::MANIFESTS_KEY: manifests(a, h),
        },
    })
}

/// A drain takes one worker of a strategy at a time; what does no work anyway may always go.
pub fn budget(h: &HeliosStrategy, workers: usize) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(h, names::WORKER),
        "spec": {
            "minAvailable": workers.saturating_sub(1),
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {
                names::MANAGED_BY: names::MANAGER,
                names::COMPONENT: names::WORKER,
                names::ACCOUNT: h.spec.account_ref.name,
                names::STRATEGY: h.metadata.name,
            }},
        },
    })
}
