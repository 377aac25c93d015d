//! The kinds at a real API server: what it stores, how it judges, what an upgrade leaves alone.

use super::{THREE, WHILE};
use anyhow::ensure;
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use helios_e2e::{Stage, shared, wait_for};
use helios_lease::conformance;
use helios_lease::kubernetes::testing::KubePlace;
use kube::core::CustomResourceExt;
use serde_json::Value;
use std::path::Path;

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

/// Objects that say as little as they may: a default within an absent section and one within an empty section are told apart
/// by an API server, and a default within an entry of a list is a third.
const SPARSE: &str = r#"
apiVersion: helios.trading/v1alpha1
kind: HeliosAccount
metadata: {name: paper}
spec: {venue: Simulated}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosAccount
metadata: {name: hollow}
spec:
  venue: Simulated
  limits: {}
  margin: {}
  endpoints: {}
  simulated: {}
  monitoring: {azureConnectionStringSecretRef: {name: azure}}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosAccount
metadata: {name: real}
spec: {venue: BinanceUsdm, credentialsSecretRef: {name: keys}, monitoring: {}}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosStrategy
metadata: {name: nobi}
spec: {accountRef: {name: paper}}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosStrategy
metadata: {name: hollow}
spec:
  accountRef: {name: paper}
  watchlist: {}
  signals: {}
  risk: {}
  execution: {}
  exits: {}
  record: {}
  rollout: {}
  state: {}
  worker: {}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosStrategy
metadata: {name: hollow-within}
spec:
  accountRef: {name: paper}
  watchlist: {exclude: [XRPUSDT]}
  signals: {model: {}}
  regimes: [{regime: Trending}, {regime: Quiet, haltEntries: true}]
  risk: {atr: {}, prior: {}, protections: {}}
  state: {redis: {urlSecretRef: {name: redis}}}
  worker: {resources: {limits: {memory: 1Gi}}}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_and_a_file_give_an_object_the_same_defaults() {
    let cluster = shared().await.unwrap();
    let stage = Stage::new(cluster, "defaults").await.unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples");
    let mut files = vec![("sparse.yaml".to_owned(), SPARSE.to_owned())];
    for path in helios_crds::manifest::files_of(&samples).unwrap() {
        let text = std::fs::read_to_string(&path).unwrap();
        files.push((path.display().to_string(), text));
    }
    let mut compared = 0;
    for (name, text) in files {
        let m = helios_crds::manifest::parse(&[(name.clone(), text.clone())]).unwrap();
        let stored = stage.judged(&text).unwrap();
        let accounts = m.accounts.iter();
        let accounts = accounts.map(|a| serde_json::to_value(&a.object.spec).unwrap());
        let strategies = m.strategies.iter();
        let strategies = strategies.map(|s| serde_json::to_value(&s.object.spec).unwrap());
        for (kind, ours) in [
            ("HeliosAccount", accounts.collect::<Vec<_>>()),
            ("HeliosStrategy", strategies.collect()),
        ] {
            let theirs = stored.iter().filter(|o| o["kind"] == kind);
            let theirs: Vec<Value> = theirs.map(|o| o["spec"].clone()).collect();
            compared += theirs.len();
            assert_eq!(theirs, ours, "{kind} of {name}");
        }
    }
    assert!(compared >= 19, "only {compared} objects were compared");
    stage.end().await.unwrap();
}

/// A field that the operator does not know stalls a strategy, in words, and what runs goes on; without it all is well again.
async fn a_field_of_the_next_version_is_said(stage: &Stage<'_>) {
    let (kind, uids) = ("HeliosStrategy", stage.uids().await.unwrap());
    let patch = |type_: &str, patch: &str| {
        stage.kubectl(&["patch", "heliosstrategies", "nobi", type_, "-p", patch])
    };
    // The API server takes a while until it serves what was added, and drops it before.
    wait_for("the field to be stored", WHILE, async || {
        patch("--type=merge", r#"{"spec": {"ofTheNextVersion": "x"}}"#)?;
        let stored = &spec(stage).await["ofTheNextVersion"];
        ensure!(stored == "x", "it is {stored}");
        Ok(())
    })
    .await
    .unwrap();
    let said = stage.reason(kind, "nobi", "Stalled", "Unreadable", WHILE);
    let words = said.await.unwrap();
    assert!(words.contains("`ofTheNextVersion`"), "{words}");
    let (status, ..) = stage.condition(kind, "nobi", "Stalled").await.unwrap();
    assert_eq!(status, "True");
    let object = stage.object(kind, "nobi").await.unwrap().unwrap();
    assert_eq!(object["status"]["ready"], "3/3");
    let generation = &object["metadata"]["generation"];
    assert_eq!(&object["status"]["observedGeneration"], generation);
    assert_eq!(stage.uids().await.unwrap(), uids);
    let remove = r#"[{"op": "remove", "path": "/spec/ofTheNextVersion"}]"#;
    patch("--type=json", remove).unwrap();
    let ready = stage.reason(kind, "nobi", "Ready", "Trading", WHILE);
    ready.await.unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let (status, ..) = stage.condition(kind, "nobi", "Stalled").await.unwrap();
    assert_eq!(status, "False");
    assert_eq!(stage.uids().await.unwrap(), uids);
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
    a_field_of_the_next_version_is_said(&stage).await;
    let mut after = spec(&stage).await;
    assert_eq!(after["signals"]["nobiTriggerThreshold"], "0.6");
    after["signals"]["nobiTriggerThreshold"] = before["signals"]["nobiTriggerThreshold"].clone();
    assert_eq!(after, before);
    stage.end().await.unwrap();
}
