//! The operator's numbers: a real control plane with fake nodes, real coordinators and operators, a real nats-server.
//!
//! `operator [part...]` prints one JSON object; parts are `converge`, `steady`, `parameters`, `lead`, all unless named
//! (the others stand on what one run of `converge` leaves). HELIOS_BENCH_SYMBOLS says for how many symbols, 2,000 if
//! not; with more than 2,000 only `converge` is measured, once. `helios` is the one beside this program, or
//! HELIOS_E2E_HELIOS. Everything runs on this machine, so every time includes the API server's own hunger for its cores.
#![allow(missing_docs)]

mod converge;
mod deployments;
#[allow(dead_code)]
#[path = "../coordinator/kernel.rs"]
mod kernel;
#[path = "../coordinator/keys.rs"]
mod keys;
mod lead;
#[allow(dead_code)]
#[path = "../coordinator/market.rs"]
mod market;
#[path = "../coordinator/numbers.rs"]
mod numbers;
mod parameters;
mod pods;
mod proxy;
mod size;
mod steady;
mod strategies;
mod voices;
mod world;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use size::Size;
use world::World;

const PARTS: [&str; 4] = ["converge", "steady", "parameters", "lead"];

fn main() -> Result<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    if let Some(other) = named.iter().find(|n| !PARTS.contains(&n.as_str())) {
        bail!("no part is called {other}: there is {}", PARTS.join(", "));
    }
    let size = Size::asked()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let numbers = runtime.block_on(async {
        let cluster = world::control_plane(size).await?;
        let mut world = World::start(&cluster, size).await?;
        match measure(&mut world, &named).await {
            Ok(numbers) => {
                world.end().await?;
                Ok(numbers)
            }
            Err(e) => Err(e.context(world.logs())),
        }
    })?;
    println!("{}", Value::Object(numbers));
    Ok(())
}

async fn measure(world: &mut World<'_>, named: &[String]) -> Result<Map<String, Value>> {
    let asked = |part: &str| named.is_empty() || named.iter().any(|n| n == part);
    let mut all = Map::new();
    all.insert("symbols".into(), json!(world.size.all_symbols()));
    let mut add = |numbers: Value| {
        eprintln!("operator: {numbers}");
        if let Value::Object(m) = numbers {
            all.extend(m);
        }
    };
    eprintln!("operator: converge");
    add(converge::run(world, asked("converge")).await?);
    if !world.size.is_large() {
        if asked("steady") {
            eprintln!("operator: steady");
            add(steady::run(world).await?);
        }
        if asked("parameters") {
            eprintln!("operator: parameters");
            add(parameters::run(world).await?);
        }
        if asked("lead") {
            eprintln!("operator: lead");
            add(lead::run(world).await?);
        }
    }
    add(json!({"operator_rss_mib": numbers::round(world.operators_rss_mib(), 1)}));
    Ok(all)
}
