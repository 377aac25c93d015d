//! Scenarios on a real node, and its self-tests. They need namespaces of their own: `tools/tier2.sh cargo test -p helios-e2e --test tier2`.

#![allow(clippy::unwrap_used)]

mod alongside;
mod beginning;
mod desk;
mod disturbing;
mod ending;
mod install;
mod long;
mod pods;
mod venue;

use helios_e2e::{Image, Node, shared_node, wait_for};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use std::path::Path;
use std::time::Duration;

/// Longest until a container runs, on a busy machine.
const SOON: Duration = Duration::from_secs(90);

/// A server behind a Service, and a pod that asks it by name; both restricted as a careful administrator asks.
const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: main
    image: helios.local/probe:1
    imagePullPolicy: Never
    args: [serve, ":8080"]
    ports: [{containerPort: 8080}]
    readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  restartPolicy: OnFailure
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: main
    image: helios.local/probe:1
    imagePullPolicy: Never
    args: [get, "http://server/"]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
"#;

#[tokio::test]
async fn a_restricted_pod_reaches_another_by_the_name_of_its_service() {
    if !Node::possible() {
        return;
    }
    let node = shared_node().await.unwrap();
    let cluster = node.cluster();
    let ns = cluster.namespace("real").await.unwrap();
    cluster
        .kubectl(&[
            "label",
            "namespace",
            ns.name(),
            "pod-security.kubernetes.io/enforce=restricted",
        ])
        .unwrap();
    let manifests = PODS.replace(
        "metadata: {name",
        &format!("metadata: {{namespace: {}, name", ns.name()),
    );
    cluster.apply(&manifests).unwrap();
    cluster.pod_ready(ns.name(), "server", SOON).await.unwrap();
    let pods = Api::<Pod>::namespaced(cluster.client().await.unwrap(), ns.name());
    wait_for("the client to have its answer", SOON, async || {
        let status = pods.get("client").await?.status.unwrap_or_default();
        anyhow::ensure!(status.phase.as_deref() == Some("Succeeded"), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
    let said = pods.logs("client", &LogParams::default()).await.unwrap();
    assert_eq!(said.trim(), "server");
    ns.delete().await.unwrap();
}

#[tokio::test]
async fn an_image_of_ones_own_runs_and_a_crash_is_started_again() {
    if !Node::possible() {
        return;
    }
    let node = shared_node().await.unwrap();
    let cluster = node.cluster();
    let ns = cluster.namespace("image").await.unwrap();
    // It asks nobody, so it fails, is started again, and fails again.
    let image = Image {
        name: "helios.local/crash:1".to_owned(),
        files: vec![(node.probe_program(), "/bin/crash".to_owned())],
        entrypoint: ["/bin/crash", "get", "http://127.0.0.1:1/"]
            .map(str::to_owned)
            .to_vec(),
    };
    node.image(&image).unwrap();
    let args = [
        "run",
        "crash",
        "--image=helios.local/crash:1",
        "--image-pull-policy=Never",
        "-n",
        ns.name(),
    ];
    cluster.kubectl(&args).unwrap();
    let pods = Api::<Pod>::namespaced(cluster.client().await.unwrap(), ns.name());
    wait_for("the pod to be started again", SOON, async || {
        let status = pods.get("crash").await?.status.unwrap_or_default();
        let containers = status.container_statuses.iter().flatten();
        anyhow::ensure!(
            containers.clone().any(|c| c.restart_count > 0),
            "{status:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    ns.delete().await.unwrap();
}

#[tokio::test]
async fn a_program_of_this_machine_runs_with_its_libraries() {
    if !Node::possible() {
        return;
    }
    let node = shared_node().await.unwrap();
    let cluster = node.cluster();
    let ns = cluster.namespace("program").await.unwrap();
    let image = Image::of_program("helios.local/echo:1", Path::new("/bin/echo")).unwrap();
    assert!(image.files.len() > 1, "{image:?}");
    node.image(&image).unwrap();
    let run = "run echo --image=helios.local/echo:1 --image-pull-policy=Never --restart=Never -n";
    let args: Vec<_> = run.split(' ').chain([ns.name(), "--", "hello"]).collect();
    cluster.kubectl(&args).unwrap();
    let pods = Api::<Pod>::namespaced(cluster.client().await.unwrap(), ns.name());
    wait_for("it to be done", SOON, async || {
        let status = pods.get("echo").await?.status.unwrap_or_default();
        anyhow::ensure!(status.phase.as_deref() == Some("Succeeded"), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
    let said = pods.logs("echo", &LogParams::default()).await.unwrap();
    assert_eq!(said.trim(), "hello");
}

#[tokio::test]
async fn a_pod_reaches_the_api_server_by_its_name() {
    if !Node::possible() {
        return;
    }
    let node = shared_node().await.unwrap();
    let cluster = node.cluster();
    let ns = cluster.namespace("api").await.unwrap();
    let image = format!("--image={}", node.probe_image());
    let run = "--image-pull-policy=Never --restart=OnFailure -n";
    let ask = ["--", "get", "http://kubernetes.default.svc:443/"];
    let args: Vec<_> = ["run", "ask", &image]
        .into_iter()
        .chain(run.split(' '))
        .collect();
    cluster
        .kubectl(&[&args[..], &[ns.name()], &ask].concat())
        .unwrap();
    let pods = Api::<Pod>::namespaced(cluster.client().await.unwrap(), ns.name());
    // It asks without encryption, and is told so by the one who would encrypt.
    wait_for("an answer", SOON, async || {
        let said = pods.logs("ask", &LogParams::default()).await?;
        anyhow::ensure!(said.contains("HTTPS server"), "it said {said:?}");
        Ok(())
    })
    .await
    .unwrap();
}
