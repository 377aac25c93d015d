//! A person's kill against everything that puts things back as they were: GitOps, new leaders, new pods, another operator.

use crate::SOON;
use crate::desk::{ACCOUNT, Desk, HOLDS, Plan, STRATEGY, SYMBOLS, scenario};
use crate::install::{RELEASE, rolled_out};
use crate::pods;
use crate::venue::Venue;
use anyhow::{Result, bail, ensure};
use helios_e2e::wait_for;

const SIMULATED: &str = "{speed: 10, edge: \"0.5\"}";

/// What Git has is applied again, as by a tool that heals what differs, and nothing differs.
fn healed(desk: &Desk) -> Result<()> {
    desk.account(SIMULATED)?;
    desk.strategy(STRATEGY, HOLDS)?;
    for (kind, name) in [("ha", ACCOUNT), ("hs", STRATEGY)] {
        let object = desk.object(kind, name)?;
        let (generation, seen) = (
            &object["metadata"]["generation"],
            &object["status"]["observedGeneration"],
        );
        ensure!(
            generation == 1 && seen == 1,
            "{kind}/{name}: generation {generation}, seen {seen}"
        );
    }
    Ok(())
}

async fn killed(desk: &Desk, venue: &Venue, entered: usize) -> Result<()> {
    wait_for("account and strategy to say so", SOON, async || {
        let latches = desk.object("ha", ACCOUNT)?["status"]["latches"].to_string();
        ensure!(latches.contains("ill"), "latches: {latches}");
        let strategy = desk.object("hs", STRATEGY)?;
        let all = strategy["status"]["conditions"].as_array();
        let paused = all
            .into_iter()
            .flatten()
            .find(|c| c["type"] == "Paused" && c["reason"] == "AccountHalted");
        ensure!(paused.is_some(), "{}", strategy["status"]);
        Ok(())
    })
    .await?;
    let until = venue.now_ms()? + 120_000;
    wait_for("two more minutes of the market", SOON, async || {
        ensure!(venue.now_ms()? > until, "not yet");
        Ok(())
    })
    .await?;
    let (open, now) = (venue.positions()?, venue.openings()?);
    ensure!(open.is_empty(), "{open:?} is open");
    ensure!(
        now.len() == entered,
        "entries after the kill: {:?}",
        &now[entered..]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn kill_survives_selfheal_and_failover() {
    scenario("latch", Plan::default(), async |desk| {
        desk.account(SIMULATED)?;
        desk.strategy(STRATEGY, HOLDS)?;
        desk.trading(STRATEGY, 2).await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        desk.a_standby().await?;
        let held = venue.held(&SYMBOLS)?;
        ensure!(held.len() == 2, "only {held:?} is open");

        // At whichever coordinator: at the one that does not lead.
        let (_, standby) = desk.led().await?;
        let standby = pods::name(&standby[0]);
        let said = desk.kubectl(&["exec", standby, "--", "helios", "kill"])?;
        ensure!(said.contains("set and written"), "{said}");
        wait_for("every position to be closed", SOON, async || {
            let open = venue.positions()?;
            ensure!(open.is_empty(), "{open:?} is open");
            Ok(())
        })
        .await?;
        let entered = venue.openings()?.len();
        killed(desk, &venue, entered).await?;
        healed(desk)?;
        killed(desk, &venue, entered).await?;

        // A crash of the leader, then the whole Deployment anew, then both at once by force.
        let (leader, _) = desk.led().await?;
        let before = desk.leader()?;
        pods::kill(&leader)?;
        wait_for("another leader", SOON, async || {
            let now = desk.leader()?;
            ensure!(now != before, "{now} still");
            Ok(())
        })
        .await?;
        killed(desk, &venue, entered).await?;
        let deployment = format!("deployment/hc-{ACCOUNT}");
        desk.kubectl(&["rollout", "restart", &deployment])?;
        desk.kubectl(&["rollout", "status", &deployment, "--timeout=120s"])?;
        killed(desk, &venue, entered).await?;
        let all = "app.kubernetes.io/component=coordinator";
        desk.kubectl(&["delete", "pods", "-l", all, "--grace-period=0", "--force"])?;
        desk.a_standby().await?;
        killed(desk, &venue, entered).await?;
        let operator = "deployment/helios-operator";
        let restart = ["rollout", "restart", operator, "-n", RELEASE];
        desk.cluster.kubectl(&restart)?;
        rolled_out(desk.cluster, operator)?;
        healed(desk)?;
        killed(desk, &venue, entered).await?;

        // Nothing but a person's word ends it; there may be no leader for a moment.
        wait_for("the latch to be released", SOON, async || {
            let (leader, _) = desk.led().await?;
            let release = [
                "exec",
                pods::name(&leader),
                "--",
                "helios",
                "release",
                "kill",
            ];
            let said = desk.kubectl(&release)?;
            if !said.contains("released") {
                bail!("{said}");
            }
            Ok(())
        })
        .await?;
        venue.holds(&SYMBOLS).await?;
        ensure!(venue.openings()?.len() > entered, "no entry");
        venue.always_protected()
    })
    .await;
}
