//! Workers that end while they hold a position.

use crate::desk::{HOLDS, Plan, SYMBOLS, scenario};
use crate::pods;
use anyhow::{Result, ensure};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_killed_in_position() {
    let plan = Plan::at(10, HOLDS);
    scenario("killed", plan, async |desk| {
        let venue = desk.in_position(&SYMBOLS).await?;
        let positions = venue.positions()?;
        let [first, second] = SYMBOLS;
        let anchors = (venue.anchor(first)?, venue.anchor(second)?);
        let unchanged = || -> Result<()> {
            let now = venue.positions()?;
            ensure!(now == positions, "{positions:?} has become {now:?}");
            let now = (venue.anchor(first)?, venue.anchor(second)?);
            ensure!(now == anchors, "{anchors:?} has become {now:?}");
            Ok(())
        };

        // A crash: the kubelet starts it again in its pod.
        let before = desk.lives().await?;
        pods::kill(&desk.worker(first).await?)?;
        unchanged()?;
        let after = desk.adopted(first, &before[first]).await?;
        let (uid, restarts) = (after.metadata.uid.clone(), pods::restarts(&after));
        ensure!(
            uid.as_ref() == Some(&before[first].0) && restarts == before[first].1 + 1,
            "another pod, or {restarts} restarts"
        );
        unchanged()?;

        // The pod is taken away without a word: the operator makes another.
        let before = desk.lives().await?;
        let pod = desk.worker(second).await?.metadata.name.unwrap_or_default();
        desk.kubectl(&["delete", "pod", &pod, "--grace-period=0", "--force"])?;
        unchanged()?;
        let after = desk.adopted(second, &before[second]).await?;
        ensure!(
            after.metadata.uid.as_ref() != Some(&before[second].0),
            "the pod is the one that was deleted"
        );
        unchanged()?;
        ensure!(
            desk.lives().await?[first] == before[first],
            "the other one was touched"
        );
        venue.always_protected()
    })
    .await;
}
