//! Workers fail, are evicted, lose their node.

use super::{FIVE, THREE, WHILE};
use helios_e2e::{Stage, shared, wait_for};
use std::collections::BTreeMap;

/// All workers but `symbol` are the pods they were, and its one is another.
async fn only_replaced(stage: &Stage<'_>, before: &BTreeMap<String, String>, symbol: &str) {
    wait_for("another pod of the same symbol", WHILE, async || {
        let now = stage.uids().await?;
        let uid = now.get(symbol);
        anyhow::ensure!(uid.is_some_and(|u| *u != before[symbol]), "{now:?}");
        Ok(())
    })
    .await
    .unwrap();
    let now = stage.uids().await.unwrap();
    for (s, uid) in before.iter().filter(|(s, _)| *s != symbol) {
        assert_eq!(now.get(s), Some(uid), "{s} was touched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pod_evicted() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let mut stage = Stage::new(cluster, "evicted").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", FIVE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 5, WHILE).await.unwrap();

    // By the eviction API, as a drain does: the budget lets one go.
    let before = stage.uids().await.unwrap();
    let name = |p: &k8s_openapi::api::core::v1::Pod| p.metadata.name.clone().unwrap();
    let eth = name(&stage.workers().await.unwrap()["ETHUSDT"]);
    cluster.evict_pod(&stage.ns, &eth).await.unwrap();
    only_replaced(&stage, &before, "ETHUSDT").await;
    stage.trading("nobi", 5, WHILE).await.unwrap();

    // By a node under pressure: the pod stays as Failed until somebody clears it away.
    let before = stage.uids().await.unwrap();
    cluster.fail_pod(&stage.ns, &eth, 137).await.unwrap();
    only_replaced(&stage, &before, "ETHUSDT").await;
    stage.trading("nobi", 5, WHILE).await.unwrap();
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_strategies_one_symbol() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "claims").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("old", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("old", 3, WHILE).await.unwrap();
    let before = stage.uids().await.unwrap();
    let two = "  watchlist: {symbols: [BTCUSDT, XRPUSDT]}\n";
    stage.strategy("new", "paper", two).unwrap();
    let words = stage
        .reason("HeliosStrategy", "new", "Degraded", "SymbolTaken", WHILE)
        .await
        .unwrap();
    assert!(
        words.contains("BTCUSDT") && words.contains("old"),
        "{words}"
    );
    stage.trading("new", 1, WHILE).await.unwrap();
    let now = stage.uids().await.unwrap();
    assert_eq!(now.len(), 4, "one worker for each symbol");
    assert_eq!(
        now["BTCUSDT"], before["BTCUSDT"],
        "the older keeps what it has"
    );
    // Priority beats age.
    stage
        .strategy("new", "paper", &format!("{two}  priority: 1\n"))
        .unwrap();
    stage.trading("new", 2, WHILE).await.unwrap();
    stage.trading("old", 2, WHILE).await.unwrap();
    stage.end().await.unwrap();
}
