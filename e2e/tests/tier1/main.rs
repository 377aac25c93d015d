//! Self-tests of the harness: what scenarios build on does happen, on a real control plane with fake nodes.

#![allow(clippy::unwrap_used)]

mod audited;
mod chart;
mod leftovers;
mod nodes;
mod outages;
mod pods;
mod scenarios;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use std::time::Duration;

/// Longest that something quick may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A pod that runs until it is told otherwise.
fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "fake"}]},
    }))
    .unwrap()
}

async fn create(client: &Client, namespace: &str, pod: &Pod) -> Pod {
    let api = Api::namespaced(client.clone(), namespace);
    api.create(&PostParams::default(), pod).await.unwrap()
}
