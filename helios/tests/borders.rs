//! The borders between the crates, read from the build itself: who may depend on whom, and what the pure parts may not touch.
#![allow(clippy::unwrap_used, missing_docs)]

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .into()
}

/// The platform this runs on: other platforms' dependencies don't count and need not be downloaded.
fn host() -> String {
    let out = std::process::Command::new("rustc")
        .arg("-vV")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .find_map(|l| l.strip_prefix("host: "))
        .unwrap()
        .to_string()
}

fn metadata(package: &str, features: CargoOpt) -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join(package).join("Cargo.toml"))
        .features(features)
        .other_options([
            "--locked".to_string(),
            format!("--filter-platform={}", host()),
        ])
        .exec()
        .unwrap()
}

/// Names of everything `package` is really built from, itself left out. `cargo metadata` can't say it: its graph mixes in
/// the features that dev-dependencies ask for.
fn closure(package: &str, features: &str) -> BTreeSet<String> {
    let out = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
            features,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .filter_map(|l| l.split(' ').next())
        .filter(|n| !n.is_empty() && *n != package)
        .map(str::to_string)
        .collect()
}

/// Async runtimes, network, clocks, operating-system randomness.
const IMPURE: [&str; 19] = [
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "reqwest",
    "axum",
    "tungstenite",
    "tokio-tungstenite",
    "rustls",
    "kube",
    "async-nats",
    "redis",
    "chrono",
    "helios-clock",
    "time",
    "getrandom",
    "tracing",
];

#[test]
fn core_and_the_venue_without_its_server_are_built_from_nothing_impure() {
    for package in ["helios-core", "helios-venue", "helios-sim"] {
        let used = closure(package, "--no-default-features");
        let bad: Vec<_> = IMPURE.iter().filter(|c| used.contains(**c)).collect();
        assert!(
            bad.is_empty(),
            "{package} is built from {bad:?}: keep I/O, clocks and tasks in the shells"
        );
    }
}

#[test]
fn the_check_itself_sees_impurity() {
    let used = closure("helios-venue", "--all-features");
    assert!(
        used.contains("tokio"),
        "the venue's server is built on tokio, so the check above can fail"
    );
}

#[test]
fn what_make_up_builds_has_no_network_bus_and_nats_is_the_bus_crates_alone() {
    let up = closure("helios", "--features=up");
    assert!(!up.contains("async-nats"), "`make up` builds NATS");
    assert!(
        closure("helios", "--features=nats").contains("async-nats"),
        "so the check above can fail"
    );
    let m = metadata("helios", CargoOpt::AllFeatures);
    for p in m.workspace_packages() {
        let names = p.dependencies.iter().any(|d| d.name == "async-nats");
        assert!(
            !names || p.name.as_str() == "helios-bus",
            "{} must not import NATS: only the bus does",
            p.name
        );
    }
}

#[test]
fn no_kubernetes_client_is_built_where_nobody_asks_for_one() {
    for features in ["--features=up", "--features=nats"] {
        let used = closure("helios", features);
        assert!(!used.contains("kube"), "{features} builds kube");
        assert!(!used.contains("k8s-openapi"), "{features} builds its types");
    }
    assert!(
        closure("helios", "--features=kubernetes").contains("kube"),
        "so the check above can fail"
    );
    let m = metadata("helios", CargoOpt::AllFeatures);
    // Both are of Kubernetes through and through, and nobody builds them who does not ask for it.
    let through = ["helios-operator", "helios-e2e"];
    let packages = m.workspace_packages().into_iter();
    for p in packages.filter(|p| !through.contains(&p.name.as_str())) {
        for d in p.dependencies.iter().filter(|d| d.name == "kube") {
            let dev = d.kind == cargo_metadata::DependencyKind::Development;
            assert!(d.optional || dev, "{} builds kube always", p.name);
        }
    }
}

#[test]
fn arrows_between_crates_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("helios-core", &[][..]),
        ("helios-clock", &[][..]),
        ("helios-crds", &["helios-core"][..]),
        ("helios-binance", &["helios-core", "helios-clock"][..]),
        ("helios-venue", &["helios-core"][..]),
        ("helios-bus", &["helios-core"][..]),
        ("helios-lease", &["helios-core", "helios-clock"][..]),
        (
            "helios-worker",
            &["helios-core", "helios-binance", "helios-bus"][..],
        ),
        (
            "helios-coordinator",
            &[
                "helios-core",
                "helios-binance",
                "helios-bus",
                "helios-lease",
            ][..],
        ),
        (
            "helios-operator",
            &[
                "helios-core",
                "helios-clock",
                "helios-crds",
                "helios-bus",
                "helios-lease",
            ][..],
        ),
        ("helios-sim", &["helios-core", "helios-venue"][..]),
        // It runs the product as a user would; what it runs is not built in.
        ("helios-e2e", &[][..]),
    ]);
    let m = metadata("helios", CargoOpt::AllFeatures);
    for p in m.workspace_packages() {
        let Some(may) = allowed.get(p.name.as_str()) else {
            assert_eq!(
                p.name.as_str(),
                "helios",
                "a new crate needs a line in this test"
            );
            continue;
        };
        for d in p.dependencies.iter().filter(|d| {
            d.kind == cargo_metadata::DependencyKind::Normal && d.name.starts_with("helios-")
        }) {
            assert!(
                may.contains(&d.name.as_str()),
                "{} must not depend on {}",
                p.name,
                d.name
            );
        }
    }
}

#[test]
fn the_pure_sources_name_no_clock_file_socket_thread_or_unordered_map() {
    let banned = [
        "std::time",
        "Instant::now",
        "SystemTime",
        "std::net",
        "std::thread",
        "std::env",
        "HashMap",
        "HashSet",
        "async fn",
    ];
    let mut files = Vec::new();
    for folder in ["core/src", "venue/src/engine"] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 20, "found only {} files", files.len());
    for f in files {
        let text = std::fs::read_to_string(&f).unwrap();
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for b in banned.iter().chain(&["std::fs"]) {
                let in_test = f.to_string_lossy().contains("test")
                    || text[..text.find(line).unwrap()].contains("#[cfg(test)]");
                assert!(
                    !code.contains(b) || in_test,
                    "{}:{}: {b}",
                    f.display(),
                    i + 1
                );
            }
        }
    }
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(folder).unwrap() {
        let p = e.unwrap().path();
        if p.is_dir() {
            collect(&p, into);
        } else if p.extension().is_some_and(|x| x == "rs") {
            into.push(p);
        }
    }
}
