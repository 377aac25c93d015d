//! The API server goes away and comes back, and what was there is there.

use crate::{SOON, create, pod};
use helios_e2e::{ControlPlane, Options};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use std::time::Duration;

#[tokio::test]
async fn the_api_server_dies_and_hangs_and_pods_are_made_again_afterwards() {
    // Its own: nobody else is to be hit.
    let cluster = ControlPlane::start(Options {
        nodes: 1,
        ..Options::default()
    })
    .await
    .unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let ns = cluster.namespace("outage").await.unwrap();
    let client = cluster.client().await.unwrap();
    create(&client, ns.name(), &pod("before")).await;
    cluster.pod_ready(ns.name(), "before", SOON).await.unwrap();
    let read = async || {
        let pods = Api::<Pod>::namespaced(cluster.client().await.unwrap(), ns.name());
        tokio::time::timeout(Duration::from_secs(1), pods.get("before")).await
    };

    cluster.stop_part("kube-apiserver").unwrap();
    assert!(!matches!(read().await, Ok(Ok(_))), "nobody answers");
    assert_eq!(cluster.casualties().len(), 1);
    cluster.start_part("kube-apiserver").await.unwrap();
    read().await.unwrap().unwrap();

    cluster.hang_part("kube-apiserver").unwrap();
    assert!(read().await.is_err(), "no answer in time");
    cluster.resume_part("kube-apiserver").await.unwrap();
    assert_eq!(cluster.casualties(), Vec::<String>::new());
    let client = cluster.client().await.unwrap();
    create(&client, ns.name(), &pod("after")).await;
    cluster
        .pod_ready(ns.name(), "after", SOON * 2)
        .await
        .unwrap();
    ns.delete().await.unwrap();
}
