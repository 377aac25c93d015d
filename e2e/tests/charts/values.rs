//! Values: what is wrong is refused in words, what is documented is what there is.

use crate::rendering::{chart, helm, try_template};
use serde_json::Value;

#[test]
fn values_that_are_wrong_are_refused_with_the_place_and_what_is_wanted() {
    for (values, place, words) in [
        (
            &["operator.replicas=0"] as &[&str],
            "/operator/replicas",
            "minimum",
        ),
        (
            &["operator.replica=2"],
            "/operator",
            "'replica' not allowed",
        ),
        (&["watchNamespace=Trading"], "/watchNamespace", "pattern"),
        (
            &["image.pullPolicy=Sometimes"],
            "/image/pullPolicy",
            "IfNotPresent",
        ),
        (&["image.digest=latest"], "/image/digest", "sha256"),
        (
            &["natsAuth.natsAccount=", "natsAuth.accounts={paper}"],
            "/natsAuth/accounts/0",
            "pattern",
        ),
        (
            &["natsAuth.lifetimeSeconds=5"],
            "/natsAuth/lifetimeSeconds",
            "minimum",
        ),
        (
            &["egress.cidrs={binance.com}"],
            "/egress/cidrs/0",
            "pattern",
        ),
        (
            &["nats.enabled=false", "nats.url=nats://me:secret@h"],
            "/nats/url",
            "pattern",
        ),
        (&["nats.enabled=maybe"], "/nats/enabled", "boolean"),
        (
            &["simulatedVenue.speed=0"],
            "/simulatedVenue/speed",
            "minimum",
        ),
        (
            &["nats.enabled=false"],
            "nats.enabled is false",
            "nats.url=nats://HOST:4222",
        ),
        (
            &["nats.url=nats://h"],
            "nats.url is for your own NATS",
            "nats.enabled=false",
        ),
        (
            &["natsAuth.enabled=false"],
            "lets nobody in",
            "natsAuth.enabled=true",
        ),
        (
            &["natsAuth.keys.create=false"],
            "name the Secret",
            "natsAuth.keys.secretName",
        ),
        (
            &["natsAuth.accounts={default/paper}"],
            "a NATS account each",
            "natsAuth.natsAccount=",
        ),
        (
            &["natsAuth.natsAccount="],
            "list the accounts",
            "namespace/name",
        ),
    ] {
        let refused = try_template("x", values).expect_err(&format!("{values:?}"));
        let refused = refused.to_string();
        assert!(
            refused.contains(place) && refused.contains(words),
            "{values:?}: {refused}"
        );
    }
}

/// Paths of all leaves; an empty map or list is one.
fn leaves(v: &Value, at: &str, into: &mut Vec<String>) {
    match v {
        Value::Object(map) if !map.is_empty() => {
            for (k, v) in map {
                leaves(v, &format!("{at}/{k}"), into);
            }
        }
        _ => into.push(at.into()),
    }
}

#[test]
fn every_value_is_in_the_schema_and_every_object_of_the_schema_is_closed() {
    let text = helm(&["show", "values", &chart("helios")]).unwrap();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let schema = std::fs::read_to_string(format!("{}/values.schema.json", chart("helios")));
    let schema: Value = serde_json::from_str(&schema.unwrap()).unwrap();
    let mut all = Vec::new();
    leaves(&values, "", &mut all);
    assert!(all.len() > 60);
    for path in all {
        let mut at = &schema;
        for part in path.split('/').skip(1) {
            if at["properties"].is_null() {
                break;
            }
            assert_eq!(at["additionalProperties"], false, "{path}");
            at = &at["properties"][part];
            assert!(!at.is_null(), "{path} is not in the schema");
        }
    }
}

#[test]
fn every_value_of_the_schema_has_its_default_written_down() {
    fn walk(schema: &Value, values: &Value, at: &str) {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{at}.{key}");
            // Helm puts it there for charts of charts.
            if path == ".global" || inner["properties"]["requests"].is_object() {
                continue;
            }
            assert!(
                !values[key].is_null(),
                "{path} has no default in values.yaml"
            );
            walk(inner, &values[key], &path);
        }
    }
    let text = std::fs::read_to_string(format!("{}/values.yaml", chart("helios"))).unwrap();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let schema = std::fs::read_to_string(format!("{}/values.schema.json", chart("helios")));
    walk(
        &serde_json::from_str(&schema.unwrap()).unwrap(),
        &values,
        "",
    );
}
