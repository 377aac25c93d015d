//! Writes are counted exactly.

use crate::{SOON, create, pod};
use helios_e2e::audit::Kind;
use helios_e2e::shared;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test]
async fn the_audit_log_counts_the_writes_of_a_user_exactly() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let ns = cluster.namespace("audited").await.unwrap();
    let ann = cluster.client_as("ann", &["system:masters"]).await.unwrap();
    let mark = cluster.audit_mark().unwrap();
    for n in 0..20 {
        create(&ann, ns.name(), &pod(&format!("p{n}"))).await;
    }
    cluster.pod_ready(ns.name(), "p0", SOON).await.unwrap();
    let pods = Api::<Pod>::namespaced(ann, ns.name());
    let patch = |value: &str| Patch::Merge(json!({"metadata": {"labels": {"a": value}}}));
    pods.patch("p0", &PatchParams::default(), &patch("1"))
        .await
        .unwrap();
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    pods.patch("p0", &dry, &patch("2")).await.unwrap();
    let status = Patch::Merge(json!({"status": {"message": "seen"}}));
    pods.patch_status("p0", &PatchParams::default(), &status)
        .await
        .unwrap();
    pods.create(&PostParams::default(), &pod("p0"))
        .await
        .unwrap_err();
    pods.delete("p19", &DeleteParams::default()).await.unwrap();

    let audit = cluster.audit_since(mark).unwrap();
    let of_ann = audit.of("ann");
    let counts: Vec<_> = of_ann
        .writes()
        .iter()
        .map(|(k, n)| format!("{k}: {n}"))
        .collect();
    assert_eq!(
        counts,
        [
            "ann create pods: 20",
            "ann delete pods: 1",
            "ann patch pods: 1",
            "ann patch pods/status: 1",
        ],
        "{audit}"
    );
    assert_eq!(
        (of_ann.count(Kind::DryRun), of_ann.count(Kind::Refused)),
        (1, 1)
    );
    // What others did for her: each pod was bound once, and kwok told its status.
    let here = audit.within(ns.name()).writes();
    let bound = here.iter().find(|(k, _)| k.subresource == "binding");
    let (key, times) = bound.unwrap();
    assert_eq!(key.user, "system:kube-scheduler");
    assert!(*times <= 20, "{audit}");
}
