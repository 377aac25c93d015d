//! The reference of both kinds as a page of tables: field, type, default, rules, meaning.

use helios_crds::kube::crds;
use serde_json::Value;
use std::collections::BTreeMap;

const HEAD: &str = "# API reference

Generated from the schema by `make generate`. How the fields work together is in [manifests.md](manifests.md).

Group `helios.trading`, version `v1alpha1`. A type `decimal` is a number in quotes with up to 10 digits, and up to 5 after a
point; `quantity` is Kubernetes' own, such as `250m` or `128Mi`, and so are conditions. Fields in **bold** are required. A rule
is checked when the object is written; its words say what to write instead.
";

/// A path and what must hold there, in the words of the rules.
type Rules = BTreeMap<String, Vec<String>>;

pub fn page() -> String {
    let mut out = String::from(HEAD);
    for crd in crds() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let schema = &schema["openAPIV3Schema"];
        let names = &crd.spec.names;
        out.push_str(&format!(
            "\n## {}\n\n{}\n\n`kubectl get {}`, short `{}`; `kubectl get helios` lists both kinds.\n",
            names.kind,
            schema["description"].as_str().unwrap(),
            names.plural,
            names.short_names.as_ref().unwrap().join("`, `"),
        ));
        let mut rules = Rules::new();
        collect(schema, "", &mut rules);
        for words in rules.get("metadata.name").into_iter().flatten() {
            out.push_str(&format!("\nIts `metadata.name`: {words}.\n"));
        }
        for part in ["spec", "status"] {
            let mut todo = vec![(part.to_string(), &schema["properties"][part])];
            while !todo.is_empty() {
                let (path, node) = todo.remove(0);
                let below = section(&names.kind, &path, node, &rules, &mut out);
                todo.splice(0..0, below);
            }
        }
    }
    out
}

/// The rules of a node and of all below it, by the field that each is about.
fn collect(node: &Value, path: &str, into: &mut Rules) {
    for r in node["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let field = format!("{path}{}", r["fieldPath"].as_str().unwrap_or_default());
        let words = r["message"].as_str().unwrap().to_string();
        let field = field.trim_start_matches('.').to_string();
        into.entry(field).or_default().push(words);
    }
    for (word, what) in [
        ("maxLength", "characters"),
        ("maxItems", "entries"),
        ("maxProperties", "entries"),
    ] {
        // A decimal's length is in its type.
        if let Some(most) = node[word].as_u64()
            && node.get("pattern").is_none()
        {
            let words = format!("at most {most} {what}");
            into.entry(path.into()).or_default().push(words);
        }
    }
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        let below = format!("{path}.{name}");
        collect(child, below.trim_start_matches('.'), into);
    }
    if node["items"].is_object() {
        collect(&node["items"], &format!("{path}[]"), into);
    }
}

/// A table of the fields of an object; gives the objects below.
fn section<'a>(
    of: &str,
    path: &str,
    node: &'a Value,
    rules: &Rules,
    out: &mut String,
) -> Vec<(String, &'a Value)> {
    let mut below = Vec::new();
    let Some(fields) = node["properties"].as_object() else {
        return below;
    };
    let status = path.starts_with("status");
    out.push_str(&format!("\n### {of}: `{path}`\n\n"));
    out.push_str(if status {
        "| field | type | meaning |\n|---|---|---|\n"
    } else {
        "| field | type | default | rules | meaning |\n|---|---|---|---|---|\n"
    });
    let required: Vec<&str> = node["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_by_key(|n| (!required.contains(&n.as_str()), n.as_str()));
    for name in names {
        let field = &fields[name];
        let here = format!("{path}.{name}");
        let label = if required.contains(&name.as_str()) {
            format!("**`{name}`**")
        } else {
            format!("`{name}`")
        };
        let meaning = cell(field["description"].as_str().unwrap_or_default());
        if status {
            out.push_str(&format!("| {label} | {} | {meaning} |\n", kind(field)));
        } else {
            let mut said = rules.get(&here).cloned().unwrap_or_default();
            let each = rules.get(&format!("{here}[]")).into_iter().flatten();
            said.extend(each.map(|words| format!("each: {words}")));
            out.push_str(&format!(
                "| {label} | {} | {} | {} | {meaning} |\n",
                kind(field),
                default(field),
                cell(&said.join("; "))
            ));
        }
        // What a condition is, is Kubernetes' own matter.
        if name == "conditions" {
            continue;
        }
        for (child, path) in [
            (field, here.clone()),
            (&field["items"], format!("{here}[]")),
        ] {
            if child["properties"].is_object() {
                below.push((path, child));
            }
        }
    }
    below
}

fn kind(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "quantity".into();
    }
    match field["type"].as_str().unwrap_or("any") {
        "string" if field["enum"].is_array() => {
            let values: Vec<&str> = field["enum"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            format!("`{}`", values.join("`, `"))
        }
        "string" if field["pattern"].is_string() => "decimal".into(),
        "string" if field["format"] == "date-time" => "time".into(),
        "array" => match kind(&field["items"]).as_str() {
            "object" => "list of objects".into(),
            "string" => "list of strings".into(),
            other => format!("list of {other}"),
        },
        "object" if field["additionalProperties"].is_object() => {
            format!("map of {}", kind(&field["additionalProperties"]))
        }
        other => other.into(),
    }
}

/// Objects show their defaults field by field.
fn default(field: &Value) -> String {
    match field.get("default") {
        None | Some(Value::Object(_)) => String::new(),
        Some(v) => format!("`{v}`"),
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', "<br>")
}
