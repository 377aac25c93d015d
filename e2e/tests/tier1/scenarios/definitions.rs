//! The kinds at a real API server: what it stores, how it judges, what an upgrade leaves alone.

use super::{THREE, WHILE};
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use helios_e2e::{Stage, shared};
use helios_lease::conformance;
use helios_lease::kubernetes::testing::KubePlace;
use kube::core::CustomResourceExt;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_of_a_real_api_server_passes_the_conformance_suite() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("lease-store").await.unwrap();
    let client = cluster.client().await.unwrap();
    for ahead in [false, true] {
        let place = || KubePlace::fresh(client.clone(), ns.name(), ahead);
        conformance::all(place).await.unwrap();
    }
    ns.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_and_a_file_give_an_object_the_same_defaults() {
    let cluster = shared().await.unwrap();
    let stage = Stage::new(cluster, "defaults").await.unwrap();
    let account = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: paper}\nspec: {venue: Simulated}\n";
    let strategy = "apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {name: nobi}\nspec: {accountRef: {name: paper}}\n";
    let both = format!("{account}---\n{strategy}");
    stage.apply(&both).unwrap();
    let m = helios_crds::manifest::parse(&[("f.yaml".into(), both)]).unwrap();
    let stored = async |kind: &str, name: &str| -> Value {
        stage.object(kind, name).await.unwrap().unwrap()["spec"].clone()
    };
    let ours = serde_json::to_value(&m.accounts[0].object.spec).unwrap();
    assert_eq!(stored("HeliosAccount", "paper").await, ours);
    let ours = serde_json::to_value(&m.strategies[0].object.spec).unwrap();
    assert_eq!(stored("HeliosStrategy", "nobi").await, ours);
    stage.end().await.unwrap();
}

async fn spec(stage: &Stage<'_>) -> Value {
    let object = stage.object("HeliosStrategy", "nobi").await.unwrap();
    object.unwrap()["spec"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crd_upgrade_keeps_objects() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "upgrade").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let (before, uids) = (spec(&stage).await, stage.uids().await.unwrap());
    // The next version's definition: a field more, and a higher number.
    for name in [HeliosStrategy::crd_name(), HeliosAccount::crd_name()] {
        let path =
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/ofTheNextVersion";
        let patch = format!(
            r#"[{{"op": "add", "path": "{path}", "value": {{"type": "string"}}}},
                {{"op": "add", "path": "/metadata/annotations/helios.trading~1schema-version", "value": "2"}}]"#
        );
        cluster
            .kubectl(&["patch", "crd", name, "--type=json", "-p", &patch])
            .unwrap();
    }
    // A change goes through as before, an operator that starts now takes the newer definition, and nothing was lost.
    stage.operators[0].terminate();
    stage.operator().await.unwrap();
    let more = format!("{THREE}  signals: {{nobiTriggerThreshold: \"0.6\"}}\n");
    stage.strategy("nobi", "paper", &more).unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    assert_eq!(stage.uids().await.unwrap(), uids);
    let mut after = spec(&stage).await;
    assert_eq!(after["signals"]["nobiTriggerThreshold"], "0.6");
    after["signals"]["nobiTriggerThreshold"] = before["signals"]["nobiTriggerThreshold"].clone();
    assert_eq!(after, before);
    stage.end().await.unwrap();
}
