//! The coordinator that leads ends.

use crate::SOON;
use crate::desk::{HOLDS, Plan, SYMBOLS, scenario};
use crate::pods;
use anyhow::ensure;
use helios_e2e::wait_for;
use std::time::{Duration, Instant};

/// The standby leads so soon after a crash.
const PROMISED: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coordinator_failover() {
    let plan = Plan::at(10, HOLDS);
    scenario("failover", plan, async |desk| {
        desk.turns().await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        desk.a_standby().await?;
        let (positions, workers) = (venue.held(&SYMBOLS)?, desk.lives().await?);
        let before = desk.leader()?;
        let (leads, _) = desk.led().await?;
        let epoch = pods::metric(&desk.worker(SYMBOLS[0]).await?, "helios_worker_epoch")?;

        pods::kill(&leads)?;
        let killed = Instant::now();
        let after = wait_for("another leader", SOON, async || {
            let now = desk.leader()?;
            ensure!(now != before, "{now} still");
            Ok(now)
        })
        .await?;
        let took = killed.elapsed();
        ensure!(
            took <= PROMISED,
            "it took {took:.1?}, and {PROMISED:?} are promised"
        );
        ensure!(
            !after.starts_with(&format!("{}_", pods::name(&leads))),
            "{after}: the standby was not the first"
        );

        wait_for("its permission to be honoured", SOON, async || {
            for (symbol, pod) in desk.workers().await? {
                let now = pods::metric(&pod, "helios_worker_epoch")?;
                let granted = desk.granted(&pod)?;
                ensure!(
                    now > epoch && granted,
                    "{symbol}: epoch {now}, permitted: {granted}"
                );
            }
            Ok(())
        })
        .await?;
        desk.trades_on(&venue).await?;
        let now = venue.held(&SYMBOLS)?;
        ensure!(now == positions, "{positions:?} has become {now:?}");
        ensure!(desk.lives().await? == workers, "workers were started again");
        venue.always_protected()
    })
    .await;
}
