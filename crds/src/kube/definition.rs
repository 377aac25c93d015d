//! The finished definitions: what a chart installs, and the digest by which a running operator knows them again.
//!
//! Types, defaults and descriptions come from the Rust types; names and subresources from their derive; columns, bounds and
//! rules from here and the modules beside. `CustomResourceExt::crd()` of the two kinds has no schema on purpose.

use super::{HeliosAccount, HeliosStrategy, schema};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceValidation,
};
use kube::CustomResourceExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Annotation that counts incompatible changes of the schema.
pub const SCHEMA_VERSION: &str = "helios.trading/schema-version";
/// Its number now; it grows by one with every change that an operator needs.
pub const SCHEMA_NUMBER: u32 = 1;
/// Annotation with the schema's digest.
pub const SCHEMA_SHA256: &str = "helios.trading/schema-sha256";

const READY_REASON: &str = r#".status.conditions[?(@.type=="Ready")].reason"#;
const READY_MESSAGE: &str = r#".status.conditions[?(@.type=="Ready")].message"#;

/// Heading, type, path and whether only `-o wide` shows it.
type Column = (&'static str, &'static str, &'static str, bool);

const ACCOUNT_COLUMNS: [Column; 9] = [
    ("Venue", "string", ".spec.venue", false),
    ("Environment", "string", ".spec.environment", false),
    ("Coordinators", "string", ".status.coordinators", false),
    ("Margin", "string", ".status.margin", false),
    // The list as JSON: `["kill"]`. With `[*]` an API server would show the first alone.
    ("Latches", "string", ".status.latches", false),
    ("State", "string", READY_REASON, false),
    ("Age", "date", ".metadata.creationTimestamp", false),
    ("Leader", "string", ".status.leader", true),
    ("Message", "string", READY_MESSAGE, true),
];

const STRATEGY_COLUMNS: [Column; 7] = [
    ("Account", "string", ".spec.accountRef.name", false),
    ("Ready", "string", ".status.ready", false),
    ("Updated", "integer", ".status.updatedWorkers", false),
    ("State", "string", READY_REASON, false),
    ("Age", "date", ".metadata.creationTimestamp", false),
    ("Suspend", "boolean", ".spec.suspend", true),
    ("Message", "string", READY_MESSAGE, true),
];

/// The definitions of both kinds, as an API server takes them: `HeliosAccount`, then `HeliosStrategy`.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        finished(HeliosAccount::crd(), &ACCOUNT_COLUMNS),
        finished(HeliosStrategy::crd(), &STRATEGY_COLUMNS),
    ]
}

/// SHA-256 over a kind's schema, hex: the annotation [`SCHEMA_SHA256`] of an installed definition says whether it is this one.
/// Nothing where the kind is none of ours.
pub fn schema_digest(kind: &str) -> Option<String> {
    schema::of(kind).map(|s| digest(&s))
}

fn digest(schema: &Value) -> String {
    // Keys of a JSON value are sorted, so that the text is the same on every build.
    Sha256::digest(schema.to_string().as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn finished(mut crd: CustomResourceDefinition, columns: &[Column]) -> CustomResourceDefinition {
    let schema = schema::of(&crd.spec.names.kind).unwrap_or_default();
    crd.metadata.labels = Some(BTreeMap::from([(
        "app.kubernetes.io/part-of".into(),
        "helios".into(),
    )]));
    crd.metadata.annotations = Some(BTreeMap::from([
        // A chart that is uninstalled must not take every strategy with it.
        ("helm.sh/resource-policy".into(), "keep".into()),
        (SCHEMA_VERSION.into(), SCHEMA_NUMBER.to_string()),
        (SCHEMA_SHA256.into(), digest(&schema)),
    ]));
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns.iter().map(column).collect());
        version.schema = Some(CustomResourceValidation {
            // A schema that is none would leave the definition without one, which no API server takes: the tests read it.
            open_api_v3_schema: serde_json::from_value(schema.clone()).ok(),
        });
    }
    crd
}

fn column(&(name, type_, path, wide): &Column) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.into(),
        type_: type_.into(),
        json_path: path.into(),
        priority: wide.then_some(1),
        ..Default::default()
    }
}
