//! The part of an API server's admission that is no CEL: structural defaulting and value validation.
//!
//! As the server does it, as far as the definitions use it. An unknown field is a problem here, as it is with `kubectl`'s
//! strict validation; a server alone would drop it.

use serde_json::Value;

/// Fills in what a value is silent about, from the top down: a default may itself be silent about something.
pub fn defaulted(schema: &Value, value: &Value) -> Value {
    let mut out = value.clone();
    match &mut out {
        Value::Object(map) => {
            let Some(fields) = schema["properties"].as_object() else {
                return out;
            };
            for (name, field) in fields {
                if !map.contains_key(name)
                    && let Some(d) = field.get("default")
                {
                    map.insert(name.clone(), d.clone());
                }
                if let Some(v) = map.get_mut(name) {
                    *v = defaulted(field, v);
                }
            }
        }
        Value::Array(list) => {
            for v in list {
                *v = defaulted(&schema["items"], v);
            }
        }
        _ => {}
    }
    out
}

/// Everything that the schema alone finds wrong, each with its path.
pub fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    node(schema, value, "", &mut found);
    found
}

fn node(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let mut must = |ok: bool, what: &str| {
        if !ok {
            found.push(format!("{path}: {what}"));
        }
    };
    let int_or_string = schema["x-kubernetes-int-or-string"] == true;
    let fits = match value {
        Value::Null => false,
        Value::Bool(_) => schema["type"] == "boolean",
        Value::Number(n) if n.is_f64() => schema["type"] == "number",
        Value::Number(_) => int_or_string || schema["type"] == "integer",
        Value::String(_) => int_or_string || schema["type"] == "string",
        Value::Array(_) => schema["type"] == "array",
        Value::Object(_) => schema["type"] == "object",
    };
    must(fits, "has the wrong type");
    if let Some(allowed) = schema["enum"].as_array() {
        must(allowed.contains(value), "is none of the values");
    }
    let most = |word: &str| schema[word].as_u64().unwrap_or(u64::MAX);
    match value {
        Value::String(s) => {
            must(s.chars().count() as u64 <= most("maxLength"), "is too long");
            if let Some(p) = schema["pattern"].as_str() {
                must(matches(p, s), "does not match");
            }
        }
        Value::Number(n) => {
            let n = n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
            let n = n.unwrap_or_default();
            let range = match schema["format"].as_str() {
                Some("int32") => i32::MIN.into()..=i32::MAX.into(),
                _ => i64::MIN.into()..=i64::MAX.into(),
            };
            must(range.contains(&n), "does not fit");
            for (word, sign) in [("minimum", -1), ("maximum", 1)] {
                if let Some(bound) = schema[word].as_f64() {
                    must((n - bound as i128) * sign <= 0, "is out of bounds");
                }
            }
        }
        Value::Array(list) => {
            must(list.len() as u64 <= most("maxItems"), "has too many");
            for (i, v) in list.iter().enumerate() {
                node(&schema["items"], v, &format!("{path}[{i}]"), found);
            }
        }
        Value::Object(map) => {
            must(map.len() as u64 <= most("maxProperties"), "has too many");
            for r in schema["required"].as_array().unwrap_or(&Vec::new()) {
                must(map.contains_key(r.as_str().unwrap()), "lacks a field");
            }
            for (name, v) in map {
                let below = format!("{path}.{name}");
                let field = schema["properties"].get(name);
                match field.or(schema.get("additionalProperties")) {
                    Some(s) => node(s, v, &below, found),
                    None => found.push(format!("{below}: is unknown")),
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A pattern through CEL's own matcher: the server takes the same engine for both.
fn matches(pattern: &str, text: &str) -> bool {
    let rule = format!("self.matches('{}')", pattern.replace('\\', "\\\\"));
    let schema = serde_json::json!({
        "type": "string",
        "x-kubernetes-validations": [{"rule": rule}],
    });
    let verdict =
        kube::core::cel::Validator::new().validate(&schema, &Value::String(text.into()), None);
    verdict.is_ok()
}
