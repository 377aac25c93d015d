//! Pods on fake nodes live and end as pods do.

use crate::{SOON, create, pod};
use helios_e2e::{FAIL, STOP_AFTER, shared, wait_for};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};
use std::collections::BTreeMap;

fn annotated(name: &str, key: &str, value: &str) -> Pod {
    let mut pod = pod(name);
    pod.metadata.annotations = Some(BTreeMap::from([(key.to_owned(), value.to_owned())]));
    pod
}

#[tokio::test]
async fn a_pod_on_a_fake_node_becomes_ready() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("ready").await.unwrap();
    create(&cluster.client().await.unwrap(), ns.name(), &pod("a")).await;
    let pod = cluster.pod_ready(ns.name(), "a", SOON).await.unwrap();
    let status = pod.status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert!(status.pod_ip.is_some(), "it has an address");
    assert!(status.container_statuses.unwrap()[0].ready);
    ns.delete().await.unwrap();
}

#[tokio::test]
async fn a_deleted_pod_is_gone_and_a_slow_one_is_seen_to_end() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let ns = cluster.namespace("deleted").await.unwrap();
    let client = cluster.client().await.unwrap();
    let slow = annotated("slow", STOP_AFTER, "3s");
    let pods = Api::<Pod>::namespaced(client.clone(), ns.name());
    for pod in [&pod("quick"), &slow] {
        create(&client, ns.name(), pod).await;
    }
    for name in ["quick", "slow"] {
        cluster.pod_ready(ns.name(), name, SOON).await.unwrap();
        pods.delete(name, &DeleteParams::default()).await.unwrap();
    }
    let ending = pods.get("slow").await.unwrap();
    assert!(ending.metadata.deletion_timestamp.is_some());
    for name in ["quick", "slow"] {
        wait_for("the pod to be gone", SOON, async || {
            anyhow::ensure!(pods.get_opt(name).await?.is_none(), "{name} is there");
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_pod_that_fails_shows_failed_with_its_exit_code() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let ns = cluster.namespace("failed").await.unwrap();
    let client = cluster.client().await.unwrap();
    create(&client, ns.name(), &pod("later")).await;
    create(&client, ns.name(), &annotated("at-once", FAIL, "7")).await;
    cluster.pod_ready(ns.name(), "later", SOON).await.unwrap();
    cluster.fail_pod(ns.name(), "later", 7).await.unwrap();
    let pods = Api::<Pod>::namespaced(client, ns.name());
    for name in ["later", "at-once"] {
        let code = wait_for("the pod to fail", SOON, async || {
            let status = pods.get(name).await?.status.unwrap_or_default();
            anyhow::ensure!(status.phase.as_deref() == Some("Failed"), "{status:?}");
            let container = status.container_statuses.unwrap_or_default().remove(0);
            Ok(container
                .state
                .and_then(|s| s.terminated)
                .unwrap()
                .exit_code)
        })
        .await
        .unwrap();
        assert_eq!(code, 7, "{name}");
    }
}

#[tokio::test]
async fn an_eviction_is_refused_while_a_budget_forbids_it() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("evicted").await.unwrap();
    let client = cluster.client().await.unwrap();
    for name in ["free", "guarded"] {
        let mut pod = pod(name);
        pod.metadata.labels = Some(BTreeMap::from([("app".to_owned(), name.to_owned())]));
        create(&client, ns.name(), &pod).await;
        cluster.pod_ready(ns.name(), name, SOON).await.unwrap();
    }
    let args = [
        "create",
        "pdb",
        "guard",
        "--selector=app=guarded",
        "--min-available=1",
    ];
    let with = [&args[..], &["--namespace", ns.name()]].concat();
    cluster.kubectl(&with).unwrap();
    cluster.evict_pod(ns.name(), "free").await.unwrap();
    let refused = cluster.evict_pod(ns.name(), "guarded").await.unwrap_err();
    assert!(
        format!("{refused:#}").contains("disruption budget"),
        "{refused:#}"
    );
}

#[tokio::test]
async fn an_administrator_applies_a_kind_of_object_and_kubectl_explains_it() {
    let cluster = shared().await.unwrap();
    let crd = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: probes.e2e.helios.trading}
spec:
  group: e2e.helios.trading
  scope: Namespaced
  names: {kind: Probe, plural: probes, singular: probe}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              depth: {type: integer, description: How deep it looks.}
"#;
    cluster.apply(crd).unwrap();
    let wait = [
        "wait",
        "--for=condition=Established",
        "crd/probes.e2e.helios.trading",
    ];
    cluster.kubectl(&wait).unwrap();
    let told = wait_for("kubectl to explain it", SOON, async || {
        cluster.kubectl(&["explain", "probes.spec.depth"])
    })
    .await
    .unwrap();
    assert!(told.contains("How deep it looks."), "{told}");
    cluster
        .kubectl(&["delete", "crd", "probes.e2e.helios.trading"])
        .unwrap();
}

#[tokio::test]
async fn a_service_account_has_its_own_rights_and_no_more() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("rights").await.unwrap();
    let client = cluster.client_of(ns.name(), "default").await.unwrap();
    let pods = Api::<Pod>::namespaced(client.clone(), ns.name());
    let all = ListParams::default();
    let refused = pods.list(&all).await.unwrap_err().to_string();
    let account = format!("system:serviceaccount:{}:default", ns.name());
    assert!(refused.contains(&account), "{refused}");
    let subject = format!("--serviceaccount={}:default", ns.name());
    let bind = [
        "create",
        "rolebinding",
        "see",
        "--clusterrole=view",
        &subject,
        "-n",
        ns.name(),
    ];
    cluster.kubectl(&bind).unwrap();
    wait_for("the right to be there", SOON, async || {
        Ok(pods.list(&all).await?)
    })
    .await
    .unwrap();
    // The same rights when it is acted for.
    let acting = cluster
        .client_as(&account, &["system:authenticated"])
        .await
        .unwrap();
    let pods = Api::<Pod>::namespaced(acting, ns.name());
    pods.list(&all).await.unwrap();
    let refused = pods
        .create(&Default::default(), &pod("x"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused}");
}

#[tokio::test]
async fn helm_installs_and_removes_a_chart() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("chart").await.unwrap();
    let chart = cluster.directory().join("chart");
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    let about = "apiVersion: v2\nname: small\nversion: 0.1.0\n";
    std::fs::write(chart.join("Chart.yaml"), about).unwrap();
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: small}\ndata: {depth: {{ .Values.depth | quote }}}\n";
    std::fs::write(chart.join("templates/map.yaml"), template).unwrap();
    let chart = chart.display().to_string();
    let install = [
        "install",
        "small",
        &chart,
        "--set=depth=3",
        "--namespace",
        ns.name(),
        "--wait",
    ];
    cluster.helm(&install).unwrap();
    let read = [
        "get",
        "configmap",
        "small",
        "-o=jsonpath={.data.depth}",
        "-n",
        ns.name(),
    ];
    assert_eq!(cluster.kubectl(&read).unwrap(), "3");
    cluster
        .helm(&["uninstall", "small", "--namespace", ns.name(), "--wait"])
        .unwrap();
    assert!(cluster.kubectl(&read).is_err());
}
