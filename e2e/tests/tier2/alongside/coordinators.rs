//! The coordinator that leads ends.

use crate::SOON;
use crate::desk::{ACCOUNT, Desk, HOLDS, Plan, SYMBOLS, scenario};
use crate::pods;
use anyhow::{Context, Result, ensure};
use helios_e2e::wait_for;
use std::time::{Duration, Instant};

/// The standby leads so soon after a crash.
const PROMISED: Duration = Duration::from_secs(9);

fn leader(desk: &Desk) -> Result<String> {
    let lease = desk.object("lease", &format!("hc-{ACCOUNT}"))?;
    let holder = lease["spec"]["holderIdentity"].as_str();
    Ok(holder
        .filter(|h| !h.is_empty())
        .context("nobody leads")?
        .to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coordinator_failover() {
    let plan = Plan::at(10, HOLDS);
    scenario("failover", plan, async |desk| {
        desk.turns().await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        wait_for("a standby that is ready", SOON, async || {
            let pods = desk.coordinators().await?;
            let ready = pods.iter().filter(|p| pods::is_ready(p)).count();
            ensure!(ready == 2, "{ready} are");
            Ok(())
        })
        .await?;
        let (positions, workers) = (venue.held(&SYMBOLS)?, desk.lives().await?);
        let before = leader(desk)?;
        let pods = desk.coordinators().await?;
        let name =
            |p: &k8s_openapi::api::core::v1::Pod| p.metadata.name.clone().unwrap_or_default();
        let leads = pods
            .iter()
            .find(|p| before.starts_with(&format!("{}_", name(p))));
        let leads = leads.with_context(|| format!("{before} is no pod"))?;
        let epoch = pods::metric(&desk.worker(SYMBOLS[0]).await?, "helios_worker_epoch")?;

        pods::kill(leads)?;
        let killed = Instant::now();
        let after = wait_for("another leader", SOON, async || {
            let now = leader(desk)?;
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
            !after.starts_with(&format!("{}_", name(leads))),
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
