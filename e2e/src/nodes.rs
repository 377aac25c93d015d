//! Acting on nodes and pods as hardware, kubelets and people do: losing a node, failing a pod, draining.

use crate::cluster::ControlPlane;
use crate::kwok;
use crate::wait::wait_for;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use std::time::Duration;

/// Longest until kwok plays a stage, on a busy machine.
const PLAYED: Duration = Duration::from_secs(60);

/// What a node says of itself: status and reason of its Ready condition.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    status: String,
    reason: String,
}

impl Readiness {
    /// Fails with what it is instead.
    pub(crate) fn is(&self, status: &str, node: &str) -> Result<()> {
        ensure!(
            self.status == status,
            "{node} has Ready={} ({})",
            self.status,
            self.reason
        );
        Ok(())
    }
}

/// Makes a node that kwok plays.
pub(crate) async fn create(client: &Client, name: &str, taint: Option<&str>) -> Result<()> {
    let api = Api::<Node>::all(client.clone());
    api.create(&PostParams::default(), &kwok::node(name, taint))
        .await?;
    Ok(())
}

/// A node's Ready condition.
pub(crate) async fn readiness(client: &Client, name: &str) -> Result<Readiness> {
    let node = Api::<Node>::all(client.clone()).get(name).await?;
    let conditions = node.status.and_then(|s| s.conditions).unwrap_or_default();
    let ready = conditions.into_iter().find(|c| c.type_ == "Ready");
    let ready = ready.with_context(|| format!("{name} has no Ready condition yet"))?;
    Ok(Readiness {
        status: ready.status,
        reason: ready.reason.unwrap_or_default(),
    })
}

impl ControlPlane {
    /// A node as it is now.
    pub async fn node(&self, name: &str) -> Result<Node> {
        Ok(Api::all(self.harness().await?).get(name).await?)
    }

    /// One more fake node; returns when it is ready.
    pub async fn add_node(&self, name: &str) -> Result<()> {
        let client = self.harness().await?;
        create(&client, name, None).await?;
        expect(&client, name, "True").await
    }

    /// One more with the taint [`crate::RESERVED`]: a scenario that loses it does no harm to the pods of others.
    pub async fn add_reserved_node(&self, name: &str) -> Result<()> {
        let client = self.harness().await?;
        create(&client, name, Some(kwok::RESERVED)).await?;
        expect(&client, name, "True").await
    }

    /// A node without power: its lease is no longer renewed. Returns at once; after `node_grace` Kubernetes finds it lost
    /// (Ready=Unknown, unreachable taints) and evicts its pods when their toleration ends.
    pub async fn lose_node(&self, name: &str) -> Result<()> {
        self.patch_node(name, json!({"metadata": {"labels": {"type": null}}}))
            .await
    }

    /// A lost node with power again; returns when it is ready. Pods deleted meanwhile end now.
    pub async fn restore_node(&self, name: &str) -> Result<()> {
        let client = self.harness().await?;
        let leases = Api::<Lease>::namespaced(client.clone(), "kube-node-lease");
        let renewed = async || {
            let spec = leases.get(name).await?.spec;
            anyhow::Ok(spec.and_then(|s| s.renew_time).map(|t| format!("{t:?}")))
        };
        let before = renewed().await?;
        self.patch_node(name, json!({"metadata": {"labels": {"type": "kwok"}}}))
            .await?;
        wait_for("the lease of the node to be renewed", PLAYED, async || {
            ensure!(renewed().await? != before, "it was last renewed {before:?}");
            Ok(())
        })
        .await?;
        expect(&client, name, "True").await?;
        // kwok may miss what happened to the pods while it did not watch the node: a change makes it look.
        let here = ListParams::default().fields(&format!("spec.nodeName={name}"));
        for pod in Api::<Pod>::all(client.clone()).list(&here).await? {
            let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
            let patch = json!({"metadata": {"annotations": {kwok::SEEN: before}}});
            let seen = api
                .patch(
                    &pod.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(patch),
                )
                .await;
            // It may have ended by itself.
            if let Err(e) = seen
                && !matches!(&e, kube::Error::Api(s) if s.is_not_found())
            {
                return Err(e.into());
            }
        }
        Ok(())
    }

    /// What the node's kubelet reports, unlike [`ControlPlane::lose_node`] where it reports nothing. Returns when it shows.
    pub async fn set_node_ready(&self, name: &str, ready: bool) -> Result<()> {
        let reason = (!ready).then_some("the test says so");
        self.patch_node(
            name,
            json!({"metadata": {"annotations": {kwok::UNREADY: reason}}}),
        )
        .await?;
        let status = if ready { "True" } else { "False" };
        expect(&self.harness().await?, name, status).await
    }

    async fn patch_node(&self, name: &str, patch: serde_json::Value) -> Result<()> {
        let api = Api::<Node>::all(self.harness().await?);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Ends a pod's containers with an exit code: it is Failed when this returns, as one that is not started again.
    pub async fn fail_pod(&self, namespace: &str, name: &str, exit_code: i32) -> Result<()> {
        let api = Api::<Pod>::namespaced(self.harness().await?, namespace);
        let patch = json!({"metadata": {"annotations": {kwok::FAIL: exit_code.to_string()}}});
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let what = format!("pod {namespace}/{name} to fail");
        wait_for(&what, PLAYED, async || {
            let phase = api.get(name).await?.status.and_then(|s| s.phase);
            ensure!(phase.as_deref() == Some("Failed"), "its phase is {phase:?}");
            Ok(())
        })
        .await
    }

    /// Evicts a pod as `kubectl drain` does, so that disruption budgets have their say.
    pub async fn evict_pod(&self, namespace: &str, name: &str) -> Result<()> {
        let api = Api::<Pod>::namespaced(self.harness_once().await?, namespace);
        api.evict(name, &EvictParams::default()).await?;
        Ok(())
    }

    /// Waits until a pod is ready and returns it.
    pub async fn pod_ready(&self, namespace: &str, name: &str, limit: Duration) -> Result<Pod> {
        let api = Api::<Pod>::namespaced(self.harness().await?, namespace);
        let what = format!("pod {namespace}/{name} to be ready");
        wait_for(&what, limit, async || {
            let pod = api.get(name).await?;
            let status = pod.status.as_ref().context("it has no status")?;
            let conditions = status.conditions.iter().flatten();
            let ready = conditions
                .clone()
                .any(|c| c.type_ == "Ready" && c.status == "True");
            // Why it waits is in a condition, as in "0/4 nodes are available".
            let words: Vec<_> = conditions.filter_map(|c| c.message.clone()).collect();
            ensure!(
                ready,
                "{} is {:?} on {:?} {}",
                pod.name_any(),
                status.phase,
                pod.spec.as_ref().and_then(|s| s.node_name.clone()),
                words.join("; ")
            );
            Ok(pod)
        })
        .await
    }
}

async fn expect(client: &Client, node: &str, ready: &str) -> Result<()> {
    let what = format!("{node} to have Ready={ready}");
    wait_for(&what, PLAYED, async || {
        readiness(client, node).await?.is(ready, node)
    })
    .await
}
