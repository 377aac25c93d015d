//! The message server goes and comes back with nothing of what it knew.

use crate::SOON;
use crate::desk::{HOLDS, Plan, SYMBOLS, TURNING, scenario};
use crate::install::{Mend, RELEASE};
use crate::pods;
use anyhow::{Context, ensure};
use helios_e2e::wait_for;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

const SPEED: u32 = 10;
/// Within so much of wall time after it is gone nobody adds risk.
const PROMISED_MS: i64 = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_restarted() {
    scenario("nats", Plan::at(SPEED, HOLDS), async |desk| {
        desk.turns().await?;
        let venue = desk.in_position(&SYMBOLS).await?;
        desk.alone().await;
        venue.holds(&SYMBOLS).await?;
        let server = Api::<Pod>::namespaced(desk.client.clone(), RELEASE);
        let server = server.get("helios-nats-0").await?;
        let uid = server.metadata.uid.context("a uid")?;
        let (positions, workers) = (venue.held(&SYMBOLS)?, desk.lives().await?);
        let coordinators = desk.coordinator_lives().await?;

        // Its pod goes, and with it what it stored.
        let scale = |n| vec!["scale", "statefulset/helios-nats", "-n", RELEASE, n];
        let back = Mend(desk.cluster, scale("--replicas=1"));
        desk.cluster.kubectl(&scale("--replicas=0"))?;
        wait_for("the server to end", SOON, async || {
            ensure!(pods::process(&uid, "nats-server").is_err(), "it runs");
            Ok(())
        })
        .await?;
        let cut = venue.now_ms()?;
        desk.all_granted(false, SOON).await?;
        // Exits and stops need nobody: what turns has left its position and enters no more, what holds is trailed.
        wait_for("the exit of what turns", SOON, async || {
            let held = venue.held(&[TURNING])?;
            ensure!(held.is_empty(), "{held:?}");
            Ok(())
        })
        .await?;
        venue.trails(SYMBOLS[0]).await?;
        let until = cut + PROMISED_MS * i64::from(SPEED);
        wait_for("two more minutes of the market", SOON, async || {
            ensure!(venue.now_ms()? > until + 120_000, "not yet");
            Ok(())
        })
        .await?;
        let openings = venue.openings()?;
        let late: Vec<_> = openings
            .iter()
            .filter(|(f, _)| f.market_ms > until)
            .collect();
        ensure!(
            late.is_empty(),
            "new risk without permission, {cut} was the end: {late:?}"
        );

        drop(back);
        desk.all_granted(true, SOON).await?;
        desk.trades_on(&venue).await?;
        let now = venue.held(&SYMBOLS)?;
        ensure!(now == positions, "{positions:?} has become {now:?}");
        ensure!(desk.lives().await? == workers, "workers were started again");
        ensure!(
            desk.coordinator_lives().await? == coordinators,
            "coordinators were started again"
        );
        venue.always_protected()
    })
    .await;
}
