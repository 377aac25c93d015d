//! A node is emptied while what runs on it holds positions.
//!
//! The exchange is no pod here: it does not go with a node.

use crate::SOON;
use crate::desk::{Desk, HOLDS, Plan, STRATEGY, scenario};
use crate::install::Mend;
use crate::pods;
use crate::venue::Venue;
use anyhow::{Context, Result, ensure};
use helios_e2e::{Host, helios_program};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use std::process::{Child, Command, Stdio};

/// Where pods reach this test.
const BRIDGE: &str = "10.88.0.1";
pub const THREE: [&str; 3] = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];

/// An exchange beside the cluster; it ends with its value.
pub struct Outside(Child, u16);

impl Outside {
    pub fn start(speed: u32) -> Result<Self> {
        let port = std::net::TcpListener::bind((BRIDGE, 0))?
            .local_addr()?
            .port();
        let args = [
            "venue",
            "--known-key",
            "--edge=0.5",
            "--admin=127.0.0.1:9182",
        ];
        let child = Command::new(helios_program()?)
            .args(args)
            .args([
                format!("--listen={BRIDGE}:{port}"),
                format!("--speed={speed}"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child, port))
    }

    fn simulated(&self, speed: u32) -> String {
        format!("{{url: \"http://{BRIDGE}:{}\", speed: {speed}}}", self.1)
    }

    pub fn venue(&self) -> Result<Venue> {
        Venue::of_process(self.0.id())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A second node, and on it everything of the desk: what happens to that node touches nobody else. All three symbols are held
/// there and a coordinator stands by.
pub async fn on_spare(desk: &Desk, exchange: &Outside, speed: u32) -> Result<Host> {
    let first = desk.node.name();
    let spare = desk.node.spare().await?;
    let _back = Mend(desk.cluster, vec!["uncordon", first]);
    desk.cluster.kubectl(&["cordon", first])?;
    desk.account(&exchange.simulated(speed))?;
    let three = HOLDS.replace("BTCUSDT, ETHUSDT", &THREE.join(", "));
    desk.strategy(STRATEGY, &three)?;
    desk.trading(STRATEGY, 3).await?;
    exchange.venue()?.holds(&THREE).await?;
    desk.a_standby().await?;
    Ok(spare)
}

/// Fails when fewer work than a budget for disruptions leaves, or a position has lost its stop.
async fn guarded(desk: &Desk, venue: &Venue) -> Result<()> {
    let ready = |all: &[Pod]| all.iter().filter(|p| pods::is_ready(p)).count();
    let workers: Vec<Pod> = desk.workers().await?.into_values().collect();
    let coordinators = desk.coordinators().await?;
    ensure!(
        ready(&workers) + 1 >= THREE.len(),
        "more than one worker was taken away"
    );
    ensure!(ready(&coordinators) >= 1, "no coordinator is left");
    for symbol in THREE {
        venue.anchor(symbol)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_node_with_position() {
    scenario("drained", Plan::default(), async |desk| {
        let exchange = Outside::start(10)?;
        let venue = exchange.venue()?;
        desk.alone().await;
        let (first, cluster) = (desk.node.name(), desk.cluster);
        let spare = on_spare(desk, &exchange, 10).await?;
        let (positions, lives) = (venue.held(&THREE)?, desk.lives().await?);
        let anchors = THREE.map(|s| venue.anchor(s).ok());

        let name = spare.name();
        let drain = ["drain", name, "--delete-emptydir-data", "--timeout=120s"];
        let drained = tokio::task::spawn_blocking(move || cluster.kubectl(&drain));
        while !drained.is_finished() {
            guarded(desk, &venue).await?;
        }
        drained.await??;
        let here = ListParams::default().fields(&format!("spec.nodeName={name}"));
        let left = Api::<Pod>::all(desk.client.clone()).list(&here).await?;
        let left: Vec<_> = left
            .iter()
            .filter_map(|p| p.metadata.name.clone())
            .collect();
        ensure!(left.is_empty(), "the node is not empty: {left:?}");

        for symbol in THREE {
            let pod = desk.adopted(symbol, &lives[symbol]).await?;
            let node = pod.spec.and_then(|s| s.node_name);
            ensure!(node.as_deref() == Some(first), "{symbol} is on {node:?}");
        }
        desk.trading(STRATEGY, 3).await?;
        desk.all_granted(true, SOON).await?;
        let now = venue.held(&THREE)?;
        ensure!(now == positions, "{positions:?} has become {now:?}");
        let now = THREE.map(|s| venue.anchor(s).ok());
        ensure!(now == anchors, "{anchors:?} has become {now:?}");
        venue.always_protected()?;
        // Its pods are elsewhere; the exchange stays until they are gone.
        drop(spare);
        cluster
            .kubectl(&["delete", "node", name])
            .context("the spare node")?;
        desk.kubectl(&["delete", "hs", "--all", "--timeout=120s"])?;
        desk.account_deleted().await
    })
    .await;
}
