//! The chart of our kinds goes onto a real API server, which has a compiler and a budget for their rules of its own.

use crate::SOON;
use helios_e2e::{ControlPlane, Options, wait_for};
use std::path::Path;

#[tokio::test]
async fn the_chart_of_our_kinds_is_accepted_explained_and_enforced() {
    // Its own: kinds are the whole cluster's.
    let cluster = ControlPlane::start(Options {
        nodes: 0,
        ..Options::default()
    })
    .await
    .unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/helios-crds");
    let chart = chart.display().to_string();
    cluster
        .helm(&["install", "helios-crds", &chart, "--wait"])
        .unwrap();
    for kind in ["heliosaccounts", "heliosstrategies"] {
        let crd = format!("crd/{kind}.helios.trading");
        cluster
            .kubectl(&["wait", "--for=condition=Established", &crd])
            .unwrap();
        let told = wait_for("kubectl to explain it", SOON, async || {
            cluster.kubectl(&["explain", &format!("{kind}.spec")])
        })
        .await
        .unwrap();
        assert!(told.contains("FIELDS:"), "{told}");
        let spec = "{.status.conditions[?(@.type=='NonStructuralSchema')].message}";
        let wrong = ["get", &crd, &format!("-o=jsonpath={spec}")];
        assert_eq!(cluster.kubectl(&wrong).unwrap(), "");
    }
    let account = |environment: &str| {
        format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: paper, namespace: default}}\n\
             spec: {{venue: Simulated, environment: {environment}}}\n"
        )
    };
    let refused = cluster.apply(&account("Live")).unwrap_err();
    assert!(format!("{refused:#}").contains("Simulated"), "{refused:#}");
    cluster.apply(&account("Paper")).unwrap();
    let read = [
        "get",
        "heliosaccount",
        "paper",
        "-o=jsonpath={.spec.environment}",
    ];
    assert_eq!(cluster.kubectl(&read).unwrap(), "Paper");
}
