//! Three minutes in which nothing happens: the market is scanned anew with the same result, workers report, and half way every
//! connection of the operators to the API server is cut, so that all watches begin anew. Nothing of that is worth a write.

use crate::world::World;
use anyhow::{Result, ensure};
use helios_e2e::audit::Kind;
use helios_e2e::stage::Running;
use serde_json::{Value, json};
use std::time::Duration;

const HALF: Duration = Duration::from_secs(90);
/// In that time after the cut all watches are there again, and none of them is renewed.
const AGAIN: Duration = Duration::from_secs(10);
/// Kinds that an operator watches.
const KINDS: usize = 12;
/// What a coordinator logs after each scan.
const SCANNED: &str = "market scanned";

pub async fn run(world: &World<'_>) -> Result<Value> {
    let said = |r: &Running, words: &str| r.output().matches(words).count();
    let scans = || world.coordinators.iter().map(|c| said(c, SCANNED));
    let scans_before: Vec<usize> = scans().collect();
    let mark = world.cluster.audit_mark()?;
    tokio::time::sleep(HALF).await;
    let half_way = world.cluster.audit_mark()?;
    let cut = world.proxy.cut();
    ensure!(
        cut > 0,
        "the operators have no connection that could be cut"
    );
    tokio::time::sleep(AGAIN).await;
    let since = |mark| {
        let all = world.cluster.audit_since(mark)?;
        anyhow::Ok(all.of(&world.stage.operator_user()))
    };
    let again = since(half_way)?;
    let again = again.requests.iter().filter(|r| r.verb == "watch").count();
    tokio::time::sleep(HALF - AGAIN).await;
    let mine = since(mark)?;
    for (n, (before, after)) in scans_before.into_iter().zip(scans()).enumerate() {
        ensure!(
            after > before,
            "the coordinator of a{n} has not scanned the market"
        );
    }
    eprintln!("operator: {cut} connections cut, {again} watches began anew; it wrote\n{mine}");
    let all = KINDS * world.operators.iter().filter(|o| !o.ended()).count();
    ensure!(again >= all, "of {all} watches {again} began anew");
    let minutes = 2.0 * HALF.as_secs_f64() / 60.0;
    Ok(json!({
        "steady_state_writes": mine.count(Kind::Write) + mine.count(Kind::Event),
        "lease_renewals_per_min": crate::numbers::round(mine.count(Kind::Lease) as f64 / minutes, 1),
    }))
}
