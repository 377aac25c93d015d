//! Every object that is built, against golden files, against Kubernetes' own types and against the restricted Pod Security
//! Standard.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::{NetworkSettings, PodSettings};
use helios_crds::{HeliosAccount, HeliosStrategy, convert};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// The longest names that are admitted, as some objects' names are made of them.
const LONGEST: &str = "an-account-or-strategy-of-forty-characte";
const SYMBOLS: [&str; 3] = ["BTCUSDT", "BTCUSDT_261225", "１２３USDT"];

pub(super) fn account(name: &str, spec: Value) -> HeliosAccount {
    serde_json::from_value(json!({
        "apiVersion": "helios.trading/v1alpha1", "kind": "HeliosAccount",
        "metadata": {"name": name, "namespace": "trading", "uid": "uid-of-the-account"}, "spec": spec,
    }))
    .unwrap()
}

pub(super) fn strategy(name: &str, account: &str, mut spec: Value) -> HeliosStrategy {
    spec["accountRef"] = json!({"name": account});
    serde_json::from_value(json!({
        "apiVersion": "helios.trading/v1alpha1", "kind": "HeliosStrategy",
        "metadata": {"name": name, "namespace": "trading", "uid": "uid-of-the-strategy"}, "spec": spec,
    }))
    .unwrap()
}

pub(super) fn paper() -> HeliosAccount {
    account("paper", json!({"venue": "Simulated"}))
}

pub(super) fn testnet() -> HeliosAccount {
    account(
        "testnet",
        json!({"venue": "BinanceUsdm", "environment": "Testnet", "credentialsSecretRef": {"name": "binance-keys"}}),
    )
}

pub(super) fn plain(account: &str) -> HeliosStrategy {
    strategy("nobi", account, json!({}))
}

fn with_resources(account: &str) -> HeliosStrategy {
    let resources =
        json!({"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
    strategy("nobi", account, json!({"worker": {"resources": resources}}))
}

/// As little as can be set, under an image whose name does not change with versions.
pub(super) fn least() -> PodSettings {
    PodSettings {
        image: "registry.example/helios:golden".into(),
        ..PodSettings::default()
    }
}

/// As much as can be set.
pub(super) fn most() -> PodSettings {
    PodSettings {
        image_pull_policy: "Always".into(),
        image_pull_secrets: vec!["registry".into()],
        nats_url: "nats://nats.messaging:4322".into(),
        priority_class: "trading".into(),
        network: Some(NetworkSettings {
            nats_pods: vec![("app.kubernetes.io/name".into(), "nats".into())],
            egress_cidrs: vec!["203.0.113.0/24".into()],
            api_server_ports: vec![8443],
            api_server_cidrs: vec!["10.0.0.1/32".into()],
            metrics_from: vec![("kubernetes.io/metadata.name".into(), "monitoring".into())],
        }),
        coordinators: 3,
        ..least()
    }
}

fn of_account(a: &HeliosAccount, s: &PodSettings) -> Vec<Value> {
    let network = s.network.as_ref().unwrap();
    let mut all = vec![
        coordinator_account(a),
        workers_account(a),
        role_binding(a, s),
        lease(a),
        guardian_state(a),
        service(a),
        coordinator_policy(a, &s.nats_url, network),
        workers_policy(a, &s.nats_url, network),
        coordinator_budget(a, s),
        deployment(a, s),
    ];
    if has_venue(a) {
        all.extend([venue_service(a), venue_policy(a, network), venue(a, s)]);
    }
    all
}

fn of_strategy(a: &HeliosAccount, h: &HeliosStrategy, s: &PodSettings) -> Vec<Value> {
    let d = convert::params_document(h, "uid-of-the-strategy", 3, 1);
    let since = Some("2027-01-15T08:00:00Z");
    let mut all = vec![
        parameters(a, h, &d, &[(crate::names::ROLLOUT_SINCE, since)]),
        budget(h, 5),
    ];
    all.extend(SYMBOLS.map(|symbol| pod(a, h, s, symbol)));
    all
}

/// All cases, by the name of their file.
fn cases() -> Vec<(&'static str, Vec<Value>)> {
    let (p, t) = (paper(), testnet());
    vec![
        ("account-simulated", of_account(&p, &least())),
        ("account-simulated-narrow", of_account(&p, &most())),
        ("account-testnet", of_account(&t, &most())),
        (
            "strategy-simulated",
            of_strategy(&p, &plain("paper"), &least()),
        ),
        (
            "strategy-testnet",
            of_strategy(&t, &with_resources("testnet"), &most()),
        ),
    ]
}

fn everything() -> Vec<Value> {
    let long = account(LONGEST, json!({"venue": "Simulated"}));
    let mut all: Vec<Value> = cases().into_iter().flat_map(|(_, all)| all).collect();
    all.extend(of_account(&long, &least()));
    all.extend(of_strategy(
        &long,
        &strategy(LONGEST, LONGEST, json!({})),
        &least(),
    ));
    all
}

#[test]
fn golden_objects_are_what_the_builders_make() {
    for (name, objects) in cases() {
        let file = format!("tests/golden/{name}.yaml");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let documents = objects.iter().map(|o| {
            let text = serde_saphyr::to_string(o).unwrap();
            let read: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(read, *o, "the text reads back as what was written");
            text
        });
        let documents: Vec<String> = documents.collect();
        let text = format!(
            "# What the operator makes, written by `HELIOS_REGENERATE=1 cargo test -p helios-operator golden`.\n{}",
            documents.join("---\n")
        );
        if std::env::var_os("HELIOS_REGENERATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let stands = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stands == text,
            "operator/{file} is not what is built: run `make generate`, look at what differs, and commit it"
        );
    }
}

fn survives<T: Serialize + DeserializeOwned>(o: &Value) {
    let typed: T = serde_json::from_value(o.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(typed).unwrap(),
        *o,
        "something is lost: it is misspelt"
    );
}

#[test]
fn no_field_of_an_object_is_unknown_to_kubernetes() {
    for o in everything() {
        match o["kind"].as_str().unwrap() {
            "ServiceAccount" => survives::<ServiceAccount>(&o),
            "RoleBinding" => survives::<RoleBinding>(&o),
            "Lease" => survives::<Lease>(&o),
            "ConfigMap" => survives::<ConfigMap>(&o),
            "Service" => survives::<Service>(&o),
            "NetworkPolicy" => survives::<NetworkPolicy>(&o),
            "PodDisruptionBudget" => survives::<PodDisruptionBudget>(&o),
            "Deployment" => survives::<Deployment>(&o),
            "Pod" => survives::<Pod>(&o),
            other => panic!("{other} is not looked at"),
        }
    }
}

#[test]
fn names_and_label_values_have_at_most_63_characters_that_kubernetes_admits() {
    let fine = |s: &str| {
        let middle = s
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        s.len() <= 63 && middle && !s.starts_with('-') && !s.ends_with('-')
    };
    for o in everything() {
        let m = &o["metadata"];
        assert!(fine(m["name"].as_str().unwrap()), "{m}");
        for value in m["labels"].as_object().unwrap().values() {
            assert!(fine(value.as_str().unwrap()), "{m}");
        }
    }
}

/// What of a pod's spec the restricted standard refuses.
fn refused(spec: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let mut must = |holds: bool, words: &str| {
        if !holds {
            out.push(words.to_string());
        }
    };
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        must(spec[host] != true, host);
    }
    let kinds = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for v in spec["volumes"].as_array().into_iter().flatten() {
        let keys = v.as_object().unwrap().keys();
        must(
            keys.into_iter()
                .all(|k| k == "name" || kinds.contains(&k.as_str())),
            "volume",
        );
    }
    let pod = &spec["securityContext"];
    must(pod["sysctls"].is_null(), "sysctls");
    let containers = ["initContainers", "containers", "ephemeralContainers"];
    for c in containers
        .iter()
        .flat_map(|l| spec[*l].as_array().into_iter().flatten())
    {
        let own = &c["securityContext"];
        let either = |field: &str| {
            if own[field].is_null() {
                &pod[field]
            } else {
                &own[field]
            }
        };
        must(own["privileged"] != true, "privileged");
        must(
            own["allowPrivilegeEscalation"] == false,
            "allowPrivilegeEscalation",
        );
        must(
            own["capabilities"]["drop"] == json!(["ALL"]),
            "capabilities",
        );
        must(own["capabilities"]["add"].is_null(), "capabilities");
        must(either("runAsNonRoot") == true, "runAsNonRoot");
        must(*either("runAsUser") != 0, "runAsUser");
        let seccomp = &either("seccompProfile")["type"];
        must(
            seccomp == "RuntimeDefault" || seccomp == "Localhost",
            "seccompProfile",
        );
        must(
            own["procMount"].is_null() && own["seLinuxOptions"].is_null(),
            "masks",
        );
        let ports = c["ports"].as_array().into_iter().flatten();
        must(
            ports.into_iter().all(|p| p["hostPort"].is_null()),
            "hostPort",
        );
    }
    out
}

fn pod_specs() -> Vec<Value> {
    let all = everything()
        .into_iter()
        .filter_map(|o| match o["kind"].as_str() {
            Some("Pod") => Some(o["spec"].clone()),
            Some("Deployment") => Some(o["spec"]["template"]["spec"].clone()),
            _ => None,
        });
    all.collect()
}

#[test]
fn every_pod_is_admitted_by_the_restricted_standard_and_writes_nothing_that_stays() {
    for spec in pod_specs() {
        assert_eq!(refused(&spec), [""; 0]);
        let c = &spec["containers"][0];
        assert_eq!(c["securityContext"]["readOnlyRootFilesystem"], true);
        // But for what goes with the pod.
        let volumes = spec["volumes"].as_array().unwrap();
        let mut kept = volumes.iter().filter(|v| v["emptyDir"].is_null());
        let mounts = c["volumeMounts"].as_array().unwrap();
        let read_only = |name: &Value| {
            mounts
                .iter()
                .all(|m| m["name"] != *name || m["readOnly"] == true)
        };
        assert!(kept.all(|v| read_only(&v["name"])));
    }
}

#[test]
fn the_rules_of_the_standard_bite() {
    let good = pod_specs().remove(0);
    let breaks = [
        ("/hostNetwork", json!(true), "hostNetwork"),
        (
            "/volumes",
            json!([{"name": "x", "hostPath": {"path": "/"}}]),
            "volume",
        ),
        (
            "/securityContext/runAsNonRoot",
            json!(false),
            "runAsNonRoot",
        ),
        ("/securityContext/runAsUser", json!(0), "runAsUser"),
        (
            "/securityContext/seccompProfile/type",
            json!("Unconfined"),
            "seccompProfile",
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
            "allowPrivilegeEscalation",
        ),
        (
            "/containers/0/securityContext/capabilities/drop",
            json!([]),
            "capabilities",
        ),
        ("/containers/0/ports/0/hostPort", json!(80), "hostPort"),
    ];
    for (path, value, words) in breaks {
        let mut bad = good.clone();
        let (parent, field) = path.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[field] = value;
        assert_eq!(refused(&bad), [words], "{path}");
    }
}
