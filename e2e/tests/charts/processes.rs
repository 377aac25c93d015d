//! The binary with the rights that the chart gives: its jobs, its operator, its callout and NATS run here as processes, each with
//! the kubeconfig of the service account it has in its pod. Every right that lacks is seen as a refusal.

use crate::definitions::definitions;
use crate::pods::binary;
use crate::rendering::{objects, try_template};
use anyhow::{Result, bail, ensure};
use helios_e2e::{ControlPlane, Namespace, shared, wait_for};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const SOON: Duration = Duration::from_secs(60);
const MANIFESTS: &str = "
apiVersion: helios.trading/v1alpha1
kind: HeliosAccount
metadata: {name: paper}
spec: {venue: Simulated}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosStrategy
metadata: {name: nobi}
spec: {accountRef: {name: paper}}
";

/// A process that ends with its value; what it says is kept.
pub struct Running(Child, PathBuf);

impl Running {
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self(command.spawn().unwrap(), log.into())
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.1).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Status line and body of a GET.
pub fn get(port: u16, path: &str) -> Result<String> {
    let mut s = TcpStream::connect(("127.0.0.1", port))?;
    s.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(s, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let mut text = String::new();
    s.read_to_string(&mut text)?;
    Ok(text)
}

/// Applies what the chart renders of these kinds, hooks too, for a release that watches this namespace alone.
pub fn apply(cluster: &ControlPlane, ns: &Namespace<'_>, kinds: &[&str]) -> Vec<Value> {
    let watch = format!("watchNamespace={}", ns.name());
    let all = objects(&try_template(ns.name(), &[&watch]).unwrap());
    let wanted = all
        .iter()
        .filter(|o| kinds.contains(&o["kind"].as_str().unwrap()));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": wanted.collect::<Vec<_>>()});
    cluster.apply(&list.to_string()).unwrap();
    all
}

pub const RIGHTS: [&str; 5] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
];

/// What is of the cluster and would stay.
pub fn clear(cluster: &ControlPlane, name: &str) {
    for part in ["coordinator", "operator-cluster", "nats-auth"] {
        for kind in ["clusterrole", "clusterrolebinding"] {
            let _ = cluster.kubectl(&[
                "delete",
                kind,
                &format!("helios-{name}-{part}"),
                "--ignore-not-found",
            ]);
        }
    }
}

pub fn args_of<'a>(all: &'a [Value], name: &str) -> Vec<&'a str> {
    let o = all
        .iter()
        .find(|o| o["metadata"]["name"] == name && !o["spec"]["template"].is_null());
    crate::rendering::strings(&o.unwrap()["spec"]["template"]["spec"]["containers"][0]["args"])
}

pub async fn job(
    cluster: &ControlPlane,
    ns: &Namespace<'_>,
    binary: &str,
    all: &[Value],
    name: &str,
) -> (bool, String) {
    let kubeconfig = cluster.kubeconfig_of(ns.name(), name).await.unwrap();
    let output = Command::new(binary)
        .args(args_of(all, name))
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_make_keys_once_and_refuse_an_uninstall_while_something_is_left() {
    let Some(binary) = binary() else { return };
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("jobs").await.unwrap();
    definitions(cluster);
    let all = apply(cluster, &ns, &RIGHTS);

    let keys = "helios-nats-keys";
    let (well, said) = job(cluster, &ns, &binary, &all, keys).await;
    assert!(well && said.contains("is made"), "{said}");
    let read = || {
        cluster.kubectl(&[
            "-n",
            ns.name(),
            "get",
            "secret",
            keys,
            "-o",
            "jsonpath={.data}",
        ])
    };
    let first = read().unwrap();
    let data: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(data.as_object().unwrap().len(), 6);
    let (well, said) = job(cluster, &ns, &binary, &all, keys).await;
    assert!(well && said.contains("stays as it is"), "{said}");
    assert_eq!(read().unwrap(), first);

    let check = "helios-uninstall-check";
    let (well, said) = job(cluster, &ns, &binary, &all, check).await;
    assert!(well, "{said}");
    let manifests = MANIFESTS.replace(
        "metadata: {",
        &format!("metadata: {{namespace: {}, ", ns.name()),
    );
    cluster.apply(&manifests).unwrap();
    let (well, said) = job(cluster, &ns, &binary, &all, check).await;
    let left = format!("HeliosStrategy {}/nobi", ns.name());
    assert!(
        !well && said.contains(&left) && said.contains("uninstall.force=true"),
        "{said}"
    );
    clear(cluster, ns.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_does_all_its_work_with_the_rights_of_the_chart_for_one_namespace() {
    let Some(binary) = binary() else { return };
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("rights").await.unwrap();
    definitions(cluster);
    let all = apply(cluster, &ns, &RIGHTS);
    let kubeconfig = cluster
        .kubeconfig_of(ns.name(), "helios-operator")
        .await
        .unwrap();
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(&binary);
    for arg in args_of(&all, "helios-operator") {
        if let Some(rest) = arg.strip_prefix("--metrics=0.0.0.0:") {
            assert_eq!(rest, "9184");
            command.arg(format!("--metrics=127.0.0.1:{port}"));
        } else if !arg.starts_with("--nats-token-file") && !arg.starts_with("--nats=") {
            command.arg(arg);
        }
    }
    command
        .arg("--nats=nats://127.0.0.1:1")
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAMESPACE", ns.name());
    let operator = Running::start(command, &dir.path().join("operator.log"));
    let ready = wait_for("the operator to be ready", SOON, async || {
        let answer = get(port, "/readyz")?;
        ensure!(answer.contains("200 OK"), "{answer}");
        Ok(())
    });
    ready
        .await
        .unwrap_or_else(|e| panic!("{e:#}\n{}", operator.said()));
    // What `helm test` asks, and how.
    let url = format!("http://127.0.0.1:{port}/readyz");
    let tested = Command::new(&binary)
        .args(["chart", "ready", "--url", &url])
        .stderr(Stdio::null())
        .status();
    assert!(tested.unwrap().success());

    let manifests = MANIFESTS.replace(
        "metadata: {",
        &format!("metadata: {{namespace: {}, ", ns.name()),
    );
    cluster.apply(&manifests).unwrap();
    let there = |kind: &str, name: &str| {
        cluster.kubectl(&["-n", ns.name(), "get", kind, name, "-o", "name"])
    };
    let made = [
        ("serviceaccount", "hc-paper"),
        ("serviceaccount", "hw-paper"),
        ("rolebinding", "hc-paper"),
        ("lease", "hc-paper"),
        ("configmap", "paper-guardian"),
        ("deployment", "hc-paper"),
        ("service", "hc-paper"),
        ("poddisruptionbudget", "hc-paper"),
        ("networkpolicy", "hc-paper"),
        ("networkpolicy", "hw-paper"),
        ("configmap", "hs-nobi"),
    ];
    let all_there = wait_for("everything of the account to be made", SOON, async || {
        for (kind, name) in made {
            there(kind, name)?;
        }
        let status = [
            "-n",
            ns.name(),
            "get",
            "heliosaccount",
            "paper",
            "-o",
            "jsonpath={.status.strategies}",
        ];
        ensure!(
            cluster.kubectl(&status)? == "1",
            "the account's status does not count its strategy"
        );
        Ok(())
    });
    all_there
        .await
        .unwrap_or_else(|e| panic!("{e:#}\n{}", operator.said()));

    let skip = "helios.trading/skip-flatten=true";
    cluster
        .kubectl(&["-n", ns.name(), "annotate", "heliosstrategy", "nobi", skip])
        .unwrap();
    cluster
        .kubectl(&[
            "-n",
            ns.name(),
            "delete",
            "heliosstrategy",
            "nobi",
            "--timeout=60s",
        ])
        .unwrap();
    cluster
        .kubectl(&[
            "-n",
            ns.name(),
            "delete",
            "heliosaccount",
            "paper",
            "--timeout=60s",
        ])
        .unwrap();
    let cleared = wait_for("everything of the account to be gone", SOON, async || {
        for (kind, name) in made {
            if there(kind, name).is_ok() {
                bail!("{kind} {name} is there");
            }
        }
        Ok(())
    });
    cleared
        .await
        .unwrap_or_else(|e| panic!("{e:#}\n{}", operator.said()));
    let numbers = get(port, "/metrics").unwrap();
    let refused: Vec<&str> = numbers
        .lines()
        .filter(|l| l.contains("Forbidden"))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let said = operator.said();
    assert!(!said.to_lowercase().contains("forbidden"), "{said}");
    clear(cluster, ns.name());
}
