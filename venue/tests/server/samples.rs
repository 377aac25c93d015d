//! The exchange's own examples, and what an answer lacks of one.

use serde_json::Value;
use std::collections::BTreeMap;

fn shared(path: &str) -> Option<String> {
    let path = format!(
        "{}/../../shared/data/samples/{path}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("SKIPPED: {path} is missing");
    }
    text
}

/// The connector's examples by file and function.
pub fn examples() -> Option<BTreeMap<String, Value>> {
    let mut out = BTreeMap::new();
    for line in shared("binance_connector_rust_usdm_examples.jsonl")?.lines() {
        let v: Value = serde_json::from_str(line).unwrap();
        let f = |k: &str| v[k].as_str().unwrap().to_owned();
        out.insert(format!("{}/{}", f("file"), f("fn")), v["json"].clone());
    }
    Some(out)
}

pub fn nautilus(name: &str) -> Option<Value> {
    let v: Value = serde_json::from_str(&shared(&format!("nautilus/{name}.json"))?).unwrap();
    Some(v.get("data").cloned().unwrap_or(v))
}

fn kind(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What `ours` lacks of `sample`; `but` names fields that differ on purpose.
fn lacks(at: &str, sample: &Value, ours: &Value, but: &[&str], out: &mut Vec<String>) {
    match (sample, ours) {
        (Value::Object(s), Value::Object(o)) => {
            for (k, v) in s.iter().filter(|(k, _)| !but.contains(&k.as_str())) {
                match o.get(k) {
                    Some(mine) => lacks(&format!("{at}.{k}"), v, mine, but, out),
                    None => out.push(format!("{at}.{k} is missing")),
                }
            }
        }
        (Value::Array(s), Value::Array(o)) => {
            if let (Some(s), Some(o)) = (s.first(), o.first()) {
                lacks(&format!("{at}[0]"), s, o, but, out);
            }
        }
        (s, o) if kind(s) != kind(o) => {
            out.push(format!("{at} is {} ({o}), not {} ({s})", kind(o), kind(s)));
        }
        _ => {}
    }
}

pub fn same(name: &str, sample: &Value, ours: &Value, but: &[&str]) {
    let mut out = Vec::new();
    lacks(name, sample, ours, but, &mut out);
    assert!(out.is_empty(), "{out:#?}\nours: {ours}");
}
