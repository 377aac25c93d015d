//! Operators die, are two, come back; what they remember is what stands.

use super::{FIVE, THREE, WHILE};
use helios_e2e::{Stage, shared, wait_for};
use std::time::{Duration, Instant};

async fn rollout(stage: &Stage<'_>) -> anyhow::Result<serde_json::Value> {
    let o = stage.object("HeliosStrategy", "nobi").await?;
    Ok(o.unwrap_or_default()["status"]["rollout"].clone())
}

/// A change of a hot parameter.
fn changed(list: &str, threshold: &str) -> String {
    format!("{list}  signals: {{nobiTriggerThreshold: \"{threshold}\"}}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_one_leader() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "leaders").await.unwrap();
    stage.operator().await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let says = |n: usize, what: &str, stage: &Stage<'_>| stage.operators[n].output().contains(what);
    let (leader, standby) = if says(0, "INFO leads\n", &stage) {
        (0, 1)
    } else {
        (1, 0)
    };
    assert!(
        !says(standby, "INFO leads\n", &stage) && !says(standby, "parameters written", &stage),
        "a standby leads, or wrote something"
    );

    // Killed: the other one takes over, and a change comes through, within 15 s.
    let uids = stage.uids().await.unwrap();
    stage.operators[leader].kill();
    let killed = Instant::now();
    stage
        .strategy("nobi", "paper", &changed(THREE, "0.5"))
        .unwrap();
    wait_for("the change to be taken in", WHILE, async || {
        let words = stage.operators[standby].tail();
        anyhow::ensure!(says(standby, "parameters written", &stage), "{words}");
        Ok(())
    })
    .await
    .unwrap();
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(15), "it took {took:?}");
    stage.trading("nobi", 3, WHILE).await.unwrap();
    assert_eq!(stage.uids().await.unwrap(), uids, "no worker was touched");

    // Asked to end: the next one is there at once.
    stage.operator().await.unwrap();
    wait_for("the third to stand by", WHILE, async || {
        anyhow::ensure!(says(2, "operator runs", &stage), "not yet");
        Ok(())
    })
    .await
    .unwrap();
    stage.operators[standby].terminate();
    let asked = Instant::now();
    wait_for("the third to lead", WHILE, async || {
        anyhow::ensure!(
            says(2, "INFO leads\n", &stage),
            "{}",
            stage.operators[2].tail()
        );
        Ok(())
    })
    .await
    .unwrap();
    println!(
        "killed: next {:?}; asked: next {:?}",
        killed.elapsed(),
        asked.elapsed()
    );
    stage
        .strategy("nobi", "paper", &changed(THREE, "0.6"))
        .unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    assert_eq!(stage.uids().await.unwrap(), uids);
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_killed_mid_rollout() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "midway").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    let canary = |threshold: &str| {
        format!(
            "{}  rollout: {{canarySymbols: 1, soakSeconds: 20}}\n",
            changed(FIVE, threshold)
        )
    };
    stage.strategy("nobi", "paper", &canary("0.4")).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 5, WHILE).await.unwrap();
    let uids = stage.uids().await.unwrap();
    stage.strategy("nobi", "paper", &canary("0.5")).unwrap();
    wait_for("a canary to soak", WHILE, async || {
        let r = rollout(&stage).await?;
        anyhow::ensure!(r["outcome"] == "Soaking", "{r}");
        Ok(())
    })
    .await
    .unwrap();
    let began = rollout(&stage).await.unwrap();
    stage.operators[0].kill();
    stage.operator().await.unwrap();
    wait_for("the rollout to be promoted", WHILE, async || {
        let r = rollout(&stage).await?;
        anyhow::ensure!(r["outcome"] == "Promoted", "{r}");
        anyhow::ensure!(r["startedAt"] == began["startedAt"], "it began anew: {r}");
        Ok(())
    })
    .await
    .unwrap();
    stage.trading("nobi", 5, WHILE).await.unwrap();
    assert_eq!(
        stage.uids().await.unwrap(),
        uids,
        "parameters restart nobody"
    );
    let map = stage
        .kubectl(&[
            "get",
            "configmap",
            "hs-nobi",
            "-o",
            "jsonpath={.data.params\\.json}",
        ])
        .unwrap();
    let document: serde_json::Value = serde_json::from_str(&map).unwrap();
    assert!(document["canary"].is_null(), "{document}");
    assert_eq!(document["stable"]["signals"]["nobiTriggerThreshold"], 0.5);
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreated_strategy_ignores_stale_parameters() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "recreated").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    for threshold in ["0.4", "0.5", "0.6"] {
        stage
            .strategy("nobi", "paper", &changed(THREE, threshold))
            .unwrap();
    }
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let before = stage.uids().await.unwrap();
    stage
        .kubectl(&["delete", "hs", "nobi", "--timeout=60s"])
        .unwrap();
    // The bus still holds generation 3 of the one that is gone, and nobody is there to replace it: a worker of the new one
    // that comes now hears it, and must not run it.
    stage.operators[0].kill();
    stage
        .strategy("nobi", "paper", &changed(THREE, "0.7"))
        .unwrap();
    stage.speak_as("paper", "nobi", "BTCUSDT").await.unwrap();
    let early = wait_for("the early worker to be heard", WHILE, async || {
        let snapshot = stage.snapshot("paper")?;
        let worker = snapshot["health"]["workers"]["BTCUSDT"].clone();
        anyhow::ensure!(worker["taskUid"] == "early", "{worker}");
        Ok(worker)
    })
    .await
    .unwrap();
    assert_eq!(early["params"], serde_json::json!([0, 0, 0]), "{early}");
    stage.speak_for_pods_alone();
    // The new one begins at 1.
    stage.operator().await.unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let after = stage.uids().await.unwrap();
    assert!(
        before.iter().all(|(s, uid)| after[s] != *uid),
        "workers of the one that is gone"
    );
    let snapshot = stage.snapshot("paper").unwrap();
    let acknowledged = snapshot["acknowledged"].as_object().unwrap();
    assert!(acknowledged.values().all(|g| *g == 1), "{acknowledged:?}");
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canary_rolls_back() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let mut stage = Stage::new(cluster, "canary").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    let canary = |threshold: &str| {
        let list = changed(THREE, threshold);
        format!("{list}  rollout: {{canarySymbols: 1, soakSeconds: 3600}}\n")
    };
    stage.strategy("nobi", "paper", &canary("0.4")).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    stage.strategy("nobi", "paper", &canary("0.9")).unwrap();
    let waited = wait_for("the canary to run the change", WHILE, async || {
        let snapshot = stage.snapshot("paper")?;
        let runs = &snapshot["health"]["workers"]["BTCUSDT"]["params"];
        anyhow::ensure!(*runs == serde_json::json!([2, 1, 1]), "{runs}");
        let others = &snapshot["health"]["workers"]["ETHUSDT"]["params"];
        anyhow::ensure!(
            *others == serde_json::json!([2, 1, 1]),
            "{others}: the document is one"
        );
        Ok(())
    })
    .await;
    if let Err(e) = waited {
        panic!("{e:#}\n{}", stage.logs());
    }
    // It is not ready any more, and stays so for a minute.
    stage.unready("BTCUSDT").await.unwrap();
    let words = stage
        .reason(
            "HeliosStrategy",
            "nobi",
            "Stalled",
            "RolledBack",
            Duration::from_secs(120),
        )
        .await
        .unwrap();
    assert!(
        words.contains("BTCUSDT") && words.contains("not ready for 60 s"),
        "{words}"
    );
    let map = [
        "get",
        "configmap",
        "hs-nobi",
        "-o",
        "jsonpath={.data.params\\.json}",
    ];
    let document: serde_json::Value = serde_json::from_str(&stage.kubectl(&map).unwrap()).unwrap();
    assert!(document["canary"].is_null());
    assert_eq!(document["stable"]["signals"]["nobiTriggerThreshold"], 0.4);
    // The next change begins a rollout of its own.
    stage
        .strategy("nobi", "paper", &changed(THREE, "0.5"))
        .unwrap();
    stage
        .reason("HeliosStrategy", "nobi", "Stalled", "AsWanted", WHILE)
        .await
        .unwrap();
    stage.end().await.unwrap();
}
