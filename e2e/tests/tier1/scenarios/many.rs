//! Two hundred strategies: what is settled stays settled.

use super::WHILE;
use anyhow::{Result, ensure};
use helios_e2e::{Stage, shared, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Strategies of each of the two accounts.
const EACH: usize = 100;
/// Longest that all of them may take to trade, on a busy machine.
const SETTLED: Duration = Duration::from_secs(180);
/// It is looked for this long whether anything flaps: a rescan (30 s), a new leader and its first looks lie in it.
const LOOKED: Duration = Duration::from_secs(40);

/// Each scans by itself, and prefers a symbol of its own.
fn strategies() -> String {
    let one = |account: &str, n: usize| {
        // As the venue names them.
        let symbol = match n {
            0..8 => [
                "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "DOGEUSDT", "ADAUSDT",
                "LINKUSDT",
            ][n]
                .to_string(),
            _ => format!("C{}USDT", n + 1),
        };
        format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: {account}-{n}}}\nspec:\n  accountRef: {{name: {account}}}\n  watchlist: {{size: 1, include: [{symbol}], rescanIntervalSeconds: 30}}\n"
        )
    };
    let all = ["one", "two"].map(|a| (0..EACH).map(move |n| one(a, n)));
    all.into_iter().flatten().collect::<Vec<_>>().join("---\n")
}

/// Each object's conditions: when each changed last, and whether it holds.
type Times = BTreeMap<String, BTreeMap<String, (String, String)>>;

fn objects(stage: &Stage<'_>) -> Result<Vec<Value>> {
    let get = ["get", "heliosstrategies,heliosaccounts", "-o=json"];
    let list: Value = serde_json::from_str(&stage.kubectl(&get)?)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn conditions(stage: &Stage<'_>) -> Result<Times> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let of = |o: &Value| {
        let all = o["status"]["conditions"].as_array().into_iter().flatten();
        let all = all.map(|c| {
            let since = text(&c["lastTransitionTime"]);
            (text(&c["type"]), (since, text(&c["status"])))
        });
        (text(&o["metadata"]["name"]), all.collect())
    };
    Ok(objects(stage)?.iter().map(of).collect())
}

/// All trade, and every condition says what it says of one that is settled.
fn settled(stage: &Stage<'_>) -> Result<()> {
    let all = objects(stage)?;
    let mut trading = 0;
    for o in &all {
        let name = &o["metadata"]["name"];
        for c in o["status"]["conditions"].as_array().into_iter().flatten() {
            let good = if c["type"] == "Ready" {
                "True"
            } else {
                "False"
            };
            let words = format!("of {}: {trading} are well, {name}: {c}", all.len());
            ensure!(c["status"] == good, "{words}");
        }
        let status = &o["status"];
        ensure!(!status["conditions"].is_null(), "{name} has no conditions");
        if o["kind"] == "HeliosStrategy" {
            let counts = (&status["readyWorkers"], &status["updatedWorkers"]);
            ensure!(*counts.0 == 1 && *counts.1 == 1, "{name}: {status}");
        }
        trading += 1;
    }
    ensure!(trading == 2 * EACH + 2, "{trading} objects");
    Ok(())
}

/// Scans that an account's coordinator has finished.
fn scans(stage: &Stage<'_>, account: &str) -> usize {
    let said = stage.accounts[account].coordinators[0].output();
    said.matches("market scanned").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_strategies_do_not_flap() {
    let cluster = shared().await.unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    let mut stage = Stage::new(cluster, "many").await.unwrap();
    stage.operator().await.unwrap();
    let symbols = format!("--symbols={EACH}");
    for account in ["one", "two"] {
        stage.account_at(account, &[&symbols], 1, "").await.unwrap();
    }
    stage.speak_for_workers().unwrap();
    let begun = std::time::Instant::now();
    stage.apply(&strategies()).unwrap();
    let all = wait_for("all to trade", SETTLED, async || settled(&stage));
    all.await
        .unwrap_or_else(|e| panic!("{e:#}\n{}", stage.logs()));
    println!("settled after {:?}", begun.elapsed());

    let mark = cluster.audit_mark().unwrap();
    let (before, pods) = (
        conditions(&stage).unwrap(),
        stage.pods("worker").await.unwrap(),
    );
    assert_eq!(pods.len(), 2 * EACH);
    let scanned = ["one", "two"].map(|a| scans(&stage, a));
    let looked = std::time::Instant::now();
    // Its successor has heard nothing yet: what it does not know must not look like news.
    stage.operators[0].terminate();
    stage.operator().await.unwrap();
    while looked.elapsed() < LOOKED {
        assert_eq!(conditions(&stage).unwrap(), before, "something flapped");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    wait_for("a rescan of each account", WHILE, async || {
        let now = [scans(&stage, "one"), scans(&stage, "two")];
        ensure!(now[0] > scanned[0] && now[1] > scanned[1], "{now:?}");
        Ok(())
    })
    .await
    .unwrap();
    assert!(stage.operators[1].output().contains("INFO leads\n"));
    settled(&stage).unwrap();
    assert_eq!(conditions(&stage).unwrap(), before, "something flapped");
    assert_eq!(
        stage.pods("worker").await.unwrap(),
        pods,
        "workers were replaced"
    );
    let users = [stage.operator_user()];
    let writes = cluster.audit_about(mark, &users).unwrap();
    let mut of_object: BTreeMap<(String, String), usize> = BTreeMap::new();
    for r in writes.requests.iter().filter(|r| r.subresource == "status") {
        let key = (r.resource.clone(), r.name.clone());
        *of_object.entry(key).or_default() += 1;
    }
    // What changes without a condition, such as a count or a leader's epoch, is written once.
    let often: Vec<_> = of_object.iter().filter(|(_, n)| **n > 1).collect();
    assert!(often.is_empty(), "written more than once: {often:?}");
    stage.end().await.unwrap();
}
