//! Pods that the chart makes: the restricted Pod Security Standard, images, flags that exist, selectors that find them.

use crate::rendering::{RENDERINGS, chart, helm, objects, render, strings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Pod templates with the kind and name of what makes them.
fn templates(objects: &[Value]) -> Vec<(String, &Value)> {
    let named = |o: &Value| format!("{} {}", o["kind"], o["metadata"]["name"]).replace('"', "");
    let of = objects.iter().filter_map(|o| match o["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "Job" => Some((named(o), &o["spec"]["template"])),
        "Pod" => Some((named(o), o)),
        _ => None,
    });
    of.collect()
}

/// What of a pod the restricted standard of Pod Security forbids.
fn violations(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let mut found = Vec::new();
    let mut must = |ok: bool, what: &str| {
        if !ok {
            found.push(what.to_string());
        }
    };
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        must(spec[host].is_null(), host);
    }
    let security = &spec["securityContext"];
    must(security["runAsNonRoot"] == true, "runAsNonRoot");
    must(security["runAsUser"].as_u64() > Some(0), "runAsUser");
    must(
        security["seccompProfile"]["type"] == "RuntimeDefault",
        "seccompProfile",
    );
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let kinds = ["configMap", "emptyDir", "projected", "secret"];
        let known = kinds.iter().any(|k| !volume[*k].is_null());
        must(known, &format!("volume {}", volume["name"]));
    }
    must(
        spec["initContainers"].is_null(),
        "initContainers are not looked at here",
    );
    for c in spec["containers"].as_array().unwrap() {
        let security = &c["securityContext"];
        must(
            security["allowPrivilegeEscalation"] == false,
            "allowPrivilegeEscalation",
        );
        must(
            strings(&security["capabilities"]["drop"]) == ["ALL"],
            "capabilities",
        );
        must(
            security["capabilities"]["add"].is_null(),
            "added capabilities",
        );
        must(security["privileged"].is_null(), "privileged");
        must(security["runAsUser"].is_null(), "a user of its own");
        // Beyond the standard: ours write nowhere but into volumes.
        must(
            security["readOnlyRootFilesystem"] == true,
            "root file system",
        );
        must(
            !c["resources"]["limits"]["memory"].is_null(),
            "limit of memory",
        );
        for port in c["ports"].as_array().into_iter().flatten() {
            must(port["hostPort"].is_null(), "hostPort");
        }
    }
    found
}

#[test]
fn every_pod_keeps_the_restricted_pod_security_standard() {
    for (title, values) in RENDERINGS {
        let objects = render(values);
        let pods = templates(&objects);
        assert!(pods.len() >= 2, "{title}");
        for (name, pod) in pods {
            assert_eq!(violations(pod), [""; 0], "{title}: {name}");
        }
    }
    let bad = serde_json::json!({"spec": {"hostNetwork": true, "containers": [{"securityContext": {"privileged": true}}]}});
    assert!(violations(&bad).len() >= 8, "the check can fail");
}

#[test]
fn only_who_talks_to_the_api_server_has_a_token_for_it() {
    let objects = render(&["simulatedVenue.enabled=true"]);
    let with: Vec<String> = templates(&objects)
        .into_iter()
        .filter(|(_, p)| p["spec"]["automountServiceAccountToken"] != false)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        with,
        [
            "Deployment helios-nats-auth",
            "Deployment helios-operator",
            "Job helios-nats-keys",
            "Job helios-uninstall-check"
        ]
    );
}

#[test]
fn selectors_of_services_budgets_and_policies_find_the_pods_they_mean() {
    for (title, values) in RENDERINGS {
        let objects = render(values);
        let pods = templates(&objects);
        let found = |selector: &Value| {
            let wanted: BTreeMap<String, Value> = serde_json::from_value(selector.clone()).unwrap();
            let fits = |p: &Value| wanted.iter().all(|(k, v)| p["metadata"]["labels"][k] == *v);
            pods.iter().filter(|(_, p)| fits(p)).count()
        };
        for o in &objects {
            let (kind, name) = (o["kind"].as_str().unwrap(), &o["metadata"]["name"]);
            let selector = match kind {
                "Service" => &o["spec"]["selector"],
                "Deployment" | "StatefulSet" | "PodDisruptionBudget" => {
                    &o["spec"]["selector"]["matchLabels"]
                }
                "NetworkPolicy" => &o["spec"]["podSelector"]["matchLabels"],
                _ => continue,
            };
            let n = found(selector);
            let whole = kind == "NetworkPolicy" && selector.as_object().unwrap().len() == 2;
            // A policy may mean a job that is only there while it runs, and is not rendered here.
            let jobs = whole && *name == "helios-jobs";
            assert!(
                jobs || if whole { n == pods.len() } else { n == 1 },
                "{title}: {kind} {name} finds {n}"
            );
        }
    }
}

#[test]
fn a_new_version_of_the_chart_does_not_restart_nats_that_it_does_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut copying = Command::new("cp");
    copying.arg("-r").arg(chart("helios")).arg(dir.path());
    assert!(copying.status().unwrap().success());
    let copy = dir.path().join("helios");
    let nats = |version: &str| {
        let about = copy.join("Chart.yaml");
        let text = std::fs::read_to_string(&about).unwrap();
        let lines = text.lines().map(|l| match l.split_once(": ") {
            Some((key @ ("version" | "appVersion"), _)) => format!("{key}: {version}\n"),
            _ => format!("{l}\n"),
        });
        std::fs::write(&about, lines.collect::<String>()).unwrap();
        let args = ["template", "helios", copy.to_str().unwrap(), "-n", "x"];
        let all = objects(&helm(&args).unwrap());
        let (_, pod) = templates(&all)
            .into_iter()
            .find(|(name, _)| name == "StatefulSet helios-nats")
            .unwrap();
        assert!(all.iter().any(|o| o.to_string().contains(version)));
        pod.clone()
    };
    assert_eq!(nats("7.7.7"), nats("8.8.8"));
}

/// The binary with the feature `kubernetes`: `HELIOS_BIN`, or what was built beside this test.
pub fn binary() -> Option<String> {
    let beside = std::env::current_exe().unwrap();
    let beside = beside.parent().unwrap().with_file_name("helios");
    let named = std::env::var("HELIOS_BIN").ok();
    let mut candidates = named.into_iter().chain([beside.display().to_string()]);
    let knows = |b: &String| {
        let help = Command::new(b).args(["chart", "--help"]).output();
        help.is_ok_and(|o| o.status.success())
    };
    let found = candidates.find(knows);
    if found.is_none() {
        eprintln!(
            "SKIPPED: no helios binary with the feature kubernetes: name one with HELIOS_BIN"
        );
    }
    found
}

/// `helios` and the subcommand that these arguments begin with.
fn help(binary: &str, args: &[&str]) -> String {
    let words = args.iter().take_while(|a| !a.starts_with(['-', '/']));
    let output = Command::new(binary)
        .args(words.clone())
        .arg("--help")
        .output()
        .unwrap();
    let words: Vec<_> = words.collect();
    assert!(output.status.success(), "{words:?} is no subcommand");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_flag_that_pods_are_given_exists() {
    let Some(binary) = binary() else { return };
    for (title, values) in RENDERINGS {
        for (name, pod) in templates(&render(values)) {
            for c in pod["spec"]["containers"].as_array().unwrap() {
                if c["image"].as_str().unwrap().starts_with("nats") {
                    continue;
                }
                let args = strings(&c["args"]);
                let help = help(&binary, &args);
                for flag in args.iter().filter(|a| a.starts_with("--")) {
                    let flag = flag.split('=').next().unwrap();
                    let known = help
                        .split_whitespace()
                        .any(|w| w.trim_end_matches(',') == flag);
                    assert!(known, "{title}: {name}: {flag} is unknown");
                }
            }
        }
    }
}

#[test]
fn the_operator_hands_on_what_its_pods_need() {
    let objects = render(&[
        "watchNamespace=trading",
        "nats.enabled=false",
        "nats.url=nats://nats.messaging.svc:4333",
        "nats.podLabels.app=nats",
        "egress.cidrs={203.0.113.0/24}",
        "networkPolicies.apiServerPorts={443,8443}",
        "networkPolicies.apiServerCidrs={10.0.0.1/32}",
        "networkPolicies.metricsFrom.team=monitoring",
        "image.pullSecrets={one}",
        "traders.priorityClass.create=true",
    ]);
    let operator = templates(&objects)
        .into_iter()
        .find(|(n, _)| n == "Deployment helios-operator");
    let (_, pod) = operator.unwrap();
    let args = strings(&pod["spec"]["containers"][0]["args"]);
    for wanted in [
        "--namespace=trading",
        "--image=helios:0.1.0",
        "--image-pull-secret=one",
        "--nats=nats://nats.messaging.svc:4333",
        "--nats-pod-label=app=nats",
        "--egress-cidr=203.0.113.0/24",
        "--api-server-port=443",
        "--api-server-port=8443",
        "--api-server-cidr=10.0.0.1/32",
        "--metrics-from=team=monitoring",
        "--priority-class=helios-trading-trading",
        "--coordinator-role=helios-trading-coordinator",
        "--lease=helios-operator",
    ] {
        assert!(args.contains(&wanted), "{wanted} is not in {args:?}");
    }
    let token = &pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "helios-nats");
}

#[test]
fn each_server_of_a_list_of_nats_servers_may_be_reached() {
    let objects = render(&[
        "nats.enabled=false",
        "nats.url=tls://a.example:4333\\,tls://b.example\\,tls://c.example:4333",
    ]);
    for name in ["helios-operator", "helios-nats-auth"] {
        let policy = objects
            .iter()
            .find(|o| o["kind"] == "NetworkPolicy" && o["metadata"]["name"] == name);
        let rules = policy.unwrap()["spec"]["egress"].as_array().unwrap();
        let ports = rules.last().unwrap()["ports"].as_array().unwrap();
        let ports: Vec<&Value> = ports.iter().map(|p| &p["port"]).collect();
        assert_eq!(ports, [4333, 4222], "{name}");
    }
}
