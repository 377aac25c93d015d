//! A namespace of a scenario's own, so that scenarios share one control plane and nothing else.

use crate::cluster::ControlPlane;
use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace as Object;
use kube::api::{Api, DeleteParams, PostParams};
use std::sync::atomic::{AtomicU32, Ordering};

/// One namespace; it goes with its value. [`Namespace::delete`] waits for that, dropping it does not.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a ControlPlane,
    name: String,
    deleted: bool,
}

impl ControlPlane {
    /// A new namespace whose name begins with `name`. Its default service account exists already, so pods can be made.
    pub async fn namespace(&self, name: &str) -> Result<Namespace<'_>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // The process too: an existing cluster may serve several runs at once.
        let name = format!(
            "{name}-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let client = self.harness().await?;
        let object = Object {
            metadata: kube::api::ObjectMeta {
                name: Some(name.clone()),
                ..Default::default()
            },
            ..Default::default()
        };
        Api::<Object>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await?;
        let made = Namespace {
            cluster: self,
            name,
            deleted: false,
        };
        self.default_account(&client, &made.name).await?;
        Ok(made)
    }
}

impl Namespace<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it and waits until everything in it is gone.
    pub async fn delete(mut self) -> Result<()> {
        let name = self.name.clone();
        let api = Api::<Object>::all(self.cluster.harness().await?);
        api.delete(&name, &DeleteParams::default()).await?;
        self.deleted = true;
        let what = format!("namespace {name} to be gone");
        crate::wait_for(
            &what,
            std::time::Duration::from_secs(60),
            async || match api.get_opt(&name).await? {
                None => Ok(()),
                Some(left) => {
                    let status = left.status.and_then(|s| s.conditions).unwrap_or_default();
                    let words = status
                        .into_iter()
                        .filter_map(|c| c.message)
                        .collect::<Vec<_>>();
                    anyhow::bail!("it is there: {}", words.join("; "))
                }
            },
        )
        .await
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if self.deleted {
            return;
        }
        // No waiting in a drop, and a scenario that already fails is not to fail of this.
        let args = ["delete", "namespace", &self.name, "--wait=false"];
        if let Err(e) = self.cluster.own_kubectl(&args) {
            eprintln!("helios-e2e: {e:#}");
        }
    }
}
