//! From nothing to trading, as somebody does it who reads the README.

use crate::SOON;
use crate::desk::picture;
use crate::install::{self, Place, ROOT, release_archive};
use crate::venue::Venue;
use anyhow::{Context, Result, bail, ensure};
use helios_e2e::{ControlPlane, Node, wait_for};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// The quickstart's promise, once the images are there.
const PROMISED: Duration = Duration::from_secs(60);

fn object(cluster: &ControlPlane, kind: &str, name: &str) -> Result<Value> {
    let text = cluster.kubectl(&["get", kind, name, "-o", "json"])?;
    Ok(serde_json::from_str(&text)?)
}

/// The README's commands, run once for the two tests that look at what comes of them; how long the workers took to trade.
async fn commands() -> Result<&'static Duration> {
    static DONE: OnceCell<Duration> = OnceCell::const_new();
    DONE.get_or_try_init(|| async {
        let node = install::install().await?;
        let cluster = node.cluster();
        let mut took = None;
        for command in install::readme()? {
            if command.trim().is_empty() || command.starts_with("helm ") {
                // What installs is how every scenario here begins.
                continue;
            }
            let makes_images = command.starts_with("make ") || command.contains(" import ");
            if makes_images {
                match release_archive() {
                    // It was made before, with a network.
                    Some(_) if command.starts_with("make ") => {}
                    Some(_) => drop(install::run(node, &command)?),
                    None => eprintln!("SKIPPED: {command}: HELIOS_E2E_IMAGE names no image; one of the debug program is there"),
                }
                continue;
            }
            let begin = Instant::now();
            install::run(node, &command)?;
            if command.starts_with("kubectl apply") {
                trading(cluster).await?;
                took = Some(begin.elapsed());
            }
        }
        took.context("the README applies nothing")
    })
    .await
}

async fn trading(cluster: &ControlPlane) -> Result<()> {
    // Longer than promised, so that a failure can say how long it took.
    wait_for("five workers that trade", PROMISED * 2, async || {
        let status = object(cluster, "hs", "nobi")?["status"].clone();
        ensure!(
            status["ready"] == "5/5" && status["updatedWorkers"] == 5,
            "{status}"
        );
        Ok(())
    })
    .await
}

async fn looked_at(act: impl AsyncFnOnce(&'static Node) -> Result<()>) {
    if !Node::possible() {
        return;
    }
    let _place = Place::alone().await;
    let node = install::install().await.unwrap();
    if let Err(e) = act(node).await {
        panic!("{e:#}\n{}", picture(node.cluster(), "default"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_three_commands_lead_from_nothing_to_trading() {
    looked_at(async |_| {
        let took = commands().await?;
        eprintln!("from the manifests to five workers that trade: {took:.1?}");
        ensure!(
            *took <= PROMISED,
            "it took {took:.1?}, and {PROMISED:?} are promised"
        );
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_trade() {
    looked_at(async |node| {
        let took = commands().await?;
        ensure!(
            *took <= PROMISED,
            "it took {took:.1?}, and {PROMISED:?} are promised"
        );
        let cluster = node.cluster();
        let api: Api<Pod> = Api::namespaced(cluster.client().await?, "default");
        let label = ListParams::default().labels("app.kubernetes.io/component=venue");
        let pods = api.list(&label).await?;
        let uid = pods.items.first().and_then(|p| p.metadata.uid.as_deref());
        let venue = Venue::of_pod(uid.context("no exchange")?)?;
        wait_for(
            "a position with a stop that the exchange has confirmed",
            SOON,
            async || {
                let positions = venue.positions()?;
                let Some(symbol) = positions.keys().next() else {
                    bail!("no position yet");
                };
                venue.anchor(symbol).map(drop)
            },
        )
        .await?;
        venue.always_protected()?;
        // Deleted, its positions are closed, and then everything goes.
        let sample = Path::new(ROOT).join("config/samples/quickstart.yaml");
        let sample = sample.display().to_string();
        cluster.kubectl(&["delete", "hs", "nobi", "--timeout=120s"])?;
        let left = venue.positions()?;
        ensure!(left.is_empty(), "its positions are open: {left:?}");
        venue.always_protected()?;
        // The account is what is left of the file.
        cluster.kubectl(&[
            "delete",
            "-f",
            &sample,
            "--ignore-not-found",
            "--timeout=120s",
        ])?;
        Ok(())
    })
    .await;
}
