//! Two verdicts on one object: the API server's and the Rust rules'.

use crate::structural;
use helios_crds::kube::crds;
use helios_crds::validate::{self, Problem};
use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Account,
    Strategy,
}

/// A path without the indexes of lists, and what is said there.
pub type Said = BTreeSet<(String, String)>;

pub fn schema(kind: Kind) -> &'static Value {
    static ALL: OnceLock<Vec<Value>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        crds()
            .iter()
            .map(|c| serde_json::to_value(&c.spec.versions[0].schema).unwrap())
            .map(|v| v["openAPIV3Schema"].clone())
            .collect()
    });
    &all[kind as usize]
}

/// The smallest object that is admitted.
pub fn smallest(kind: Kind) -> Value {
    match kind {
        Kind::Account => json!({
            "apiVersion": "helios.trading/v1alpha1",
            "kind": "HeliosAccount",
            "metadata": {"name": "paper", "namespace": "default"},
            "spec": {"venue": "Simulated"},
        }),
        Kind::Strategy => json!({
            "apiVersion": "helios.trading/v1alpha1",
            "kind": "HeliosStrategy",
            "metadata": {"name": "nobi", "namespace": "default"},
            "spec": {"accountRef": {"name": "paper"}},
        }),
    }
}

/// What an API server says of a new object, or of a change of one: `Err` where the schema alone refuses it.
pub fn server(kind: Kind, object: &Value, old: Option<&Value>) -> Result<Said, Vec<String>> {
    let errors = evaluated(kind, object, old)?;
    Ok(errors
        .into_iter()
        .map(|e| {
            assert_eq!(e.kind, ErrorKind::ValidationFailure, "{e}");
            let path = without_indexes(e.field_path.trim_start_matches('.'));
            (path, e.message)
        })
        .collect())
}

/// The rules that an object breaks, each with the field that it names.
pub fn broken_rules(kind: Kind, object: &Value) -> Said {
    let errors = evaluated(kind, object, None).unwrap_or_default();
    errors
        .into_iter()
        .map(|e| {
            let path = without_indexes(e.field_path.trim_start_matches('.'));
            (path, e.rule)
        })
        .collect()
}

fn evaluated(
    kind: Kind,
    object: &Value,
    old: Option<&Value>,
) -> Result<Vec<ValidationError>, Vec<String>> {
    thread_local! {
        static READY: (Validator, [CompiledSchema; 2]) = (
            Validator::new(),
            [Kind::Account, Kind::Strategy].map(|k| compile_schema(schema(k))),
        );
    }
    let schema = schema(kind);
    let object = structural::defaulted(schema, object);
    let mut own = object.clone();
    // What every object has is the server's own business.
    for word in ["apiVersion", "kind", "metadata"] {
        own.as_object_mut().unwrap().remove(word);
    }
    let found = structural::problems(schema, &own);
    if !found.is_empty() {
        return Err(found);
    }
    let old = old.map(|o| structural::defaulted(schema, o));
    READY.with(|(validator, compiled)| {
        let verdict = validator.validate_compiled(&compiled[kind as usize], &object, old.as_ref());
        Ok(verdict.err().into_iter().flatten().collect())
    })
}

/// What the Rust rules say: `Err` where the types alone refuse it.
pub fn rust(kind: Kind, object: &Value) -> Result<Said, String> {
    let found: Vec<Problem> = match kind {
        Kind::Account => serde_json::from_value(object.clone()).map(|o| validate::account(&o)),
        Kind::Strategy => serde_json::from_value(object.clone()).map(|o| validate::strategy(&o)),
    }
    .map_err(|e| e.to_string())?;
    Ok(found.into_iter().map(|p| (p.path, p.message)).collect())
}

fn without_indexes(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// Writes a value at a JSON pointer, making objects on the way; `Null` takes the field away.
pub fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut parts: Vec<&str> = pointer.split('/').skip(1).collect();
    let last = parts.pop().unwrap();
    let mut node = object;
    for p in parts {
        node = if let Value::Array(list) = node {
            let i: usize = p.parse().unwrap();
            &mut list[i]
        } else {
            if !node.is_object() {
                *node = json!({});
            }
            node.as_object_mut()
                .unwrap()
                .entry(p)
                .or_insert_with(|| json!({}))
        };
    }
    if !node.is_object() {
        *node = json!({});
    }
    let map = node.as_object_mut().unwrap();
    if value.is_null() {
        map.remove(last);
    } else {
        map.insert(last.into(), value);
    }
}
