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
        let (fields, undescribed) = explained(&cluster, &format!("{kind}.spec"), 0);
        assert!(fields >= 20, "only {fields} fields of {kind} are explained");
        assert!(undescribed.is_empty(), "no word on {undescribed:?}");
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

/// How many fields kubectl explains at a path and below, and those it has no words for. A field is a line
/// `  name\t<type> ...` with its description below; of one with fields of its own, `kubectl explain` is asked in turn.
fn explained(cluster: &ControlPlane, path: &str, depth: usize) -> (usize, Vec<String>) {
    assert!(depth < 8, "{path}: no manifest is so deep");
    let told = cluster.kubectl(&["explain", path]).unwrap();
    let (_, fields) = told
        .split_once("FIELDS:\n")
        .unwrap_or_else(|| panic!("{path} has no fields: {told}"));
    let lines: Vec<&str> = fields.lines().collect();
    let (mut count, mut undescribed) = (0, Vec::new());
    for (n, line) in lines.iter().enumerate() {
        let Some((name, kind)) = line
            .strip_prefix("  ")
            .filter(|l| !l.starts_with(' '))
            .and_then(|l| l.split_once('\t'))
        else {
            continue;
        };
        count += 1;
        let path = format!("{path}.{name}");
        let mut below = lines[n + 1..]
            .iter()
            .skip_while(|l| l.starts_with("  enum:"));
        let words = below.next().filter(|l| l.starts_with("    "));
        if words.is_none_or(|w| w.contains("<no description>")) {
            undescribed.push(path.clone());
        }
        if kind.contains("Object>") && !kind.contains("map[") {
            let (below, silent) = explained(cluster, &path, depth + 1);
            count += below;
            undescribed.extend(silent);
        }
    }
    (count, undescribed)
}
