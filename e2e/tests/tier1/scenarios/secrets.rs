//! Keys of the exchange come late and are replaced, while everything runs on.

use super::{THREE, WHILE, eager};
use helios_e2e::{Stage, shared, wait_for};
use std::time::Duration;

/// Keys of the exchange's length.
fn key(n: u8) -> String {
    format!("{n}").repeat(64)
}

/// A Secret, whole or in part.
fn secret(stage: &Stage<'_>, name: &str, data: &[(&str, &str)]) {
    let data = data.iter().map(|(k, v)| format!("{k}: \"{v}\""));
    let data = data.collect::<Vec<_>>().join(", ");
    stage
        .apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{{data}}}\n"
        ))
        .unwrap();
}

fn keys(stage: &Stage<'_>, name: &str, n: u8) {
    let (key, secret_key) = (key(n), key(n + 1));
    secret(stage, name, &[("apiKey", &key), ("apiSecret", &secret_key)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_missing_says_so() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "keyless").await.unwrap();
    stage.operator().await.unwrap();
    keys(&stage, "paper-venue", 1);
    stage
        .account_of_secret("paper", "paper-keys", 1, "")
        .await
        .unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    for kind in ["HeliosAccount", "HeliosStrategy"] {
        let name = if kind == "HeliosAccount" {
            "paper"
        } else {
            "nobi"
        };
        let words = stage
            .reason(kind, name, "Ready", "CredentialsMissing", WHILE)
            .await
            .unwrap();
        for part in ["Secret paper-keys", "no apiKey, apiSecret", "write apiKey"] {
            assert!(words.contains(part), "{kind}: {words}");
        }
    }
    // Half of it is not enough, and it says which half lacks.
    secret(&stage, "paper-keys", &[("apiKey", &key(1))]);
    wait_for("words about the half that lacks", WHILE, async || {
        let (_, reason, words) = stage.condition("HeliosAccount", "paper", "Ready").await?;
        let named = words.contains("has no apiSecret:");
        anyhow::ensure!(reason == "CredentialsMissing" && named, "{reason}: {words}");
        Ok(())
    })
    .await
    .unwrap();
    assert!(stage.uids().await.unwrap().is_empty(), "it trades");
    let coordinator = &stage.accounts["paper"].coordinators[0];
    let (process, pods) = (coordinator.id(), stage.pods("coordinator").await.unwrap());

    // It comes, and everything goes on by itself.
    keys(&stage, "paper-keys", 1);
    stage
        .reason("HeliosAccount", "paper", "Ready", "Guarding", WHILE)
        .await
        .unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    stage
        .reason("HeliosStrategy", "nobi", "Ready", "Trading", WHILE)
        .await
        .unwrap();
    let coordinator = &stage.accounts["paper"].coordinators[0];
    assert!(!coordinator.ended() && coordinator.id() == process);
    assert_eq!(
        stage.pods("coordinator").await.unwrap(),
        pods,
        "pods were replaced"
    );
    let said = coordinator.output();
    assert!(!said.contains(&key(1)) && !said.contains(&key(2)), "shown");
    stage.end().await.unwrap();
}

/// How the venue of the account answers a key: the status of a request that needs one.
fn answer(stage: &Stage<'_>, key: &str) -> u16 {
    let path = "/fapi/v1/listenKey";
    stage.ask_venue("paper", "POST", path, key).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_rotated() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "rotated").await.unwrap();
    stage.operator().await.unwrap();
    keys(&stage, "paper-venue", 1);
    keys(&stage, "paper-keys", 1);
    stage
        .account_of_secret("paper", "paper-keys", 30, "")
        .await
        .unwrap();
    stage
        .strategy("nobi", "paper", &eager("BTCUSDT, ETHUSDT, SOLUSDT", 300))
        .unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    stage.trade("paper", "nobi", "ETHUSDT").await.unwrap();
    let fills = async |more_than: usize, what: &str| {
        let waited = wait_for(what, WHILE, async || {
            let now = stage.fills("paper")?;
            anyhow::ensure!(now > more_than, "{now} fills");
            Ok(now)
        });
        waited
            .await
            .unwrap_or_else(|e| panic!("{e:#}\n{}", stage.logs()))
    };
    fills(0, "a fill with the first key").await;
    let running = || {
        let coordinators = &stage.accounts["paper"].coordinators;
        let all = coordinators.iter().chain(stage.traders());
        let all = all.map(|p| (p.id(), p.ended()));
        all.collect::<Vec<_>>()
    };
    let (processes, pods) = (running(), stage.pods("coordinator").await.unwrap());
    let workers = stage.uids().await.unwrap();
    assert_eq!(
        (answer(&stage, &key(1)), answer(&stage, &key(4))),
        (200, 401)
    );

    // The exchange takes another key now, and then the Secret holds it.
    keys(&stage, "paper-venue", 4);
    keys(&stage, "paper-keys", 4);
    let soon = Duration::from_secs(20);
    wait_for("the old key to be refused", soon, async || {
        let now = (answer(&stage, &key(1)), answer(&stage, &key(4)));
        anyhow::ensure!(now == (401, 200), "old and new are answered {now:?}");
        Ok(())
    })
    .await
    .unwrap();
    let mut all = stage.accounts["paper"]
        .coordinators
        .iter()
        .chain(stage.traders());
    wait_for("everybody to take the new key", soon, async || {
        let said = |p: &helios_e2e::stage::Running| p.output().contains("keys were replaced");
        anyhow::ensure!(all.clone().all(said), "somebody has not");
        Ok(())
    })
    .await
    .unwrap();
    // An exit and an entry at least, each signed with it, and each under a grant of a coordinator that reads the account.
    let before = stage.fills("paper").unwrap();
    fills(before + 1, "an exit and an entry with the new key").await;
    stage
        .reason("HeliosAccount", "paper", "Ready", "Guarding", WHILE)
        .await
        .unwrap();
    assert_eq!(running(), processes, "somebody was started again");
    assert_eq!(stage.pods("coordinator").await.unwrap(), pods);
    assert_eq!(stage.uids().await.unwrap(), workers);
    for p in all.by_ref() {
        let said = p.output();
        assert!(!said.contains(&key(4)) && !said.contains(&key(5)), "shown");
    }
    stage.end().await.unwrap();
}
