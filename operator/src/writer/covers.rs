//! Whether an object that is there already holds everything that is wanted of it.
//!
//! An API server adds defaults, and others add labels; what they added is theirs. So an object needs writing only when a
//! field that is wanted is missing or differs. Writing what changes nothing would still cost a request, and an event for
//! everybody who watches.

use serde_json::Value;

/// `there` holds all of `wanted`.
pub fn covers(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(t), Value::Object(w)) => w.iter().all(|(key, value)| match t.get(key) {
            Some(found) => covers(found, value),
            None => is_nothing(value),
        }),
        // Lists are wanted whole: an element that is not wanted any more must go.
        (Value::Array(t), Value::Array(w)) => {
            t.len() == w.len() && t.iter().zip(w).all(|(t, w)| covers(t, w))
        }
        (t, w) => t == w || (is_nothing(w) && is_nothing(t)),
    }
}

/// API servers leave out empty lists and texts. `false`, 0 and `{}` are kept and mean something: no token is mounted, none
/// may be missing, in every namespace.
fn is_nothing(v: &Value) -> bool {
    match v {
        Value::Null => true,
        Value::Array(a) => a.is_empty(),
        Value::String(s) => s.is_empty(),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_added_is_no_difference() {
        let there = json!({"a": {"b": 1, "default": true}, "l": [{"n": "x", "added": 1}]});
        assert!(covers(&there, &json!({"a": {"b": 1}, "l": [{"n": "x"}]})));
        assert!(covers(
            &there,
            &json!({"list": [], "text": "", "none": null})
        ));
    }

    #[test]
    fn a_field_that_is_missing_or_differs_is_one() {
        let there = json!({"a": {"b": 1}, "l": [{"n": "x"}, {"n": "y"}]});
        assert!(!covers(&there, &json!({"a": {"b": 2}})));
        assert!(!covers(&there, &json!({"c": "d"})));
        for meant in [json!(false), json!(0), json!({})] {
            assert!(!covers(&there, &json!({"c": meant})), "{meant}");
        }
        assert!(
            !covers(&there, &json!({"l": [{"n": "x"}]})),
            "an element too many"
        );
        assert!(!covers(&there, &json!({"l": [{"n": "y"}, {"n": "x"}]})));
    }
}
