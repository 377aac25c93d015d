//! A worker: one bare pod for one symbol, named so that there can't be a second.

use super::parts::{
    CREDENTIALS_DIR, METRICS_PORT, NATS_TOKEN_DIR, container, credentials, labels, mount,
    namespace, nats_token, pod_spec, probes, spread,
};
use super::venue::link_args;
use super::{hash, strategy};
use crate::config::PodSettings;
use crate::names;
use helios_core::plan::worker_name;
use helios_crds::{HeliosAccount, HeliosStrategy};
use serde_json::{Value, json};

/// Where the strategy's ConfigMap lies.
const STRATEGY_DIR: &str = "/etc/helios/strategy";
/// Longer than a worker takes to leave with its stop confirmed.
const GRACE_SECONDS: u32 = 45;

/// The hash of everything a worker of this strategy is built from, whatever its symbol: parameters that it takes over while
/// it runs are not in it.
pub fn spec_hash(a: &HeliosAccount, h: &HeliosStrategy, s: &PodSettings) -> String {
    let mut built = unmarked(a, h, s, "");
    // The worker sets it at the exchange when it starts, and not again.
    built["leverage"] = json!(h.spec.risk.leverage);
    // Where it trades is read at the start, too.
    built["venue"] = json!([
        a.spec.venue,
        a.spec.environment,
        a.spec.simulated,
        a.spec.endpoints
    ]);
    hash(&built)
}

/// The pod of a symbol's worker.
pub fn pod(a: &HeliosAccount, h: &HeliosStrategy, s: &PodSettings, symbol: &str) -> Value {
    marked_pod(a, h, s, symbol, &spec_hash(a, h, s))
}

/// The same where the hash is known: of a strategy's many pods it is one.
pub fn marked_pod(
    a: &HeliosAccount,
    h: &HeliosStrategy,
    s: &PodSettings,
    symbol: &str,
    spec_hash: &str,
) -> Value {
    let mut pod = unmarked(a, h, s, symbol);
    pod["metadata"]["annotations"] = json!({
        names::SYMBOL: symbol,
        names::SPEC_HASH: spec_hash,
    });
    pod
}

fn unmarked(a: &HeliosAccount, h: &HeliosStrategy, s: &PodSettings, symbol: &str) -> Value {
    let account = &a.metadata.name;
    let mut labels = labels(names::WORKER, account);
    labels[names::STRATEGY] = json!(h.metadata.name);
    let mut args = vec![
        "worker".into(),
        format!("{STRATEGY_DIR}/{}", names::MANIFESTS_KEY),
        format!("--params={STRATEGY_DIR}/{}", names::DOCUMENT_KEY),
        format!("--strategy={}", h.metadata.full_name()),
        format!("--symbol={symbol}"),
        format!("--metrics=0.0.0.0:{METRICS_PORT}"),
        format!("--nats={}", s.nats_url),
        format!("--nats-token-file={NATS_TOKEN_DIR}/token"),
    ];
    args.extend(link_args(a));
    let mut c = container("worker", s, &args);
    probes(&mut c);
    c["resources"] = resources(h);
    let mut mounts = vec![
        mount("strategy", STRATEGY_DIR),
        mount("nats-token", NATS_TOKEN_DIR),
    ];
    let mut volumes = vec![
        json!({"name": "strategy", "configMap": {"name": names::strategy(&h.metadata.name), "defaultMode": 0o444}}),
        nats_token(&format!("helios-nats:{}", h.metadata.full_name())),
    ];
    if let Some(keys) = credentials(a) {
        mounts.push(mount("credentials", CREDENTIALS_DIR));
        volumes.push(keys);
    }
    c["volumeMounts"] = mounts.into();
    let mut spec = pod_spec(s, &names::workers(account), c, volumes.into());
    spec["automountServiceAccountToken"] = json!(false);
    // A crash is restarted in place, quickly; who left by its own will is the planner's to replace.
    spec["restartPolicy"] = json!("OnFailure");
    spec["terminationGracePeriodSeconds"] = json!(GRACE_SECONDS);
    let of_strategy = json!({
        names::MANAGED_BY: names::MANAGER,
        names::COMPONENT: names::WORKER,
        names::ACCOUNT: account,
        names::STRATEGY: h.metadata.name,
    });
    spec["topologySpreadConstraints"] = spread(of_strategy);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": worker_name(&a.metadata.full_name(), symbol),
            "namespace": namespace(a),
            "labels": labels,
            "ownerReferences": [strategy::owner(h)],
        },
        "spec": spec,
    })
}

/// What the manifest asks for, else what a worker needs.
fn resources(h: &HeliosStrategy) -> Value {
    match &h.spec.worker.resources {
        Some(r) => json!(r),
        None => json!({
            "requests": {"cpu": "50m", "memory": "48Mi"},
            "limits": {"memory": "256Mi"},
        }),
    }
}
