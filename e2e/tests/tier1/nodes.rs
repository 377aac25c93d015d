//! Nodes are lost and come back, and Kubernetes does with their pods what it does.

use crate::{SOON, create, pod};
use helios_e2e::{shared, wait_for};
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use kube::api::Api;
use std::time::Duration;

/// The grace of a node, the toleration of a pod, and a busy machine.
const LOST: Duration = Duration::from_secs(60);

fn taints(node: &Node) -> Vec<Taint> {
    let spec = node.spec.as_ref();
    spec.and_then(|s| s.taints.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_lost_node_is_found_unreachable_and_its_pods_are_evicted() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    // A node that no other test's pods are on.
    let node = "lost-node";
    cluster.add_reserved_node(node).await.unwrap();
    let ns = cluster.namespace("lost").await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut victim = pod("victim");
    victim.spec.as_mut().unwrap().node_name = Some(node.to_owned());
    create(&client, ns.name(), &victim).await;
    cluster.pod_ready(ns.name(), "victim", SOON).await.unwrap();

    cluster.lose_node(node).await.unwrap();
    wait_for("the node to be found lost", LOST, async || {
        let now = cluster.node(node).await?;
        let found = taints(&now)
            .iter()
            .any(|t| t.key == "node.kubernetes.io/unreachable" && t.effect == "NoExecute");
        anyhow::ensure!(found, "its taints are {:?}", taints(&now));
        let conditions = now.status.and_then(|s| s.conditions).unwrap_or_default();
        let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
        anyhow::ensure!(ready.status == "Unknown", "Ready={}", ready.status);
        Ok(())
    })
    .await
    .unwrap();
    let pods = Api::<Pod>::namespaced(client, ns.name());
    wait_for("its pod to be evicted", LOST, async || {
        let pod = pods.get("victim").await?;
        anyhow::ensure!(pod.metadata.deletion_timestamp.is_some(), "it is not");
        Ok(())
    })
    .await
    .unwrap();

    // Nobody is there to end it, until the node comes back.
    assert!(pods.get_opt("victim").await.unwrap().is_some());
    cluster.restore_node(node).await.unwrap();
    wait_for("the pod to be gone", SOON, async || {
        anyhow::ensure!(pods.get_opt("victim").await?.is_none(), "it is there");
        Ok(())
    })
    .await
    .unwrap();
    cluster.kubectl(&["delete", "node", node]).unwrap();
}

#[tokio::test]
async fn a_node_that_says_it_is_not_ready_is_tainted_until_it_says_otherwise() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let node = "unready-node";
    cluster.add_reserved_node(node).await.unwrap();
    let tainted = async |wanted: bool| {
        wait_for("the taint to follow", SOON, async || {
            let now = taints(&cluster.node(node).await?);
            let is = now.iter().any(|t| t.key == "node.kubernetes.io/not-ready");
            anyhow::ensure!(is == wanted, "its taints are {now:?}");
            Ok(())
        })
        .await
        .unwrap();
    };
    for ready in [false, true] {
        cluster.set_node_ready(node, ready).await.unwrap();
        tainted(!ready).await;
    }
    cluster.kubectl(&["delete", "node", node]).unwrap();
}
