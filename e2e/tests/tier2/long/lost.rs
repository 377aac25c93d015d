//! A node is gone, with every coordinator and every worker of an account that holds positions.

use crate::desk::{Plan, STRATEGY, scenario};
use crate::disturbing::{Outside, THREE, on_spare};
use anyhow::{Result, ensure};
use helios_e2e::wait_for;
use std::time::{Duration, Instant};

const SPEED: u32 = 10;
/// Until a node counts as lost, until its pods do, and until others have started: a minute and a half, and as much again for a
/// busy machine.
const RECOVERED: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn one_of_two_nodes_is_lost_with_all_that_trades() {
    scenario("lost", Plan::default(), async |desk| {
        let exchange = Outside::start(SPEED)?;
        let venue = exchange.venue()?;
        desk.alone().await;
        let (first, cluster) = (desk.node.name(), desk.cluster);
        let spare = on_spare(desk, &exchange, SPEED).await?;
        let (positions, lives) = (venue.held(&THREE)?, desk.lives().await?);
        let anchors = THREE.map(|s| venue.anchor(s).ok());
        let before = desk.leader()?;
        let same = || -> Result<()> {
            let now = venue.held(&THREE)?;
            ensure!(now == positions, "{positions:?} has become {now:?}");
            let now = THREE.map(|s| venue.anchor(s).ok());
            ensure!(now == anchors, "{anchors:?} has become {now:?}");
            Ok(())
        };

        let name = spare.name();
        let entered = venue.openings()?.len();
        spare.lose()?;
        let lost = Instant::now();
        wait_for("another leader on the other node", RECOVERED, async || {
            same()?;
            let now = desk.leader()?;
            ensure!(now != before, "{now} still");
            Ok(())
        })
        .await?;
        eprintln!(
            "soak: led again {:.0?} after its node was lost",
            lost.elapsed()
        );
        for symbol in THREE {
            wait_for("a worker on the other node", RECOVERED, async || {
                same()?;
                let pod = desk.worker(symbol).await?;
                let node = pod.spec.and_then(|s| s.node_name);
                ensure!(node.as_deref() == Some(first), "{symbol} is on {node:?}");
                Ok(())
            })
            .await?;
            desk.adopted(symbol, &lives[symbol]).await?;
        }
        desk.trading(STRATEGY, 3).await?;
        eprintln!(
            "soak: traded again {:.0?} after the node was lost",
            lost.elapsed()
        );
        desk.all_granted(true, RECOVERED).await?;
        same()?;
        ensure!(
            venue.openings()?.len() == entered,
            "positions grew while nobody was there: {:?}",
            venue.openings()?
        );
        // Whoever took over guards: the market moves, the stop follows.
        venue.trails(THREE[0]).await?;
        venue.always_protected()?;
        cluster.kubectl(&["delete", "node", name])?;
        desk.kubectl(&["delete", "hs", "--all", "--timeout=120s"])?;
        let open = venue.positions()?;
        ensure!(open.is_empty(), "{open:?} is open");
        desk.account_deleted().await
    })
    .await;
}
