//! What coordinators stand on is lost: lock, state, namespace, node.

use super::positions::in_position;
use super::{FIVE, THREE, WHILE};
use helios_e2e::{ControlPlane, Options, Stage, shared, wait_for};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A worker that hears no coordinator has stopped by then.
const MAY_TRADE: Duration = Duration::from_secs(30);

async fn account(stage: &Stage<'_>) -> Value {
    let o = stage.object("HeliosAccount", "paper").await.unwrap();
    o.unwrap()["status"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_deleted_under_load() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "lease").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.coordinator("paper").await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    let uids = stage.uids().await.unwrap();
    let epoch = account(&stage).await["epoch"].as_i64().unwrap();
    // Its leader writes its lock again as soon as the operator has made it anew. Where that takes longer than its term, it
    // stands down first, and whoever leads then does so under the next epoch. Nobody does under the same.
    stage.kubectl(&["delete", "lease", "hc-paper"]).unwrap();
    wait_for("the lock to be held again", WHILE, async || {
        let holder = [
            "get",
            "lease",
            "hc-paper",
            "-o",
            "jsonpath={.spec.holderIdentity}",
        ];
        let holder = stage.kubectl(&holder)?;
        anyhow::ensure!(holder.starts_with("hc-paper-"), "held by '{holder}'");
        Ok(())
    })
    .await
    .unwrap();
    stage
        .reason("HeliosAccount", "paper", "Ready", "Guarding", WHILE)
        .await
        .unwrap();
    let now = account(&stage).await["epoch"].as_i64().unwrap();
    assert!(
        now == epoch || now == epoch + 1,
        "epoch {now} after {epoch}"
    );
    let epoch = now;
    // With its leader dead too, nothing is left of how often it changed hands.
    let leads = account(&stage).await["leader"]
        .to_string()
        .contains("hc-paper-1");
    stage.accounts["paper"].coordinators[usize::from(leads)].kill();
    stage.kubectl(&["delete", "lease", "hc-paper"]).unwrap();
    // A lock made anew begins to count at zero; the epoch must not.
    wait_for("a leader of a higher epoch", WHILE, async || {
        let status = account(&stage).await;
        let now = status["epoch"].as_i64().unwrap_or(0);
        anyhow::ensure!(now > epoch, "epoch {now} after {epoch}");
        Ok(())
    })
    .await
    .unwrap();
    stage
        .reason("HeliosAccount", "paper", "Ready", "Guarding", WHILE)
        .await
        .unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    assert_eq!(stage.uids().await.unwrap(), uids);
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardian_state_lost() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "state").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    stage.accounts["paper"].coordinators[0].kill();
    stage
        .kubectl(&["delete", "configmap", "paper-guardian"])
        .unwrap();
    stage.coordinator("paper").await.unwrap();
    // The lock has changed hands before, so a state that is missing is no beginning: nobody takes new risk.
    wait_for("the latch stateLost", WHILE, async || {
        let latches = account(&stage).await["latches"].to_string();
        anyhow::ensure!(latches.contains("tateLost"), "{latches}");
        Ok(())
    })
    .await
    .unwrap();
    stage
        .reason("HeliosStrategy", "nobi", "Paused", "AccountHalted", WHILE)
        .await
        .unwrap();
    let full = format!("{}/paper", stage.ns);
    stage
        .helios(&["release", "state-lost", "--account", &full])
        .unwrap();
    stage
        .reason("HeliosStrategy", "nobi", "Paused", "Running", WHILE)
        .await
        .unwrap();
    let state = stage
        .kubectl(&["get", "configmap", "paper-guardian", "-o", "json"])
        .unwrap();
    assert!(state.contains("state.json"), "the state is written again");
    stage.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespace_deleted() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "going").await.unwrap();
    in_position(&mut stage).await;
    let delete = ["delete", "namespace", &stage.ns, "--wait=false"];
    cluster.kubectl(&delete).unwrap();
    let deleted = Instant::now();
    // Pods are among the first to go: nobody leaves the position, and nobody will ever say that it is flat.
    stage.accounts["paper"].coordinators[0].kill();
    stage.traders()[0].kill();
    // Elsewhere a strategy is given five minutes; here everything is let go within half a minute.
    for kind in ["heliosstrategies", "heliosaccounts"] {
        let waited = wait_for("finalizers to be taken off", WHILE, async || {
            let left = stage.kubectl(&["get", kind, "-o", "name"])?;
            anyhow::ensure!(left.is_empty(), "{left}");
            Ok(())
        })
        .await;
        if let Err(e) = waited {
            panic!("{e:#}\n{}", stage.logs());
        }
    }
    let took = deleted.elapsed();
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    // The rest is the namespace controller's, which comes back when pods have had their time.
    wait_for(
        "the namespace to be gone",
        Duration::from_secs(150),
        async || {
            let left = cluster.kubectl(&["get", "namespace", "-o", "name"])?;
            anyhow::ensure!(!left.contains(&stage.ns), "it is there");
            Ok(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_lost() {
    if !shared().await.unwrap().has_fake_nodes() {
        return;
    }
    // Of its own: pods of other scenarios must not be on the node that is lost.
    let cluster = ControlPlane::start(Options::default()).await.unwrap();
    let mut stage = Stage::new(&cluster, "node").await.unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", FIVE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 5, WHILE).await.unwrap();
    let pods = stage.workers().await.unwrap();
    let node = pods["BTCUSDT"]
        .spec
        .as_ref()
        .unwrap()
        .node_name
        .clone()
        .unwrap();
    let there: Vec<&String> = pods
        .iter()
        .filter(|(_, p)| p.spec.as_ref().unwrap().node_name.as_ref() == Some(&node))
        .map(|(s, _)| s)
        .collect();
    let before = stage.uids().await.unwrap();
    cluster.lose_node(&node).await.unwrap();
    let lost = Instant::now();
    wait_for("the node to be found lost", WHILE, async || {
        let ready = cluster.node(&node).await?.status.unwrap_or_default();
        let ready = ready.conditions.unwrap_or_default();
        let unknown = ready
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "Unknown");
        anyhow::ensure!(unknown, "{ready:?}");
        Ok(())
    })
    .await
    .unwrap();
    // A person who does not wait for the eviction: it may still trade there, so its name is not free yet.
    let early = there[0];
    let name = pods[early].metadata.name.as_deref().unwrap();
    stage
        .kubectl(&["delete", "pod", name, "--wait=false"])
        .unwrap();
    // Its kubelet can't say that the pods ended; they are struck off when what ran there must have stopped.
    wait_for(
        "workers on other nodes",
        Duration::from_secs(150),
        async || {
            let now = stage.uids().await?;
            let again = now.get(early).is_some_and(|u| *u != before[early]);
            let since = lost.elapsed();
            assert!(
                !again || since > MAY_TRADE,
                "{early} again after {since:?}: it may still have traded"
            );
            let moved = there
                .iter()
                .all(|s| now.get(*s).is_some_and(|u| *u != before[*s]));
            anyhow::ensure!(moved && now.len() == 5, "{now:?}");
            Ok(())
        },
    )
    .await
    .unwrap();
    stage.trading("nobi", 5, WHILE).await.unwrap();
    let now = stage.uids().await.unwrap();
    for (s, uid) in before.iter().filter(|(s, _)| !there.contains(s)) {
        assert_eq!(now[s], *uid, "{s} was on another node and was touched");
    }
    let events = stage.kubectl(&["get", "events"]).unwrap();
    assert!(events.contains("WorkerStruckOff"), "{events}");
    // With its cluster everything goes.
    drop(stage);
}
