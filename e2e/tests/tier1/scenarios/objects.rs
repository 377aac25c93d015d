//! What people and tools do with objects: refused manifests, waiting, comparing, deleting, making anew.

use super::{THREE, WHILE};
use helios_e2e::{Stage, shared, wait_for};
use serde_json::Value;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_manifest_is_refused_with_words() {
    let cluster = shared().await.unwrap();
    let stage = Stage::new(cluster, "refused").await.unwrap();
    let refused = |extra: &str| {
        stage
            .strategy("nobi", "paper", extra)
            .unwrap_err()
            .to_string()
    };
    let words = refused("  risk: {atr: {barSeconds: 2}}\n");
    assert!(
        words.contains("spec.risk.atr.barSeconds") && words.contains("5"),
        "{words}"
    );
    let words = refused("  watchlist: {symbols: [BTCUSDT, BTCUSDT]}\n");
    assert!(
        words.contains("spec.watchlist.symbols") && words.contains("keep one"),
        "{words}"
    );
    let words = refused("  signals: {nobiTriggerTreshold: \"0.5\"}\n");
    assert!(words.contains("nobiTriggerTreshold"), "{words}");
    let live = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: real}\nspec: {venue: BinanceUsdm, environment: Live, credentialsSecretRef: {name: k}}\n";
    let words = stage.apply(live).unwrap_err().to_string();
    assert!(
        words.contains("spec.confirmLive") && words.contains("write"),
        "{words}"
    );
    let steep = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: steep}\nspec: {venue: Simulated, margin: {warningMarginRatio: \"10\"}}\n";
    let words = stage.apply(steep).unwrap_err().to_string();
    assert!(words.contains("spec.margin"), "{words}");
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_wait_and_kstatus() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "wait").await.unwrap();
    stage.operator().await.unwrap();
    // Without its account it is stalled, in words: no tool waits for it in vain.
    stage.strategy("nobi", "paper", THREE).unwrap();
    let words = stage
        .reason(
            "HeliosStrategy",
            "nobi",
            "Stalled",
            "AccountNotFound",
            WHILE,
        )
        .await
        .unwrap();
    assert!(words.contains("HeliosAccount paper"), "{words}");
    stage.account("paper", "").await.unwrap();
    stage.speak_for_workers().unwrap();
    stage
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=90s",
            "heliosstrategy/nobi",
            "heliosaccount/paper",
        ])
        .unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    for type_ in ["Reconciling", "Stalled"] {
        let what = format!("{type_} to end");
        wait_for(&what, WHILE, async || {
            let (status, reason, words) = stage.condition("HeliosStrategy", "nobi", type_).await?;
            anyhow::ensure!(status == "False", "{reason}: {words}");
            Ok(())
        })
        .await
        .unwrap();
    }
    // Every condition speaks of the generation that is there.
    let object = stage
        .object("HeliosStrategy", "nobi")
        .await
        .unwrap()
        .unwrap();
    let generation = &object["metadata"]["generation"];
    let conditions = object["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 6);
    assert!(
        conditions
            .iter()
            .all(|c| c["observedGeneration"] == *generation),
        "{conditions:?}"
    );
    let columns = stage.kubectl(&["get", "hs"]).unwrap();
    assert!(
        columns.contains("3/3") && columns.contains("Trading"),
        "{columns}"
    );
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gitops_sees_no_diff() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "gitops").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let spec = async |kind: &str, name: &str| -> (Value, Value) {
        let o = stage.object(kind, name).await.unwrap().unwrap();
        (o["spec"].clone(), o["metadata"]["generation"].clone())
    };
    let before = (
        spec("HeliosStrategy", "nobi").await,
        spec("HeliosAccount", "paper").await,
    );
    // What Git says is what is stored, to the last byte: a second apply changes nothing, and neither does the operator.
    let said = stage.strategy("nobi", "paper", THREE).unwrap();
    assert!(said.contains("unchanged"), "{said}");
    let operator = stage.operator_user();
    let mark = cluster.audit_mark().unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let writes = cluster.audit_since(mark).unwrap().of(&operator);
    assert_eq!(writes.count(helios_e2e::audit::Kind::Write), 0, "{writes}");
    let after = (
        spec("HeliosStrategy", "nobi").await,
        spec("HeliosAccount", "paper").await,
    );
    assert_eq!(before, after);
    stage.end().await.unwrap();
}
