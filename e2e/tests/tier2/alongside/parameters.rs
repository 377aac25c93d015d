//! A commit of parameters and the workers that run.

use crate::SOON;
use crate::desk::{Desk, Plan, STRATEGY, TURNS, scenario};
use crate::pods;
use anyhow::{Context, Result, ensure};
use helios_e2e::wait_for;
use std::collections::BTreeMap;

/// Commits there and back.
const ROUNDS: usize = 4;

/// Enters all the time with little, or never with much, or all the time with much.
fn commit(threshold: &str, notional: &str) -> String {
    let spec = TURNS.replace(
        "Threshold: \"0.05\"",
        &format!("Threshold: \"{threshold}\""),
    );
    spec.replace(
        "fixedNotional: \"500\"",
        &format!("fixedNotional: \"{notional}\""),
    )
}

/// Commits, and waits until all workers have acknowledged it; each says so itself, too.
async fn committed(desk: &Desk, spec: &str) -> Result<()> {
    desk.strategy(STRATEGY, spec)?;
    desk.trading(STRATEGY, 2).await?;
    let object = desk.object("heliosstrategies", STRATEGY)?;
    let generation = object["metadata"]["generation"]
        .as_f64()
        .context("no generation")?;
    for (symbol, pod) in desk.workers().await? {
        let said = pods::metric(&pod, "helios_worker_params_generation")?;
        ensure!(said == generation, "{symbol} has {said} of {generation}");
    }
    Ok(())
}

/// How much each entry was, in lots, by symbol: fills of one order belong together.
fn entries(venue: &crate::venue::Venue, from_ms: i64) -> Result<BTreeMap<String, Vec<i64>>> {
    let mut orders: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (fill, _) in venue.openings()? {
        if fill.market_ms >= from_ms {
            *orders.entry((fill.symbol, fill.order)).or_default() += fill.qty;
        }
    }
    let mut all: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for ((symbol, _), qty) in orders {
        all.entry(symbol).or_default().push(qty);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameter_commit_reaches_running_workers() {
    let little = commit("0.05", "300");
    let never = commit("1", "1500");
    let much = commit("0.05", "1500");
    let plan = Plan::at(20, &little);
    scenario("commit", plan, async |desk| {
        let venue = desk.venue().await?;
        // Several, because what an order finds at its price may be less than it wants.
        let traded = async |from_ms: i64| {
            wait_for("entries in each symbol", SOON, async || {
                let all = entries(&venue, from_ms)?;
                let enough = all.len() == 2 && all.values().all(|l| l.len() >= 3);
                ensure!(enough, "{all:?}");
                Ok(all)
            })
            .await
        };
        let usual = |all: &BTreeMap<String, Vec<i64>>, symbol: &str| -> i64 {
            let mut sizes = all[symbol].clone();
            sizes.sort_unstable();
            sizes[sizes.len() / 2]
        };
        let first = traded(0).await?;
        let lives = desk.lives().await?;
        for round in 0..ROUNDS {
            committed(desk, &never).await?;
            let quiet = venue.now_ms()?;
            wait_for("a minute of the market", SOON, async || {
                ensure!(venue.now_ms()? > quiet + 60_000, "not yet");
                Ok(())
            })
            .await?;
            let all = entries(&venue, quiet + 1)?;
            ensure!(
                all.is_empty(),
                "round {round}: entries after a commit that allows none: {all:?}"
            );
            committed(desk, &little).await?;
            traded(venue.now_ms()?).await?;
        }
        // Half of a commit would be the size of one and the threshold of the other.
        for (symbol, sizes) in entries(&venue, 0)? {
            let usual = usual(&first, &symbol);
            ensure!(
                sizes.iter().all(|s| *s < usual * 2),
                "{symbol}: entries of {sizes:?} lots, and no commit has that size and trades"
            );
        }
        committed(desk, &much).await?;
        let all = traded(venue.now_ms()?).await?;
        for symbol in all.keys() {
            let (now, before) = (usual(&all, symbol), usual(&first, symbol));
            ensure!(
                now > before * 3,
                "{symbol}: entries of {now} lots after the size was committed; {before} before"
            );
        }
        ensure!(desk.lives().await? == lives, "workers were started again");
        venue.always_protected()
    })
    .await;
}
