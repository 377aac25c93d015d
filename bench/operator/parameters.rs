//! One field changed in every strategy at once: from the API server's answer to the status that says that every worker has
//! acknowledged it.

use crate::numbers::{percentile, round};
use crate::strategies::{self, AT_ONCE, Followed};
use crate::world::World;
use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);

pub async fn run(world: &World<'_>) -> Result<Value> {
    let api = strategies::api(world.stage.client.clone(), world.ns());
    let patch = json!({"spec": {"signals": {"nobiTriggerThreshold": "0.55"}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let mut followed = Followed::start(world);
    let (api, params, patch) = (&api, &params, &patch);
    let changed = stream::iter(strategies::names(world.size))
        .map(|(name, _, _)| async move {
            let o = api.patch(&name, params, patch).await?;
            let generation = o.metadata.generation.context("no generation")?;
            anyhow::Ok((o.name_any(), (generation, Instant::now())))
        })
        .buffer_unordered(AT_ONCE);
    let changed: BTreeMap<String, (i64, Instant)> = changed.try_collect().await?;
    let workers = world.size.symbols;
    let when = followed
        .until(world.size, LIMIT, |name, s| {
            let generation = changed.get(name).map_or(i64::MAX, |c| c.0);
            s.acknowledged(generation, workers)
        })
        .await?;
    let took: Vec<f64> = when
        .iter()
        .filter_map(|(name, at)| Some(at.duration_since(changed.get(name)?.1).as_secs_f64()))
        .collect();
    Ok(json!({
        "parameter_ack_p50_s": round(percentile(&took, 0.5), 3),
        "parameter_ack_p99_s": round(percentile(&took, 0.99), 3),
    }))
}
