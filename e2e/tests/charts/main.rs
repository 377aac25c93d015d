//! The charts: what they render for many sets of values, and what a real API server says to it.
//!
//! Templates are rendered by the real helm. What comes out is held against rules that each rendering must keep (rights,
//! security of pods, names, flags that exist), and sent to a control plane: as a dry run, and installed for good.

#![allow(clippy::unwrap_used)]

mod definitions;
mod install;
mod messages;
mod pods;
mod processes;
mod rbac;
mod rendering;
mod values;

use rendering::{RENDERINGS, render};

#[test]
fn both_charts_pass_helms_own_strict_lint() {
    for chart in ["helios", "helios-crds"] {
        rendering::helm(&["lint", "--strict", &rendering::chart(chart)]).unwrap();
    }
}

#[test]
fn every_object_has_a_short_name_the_labels_of_its_release_and_a_namespace_where_it_lives_in_one() {
    const CLUSTER: [&str; 5] = [
        "ClusterRole",
        "ClusterRoleBinding",
        "PriorityClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    for (title, values) in RENDERINGS {
        let mut seen = std::collections::BTreeSet::new();
        for o in render(values) {
            let kind = o["kind"].as_str().unwrap();
            let name = o["metadata"]["name"].as_str().unwrap();
            let namespace = o["metadata"]["namespace"].as_str();
            assert!(name.len() <= 63, "{title}: {kind} {name}");
            assert_eq!(
                namespace.is_none(),
                CLUSTER.contains(&kind),
                "{title}: {kind} {name} in {namespace:?}"
            );
            let labels = &o["metadata"]["labels"];
            for (key, value) in [
                ("app.kubernetes.io/instance", "helios"),
                ("app.kubernetes.io/part-of", "helios"),
                ("app.kubernetes.io/managed-by", "Helm"),
            ] {
                assert_eq!(labels[key], value, "{title}: {kind} {name} lacks {key}");
            }
            let id = format!("{kind} {} {name}", namespace.unwrap_or_default());
            assert!(seen.insert(id.clone()), "{title}: {id} twice");
        }
    }
}

#[test]
fn the_charts_have_the_version_of_the_workspace() {
    for chart in ["helios", "helios-crds"] {
        let text = rendering::helm(&["show", "chart", &rendering::chart(chart)]).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        for line in [
            format!("version: {version}"),
            format!("appVersion: {version}"),
        ] {
            assert!(text.lines().any(|l| l == line), "{chart}: {text}");
        }
    }
}

#[test]
fn nothing_that_is_secret_is_rendered() {
    for (title, values) in RENDERINGS {
        for o in render(values) {
            assert_ne!(o["kind"], "Secret", "{title}");
        }
    }
}

/// Says how many of our numbers a question to Prometheus asks for; all of them must exist.
fn asks(question: &str, who: &str) -> usize {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let known: String = ["docs/metrics.md", "operator/src/metrics.rs"]
        .map(|f| std::fs::read_to_string(format!("{root}/{f}")).unwrap())
        .concat();
    let words = question.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let asked = words.filter(|w| w.starts_with("helios_"));
    let each = asked.map(|metric| {
        let metric = metric.trim_end_matches("_bucket");
        let quoted = [
            format!("`{metric}`"),
            format!("`{metric}{{"),
            format!("\"{metric}\""),
        ];
        let there = quoted.iter().any(|q| known.contains(q.as_str()));
        assert!(there, "{who}: {metric}");
    });
    each.count()
}

#[test]
fn dashboards_ask_only_for_numbers_that_exist() {
    let all = render(&["monitoring.dashboards.enabled=true"]);
    let maps = all.iter().filter(|o| {
        let labels = &o["metadata"]["labels"];
        o["kind"] == "ConfigMap" && labels["grafana_dashboard"] == "1"
    });
    let mut asked = 0;
    for text in maps.flat_map(|m| m["data"].as_object().unwrap().values()) {
        let board: serde_json::Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(panel["description"].is_string(), "{title}");
            for target in panel["targets"].as_array().unwrap() {
                let found = asks(target["expr"].as_str().unwrap(), title);
                assert!(found > 0, "{title} asks for nothing of ours");
                asked += found;
            }
        }
    }
    assert!(asked >= 14, "{asked}");
}

#[test]
fn alerts_ask_only_for_numbers_that_exist() {
    let all = render(&[
        "monitoring.rules.enabled=true",
        "monitoring.podMonitor.enabled=true",
        "monitoring.serviceMonitor.enabled=true",
    ]);
    let rules = all.iter().find(|o| o["kind"] == "PrometheusRule").unwrap();
    let mut asked = 0;
    for group in rules["spec"]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let alert = rule["alert"].as_str().unwrap();
            asked += asks(rule["expr"].as_str().unwrap(), alert);
            for said in ["summary", "description"] {
                assert!(rule["annotations"][said].is_string(), "{}", rule["alert"]);
            }
        }
    }
    assert!(asked >= 10);
}
