//! The strategies that are measured: made, changed and deleted all at once, and followed by a watch of their status.

use crate::market::name;
use crate::size::Size;
use crate::world::World;
use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, pin_mut, stream};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Requests of this program at once.
pub const AT_ONCE: usize = 32;
/// Label of the strategies that are measured.
const MEASURED: &str = "bench=measured";

pub fn api(client: Client, ns: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("helios.trading", "v1alpha1", "HeliosStrategy");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "heliosstrategies");
    Api::namespaced_with(client, ns, &resource)
}

/// Selector of the pods of the strategies that are measured.
pub fn pods(size: Size) -> String {
    let scanning: Vec<String> = (0..size.accounts).map(|n| format!("scan-{n}")).collect();
    format!(
        "app.kubernetes.io/component=worker,app.kubernetes.io/managed-by=helios-operator,helios.trading/strategy notin ({})",
        scanning.join(",")
    )
}

/// Names of the strategies that are measured, with the place of each.
pub fn names(size: Size) -> impl Iterator<Item = (String, usize, usize)> {
    (0..size.accounts)
        .flat_map(move |a| (0..size.strategies).map(move |s| (format!("s-{a}-{s}"), a, s)))
}

/// Makes all of them; returns when the first was sent.
pub async fn create(world: &World<'_>) -> Result<Instant> {
    let api = api(world.stage.client.clone(), world.ns());
    let size = world.size;
    let all: Vec<DynamicObject> = names(size)
        .map(|(strategy, a, s)| {
            let symbols: Vec<String> = (s * size.symbols..(s + 1) * size.symbols)
                .map(name)
                .collect();
            serde_json::from_value(json!({
                "apiVersion": "helios.trading/v1alpha1",
                "kind": "HeliosStrategy",
                "metadata": {"name": strategy, "labels": {"bench": "measured"}},
                "spec": {
                    "accountRef": {"name": format!("a{a}")},
                    "watchlist": {"symbols": symbols},
                },
            }))
        })
        .collect::<Result<_, _>>()?;
    let params = PostParams::default();
    let began = Instant::now();
    stream::iter(all.iter().map(|s| api.create(&params, s)))
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    Ok(began)
}

/// Asks for the deletion of all of them.
pub async fn delete(world: &World<'_>) -> Result<()> {
    let api = api(world.stage.client.clone(), world.ns());
    let all = ListParams::default().labels(MEASURED);
    api.delete_collection(&DeleteParams::default(), &all)
        .await?;
    Ok(())
}

/// How many of them are there.
pub async fn left(world: &World<'_>) -> Result<usize> {
    let api = api(world.stage.client.clone(), world.ns());
    let all = ListParams::default().labels(MEASURED);
    Ok(api.list_metadata(&all).await?.items.len())
}

/// A strategy's status as it was last seen, and when.
#[derive(Clone, Debug)]
pub struct Seen {
    pub object: Value,
    pub at: Instant,
}

impl Seen {
    /// All its workers are there and have acknowledged the newest parameters.
    pub fn acknowledged(&self, generation: i64, workers: usize) -> bool {
        let status = &self.object["status"];
        let is = |key: &str, n: usize| status[key].as_u64() == Some(n as u64);
        status["observedGeneration"].as_i64() >= Some(generation)
            && is("wantedWorkers", workers)
            && is("readyWorkers", workers)
            && is("updatedWorkers", workers)
    }

    /// The same, and nothing is left to do.
    pub fn settled(&self, workers: usize) -> bool {
        let generation = self.object["metadata"]["generation"].as_i64();
        let conditions = self.object.pointer("/status/conditions");
        let reason = |type_: &str| {
            let all = conditions.and_then(Value::as_array).into_iter().flatten();
            all.clone().find(|c| c["type"] == type_)?["reason"].as_str()
        };
        self.acknowledged(generation.unwrap_or(0), workers)
            && reason("Ready") == Some("Trading")
            && reason("Progressing") == Some("Settled")
    }
}

/// A watch of the strategies that are measured.
pub struct Followed {
    now: watch::Receiver<BTreeMap<String, Seen>>,
    task: AbortHandle,
}

impl Followed {
    pub fn start(world: &World<'_>) -> Self {
        let api = api(world.stage.client.clone(), world.ns());
        let stream = watcher(api, watcher::Config::default().labels(MEASURED));
        let (sender, now) = watch::channel(BTreeMap::new());
        let task = tokio::spawn(async move {
            pin_mut!(stream);
            while let Some(event) = stream.next().await {
                let (Ok(Event::InitApply(o)) | Ok(Event::Apply(o))) = event else {
                    continue;
                };
                let at = Instant::now();
                let object = json!({"metadata": {"generation": o.metadata.generation}, "status": o.data["status"]});
                sender.send_modify(|m: &mut BTreeMap<String, Seen>| {
                    m.insert(o.name_any(), Seen { object, at });
                });
            }
        });
        Self {
            now,
            task: task.abort_handle(),
        }
    }

    /// Waits until it is so for all, and says when it was first seen to be for each.
    pub async fn until(
        &mut self,
        size: Size,
        limit: Duration,
        is: impl Fn(&str, &Seen) -> bool,
    ) -> Result<BTreeMap<String, Instant>> {
        let mut when = BTreeMap::new();
        let mut last = None;
        let waited = tokio::time::timeout(limit, async {
            loop {
                for (name, seen) in &*self.now.borrow_and_update() {
                    if when.contains_key(name) {
                        continue;
                    }
                    if is(name, seen) {
                        when.insert(name.clone(), seen.at);
                    } else {
                        last = Some(format!("{name}: {}", seen.object));
                    }
                }
                if when.len() == size.all_strategies() {
                    return anyhow::Ok(());
                }
                self.now.changed().await?;
            }
        });
        let done = waited.await;
        let count = when.len();
        done.with_context(|| {
            let last = last.unwrap_or_default();
            format!(
                "{count} of {} after {limit:?}; {last}",
                size.all_strategies()
            )
        })??;
        Ok(when)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
