//! Strategies that are deleted while they hold positions, however kubectl is told to delete them.

use crate::SOON;
use crate::desk::{Desk, HOLDS, Plan, STRATEGY, SYMBOLS, TURNING, scenario};
use crate::venue::Venue;
use anyhow::{Result, bail, ensure};
use helios_e2e::wait_for;

/// Deletes a strategy and watches it go: not before its symbols are flat at the exchange.
async fn delete(desk: &Desk, venue: &Venue, name: &str, symbols: &[&str], how: &str) -> Result<()> {
    let held = venue.held(symbols)?;
    ensure!(held.len() == symbols.len(), "only {held:?} is open");
    desk.kubectl(&["delete", "hs", name, how, "--wait=false"])?;
    wait_for("the strategy to go", SOON, async || {
        // Asked in this order: what is open after it is gone was open when it went.
        if !desk.is_gone("hs", name)? {
            bail!("it is there, and {:?} open", venue.held(symbols)?);
        }
        Ok(())
    })
    .await?;
    let left = venue.held(symbols)?;
    ensure!(left.is_empty(), "{how}: it is gone, and {left:?} is open");
    wait_for("what is its own to go", SOON, async || {
        let label = format!("helios.trading/strategy={name}");
        let kinds = "pods,configmaps,poddisruptionbudgets";
        let left = desk.kubectl(&["get", kinds, "-l", &label, "-o", "name"])?;
        ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })
    .await?;
    let stops = venue.stops()?;
    ensure!(
        !stops.iter().any(|s| symbols.contains(&s.symbol.as_str())),
        "its stops are left: {stops:?}"
    );
    venue.always_protected()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategy_deleted_flattens() {
    let plan = Plan::at(10, HOLDS);
    scenario("deleted", plan, async |desk| {
        // A second one of the account, which is not to be touched by the end of the first.
        let other = HOLDS.replace("BTCUSDT, ETHUSDT", TURNING);
        desk.strategy("other", &other)?;
        desk.trading("other", 1).await?;
        let venue = desk.in_position(&[SYMBOLS[0], SYMBOLS[1], TURNING]).await?;
        let kept = venue.anchor(TURNING)?;
        delete(desk, &venue, STRATEGY, &SYMBOLS, "--cascade=background").await?;
        ensure!(
            venue.anchor(TURNING)? == kept,
            "the other strategy was touched"
        );
        delete(desk, &venue, "other", &[TURNING], "--cascade=foreground").await
    })
    .await;
}
