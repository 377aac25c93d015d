//! What the definitions look like: defaults, bounds, descriptions, names and columns.

use crate::structural::defaulted;
use crate::verdict::{Kind, Said, schema, server, smallest};
use helios_crds::kube::{
    AccountStatus, HeliosAccount, HeliosStrategy, SCHEMA_SHA256, StrategyStatus, crds,
    schema_digest,
};
use serde_json::{Value, json};

/// Every node of a schema with its path.
fn nodes(node: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, node);
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        nodes(child, &format!("{path}.{name}"), visit);
    }
    for (word, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if node[word].is_object() {
            nodes(&node[word], &format!("{path}{mark}"), visit);
        }
    }
}

#[test]
fn what_an_api_server_stores_of_a_silent_object_is_what_the_rust_types_show() {
    let account = defaulted(schema(Kind::Account), &smallest(Kind::Account));
    let ours: helios_crds::HeliosAccount = serde_json::from_value(smallest(Kind::Account)).unwrap();
    assert_eq!(account["spec"], serde_json::to_value(&ours.spec).unwrap());
    let strategy = defaulted(schema(Kind::Strategy), &smallest(Kind::Strategy));
    let ours: helios_crds::HeliosStrategy =
        serde_json::from_value(smallest(Kind::Strategy)).unwrap();
    assert_eq!(strategy["spec"], serde_json::to_value(&ours.spec).unwrap());
}

#[test]
fn an_object_that_names_only_half_of_a_group_gets_the_other_half() {
    let mut object = smallest(Kind::Strategy);
    object["spec"]["risk"] = json!({"atr": {"period": 20}});
    let stored = defaulted(schema(Kind::Strategy), &object);
    let ours: helios_crds::HeliosStrategy = serde_json::from_value(object).unwrap();
    assert_eq!(stored["spec"], serde_json::to_value(&ours.spec).unwrap());
    assert_eq!(stored["spec"]["risk"]["atr"]["period"], 20);
}

#[test]
fn numbers_are_signed_nothing_is_nullable_and_lists_and_status_have_no_defaults() {
    for kind in [Kind::Account, Kind::Strategy] {
        nodes(schema(kind), "", &mut |path, node| {
            let format = node["format"].as_str().unwrap_or("int32");
            assert!(
                ["int32", "int64", "date-time"].contains(&format),
                "{path}: {format}"
            );
            assert!(node.get("nullable").is_none(), "{path}");
            if path.contains("[]") || path.starts_with(".status") {
                assert!(node.get("default").is_none(), "{path}");
            }
        });
    }
}

#[test]
fn every_text_list_and_map_of_a_spec_has_a_bound_and_every_whole_number_a_rule() {
    for kind in [Kind::Account, Kind::Strategy] {
        nodes(schema(kind), "", &mut |path, node| {
            if !path.starts_with(".spec") {
                return;
            }
            match node["type"].as_str() {
                Some("string") => assert!(
                    node["maxLength"].is_number() || node["enum"].is_array(),
                    "{path}"
                ),
                Some("array") => assert!(node["maxItems"].is_number(), "{path}"),
                Some("object") if node["additionalProperties"].is_object() => {
                    assert!(node["maxProperties"].is_number(), "{path}");
                }
                // Any order of strategies is one.
                Some("integer") if path != ".spec.priority" => {
                    assert!(node["x-kubernetes-validations"].is_array(), "{path}");
                }
                _ => {}
            }
        });
    }
}

/// An API server refuses a definition whose rules could cost too much, and the text of a number has no length that it knows:
/// `string(self)` in a message is enough for that.
#[test]
fn no_rule_makes_a_text_of_a_number() {
    for kind in [Kind::Account, Kind::Strategy] {
        nodes(schema(kind), "", &mut |path, node| {
            for rule in node["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                assert!(!rule.to_string().contains("string("), "{path}: {rule}");
            }
        });
    }
}

#[test]
fn every_field_is_described_in_a_sentence_with_a_full_stop() {
    for kind in [Kind::Account, Kind::Strategy] {
        nodes(schema(kind), "", &mut |path, node| {
            let own = path.is_empty() || path.starts_with(".spec") || path.starts_with(".status");
            if !own || path.ends_with("[]") || path.ends_with("{}") {
                return;
            }
            let text = node["description"].as_str().unwrap_or_default();
            assert!(
                text.ends_with('.') && text.contains(' '),
                "{path}: {text:?}"
            );
            assert!(
                text.starts_with(char::is_uppercase) || path.contains("conditions[]"),
                "{path}: {text:?}"
            );
        });
    }
}

#[test]
fn the_definitions_have_the_names_and_columns_that_are_promised() {
    let all = crds();
    let account = serde_json::to_value(&all[0]).unwrap();
    let strategy = serde_json::to_value(&all[1]).unwrap();
    let columns = |crd: &Value| -> Vec<(String, i64)> {
        crd["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                (
                    c["name"].as_str().unwrap().to_uppercase(),
                    c["priority"].as_i64().unwrap_or(0),
                )
            })
            .collect()
    };
    let named = |list: &[(&str, i64)]| -> Vec<(String, i64)> {
        list.iter().map(|(n, p)| ((*n).to_string(), *p)).collect()
    };
    assert_eq!(
        columns(&account),
        named(&[
            ("VENUE", 0),
            ("ENVIRONMENT", 0),
            ("COORDINATORS", 0),
            ("MARGIN", 0),
            ("LATCHES", 0),
            ("STATE", 0),
            ("AGE", 0),
            ("LEADER", 1),
            ("MESSAGE", 1)
        ])
    );
    assert_eq!(
        columns(&strategy),
        named(&[
            ("ACCOUNT", 0),
            ("READY", 0),
            ("UPDATED", 0),
            ("STATE", 0),
            ("AGE", 0),
            ("SUSPEND", 1),
            ("MESSAGE", 1)
        ])
    );
    for (crd, short) in [(&account, "ha"), (&strategy, "hs")] {
        assert_eq!(crd["spec"]["group"], "helios.trading");
        assert_eq!(crd["spec"]["scope"], "Namespaced");
        assert_eq!(crd["spec"]["names"]["shortNames"], json!([short]));
        assert_eq!(crd["spec"]["names"]["categories"], json!(["helios"]));
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        assert_eq!(
            crd["metadata"]["annotations"][SCHEMA_SHA256],
            schema_digest(kind).unwrap()
        );
        let version = &crd["spec"]["versions"][0];
        assert_eq!(version["name"], "v1alpha1");
        assert_eq!(version["subresources"], json!({"status": {}}), "no scale");
    }
    assert_eq!(account["metadata"]["name"], "heliosaccounts.helios.trading");
    assert_eq!(
        strategy["metadata"]["name"],
        "heliosstrategies.helios.trading"
    );
    assert_eq!(schema_digest("Pod"), None);
}

#[test]
fn a_stored_object_gives_the_same_manifest_as_a_file() {
    let mut stored = defaulted(schema(Kind::Strategy), &smallest(Kind::Strategy));
    stored["metadata"]["uid"] = json!("u-1");
    stored["metadata"]["generation"] = json!(3);
    stored["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    stored["status"] = json!({"ready": "0/5"});
    let object: HeliosStrategy = serde_json::from_value(stored).unwrap();
    assert_eq!(
        object.status.as_ref().unwrap().ready.as_deref(),
        Some("0/5")
    );
    let manifest = object.to_manifest();
    let mut file: helios_crds::HeliosStrategy =
        serde_json::from_value(smallest(Kind::Strategy)).unwrap();
    file.metadata.uid = Some("u-1".into());
    file.metadata.generation = Some(3);
    assert_eq!(manifest, file);
    let account: HeliosAccount = serde_json::from_value(smallest(Kind::Account)).unwrap();
    let file: helios_crds::HeliosAccount = serde_json::from_value(smallest(Kind::Account)).unwrap();
    assert_eq!(account.to_manifest(), file);
}

#[test]
fn a_status_that_knows_nothing_writes_nothing() {
    assert_eq!(
        serde_json::to_value(AccountStatus::default()).unwrap(),
        json!({})
    );
    assert_eq!(
        serde_json::to_value(StrategyStatus::default()).unwrap(),
        json!({})
    );
}

#[test]
fn the_samples_are_admitted() {
    for name in ["quickstart", "replay"] {
        let path = format!(
            "{}/../config/samples/{name}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        for text in std::fs::read_to_string(path).unwrap().split("\n---\n") {
            let mut object: Value = serde_saphyr::from_str(text).unwrap();
            object["metadata"]["namespace"] = json!("default");
            let kind = match object["kind"].as_str() {
                Some("HeliosAccount") => Kind::Account,
                _ => Kind::Strategy,
            };
            assert_eq!(server(kind, &object, None), Ok(Said::new()), "{name}");
        }
    }
}
