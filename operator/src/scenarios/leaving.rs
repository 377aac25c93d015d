//! Strategies and accounts that are deleted, are missing, or come back as others.

use super::bench::*;
use serde_json::json;

const NOTHING: [&str; 0] = [];

/// The last strategy goes, and at once the account says so: whoever deletes it next is asked by that number.
const GOES: [&str; 3] = [
    "get namespace",
    "finalizers heliosstrategies/nobi",
    "status heliosaccounts/paper",
];

/// Five workers trade, BTCUSDT has a position, and the strategy is deleted.
async fn deleted() -> Bench {
    let mut b = Bench::trading().await;
    b.heard(|s| {
        s.positions.insert("BTCUSDT".into(), 1.into());
    });
    b.delete(NOBI);
    let mut wanted = vec!["get namespace".to_string()];
    wanted.extend(FIVE.map(|s| format!("delete {}", pod(s))));
    wanted.push("status heliosstrategies/nobi".into());
    assert_eq!(b.look().await, wanted, "workers go first");
    assert_eq!(b.condition("Ready").reason, "Deleting");
    b.after(2000);
    assert_eq!(b.look().await, ["get namespace"], "their end is waited for");
    for key in b.pods() {
        b.gone(&key);
    }
    b
}

/// Takes the owner off an object.
fn disown(b: &Bench, key: &str) {
    b.change(key, |o| {
        let metadata = o["metadata"].as_object_mut().unwrap();
        metadata.remove("ownerReferences");
    });
}

#[tokio::test(start_paused = true)]
async fn a_deleted_strategy_goes_when_it_is_flat_and_not_before() {
    let mut b = deleted().await;
    // As a coordinator says it of a strategy that goes.
    b.heard(|s| {
        s.wanted.clear();
        s.drained.insert("t/nobi".into(), vec!["BTCUSDT".into()]);
    });
    b.after(2000);
    b.look().await;
    b.after(100_000);
    let asked = b.look().await;
    assert!(
        !asked.iter().any(|a| a.starts_with("finalizers")),
        "{asked:?}"
    );
    b.heard(|s| {
        s.positions.clear();
        s.drained.clear();
    });
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(asked, GOES);
    assert_eq!(b.get(NOBI), None);
}

#[tokio::test(start_paused = true)]
async fn a_picture_with_holes_lets_no_strategy_go() {
    let mut b = deleted().await;
    b.heard(|s| {
        s.positions.clear();
        s.known = false;
    });
    b.after(2000);
    b.look().await;
    assert!(b.get(NOBI).is_some());
}

#[tokio::test(start_paused = true)]
async fn only_a_word_from_after_the_workers_end_proves_that_nothing_is_open() {
    let mut b = Bench::trading().await;
    b.delete(NOBI);
    b.look().await;
    // The coordinator is not heard any more, and its last word says flat.
    b.silent = true;
    b.after(2000);
    for key in b.pods() {
        b.gone(&key);
    }
    b.look().await;
    b.after(2000);
    b.look().await;
    assert!(b.get(NOBI).is_some());
    b.silent = false;
    b.after(1000);
    b.heard(|s| {
        s.positions.insert("BTCUSDT".into(), 1.into());
    });
    b.look().await;
    assert!(b.get(NOBI).is_some(), "a worker had entered");
    b.heard(|s| s.positions.clear());
    b.look().await;
    assert_eq!(b.get(NOBI), None);
}

#[tokio::test(start_paused = true)]
async fn a_word_that_is_no_news_lets_a_strategy_go_soon_after_its_workers_end() {
    let mut b = Bench::trading().await;
    b.delete(NOBI);
    b.look().await;
    for key in b.pods() {
        b.gone(&key);
    }
    b.after(100);
    b.look().await;
    assert_eq!(b.wake, b.now + 2000);
    b.after(2000);
    b.look().await;
    assert_eq!(b.get(NOBI), None);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_end_holds_nothing_once_the_time_is_over() {
    let mut b = Bench::trading().await;
    let btc = pod("BTCUSDT");
    b.delete(NOBI);
    b.delete(PAPER);
    b.look().await;
    for key in b.pods().into_iter().filter(|k| *k != btc) {
        b.gone(&key);
    }
    b.delete(&btc);
    b.after(299_000);
    b.look().await;
    assert!(b.get(NOBI).is_some());
    b.after(1_000);
    b.look().await;
    assert_eq!(b.get(NOBI), None);
    for _ in 0..3 {
        b.after(2_000);
        b.look().await;
    }
    assert_eq!(b.get(PAPER), None);
    assert_eq!(b.pods(), [btc]);
}

#[tokio::test(start_paused = true)]
async fn with_the_annotation_nothing_is_waited_for() {
    let mut b = deleted().await;
    b.change(NOBI, |o| {
        o["metadata"]["annotations"] = json!({"helios.trading/skip-flatten": "true"});
    });
    assert_eq!(b.look().await, GOES);
    assert_eq!(b.get(NOBI), None);

    let mut b = Bench::trading().await;
    b.change(NOBI, |o| {
        o["metadata"]["annotations"] = json!({"helios.trading/skip-flatten": "true"});
    });
    b.delete(NOBI);
    let asked = b.look().await;
    let deletes = asked.iter().filter(|a| a.starts_with("delete pods/"));
    assert_eq!(deletes.count(), 5, "they are asked to end all the same");
    assert_eq!(b.get(NOBI), None);
}

#[tokio::test(start_paused = true)]
async fn after_five_minutes_a_strategy_is_let_go_although_something_is_open() {
    let mut b = deleted().await;
    b.after(297_000);
    b.look().await;
    assert!(b.get(NOBI).is_some(), "299 s after the deletion");
    assert_eq!(b.wake, b.now + 1_000, "it is looked when its time is over");
    b.after(1_000);
    let asked = b.look().await;
    assert!(
        asked.contains(&"finalizers heliosstrategies/nobi".into()),
        "{asked:?}"
    );
    assert_eq!(b.get(NOBI), None);
}

/// In a namespace that was deleted so many seconds before the strategy: looks until both are let go, and returns how many
/// seconds after the strategy's own deletion that is.
async fn let_go_in_a_namespace_deleted(before: i64) -> u64 {
    let mut b = deleted().await;
    let began = 2;
    let at = b.wall_ms / 1000 - i64::try_from(began).unwrap() - before;
    let at = k8s_openapi::jiff::Timestamp::from_second(at).unwrap();
    b.api.lock().unwrap().namespace_deleted = Some(at.to_string());
    b.delete(PAPER);
    b.gone(DEPLOYMENT);
    b.gone(PARAMS);
    for after in began..60 {
        let asked = b.look().await;
        let made = |a: &String| a.starts_with("apply") || a.starts_with("create");
        assert!(!asked.iter().any(made), "{asked:?}");
        if b.get(NOBI).is_none() {
            b.after(1_000);
            b.look().await;
            assert_eq!(b.get(PAPER), None, "the account goes after it");
            return after;
        }
        b.after(1_000);
    }
    panic!("it is there after a minute");
}

#[tokio::test(start_paused = true)]
async fn in_a_namespace_that_goes_nothing_is_made_and_all_is_let_go_within_half_a_minute() {
    assert_eq!(let_go_in_a_namespace_deleted(0).await, 20);
    // Its controller came to the strategy late: the half minute is the namespace's.
    assert_eq!(let_go_in_a_namespace_deleted(10).await, 10);
    let late = let_go_in_a_namespace_deleted(60).await;
    assert_eq!(late, 5, "it has a moment to be left in order");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_accounts_coordinator_goes_first_then_the_rest_and_the_finalizer_last() {
    let mut b = Bench::without_strategies().await;
    b.coordinators_are_ready(2);
    let labels = b.get(DEPLOYMENT).unwrap()["spec"]["template"]["metadata"]["labels"].clone();
    let coordinator = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []},
        "metadata": {"name": "hc-paper-0", "namespace": "t", "labels": labels}});
    b.api.lock().unwrap().put("pods/hc-paper-0", coordinator);
    b.delete(PAPER);
    let first = [
        "get namespace",
        "delete deployments/hc-paper",
        "status heliosaccounts/paper",
    ];
    assert_eq!(b.look().await, first);
    assert_eq!(b.account_condition("Ready").reason, "Deleting");
    b.after(2000);
    b.look().await;
    b.after(2000);
    assert_eq!(b.look().await, ["get namespace"], "its pods end first");
    b.gone("pods/hc-paper-0");
    let rest = [
        "get namespace",
        "delete serviceaccounts/hc-paper",
        "delete serviceaccounts/hw-paper",
        "delete rolebindings/hc-paper",
        "delete services/hc-paper",
        "delete services/hv-paper",
        "delete deployments/hv-paper",
        "delete poddisruptionbudgets/hc-paper",
        "delete networkpolicies/hc-paper",
        "delete networkpolicies/hv-paper",
        "delete networkpolicies/hw-paper",
        "delete configmaps/paper-guardian",
        // Whatever no watch shows may be there all the same.
        "delete deployments/hc-paper",
        "delete leases/hc-paper",
        "finalizers heliosaccounts/paper",
    ];
    assert_eq!(b.look().await, rest);
    assert!(b.api.lock().unwrap().objects.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_a_strategy_still_uses_keeps_its_coordinator() {
    for spoil in [false, true] {
        let mut b = Bench::trading().await;
        if spoil {
            b.change(NOBI, |o| o["spec"] = json!({"accountRef": 5}));
        }
        b.delete(PAPER);
        b.look().await;
        b.after(1000);
        for key in b.pods() {
            b.gone(&key);
        }
        b.look().await;
        assert!(
            b.get(DEPLOYMENT).is_some() && b.get(PAPER).is_some(),
            "{spoil}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_account_a_strategy_is_stalled_and_nothing_is_started() {
    let mut b = Bench::new();
    b.gone(PAPER);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    let stalled = b.condition("Stalled");
    assert_eq!(
        (stalled.status.as_str(), stalled.reason.as_str()),
        ("True", "AccountNotFound")
    );
    assert!(stalled.message.contains("no HeliosAccount paper"));
    assert_eq!(b.condition("Reconciling").status, "False");
    b.after(2000);
    assert_eq!(b.look().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_vanishes_takes_nothing_with_it() {
    let mut b = Bench::trading().await;
    b.gone(PAPER);
    b.after(1000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    assert_eq!(b.pods().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_keeps_what_runs_and_its_parameters() {
    let mut b = Bench::trading().await;
    let before = b.published();
    b.edit(NOBI, |s| s["risk"] = json!({"leverage": 1000}));
    b.after(1000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    let stalled = b.condition("Stalled");
    assert_eq!(stalled.reason, "Invalid");
    assert!(stalled.message.contains("leverage"), "{}", stalled.message);
    assert_eq!((b.pods().len(), b.published()), (5, before));
    b.edit(NOBI, |s| s["risk"] = json!({"leverage": 10}));
    b.after(1000);
    b.look().await;
    assert_eq!(b.condition("Stalled").status, "False");
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_was_made_anew_owes_nothing_to_the_old_ones_parameters() {
    let mut b = Bench::trading().await;
    for generation in 2..5 {
        b.edit(NOBI, |s| s["priority"] = json!(generation));
        b.after(1000);
        b.look().await;
    }
    b.workers_are_ready();
    assert_eq!(b.published().generation, 4);
    let old = b.published().strategy_uid;
    b.gone(NOBI);
    let spec = json!({"accountRef": {"name": "paper"}, "rollout": {"canarySymbols": 2}, "signals": {"nobiTriggerThreshold": "0.9"}});
    b.put("HeliosStrategy", NOBI, spec);
    b.after(1000);
    let asked = b.look().await;
    assert!(
        asked.contains(&"apply configmaps/hs-nobi".into()),
        "{asked:?}"
    );
    let d = b.published();
    assert_ne!(d.strategy_uid, old);
    assert_eq!((d.generation, d.rollout_step, d.canary), (1, 0, None));
    // Its workers belong to the old one: replaced, one at a time.
    assert_eq!(asked.iter().filter(|a| a.starts_with("delete ")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_orphan_deletion_leaves_of_a_strategy_is_cleared_away_and_nothing_else_is_sent() {
    let mut b = Bench::trading().await;
    let budget = "poddisruptionbudgets/hs-nobi";
    for key in b.pods() {
        b.gone(&key);
    }
    b.gone(NOBI);
    // What still has its owner is the garbage collector's.
    b.after(2000);
    b.look().await;
    assert!(b.get(PARAMS).is_some() && b.get(budget).is_some());
    for key in [PARAMS, budget] {
        disown(&b, key);
    }
    b.after(2000);
    let left = [
        "delete configmaps/hs-nobi",
        "delete poddisruptionbudgets/hs-nobi",
    ];
    assert_eq!(b.look().await, left);
    assert_eq!((b.get(PARAMS), b.get(budget)), (None, None));
    b.after(2000);
    assert_eq!(b.look().await, NOTHING);

    // One that is there keeps its own, whoever took the owner off.
    let mut b = Bench::trading().await;
    disown(&b, PARAMS);
    b.after(2000);
    b.look().await;
    assert!(b.get(PARAMS).unwrap()["metadata"]["ownerReferences"].is_array());
}
