//! Block YAML that a person can read and both YAML 1.1 and 1.2 read alike: what could be anything but text is quoted.

use serde_json::Value;

pub fn document(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Keys as they read best at the head of a definition; the rest follows by name.
const FIRST: [&str; 5] = ["apiVersion", "kind", "metadata", "name", "description"];

fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            let rank = |k: &str| FIRST.iter().position(|f| *f == k).unwrap_or(FIRST.len());
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|k| (rank(k), k.as_str()));
            for k in keys {
                out.push_str(&format!("{pad}{}:", text(k)));
                below(&map[k], indent + 2, out);
            }
        }
        Value::Array(list) => {
            for v in list {
                let mut item = String::new();
                if nests(v) {
                    block(v, indent + 2, &mut item);
                    out.push_str(&format!("{pad}- {}", item.trim_start()));
                } else {
                    out.push_str(&format!("{pad}- {}\n", scalar(v)));
                }
            }
        }
        v => out.push_str(&format!("{pad}{}\n", scalar(v))),
    }
}

fn below(value: &Value, indent: usize, out: &mut String) {
    if nests(value) {
        out.push('\n');
        block(value, indent, out);
    } else {
        out.push_str(&format!(" {}\n", scalar(value)));
    }
}

fn nests(v: &Value) -> bool {
    v.as_object().is_some_and(|m| !m.is_empty()) || v.as_array().is_some_and(|l| !l.is_empty())
}

fn scalar(v: &Value) -> String {
    match v {
        Value::String(s) => text(s),
        Value::Number(n) => match n.as_f64() {
            // The definitions' types hold bounds as floats.
            Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 1e15 => format!("{f}"),
            _ => n.to_string(),
        },
        v => v.to_string(),
    }
}

/// Plain where it begins with a letter and is one word that no reader takes for a boolean, a number or nothing; else quoted.
fn text(s: &str) -> String {
    let word = s.starts_with(|c: char| c.is_ascii_alphabetic())
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    let special = [
        "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf",
    ];
    if word && !special.contains(&s.to_ascii_lowercase().as_str()) {
        s.into()
    } else {
        Value::String(s.into()).to_string()
    }
}
