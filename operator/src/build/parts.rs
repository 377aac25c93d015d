//! What several objects have in common: metadata, the security of pods, mounts, probes.

use super::venue::known_key;
use crate::config::PodSettings;
use crate::names;
use helios_crds::HeliosAccount;
use serde_json::{Value, json};

/// Port of /metrics, /livez and /readyz of every role.
pub const METRICS_PORT: u16 = 9184;
/// Where the token for NATS lies.
pub const NATS_TOKEN_DIR: &str = "/var/run/helios/nats";
/// Where the exchange's keys lie.
pub const CREDENTIALS_DIR: &str = "/etc/helios/credentials";

/// Labels that every object carries.
pub fn labels(component: &str, account: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "helios",
        "app.kubernetes.io/part-of": "helios",
        names::MANAGED_BY: names::MANAGER,
        names::COMPONENT: component,
        names::ACCOUNT: account,
    })
}

/// The labels by which pods of an account's component are found.
pub fn selector(component: &str, account: &str) -> Value {
    json!({
        names::MANAGED_BY: names::MANAGER,
        names::COMPONENT: component,
        names::ACCOUNT: account,
    })
}

/// Metadata of an object of an account. No owner: what guards positions must not go with an object that somebody deletes.
pub fn meta(a: &HeliosAccount, name: &str, component: &str) -> Value {
    json!({
        "name": name,
        "namespace": namespace(a),
        "labels": labels(component, &a.metadata.name),
    })
}

/// Namespace of an account.
pub fn namespace(a: &HeliosAccount) -> &str {
    a.metadata.namespace.as_deref().unwrap_or("default")
}

/// Security of a pod: what the restricted Pod Security Standard asks for.
pub fn pod_security() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// Security of a container.
pub fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// A node that is not heard of is left after 30 s: what a worker there does has ended by then.
pub fn tolerations() -> Value {
    let for_30_s = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30});
    json!([
        for_30_s("node.kubernetes.io/not-ready"),
        for_30_s("node.kubernetes.io/unreachable"),
    ])
}

/// Probes of a role. Alive only means that its loop turns; ready, that it does its work.
pub fn probes(container: &mut Value) {
    let get = |path: &str| json!({"path": path, "port": "metrics"});
    container["startupProbe"] =
        json!({"httpGet": get("/healthz"), "periodSeconds": 1, "failureThreshold": 60});
    container["livenessProbe"] = json!({"httpGet": get("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3});
    container["readinessProbe"] = json!({"httpGet": get("/readyz"), "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 3});
}

/// Who the process is, from the pod itself.
pub fn identity_env() -> Value {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    json!([
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_UID", "metadata.uid"),
        field("HELIOS_EGRESS", "spec.nodeName"),
    ])
}

/// The token that a pod shows to NATS: good for nothing else, and for an hour.
pub fn nats_token(audience: &str) -> Value {
    json!({
        "name": "nats-token",
        "projected": {
            "defaultMode": 0o440,
            "sources": [{"serviceAccountToken": {"path": "token", "audience": audience, "expirationSeconds": 3600}}],
        },
    })
}

/// The exchange's keys, where they are used. Optional, so that a pod starts without them, says that they are missing, and goes on when they come.
pub fn credentials(a: &HeliosAccount) -> Option<Value> {
    let secret = a.spec.credentials_secret_ref.as_ref();
    let secret = secret.filter(|_| !known_key(a))?;
    Some(json!({
        "name": "credentials",
        "secret": {"secretName": secret.name, "optional": true, "defaultMode": 0o440},
    }))
}

/// A mount that can't be written.
pub fn mount(name: &str, path: &str) -> Value {
    json!({"name": name, "mountPath": path, "readOnly": true})
}

/// Image, its pull policy and what is common to containers of every role.
pub fn container(name: &str, s: &PodSettings, args: &[String]) -> Value {
    json!({
        "name": name,
        "image": s.image,
        "imagePullPolicy": s.image_pull_policy,
        "args": args,
        "env": identity_env(),
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "securityContext": container_security(),
    })
}

/// What is common to pods of every role.
pub fn pod_spec(s: &PodSettings, service_account: &str, container: Value, volumes: Value) -> Value {
    // What is empty is written, too: what is left out would not be missed where it was something else before.
    let secrets = s.image_pull_secrets.iter().map(|n| json!({"name": n}));
    json!({
        "serviceAccountName": service_account,
        "enableServiceLinks": false,
        "priorityClassName": s.priority_class,
        "imagePullSecrets": secrets.collect::<Value>(),
        "securityContext": pod_security(),
        "tolerations": tolerations(),
        "containers": [container],
        "volumes": volumes,
    })
}

/// Pods of a component stay apart from each other where nodes allow it.
pub fn spread(selector: Value) -> Value {
    json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector},
    }])
}
