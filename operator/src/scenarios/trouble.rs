//! What happens around workers that trade: lost nodes, silence, crashes, claims.

use super::bench::*;
use helios_core::messages::AccountSnapshot;
use serde_json::json;

const NOTHING: [&str; 0] = [];

#[tokio::test(start_paused = true)]
async fn parameters_that_differ_are_written_once_and_nothing_else_is_sent() {
    let mut b = Bench::trading().await;
    b.edit(NOBI, |s| s["suspend"] = json!(true));
    b.after(1000);
    let both = ["apply configmaps/hs-nobi", "status heliosstrategies/nobi"];
    assert_eq!(b.look().await, both);
    let d = b.published();
    assert!(d.stable.suspend && d.generation == 2);
    assert_eq!(b.condition("Paused").reason, "Suspended");
    b.workers_are_ready();
    b.after(1000);
    b.settle().await;
    assert_eq!(b.look().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_worker_on_a_lost_node_is_struck_off_after_thirty_seconds_and_not_before() {
    let mut b = Bench::trading().await;
    let btc = pod("BTCUSDT");
    b.node(false);
    b.delete(&btc);
    assert_eq!(count(&b.look().await, "strike"), 0);
    b.after(29_000);
    assert_eq!(count(&b.look().await, "strike"), 0);
    assert_eq!(b.wake, b.now + 1000, "it looks again just then");
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(count(&asked, "strike"), 1, "{asked:?}");
    assert!(asked.contains(&format!("strike {btc}")));
    b.after(1000);
    assert_eq!(
        count(&b.look().await, &format!("create {btc}")),
        1,
        "and starts elsewhere"
    );
    let mut told = Vec::new();
    while let Ok(n) = b.notes.try_recv() {
        told.push(n.reason);
    }
    assert!(told.contains(&"WorkerStruckOff".into()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_node_is_heard_again_or_that_was_not_asked_to_go_is_not_struck_off() {
    let mut b = Bench::trading().await;
    b.node(false);
    b.after(60_000);
    assert_eq!(
        count(&b.look().await, "strike"),
        0,
        "nobody asked it to end"
    );
    b.node(true);
    b.delete(&pod("BTCUSDT"));
    b.after(60_000);
    assert_eq!(count(&b.look().await, "strike"), 0, "its node will tell");
}

#[tokio::test(start_paused = true)]
async fn an_old_snapshot_stops_nothing_and_replaces_what_is_lost() {
    let mut b = Bench::trading().await;
    b.wants(&FIVE[..4]);
    b.silent = true;
    b.after(15_001);
    b.gone(&pod("BTCUSDT"));
    let asked = b.look().await;
    assert_eq!(count(&asked, "delete"), 0);
    assert_eq!(count(&asked, &format!("create {}", pod("BTCUSDT"))), 1);
    b.silent = false;
    b.after(1000);
    assert_eq!(
        count(&b.look().await, &format!("delete {}", pod("XRPUSDT"))),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_picture_with_holes_stops_nothing() {
    let mut b = Bench::trading().await;
    b.wants(&FIVE[..4]);
    b.heard(|s| s.known = false);
    b.after(1000);
    assert_eq!(count(&b.look().await, "delete"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_heard_nobody_yet_goes_by_what_was_traded_and_stops_nothing() {
    let mut b = Bench::trading().await;
    b.restart();
    b.ctx.board.forget("t/paper");
    b.snapshot = None;
    b.gone(&pod("ETHUSDT"));
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(
        count(&asked, &format!("create {}", pod("ETHUSDT"))),
        1,
        "{asked:?}"
    );
    assert_eq!((count(&asked, "delete"), b.pods().len()), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_another_strategy_has_is_shown_and_nothing_else_is_sent() {
    let mut b = Bench::trading().await;
    let taken = vec![("SOLUSDT".to_string(), "t/other".to_string())];
    b.heard(|s| drop(s.taken.insert("t/nobi".into(), taken)));
    b.after(1000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    let d = b.condition("Degraded");
    assert_eq!(
        (d.status.as_str(), d.reason.as_str()),
        ("True", "SymbolTaken")
    );
    assert_eq!(b.status().taken[0].by, "t/other");
    assert_eq!(b.condition("Ready").status, "True");
}

#[tokio::test(start_paused = true)]
async fn a_failed_worker_is_cleared_away_after_its_pause_and_started_again() {
    let mut b = Bench::trading().await;
    let btc = pod("BTCUSDT");
    b.change(
        &btc,
        |p| p["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": "memory"}),
    );
    b.after(1000);
    assert_eq!(count(&b.look().await, "delete"), 0);
    assert_eq!(b.wake, b.now + 100);
    b.after(100);
    assert_eq!(count(&b.look().await, &format!("delete {btc}")), 1);
    b.gone(&btc);
    assert_eq!(count(&b.look().await, &format!("create {btc}")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_in_a_crash_loop_waits_for_the_planners_pause_and_not_for_the_kubelets() {
    let mut b = Bench::trading().await;
    let btc = pod("BTCUSDT");
    let crashes = |b: &Bench| {
        let waiting = json!({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}});
        b.change(&btc, |p| {
            p["status"] = json!({"phase": "Running", "containerStatuses": [waiting]})
        });
    };
    for failures in 1..=3 {
        crashes(&b);
        b.after(1000);
        assert_eq!(count(&b.look().await, "delete"), 0);
        assert_eq!(b.wake, b.now + (50 << failures), "longer each time");
        // It runs for a moment, and crashes again: its pause goes on.
        b.pod_runs(&btc, false);
        b.after(20);
        assert_eq!(
            count(&b.look().await, "delete"),
            0,
            "as it runs, it may recover"
        );
        crashes(&b);
        b.after((50 << failures) - 20);
        assert_eq!(count(&b.look().await, &format!("delete {btc}")), 1);
        b.gone(&btc);
        assert_eq!(count(&b.look().await, &format!("create {btc}")), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_has_not_scanned_yet_stops_nothing_and_is_no_news() {
    let mut b = Bench::trading().await;
    let before = b.condition("Ready");
    // Both coordinators were replaced: the new leader knows the account at once, and the market later.
    b.heard(|s| {
        s.epoch += 1;
        s.wanted.clear();
    });
    for _ in 0..20 {
        b.after(1000);
        let asked = b.look().await;
        assert_eq!((count(&asked, "delete"), b.pods().len()), (0, 5));
    }
    assert_eq!(b.condition("Ready"), before);
    assert_eq!(b.status().symbols.len(), 5);
    b.after(20_000);
    b.look().await;
    assert_eq!(b.condition("Ready").reason, "NotScanned");
    b.wants(&FIVE);
    b.after(1000);
    b.look().await;
    assert_eq!(b.condition("Ready").reason, "Trading");
    // A scan that finds nothing says so.
    b.wants(&[]);
    b.after(1000);
    assert_eq!(count(&b.look().await, "delete pods/"), 5);
}

#[tokio::test(start_paused = true)]
async fn workers_of_another_image_are_replaced_one_at_a_time_and_that_is_shown() {
    let mut b = Bench::trading().await;
    b.heard(|s| {
        s.positions.insert("ADAUSDT".into(), 1.into());
    });
    b.ctx.config.pods.image = "helios:next".into();
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(
        count(&asked, &format!("delete {}", pod("BNBUSDT"))),
        1,
        "the first that is flat"
    );
    assert_eq!(count(&asked, "delete"), 1);
    assert_eq!(b.condition("Progressing").reason, "Replacing");
}

#[tokio::test(start_paused = true)]
async fn a_new_release_is_for_coordinators_and_not_for_the_market_that_runs() {
    let mut b = Bench::trading().await;
    // It has never come up: what keeps it from that may be what is changed now.
    b.ctx.config.pods.image_pull_policy = "Always".into();
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(count(&asked, "apply deployments/hv-paper"), 1, "{asked:?}");
    b.change("deployments/hv-paper", |d| {
        d["status"] = json!({"readyReplicas": 1, "conditions": [
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ]});
    });
    b.settle().await;
    b.change("deployments/hv-paper", |d| {
        d["status"]["readyReplicas"] = json!(0)
    });
    b.ctx.config.pods.image = "helios:next".into();
    b.ctx.config.pods.priority_class = "traders".into();
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(count(&asked, "apply deployments/hc-paper"), 1, "{asked:?}");
    assert_eq!(count(&asked, "apply deployments/hv-paper"), 0, "{asked:?}");
    // What the market shall be is the account's to say, and then it is another one.
    b.edit("heliosaccounts/paper", |s| {
        s["simulated"] = json!({"seed": 9});
    });
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(count(&asked, "apply deployments/hv-paper"), 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_lack_are_what_both_kinds_say_though_no_coordinator_is_ready() {
    let mut b = Bench::new();
    b.settle().await;
    b.says(AccountSnapshot {
        unknown: Some("credentials missing: Secret s has no apiKey".into()),
        ..AccountSnapshot::default()
    });
    b.settle().await;
    for c in [b.condition("Ready"), b.account_condition("Ready")] {
        assert_eq!(c.reason, "CredentialsMissing");
        assert!(c.message.contains("Secret s has no apiKey"), "{c:?}");
    }
}
