//! From strategies to pods: the operator against the Deployment controller on the same API server, three times each.
//!
//! A run begins with the first of the objects (strategies here, Deployments there), made as fast as the API server takes
//! them, and ends when the last pod exists. Accounts and their coordinators are there before. What the last run of the
//! operator leaves stays, gets workers that speak, and is what the other parts stand on.

use crate::numbers::{percentile, round};
use crate::pods::Count;
use crate::strategies::Followed;
use crate::world::World;
use crate::{deployments, kernel, strategies, voices};
use anyhow::{Result, ensure};
use helios_e2e::audit::Kind;
use helios_e2e::wait_for;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest that pods may take to come or go, or workers to be told what they trade by.
const MOVED: Duration = Duration::from_secs(900);
/// For what follows by itself when all is there: events that are still to be told, the garbage collector.
const REST: Duration = Duration::from_secs(3);

/// So few writes in that time are a control plane at rest: nodes say now and then that they live.
const AT_REST: usize = 10;

/// All runs, or without `measured` one of the operator alone: what the other parts stand on.
pub async fn run(world: &mut World<'_>, measured: bool) -> Result<Value> {
    // One and the other first in turn: neither is always the one that finds the control plane younger.
    let runs = match (measured, world.size.is_large()) {
        (false, _) => "O",
        (true, true) => "ODO",
        (true, false) => "ODODDO",
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut peers = Vec::new();
    let mut mark = 0;
    for (place, whose) in runs.char_indices() {
        if whose == 'D' {
            theirs.push(by_deployments(world, &peers).await?);
            continue;
        }
        mark = world.cluster.audit_mark()?;
        ours.push(by_operator(world).await?);
        if place == 0 && runs.len() > 1 {
            peers = deployments::like_the_operators(world).await?;
        }
        if place + 1 < runs.len() {
            operator_gone(world).await?;
        }
    }
    let writes = converged(world, mark).await?;
    if !measured {
        return Ok(json!({}));
    }
    Ok(json!({
        "writes_per_symbol": writes,
        "converge_s": round(percentile(&ours, 0.5), 3),
        "converge_deployments_s": round(percentile(&theirs, 0.5), 3),
        "converge_ratio_to_deployments": round(percentile(&ours, 0.5) / percentile(&theirs, 0.5), 3),
    }))
}

/// Seconds until the operator's pods exist.
async fn by_operator(world: &World<'_>) -> Result<f64> {
    let client = world.stage.client.clone();
    let mut count = Count::start(client, world.ns(), &strategies::pods(world.size)).await?;
    count.is(0, Duration::ZERO).await?;
    let leader = world.operators[world.leader()?].id();
    let cpu = kernel::cpu_s(leader)?;
    let began = strategies::create(world).await?;
    let made = began.elapsed();
    count.is(world.size.all_symbols(), MOVED).await?;
    let took = began.elapsed();
    let cpu = kernel::cpu_s(leader)? - cpu;
    eprintln!(
        "operator: pods by the operator {took:.2?} (strategies {made:.2?}, its CPU {cpu:.2} s)"
    );
    tokio::time::sleep(REST).await;
    Ok(took.as_secs_f64())
}

async fn operator_gone(world: &World<'_>) -> Result<()> {
    let client = world.stage.client.clone();
    let mut count = Count::start(client, world.ns(), &strategies::pods(world.size)).await?;
    strategies::delete(world).await?;
    count.is(0, MOVED).await?;
    wait_for("the strategies to go", MOVED, async || {
        let left = strategies::left(world).await?;
        ensure!(left == 0, "{left} are there");
        Ok(())
    })
    .await?;
    tokio::time::sleep(REST).await;
    Ok(())
}

/// Seconds until the Deployments' pods exist; they go again.
async fn by_deployments(world: &World<'_>, peers: &[Deployment]) -> Result<f64> {
    let client = world.stage.client.clone();
    let mut count = Count::start(client, world.ns(), &deployments::pods()).await?;
    count.is(0, Duration::ZERO).await?;
    let began = deployments::create(world, peers).await?;
    let made = began.elapsed();
    count.is(world.size.all_symbols(), MOVED).await?;
    let took = began.elapsed();
    eprintln!("operator: pods by Deployments {took:.2?} (Deployments {made:.2?})");
    tokio::time::sleep(REST).await;
    deployments::delete(world).await?;
    count.is(0, MOVED).await?;
    wait_for("the ReplicaSets to go", MOVED, async || {
        let left = deployments::left(world).await?;
        ensure!(left == 0, "{left} are there");
        Ok(())
    })
    .await?;
    tokio::time::sleep(REST).await;
    Ok(took.as_secs_f64())
}

/// Lets workers speak, waits until every strategy says that it trades with nothing left to do, and counts what the operator
/// wrote for that since its strategies were made.
async fn converged(world: &mut World<'_>, mark: u64) -> Result<Value> {
    world.voices = Some(voices::start(world).await?);
    let mut followed = Followed::start(world);
    let workers = world.size.symbols;
    followed
        .until(world.size, MOVED, |_, s| s.settled(workers))
        .await?;
    quiet(world).await?;
    let mine = world
        .cluster
        .audit_since(mark)?
        .of(&world.stage.operator_user());
    eprintln!("operator: it wrote\n{mine}");
    let writes = mine.count(Kind::Write) + mine.count(Kind::Event);
    Ok(json!(round(
        writes as f64 / world.size.all_symbols() as f64,
        3
    )))
}

/// Waits until nobody has anything left to do: the nodes go on telling of their pods for a while, and whatever is measured next
/// would share the API server with them.
async fn quiet(world: &World<'_>) -> Result<()> {
    wait_for("a control plane at rest", MOVED, async || {
        let mark = world.cluster.audit_mark()?;
        tokio::time::sleep(REST).await;
        let all = world.cluster.audit_since(mark)?;
        let writes = all.count(Kind::Write) + all.count(Kind::Event);
        ensure!(writes <= AT_REST, "{writes} writes in {REST:?}");
        Ok(())
    })
    .await
}
