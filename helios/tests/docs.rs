//! The documents against the code: every manifest shown is valid, and what is called a default is one.

#![allow(clippy::unwrap_used)]

use helios_crds::manifest::{self, Manifests};
use serde_json::Value;
use std::collections::BTreeSet;

const MANIFESTS: &str = include_str!("../../docs/manifests.md");
const README: &str = include_str!("../../README.md");
const MINIMAL: &str = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: paper}\nspec: {venue: Simulated}\n---\n\
apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {name: nobi}\nspec: {accountRef: {name: paper}}\n";

/// The YAML blocks of a page, as one set of manifests.
fn shown(page: &str) -> (String, Manifests) {
    let blocks: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|b| b.split("```").next().unwrap())
        .collect();
    let text = blocks.join("---\n");
    let m = manifest::parse(&[("page.yaml".into(), text.clone())]).unwrap();
    (text, m)
}

fn minimal() -> Manifests {
    manifest::parse(&[("minimal.yaml".into(), MINIMAL.into())]).unwrap()
}

/// The keys of an object and of all objects in it.
fn keys(v: &Value, into: &mut BTreeSet<String>) {
    if let Value::Object(map) = v {
        for (k, v) in map {
            into.insert(k.clone());
            keys(v, into);
        }
    }
}

#[test]
fn manifests_md_shows_every_field_at_its_default() {
    let (text, page) = shown(MANIFESTS);
    let code = minimal();
    assert_eq!(page.accounts[0].object.spec, code.accounts[0].object.spec);
    assert_eq!(
        page.strategies[0].object.spec,
        code.strategies[0].object.spec
    );
    // Equal could also mean left out: every field that has a default stands there in so many words.
    let mut wanted = BTreeSet::new();
    let spec = serde_json::to_value(&code.accounts[0].object.spec).unwrap();
    keys(&spec, &mut wanted);
    let spec = serde_json::to_value(&code.strategies[0].object.spec).unwrap();
    keys(&spec, &mut wanted);
    wanted.remove("takeProfitAtr");
    for k in wanted {
        assert!(text.contains(&format!("{k}:")), "{k} is not shown");
    }
}

#[test]
fn the_manifest_of_the_readme_is_valid() {
    let (_, m) = shown(README);
    assert_eq!((m.accounts.len(), m.strategies.len()), (1, 1));
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (page, dir, text) in [
        ("README.md", "", README),
        ("docs/manifests.md", "docs", MANIFESTS),
        ("docs/api.md", "docs", include_str!("../../docs/api.md")),
        (
            "charts/helios-crds/README.md",
            "charts/helios-crds",
            include_str!("../../charts/helios-crds/README.md"),
        ),
        (
            "charts/helios/README.md",
            "charts/helios",
            include_str!("../../charts/helios/README.md"),
        ),
        (
            "docs/kubernetes.md",
            "docs",
            include_str!("../../docs/kubernetes.md"),
        ),
        (
            "docs/architecture.md",
            "docs",
            include_str!("../../docs/architecture.md"),
        ),
        ("docs/venue.md", "docs", include_str!("../../docs/venue.md")),
        (
            "docs/exchange.md",
            "docs",
            include_str!("../../docs/exchange.md"),
        ),
        (
            "docs/clients.md",
            "docs",
            include_str!("../../docs/clients.md"),
        ),
        ("docs/nats.md", "docs", include_str!("../../docs/nats.md")),
        ("docs/e2e.md", "docs", include_str!("../../docs/e2e.md")),
        (
            "docs/messages.md",
            "docs",
            include_str!("../../docs/messages.md"),
        ),
        (
            "docs/metrics.md",
            "docs",
            include_str!("../../docs/metrics.md"),
        ),
    ] {
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let target = target.split('#').next().unwrap();
            let local = !target.starts_with("http") && !target.is_empty();
            assert!(
                !local || root.join(dir).join(target).exists(),
                "{page}: {target}"
            );
        }
    }
}
