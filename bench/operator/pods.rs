//! How many pods there are, as a watch of their metadata tells it.

use anyhow::{Context, Result};
use futures_util::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A count that goes on by itself until it is dropped.
pub struct Count {
    now: watch::Receiver<usize>,
    task: AbortHandle,
}

impl Count {
    /// Of the pods that a selector names; pods on their way out count until they are gone.
    pub async fn start(client: Client, ns: &str, selector: &str) -> Result<Self> {
        let api: Api<PartialObjectMeta<Pod>> = Api::namespaced(client, ns);
        let stream = watcher(api, watcher::Config::default().labels(selector));
        let (sender, mut now) = watch::channel(usize::MAX);
        let task = tokio::spawn(async move {
            pin_mut!(stream);
            let mut names = BTreeSet::new();
            while let Some(event) = stream.next().await {
                match event {
                    Ok(Event::Init) => names.clear(),
                    Ok(Event::InitApply(p)) => {
                        names.insert(p.name_any());
                        continue;
                    }
                    Ok(Event::InitDone) => {}
                    Ok(Event::Apply(p)) => drop(names.insert(p.name_any())),
                    Ok(Event::Delete(p)) => drop(names.remove(&p.name_any())),
                    // It goes on by itself.
                    Err(_) => continue,
                }
                sender.send_replace(names.len());
            }
        });
        now.wait_for(|n| *n != usize::MAX).await?;
        Ok(Self {
            now,
            task: task.abort_handle(),
        })
    }

    /// Waits until there are so many.
    pub async fn is(&mut self, wanted: usize, limit: Duration) -> Result<()> {
        let waited = tokio::time::timeout(limit, self.now.wait_for(|n| *n == wanted));
        let done = waited.await.map(|r| r.map(drop));
        let now = *self.now.borrow();
        done.with_context(|| format!("{now} pods after {limit:?}, {wanted} wanted"))??;
        Ok(())
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.task.abort();
    }
}
