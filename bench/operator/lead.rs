//! A leader ends while another operator stands by: from its end to what the next one has written.

use crate::numbers::round;
use crate::world::World;
use anyhow::{Context, Result, bail, ensure};
use helios_e2e::wait_for;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TIMES: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at what stands published.
const LOOK: Duration = Duration::from_millis(10);

pub async fn run(world: &mut World<'_>) -> Result<Value> {
    let mut worst = [0.0_f64; 2];
    for n in 0..2 * TIMES {
        let killed = n % 2 == 0;
        let took = one(world, killed, n).await?;
        eprintln!(
            "operator: leader {} → {took:.2} s",
            if killed { "killed" } else { "asked to end" }
        );
        let slot = &mut worst[usize::from(!killed)];
        *slot = slot.max(took);
    }
    Ok(json!({
        "operator_takeover_s": round(worst[0], 2),
        "operator_handover_s": round(worst[1], 2),
    }))
}

async fn one(world: &mut World<'_>, killed: bool, n: usize) -> Result<f64> {
    let place = world.leader()?;
    // What ends is looked at for the last time.
    world.operators_rss_mib();
    let leader = world.operators.remove(place);
    let began = Instant::now();
    if killed {
        leader.kill();
    } else {
        leader.terminate();
    }
    // A change that only the next leader can carry out.
    let threshold = format!("0.6{n}");
    let patch = json!({"spec": {"signals": {"nobiTriggerThreshold": threshold}}}).to_string();
    let args = [
        "patch",
        "hs",
        "s-0-0",
        "--type=merge",
        "-p",
        &patch,
        "-o",
        "jsonpath={.metadata.generation}",
    ];
    let generation: u64 = world
        .stage
        .kubectl(&args)?
        .parse()
        .context("a generation")?;
    let maps: Api<ConfigMap> = Api::namespaced(world.stage.client.clone(), world.ns());
    loop {
        let map = maps.get("hs-s-0-0").await?;
        let data = map.data.unwrap_or_default();
        let document: Value =
            serde_json::from_str(data.get("params.json").context("no document")?)?;
        if document["generation"].as_u64() >= Some(generation) {
            break;
        }
        if began.elapsed() > LIMIT {
            bail!("nobody has written the change after {LIMIT:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
    let took = began.elapsed().as_secs_f64();
    ensure!(!killed || took > 1.0, "the killed leader wrote it itself");
    drop(leader);
    world.operator()?;
    let ready = world.operators.last().context("no operator")?;
    wait_for("the next to stand by", LIMIT, async || {
        let output = ready.output();
        ensure!(output.contains("operator runs"), "it says: {output}");
        Ok(())
    })
    .await?;
    // It has seen the lock and read its lists by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(took)
}
