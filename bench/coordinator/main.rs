//! The coordinator's numbers: real `helios coordinator` processes, a real nats-server on the loopback, the built-in venue.
//!
//! `coordinator HELIOS [part...]` prints one JSON object; parts are `load`, `critical`, `silence`, `takeover`, all unless
//! named. HELIOS is the binary built with the feature `nats`. The nats-server is what `tools/nats.sh` prints. Everything
//! runs on this machine, so every number includes the workers' and the server's own hunger for its cores.
#![allow(missing_docs)]

mod critical;
#[allow(dead_code)]
mod kernel;
mod keys;
mod load;
mod market;
mod numbers;
mod process;
mod silence;
mod takeover;
mod traders;

use anyhow::{Context, Result, bail};
use process::World;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

const PARTS: [&str; 4] = ["critical", "silence", "load", "takeover"];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let helios: PathBuf = args
        .next()
        .context("usage: coordinator HELIOS [part...]")?
        .into();
    let named: Vec<String> = args.collect();
    if let Some(other) = named.iter().find(|n| !PARTS.contains(&n.as_str())) {
        bail!("no part is called {other}: there is {}", PARTS.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let numbers = runtime.block_on(async {
        let mut all = Map::new();
        for part in PARTS {
            if !named.is_empty() && !named.iter().any(|n| n == part) {
                continue;
            }
            eprintln!("coordinator: {part}");
            let numbers = measure(part, &helios).await;
            let numbers = numbers.with_context(|| format!("bench of the coordinator: {part}"))?;
            if let Value::Object(m) = numbers {
                all.extend(m);
            }
        }
        anyhow::Ok(all)
    })?;
    println!("{}", Value::Object(numbers));
    Ok(())
}

async fn measure(part: &str, helios: &Path) -> Result<Value> {
    let world = World::start(helios).await?;
    match part {
        "load" => load::run(&world).await,
        "critical" => critical::run(&world).await,
        "silence" => silence::run(&world).await,
        _ => takeover::run(&world).await,
    }
}
