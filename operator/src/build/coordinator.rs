//! The coordinators of an account: two pods of one Deployment, a Service for people and scrapers, a budget for drains.

use super::parts::{
    CREDENTIALS_DIR, METRICS_PORT, NATS_TOKEN_DIR, container, credentials, labels, meta, mount,
    nats_token, pod_spec, probes, selector, spread,
};
use super::venue::link_args;
use crate::config::PodSettings;
use crate::names;
use helios_crds::HeliosAccount;
use serde_json::{Value, json};

/// The Deployment. One is replaced at a time, so that a new one is warm before the old leader hands over.
pub fn deployment(a: &HeliosAccount, s: &PodSettings) -> Value {
    let account = &a.metadata.name;
    let name = names::coordinator(account);
    let mut args = vec![
        "coordinator".into(),
        "--kubernetes".into(),
        format!("--account={}", a.metadata.full_name()),
        format!("--metrics=0.0.0.0:{METRICS_PORT}"),
        // Where `helios kill` in the pod asks unless it is told otherwise.
        "--admin=127.0.0.1:9180".into(),
        format!("--nats={}", s.nats_url),
        format!("--nats-token-file={NATS_TOKEN_DIR}/token"),
    ];
    args.extend(link_args(a));
    let mut c = container("coordinator", s, &args);
    probes(&mut c);
    c["resources"] = json!({
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    });
    let mut mounts = vec![mount("nats-token", NATS_TOKEN_DIR)];
    let mut volumes = vec![nats_token("helios-nats")];
    if let Some(keys) = credentials(a) {
        mounts.push(mount("credentials", CREDENTIALS_DIR));
        volumes.push(keys);
    }
    c["volumeMounts"] = mounts.into();
    let mut spec = pod_spec(s, &name, c, volumes.into());
    spec["automountServiceAccountToken"] = json!(true);
    spec["terminationGracePeriodSeconds"] = json!(30);
    spec["topologySpreadConstraints"] = spread(selector(names::COORDINATOR, account));
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(a, &name, names::COORDINATOR),
        "spec": {
            "replicas": s.coordinators,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": selector(names::COORDINATOR, account)},
            "template": {
                "metadata": {"labels": labels(names::COORDINATOR, account)},
                "spec": spec,
            },
        },
    })
}

/// Where the coordinators' metrics are.
pub fn service(a: &HeliosAccount) -> Value {
    let account = &a.metadata.name;
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(a, &names::coordinator(account), names::COORDINATOR),
        "spec": {
            "selector": selector(names::COORDINATOR, account),
            "ports": [{"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}],
        },
    })
}

/// A drain leaves one coordinator.
pub fn disruption_budget(a: &HeliosAccount, s: &PodSettings) -> Value {
    let account = &a.metadata.name;
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(a, &names::coordinator(account), names::COORDINATOR),
        "spec": {
            "minAvailable": (s.coordinators - 1).max(0),
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(names::COORDINATOR, account)},
        },
    })
}
