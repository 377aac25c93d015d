//! Three minutes in which nothing happens: the market is scanned anew with the same result, workers report, and half way every
//! connection of the operators to the API server is cut, so that all watches begin anew. Nothing of that is worth a write.

use crate::world::World;
use anyhow::{Context, Result, ensure};
use helios_e2e::audit::Kind;
use helios_e2e::stage::Running;
use serde_json::{Value, json};
use std::time::Duration;

const HALF: Duration = Duration::from_secs(90);
/// What a coordinator logs after each scan.
const SCANNED: &str = "market scanned";
/// What an operator logs of a watch that broke.
const BROKEN: &str = "a watch is interrupted";

pub async fn run(world: &World<'_>) -> Result<Value> {
    let said = |r: &Running, words: &str| r.output().matches(words).count();
    let leader = world.operators.get(world.leader()?);
    let leader = leader.context("no operator leads")?;
    let scans = || world.coordinators.iter().map(|c| said(c, SCANNED));
    let scans_before: Vec<usize> = scans().collect();
    let breaks_before = said(leader, BROKEN);
    let mark = world.cluster.audit_mark()?;
    tokio::time::sleep(HALF).await;
    let cut = world.proxy.cut();
    ensure!(
        cut > 0,
        "the operators have no connection that could be cut"
    );
    tokio::time::sleep(HALF).await;
    let mine = world
        .cluster
        .audit_since(mark)?
        .of(&world.stage.operator_user());
    for (n, (before, after)) in scans_before.into_iter().zip(scans()).enumerate() {
        ensure!(
            after > before,
            "the coordinator of a{n} has not scanned the market"
        );
    }
    let breaks = said(leader, BROKEN) - breaks_before;
    eprintln!("operator: {cut} connections cut, {breaks} watches broke; it wrote\n{mine}");
    ensure!(breaks > 0, "no watch of the leader was interrupted");
    let minutes = 2.0 * HALF.as_secs_f64() / 60.0;
    Ok(json!({
        "steady_state_writes": mine.count(Kind::Write) + mine.count(Kind::Event),
        "lease_renewals_per_min": crate::numbers::round(mine.count(Kind::Lease) as f64 / minutes, 1),
    }))
}
