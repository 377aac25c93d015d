//! The peer: the same pods by Deployments, one for each strategy with as many replicas as it has symbols.
//!
//! A pod is what the operator built for the strategy's first symbol, with two differences that cannot be helped: replicas
//! of a Deployment are all alike (each trades the same symbol, were there anything in it), and restart always. Its owner's
//! label says somebody else, so that the operator does not take it for one of its own.

use crate::strategies::AT_ONCE;
use crate::world::World;
use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams, PropagationPolicy};
use serde_json::{Value, json};
use std::time::Instant;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const STRATEGY: &str = "helios.trading/strategy";
const MANAGER: &str = "helios-operator";
/// As long as the operator's name.
const PEER: &str = "helios-deployed";

/// Selector of its pods.
pub fn pods() -> String {
    format!("{MANAGED_BY}={PEER}")
}

/// The Deployments for the pods that the operator has made.
pub async fn like_the_operators(world: &World<'_>) -> Result<Vec<Deployment>> {
    let api: Api<Pod> = Api::namespaced(world.stage.client.clone(), world.ns());
    let mut all = Vec::new();
    for (strategy, _, _) in crate::strategies::names(world.size) {
        let one = ListParams::default()
            .labels(&format!("{STRATEGY}={strategy}"))
            .limit(1);
        let pods = api.list(&one).await?;
        let pod = pods.items.first();
        let pod = pod.with_context(|| format!("{strategy} has no pod"))?;
        all.push(deployment(&strategy, pod, world.size.symbols)?);
    }
    Ok(all)
}

fn deployment(name: &str, pod: &Pod, replicas: usize) -> Result<Deployment> {
    let mut spec = serde_json::to_value(&pod.spec)?;
    let s = spec.as_object_mut().context("a pod without a spec")?;
    s.remove("nodeName");
    s.insert("restartPolicy".into(), json!("Always"));
    let labels = serde_json::to_value(&pod.metadata.labels)?;
    let mut template = json!({
        "metadata": {"labels": labels, "annotations": pod.metadata.annotations},
        "spec": spec,
    });
    rename(&mut template);
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {MANAGED_BY: PEER}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {MANAGED_BY: PEER, STRATEGY: name}},
            "template": template,
        },
    }))?)
}

/// Wherever the operator is named as the owner (the pod's label, and the selector by which pods are spread over nodes).
fn rename(v: &mut Value) {
    match v {
        Value::Object(o) => {
            for (key, value) in o {
                if key == MANAGED_BY && value == MANAGER {
                    *value = json!(PEER);
                }
                rename(value);
            }
        }
        Value::Array(a) => a.iter_mut().for_each(rename),
        _ => {}
    }
}

/// Makes all of them; returns when the first was sent.
pub async fn create(world: &World<'_>, all: &[Deployment]) -> Result<Instant> {
    let api: Api<Deployment> = Api::namespaced(world.stage.client.clone(), world.ns());
    let params = PostParams::default();
    let began = Instant::now();
    stream::iter(all.iter().map(|d| api.create(&params, d)))
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    Ok(began)
}

/// Asks for the deletion of all of them, pods included.
pub async fn delete(world: &World<'_>) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(world.stage.client.clone(), world.ns());
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    let all = ListParams::default().labels(&pods());
    api.delete_collection(&params, &all).await?;
    Ok(())
}

/// ReplicaSets that the garbage collector has not deleted yet.
pub async fn left(world: &World<'_>) -> Result<usize> {
    let api: Api<ReplicaSet> = Api::namespaced(world.stage.client.clone(), world.ns());
    let all = ListParams::default().labels(&pods());
    Ok(api.list_metadata(&all).await?.items.len())
}
