//! An account that strategies still name is not deleted: the chart's admission policy, the operator's count and its finalizer.

use super::{THREE, WHILE};
use anyhow::{Result, bail, ensure};
use helios_e2e::{Stage, shared, wait_for};

const ACCOUNT: &str = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: paper}\nspec: {venue: Simulated}\n";

/// What the operator makes of an account.
const MADE: [(&str, &str); 11] = [
    ("deployment", "hc-paper"),
    ("service", "hc-paper"),
    ("serviceaccount", "hc-paper"),
    ("serviceaccount", "hw-paper"),
    ("rolebinding", "hc-paper"),
    ("lease", "hc-paper"),
    ("configmap", "paper-guardian"),
    ("poddisruptionbudget", "hc-paper"),
    ("networkpolicy", "hc-paper"),
    ("networkpolicy", "hw-paper"),
    ("heliosaccount", "paper"),
];

fn delete(stage: &Stage<'_>, more: &[&str]) -> Result<String> {
    stage.kubectl(&[&["delete", "heliosaccounts", "--wait=false"][..], more].concat())
}

fn used_by(stage: &Stage<'_>, strategies: u32) {
    let status = format!("{{\"status\": {{\"strategies\": {strategies}}}}}");
    let patch = ["patch", "heliosaccount", "paper", "--subresource=status"];
    let patch = [&patch[..], &["--type=merge", "-p", &status]].concat();
    stage.kubectl(&patch).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_in_use_not_deleted() {
    let cluster = shared().await.unwrap();
    let mut stage = Stage::new(cluster, "in-use").await.unwrap();
    // For one namespace, so that it meets nobody else's accounts.
    stage.chart(&["admission"]).unwrap();
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();

    // The API server takes a policy up a little later.
    wait_for("the policy to be in force", WHILE, async || {
        match stage.kubectl(&["delete", "heliosaccount", "paper", "--dry-run=server"]) {
            Err(e) if format!("{e:#}").contains("in use by 1 ") => Ok(()),
            other => bail!("{other:?}"),
        }
    })
    .await
    .unwrap();
    let command = format!("kubectl get heliosstrategies -n {}", stage.ns);
    for more in [
        &["paper"] as &[&str],
        &["--all"],
        &["paper", "--cascade=orphan"],
        &["paper", "--force", "--grace-period=0"],
    ] {
        let refused = format!("{:#}", delete(&stage, more).unwrap_err());
        assert!(
            refused.contains("in use by 1 HeliosStrategy") && refused.contains(&command),
            "{more:?}: {refused}"
        );
    }
    let account = stage.object("HeliosAccount", "paper").await.unwrap();
    assert!(account.unwrap()["metadata"]["deletionTimestamp"].is_null());
    stage.trading("nobi", 3, WHILE).await.unwrap();

    // Its strategy gone, it may go, and everything that was made for it goes first.
    stage
        .kubectl(&["delete", "heliosstrategy", "nobi", "--timeout=60s"])
        .unwrap();
    wait_for("the account to be let go", WHILE, async || {
        delete(&stage, &["paper", "--dry-run=server"]).map(drop)
    })
    .await
    .unwrap();
    // Ends as its pods would, before what they stand on goes.
    stage.accounts["paper"].coordinators[0].kill();
    delete(&stage, &["paper"]).unwrap();
    let gone = wait_for("everything of the account to be gone", WHILE, async || {
        for (kind, name) in MADE {
            let left = stage.kubectl(&["get", kind, name, "--ignore-not-found", "-o=name"])?;
            ensure!(left.is_empty(), "{left}");
        }
        Ok(())
    });
    gone.await
        .unwrap_or_else(|e| panic!("{e:#}\n{}", stage.logs()));

    // One whose status nobody has written yet is nobody's.
    stage.operators[0].kill();
    stage.apply(ACCOUNT).unwrap();
    delete(&stage, &["paper"]).unwrap();

    // A namespace that goes takes an account in use with it.
    stage.apply(ACCOUNT).unwrap();
    used_by(&stage, 1);
    delete(&stage, &["paper"]).unwrap_err();
    stage.end().await.unwrap();
}
