//! The reference of both kinds as a page of tables: field, type, default, rules, meaning.

use helios_crds::kube::crds;
use serde_json::Value;

const HEAD: &str = "# API reference

Generated from the schema by `make generate`. How the fields work together is in [manifests.md](manifests.md).

Group `helios.trading`, version `v1alpha1`. A type `decimal` is a number in quotes with up to 10 digits, and up to 5 after a
point; `quantity` is Kubernetes' own, such as `250m` or `128Mi`. Fields in **bold** are required. A rule is checked when the
object is written; its words say what to write instead.
";

/// A heading, its schema, and what its rules say of fields below.
struct Section<'a> {
    path: String,
    schema: &'a Value,
}

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
        let root = rules(schema, "");
        if !root.is_empty() {
            out.push('\n');
            for r in root {
                out.push_str(&format!("- {r}\n"));
            }
        }
        for part in ["spec", "status"] {
            let mut todo = vec![Section {
                path: part.into(),
                schema: &schema["properties"][part],
            }];
            while !todo.is_empty() {
                let s = todo.remove(0);
                let below = section(&s, part == "status", &mut out);
                todo.splice(0..0, below);
            }
        }
    }
    out
}

fn section<'a>(s: &Section<'a>, status: bool, out: &mut String) -> Vec<Section<'a>> {
    let mut below = Vec::new();
    let Some(fields) = s.schema["properties"].as_object() else {
        return below;
    };
    out.push_str(&format!("\n### `{}`\n\n", s.path));
    out.push_str(if status {
        "| field | type | meaning |\n|---|---|---|\n"
    } else {
        "| field | type | default | rules | meaning |\n|---|---|---|---|---|\n"
    });
    let required: Vec<&str> = s.schema["required"]
        .as_array()
        .map(|r| r.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_by_key(|n| (!required.contains(&n.as_str()), n.as_str()));
    for name in names {
        let field = &fields[name];
        let label = if required.contains(&name.as_str()) {
            format!("**`{name}`**")
        } else {
            format!("`{name}`")
        };
        let meaning = cell(field["description"].as_str().unwrap_or_default());
        if status {
            out.push_str(&format!("| {label} | {} | {meaning} |\n", kind(field)));
        } else {
            let mut said = rules(field, "");
            said.extend(rules(&field["items"], ""));
            said.extend(rules(s.schema, name));
            out.push_str(&format!(
                "| {label} | {} | {} | {} | {meaning} |\n",
                kind(field),
                default(field),
                cell(&said.join("; "))
            ));
        }
        for (schema, path) in [
            (field, format!("{}.{name}", s.path)),
            (&field["items"], format!("{}.{name}[]", s.path)),
        ] {
            if schema["properties"].is_object() {
                below.push(Section { path, schema });
            }
        }
    }
    below
}

/// What the rules on a node say: of the node itself, or of one field below.
fn rules(node: &Value, field: &str) -> Vec<String> {
    let list = node["x-kubernetes-validations"].as_array();
    list.into_iter()
        .flatten()
        .filter(|r| {
            let of = r["fieldPath"].as_str().unwrap_or_default();
            // A rule of the root names the field it means in full and is shown there.
            of.trim_start_matches('.') == field
                || (field.is_empty() && of[1.min(of.len())..].contains('.'))
        })
        .map(|r| {
            let of = r["fieldPath"].as_str().unwrap_or_default();
            let words = r["message"].as_str().unwrap();
            if field.is_empty() && !of.is_empty() {
                format!("`{}`: {words}", of.trim_start_matches('.'))
            } else {
                words.to_string()
            }
        })
        .collect()
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
        "array" => format!("list of {}", kind(&field["items"])),
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
