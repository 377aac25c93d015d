//! What an account's coordinator and workers stand on: identities, the one role binding, the lock and the guardian's state.

use super::parts::{labels, meta, namespace};
use crate::config::PodSettings;
use crate::names;
use helios_crds::HeliosAccount;
use serde_json::{Value, json};

/// Identity of the coordinators: it may use the Lease, the state and read accounts and strategies, in its namespace.
pub fn coordinator_account(a: &HeliosAccount) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(a, &names::coordinator(&a.metadata.name), names::COORDINATOR),
        "automountServiceAccountToken": false,
    })
}

/// Identity of the workers: it may do nothing; its token only tells NATS who they are.
pub fn workers_account(a: &HeliosAccount) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(a, &names::workers(&a.metadata.name), names::WORKER),
        "automountServiceAccountToken": false,
    })
}

/// Gives the coordinators their role, in their namespace.
pub fn role_binding(a: &HeliosAccount, s: &PodSettings) -> Value {
    let name = names::coordinator(&a.metadata.name);
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta(a, &name, names::COORDINATOR),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": s.coordinator_role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace(a)}],
    })
}

/// The coordinators' lock, made ahead and empty: they may renew it and not make it.
pub fn lease(a: &HeliosAccount) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": meta(a, &names::coordinator(&a.metadata.name), names::COORDINATOR),
    })
}

/// The guardian's state, made ahead and empty: they may write it and not make it. What is in it is theirs alone.
pub fn guardian_state(a: &HeliosAccount) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names::guardian(&a.metadata.name),
            "namespace": namespace(a),
            "labels": labels("guardian-state", &a.metadata.name),
        },
    })
}
