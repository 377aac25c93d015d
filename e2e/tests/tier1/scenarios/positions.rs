//! Workers in position: nothing takes them away before they are flat.

use super::{WHILE, eager};
use helios_e2e::{Stage, shared, wait_for};
use std::time::Duration;

/// A strategy of three symbols, with a real worker that is in position in ETHUSDT.
pub async fn in_position(stage: &mut Stage<'_>) {
    stage.operator().await.unwrap();
    stage.account_at("paper", &[], 30, "").await.unwrap();
    stage
        .strategy("nobi", "paper", &eager("BTCUSDT, ETHUSDT, SOLUSDT", 900))
        .unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    stage.trade("paper", "nobi", "ETHUSDT").await.unwrap();
    let waited = wait_for("a position in ETHUSDT", WHILE, async || {
        let held = stage.positions("paper")?;
        anyhow::ensure!(held.contains(&"ETHUSDT".into()), "{held:?}");
        Ok(())
    })
    .await;
    if let Err(e) = waited {
        panic!("{e:#}\n{}", stage.logs());
    }
}

/// Until it is flat, the pod of ETHUSDT is the one it was.
async fn stays_until_flat(stage: &Stage<'_>, uid: &str) {
    let waited = wait_for("ETHUSDT to be flat", Duration::from_secs(120), async || {
        let before = stage.positions("paper")?;
        let now = stage.uids().await?;
        let after = stage.positions("paper")?;
        if before.contains(&"ETHUSDT".into()) && after.contains(&"ETHUSDT".into()) {
            assert_eq!(
                now.get("ETHUSDT").map(String::as_str),
                Some(uid),
                "taken away in position"
            );
            anyhow::bail!("it holds");
        }
        Ok(())
    })
    .await;
    if let Err(e) = waited {
        panic!("{e:#}\n{}", stage.logs());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rescan_drains_before_removal() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "drains").await.unwrap();
    in_position(&mut stage).await;
    let before = stage.uids().await.unwrap();
    stage
        .strategy("nobi", "paper", &eager("BTCUSDT, SOLUSDT, XRPUSDT", 900))
        .unwrap();
    wait_for("a worker of the new symbol", WHILE, async || {
        anyhow::ensure!(stage.uids().await?.contains_key("XRPUSDT"), "not yet");
        Ok(())
    })
    .await
    .unwrap();
    stays_until_flat(&stage, &before["ETHUSDT"]).await;
    wait_for("the drained worker to go", WHILE, async || {
        let now = stage.uids().await?;
        anyhow::ensure!(!now.contains_key("ETHUSDT"), "{now:?}");
        Ok(())
    })
    .await
    .unwrap();
    let now = stage.uids().await.unwrap();
    assert_eq!(
        (&now["BTCUSDT"], &now["SOLUSDT"]),
        (&before["BTCUSDT"], &before["SOLUSDT"])
    );
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_rollout_in_position() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "image").await.unwrap();
    in_position(&mut stage).await;
    let before = stage.uids().await.unwrap();
    // A new version of the operator builds other pods.
    stage.operators[0].terminate();
    stage.operator_of("helios:next").await.unwrap();
    wait_for("the flat ones to be replaced", WHILE, async || {
        let now = stage.uids().await?;
        let replaced = ["BTCUSDT", "SOLUSDT"]
            .iter()
            .all(|s| now.get(*s).is_some_and(|u| *u != before[*s]));
        anyhow::ensure!(replaced, "{now:?}");
        Ok(())
    })
    .await
    .unwrap();
    stays_until_flat(&stage, &before["ETHUSDT"]).await;
    wait_for("the last one to be replaced", WHILE, async || {
        let pods = stage.workers().await?;
        let images = pods
            .values()
            .filter_map(|p| p.spec.as_ref()?.containers[0].image.clone());
        let images: Vec<String> = images.collect();
        anyhow::ensure!(
            images.len() == 3 && images.iter().all(|i| i == "helios:next"),
            "{images:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    stage.end().await.unwrap();
}
