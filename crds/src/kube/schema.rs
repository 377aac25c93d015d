//! From the Rust types to a schema that an API server takes: generated, cleaned, bounded, and given its rules.
//!
//! Kubernetes wants one signed integer per number, no `nullable`, no defaults in list items (tools that compare what is
//! written with what is stored take lists whole) and none in a status.

use super::bounds::{KEYED, LISTS, MAPS, TEXTS};
use super::rules::{self, Rule};
use super::status::{AccountStatus, StrategyStatus};
use crate::account::AccountSpec;
use crate::strategy::StrategySpec;
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{AddNullable, transform_subschemas};
use serde_json::{Map, Value, json};

const ACCOUNT: &str = "A HeliosAccount is one account at one venue: where it trades, with which keys, and how its margin \
    is protected. It owns the coordinator, and several HeliosStrategies may share it.";
const STRATEGY: &str = "A HeliosStrategy says what is traded on a HeliosAccount, when and how much. It runs one worker for \
    each symbol of its watchlist.";

/// The whole schema of a kind.
pub(super) fn of(kind: &str) -> Option<Value> {
    match kind {
        "HeliosAccount" => Some(whole(
            ACCOUNT,
            generated::<AccountSpec>(),
            generated::<AccountStatus>(),
            &rules::account(),
        )),
        "HeliosStrategy" => Some(whole(
            STRATEGY,
            generated::<StrategySpec>(),
            generated::<StrategyStatus>(),
            &rules::strategy(),
        )),
        _ => None,
    }
}

fn whole(description: &str, mut spec: Value, mut status: Value, rules: &[Rule]) -> Value {
    clean(&mut spec, true);
    clean(&mut status, false);
    let mut root = json!({
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            // What a rule may point at: an API server allows the name and nothing else of the metadata here.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": status,
        },
    });
    for (places, word) in [
        (&TEXTS[..], "maxLength"),
        (&LISTS[..], "maxItems"),
        (&MAPS[..], "maxProperties"),
    ] {
        for (path, most) in places {
            set(&mut root, path, word, json!(most));
        }
    }
    for (path, key) in KEYED {
        set(&mut root, path, "x-kubernetes-list-type", json!("map"));
        set(&mut root, path, "x-kubernetes-list-map-keys", json!([key]));
    }
    let condition = "status.conditions[].status";
    set(
        &mut root,
        condition,
        "enum",
        json!(["True", "False", "Unknown"]),
    );
    for rule in rules {
        if let Some(node) = at(&mut root, &rule.at) {
            let list = node
                .entry("x-kubernetes-validations")
                .or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(rule.to_json());
            }
        }
    }
    root
}

/// As the derive of `CustomResource` generates it, with the meaning of enum values added.
fn generated<T: JsonSchema>() -> Value {
    SchemaSettings::openapi3()
        .with(|s| {
            s.inline_subschemas = true;
            s.meta_schema = None;
        })
        .with_transform(describe_values)
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Puts what each value of an enum means into the enum's own description: the structural form keeps the values only.
fn describe_values(schema: &mut schemars::Schema) {
    transform_subschemas(&mut describe_values, schema);
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else {
        return;
    };
    let mut lines = Vec::new();
    for v in variants {
        let value = v.get("const").or_else(|| v.pointer("/enum/0"));
        let (Some(value), Some(text)) = (
            value.and_then(Value::as_str),
            v.get("description").and_then(Value::as_str),
        ) else {
            return;
        };
        lines.push(format!("{value}: {text}"));
    }
    let own = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = format!("{own}\n{}", lines.join("\n"));
    schema.insert("description".into(), json!(text));
}

/// Takes out what Kubernetes does not want, here and below.
fn clean(node: &mut Value, defaults: bool) {
    let Value::Object(map) = node else { return };
    for word in ["nullable", "title"] {
        map.remove(word);
    }
    if !defaults {
        map.remove("default");
    }
    if let Some(text) = map.get_mut("description")
        && let Some(t) = text.as_str()
    {
        // Lines of the source break where they must; those of a list begin with a value and a colon.
        *text = json!(unwrapped(t));
    }
    let signed = match map.get("format").and_then(Value::as_str) {
        Some("uint32" | "uint16" | "uint8") => Some("int32"),
        Some("uint64" | "uint") => Some("int64"),
        _ => None,
    };
    if let Some(f) = signed {
        map.insert("format".into(), json!(f));
        // A rule says it, with what to write instead.
        map.remove("minimum");
    }
    for (word, keep) in [("items", false), ("additionalProperties", defaults)] {
        if let Some(child) = map.get_mut(word) {
            clean(child, keep);
        }
    }
    if let Some(Value::Object(children)) = map.get_mut("properties") {
        for child in children.values_mut() {
            clean(child, defaults);
        }
    }
}

fn unwrapped(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let listed = line.split_once(": ").is_some_and(|(word, _)| {
            word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !out.is_empty() {
            out.push(if listed { '\n' } else { ' ' });
        }
        out.push_str(line.trim());
    }
    out
}

fn set(root: &mut Value, path: &str, word: &str, value: Value) {
    if let Some(node) = at(root, path) {
        node.insert(word.into(), value);
    }
}

/// The node of a path such as `spec.watchlist.symbols[]`; of a kind that has no such field, nothing.
fn at<'a>(root: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    let mut node = root;
    for part in path.split('.').filter(|p| !p.is_empty()) {
        let (name, items) = part
            .strip_suffix("[]")
            .map_or((part, false), |name| (name, true));
        node = node.get_mut("properties")?.get_mut(name)?;
        if items {
            node = node.get_mut("items")?;
        }
    }
    node.as_object_mut()
}
