//! What happens around workers that trade: lost nodes, silence, crashes, claims, and how much of it people are told.

use super::bench::*;
use helios_core::messages::{AccountSnapshot, LadderLevel};
use serde_json::json;

const NOTHING: [&str; 0] = [];

fn calls(asked: &[String], verb: &str) -> usize {
    asked.iter().filter(|a| a.starts_with(verb)).count()
}

#[tokio::test(start_paused = true)]
async fn workers_that_become_ready_are_one_word_and_then_there_is_silence() {
    let mut b = Bench::new();
    b.settle().await;
    b.coordinators_are_ready(2);
    b.wants(&FIVE);
    b.settle().await;
    b.after(1000);
    b.workers_are_ready();
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    assert_eq!(b.status().ready.as_deref(), Some("5/5"));
    assert_eq!(b.status().updated_workers, Some(5));
    for type_ in [
        "Progressing",
        "Degraded",
        "Paused",
        "Reconciling",
        "Stalled",
    ] {
        assert_eq!(b.condition(type_).status, "False", "{type_}");
    }
    for _ in 0..60 {
        b.after(1000);
        let asked = b.look().await;
        assert!(
            asked.iter().all(|a| a == "get leases/hc-paper"),
            "{asked:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_is_not_written_more_than_once_a_second() {
    let mut b = Bench::trading().await;
    let mut writes = 0;
    for n in 0..20 {
        b.after(100);
        b.edit(NOBI, |s| s["suspend"] = json!(n % 2 == 0));
        let written = calls(&b.look().await, "status heliosstrategies/");
        assert!(
            written == 1 || b.wake <= b.now + 3000,
            "what was held back is written soon"
        );
        writes += written;
    }
    assert!((2..=3).contains(&writes), "{writes} writes in two seconds");
}

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
    assert_eq!(calls(&b.look().await, "strike"), 0);
    b.after(29_000);
    assert_eq!(calls(&b.look().await, "strike"), 0);
    assert_eq!(b.wake, b.now + 1000, "it looks again just then");
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(calls(&asked, "strike"), 1, "{asked:?}");
    assert!(asked.contains(&format!("strike {btc}")));
    b.after(1000);
    assert_eq!(
        calls(&b.look().await, &format!("create {btc}")),
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
        calls(&b.look().await, "strike"),
        0,
        "nobody asked it to end"
    );
    b.node(true);
    b.delete(&pod("BTCUSDT"));
    b.after(60_000);
    assert_eq!(calls(&b.look().await, "strike"), 0, "its node will tell");
}

#[tokio::test(start_paused = true)]
async fn an_old_snapshot_stops_nothing_and_replaces_what_is_lost() {
    let mut b = Bench::trading().await;
    b.wants(&FIVE[..4]);
    b.silent = true;
    b.after(15_001);
    b.gone(&pod("BTCUSDT"));
    let asked = b.look().await;
    assert_eq!(calls(&asked, "delete"), 0);
    assert_eq!(calls(&asked, &format!("create {}", pod("BTCUSDT"))), 1);
    b.silent = false;
    b.after(1000);
    assert_eq!(
        calls(&b.look().await, &format!("delete {}", pod("XRPUSDT"))),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_picture_with_holes_stops_nothing() {
    let mut b = Bench::trading().await;
    b.wants(&FIVE[..4]);
    b.heard(|s| s.known = false);
    b.after(1000);
    assert_eq!(calls(&b.look().await, "delete"), 0);
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
        calls(&asked, &format!("create {}", pod("ETHUSDT"))),
        1,
        "{asked:?}"
    );
    assert_eq!((calls(&asked, "delete"), b.pods().len()), (0, 5));
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
async fn workers_that_are_not_ready_for_a_moment_do_not_make_a_strategy_unready() {
    let mut b = Bench::trading().await;
    let before = b.condition("Ready");
    let btc = pod("BTCUSDT");
    b.pod_runs(&btc, false);
    b.after(1000);
    b.look().await;
    b.after(29_000);
    b.look().await;
    assert_eq!(b.condition("Ready"), before, "word for word, and its time");
    assert_eq!(b.status().ready.as_deref(), Some("4/5"));
    assert_eq!(b.wake, b.now + 1000);
    b.after(1000);
    b.look().await;
    let after = b.condition("Ready");
    assert_eq!(
        (after.status.as_str(), after.reason.as_str()),
        ("False", "WorkersNotReady")
    );
    b.after(50_000);
    b.look().await;
    assert_eq!(
        b.condition("Ready").last_transition_time,
        after.last_transition_time
    );
    b.pod_runs(&btc, true);
    b.after(1000);
    b.look().await;
    assert_eq!(b.condition("Ready").reason, "Trading");
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
    assert_eq!(calls(&b.look().await, "delete"), 0);
    assert_eq!(b.wake, b.now + 100);
    b.after(100);
    assert_eq!(calls(&b.look().await, &format!("delete {btc}")), 1);
    b.gone(&btc);
    assert_eq!(calls(&b.look().await, &format!("create {btc}")), 1);
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
        assert_eq!(calls(&b.look().await, "delete"), 0);
        assert_eq!(b.wake, b.now + (50 << failures), "longer each time");
        // It runs for a moment, and crashes again: its pause goes on.
        b.pod_runs(&btc, false);
        b.after(20);
        assert_eq!(
            calls(&b.look().await, "delete"),
            0,
            "as it runs, it may recover"
        );
        crashes(&b);
        b.after((50 << failures) - 20);
        assert_eq!(calls(&b.look().await, &format!("delete {btc}")), 1);
        b.gone(&btc);
        assert_eq!(calls(&b.look().await, &format!("create {btc}")), 1);
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
        assert_eq!((calls(&asked, "delete"), b.pods().len()), (0, 5));
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
    assert_eq!(calls(&b.look().await, "delete pods/"), 5);
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
        calls(&asked, &format!("delete {}", pod("BNBUSDT"))),
        1,
        "the first that is flat"
    );
    assert_eq!(calls(&asked, "delete"), 1);
    assert_eq!(b.condition("Progressing").reason, "Replacing");
}

#[tokio::test(start_paused = true)]
async fn a_new_image_is_for_coordinators_and_not_for_the_market_that_runs() {
    let mut b = Bench::trading().await;
    b.ctx.config.pods.image = "helios:next".into();
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(calls(&asked, "apply deployments/hc-paper"), 1, "{asked:?}");
    assert_eq!(calls(&asked, "apply deployments/hv-paper"), 0, "{asked:?}");
    // What the market shall be is the account's to say, and then it is another one.
    b.edit("heliosaccounts/paper", |s| {
        s["simulated"] = json!({"seed": 9});
    });
    b.after(1000);
    let asked = b.look().await;
    assert_eq!(calls(&asked, "apply deployments/hv-paper"), 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_has_heard_nobody_yet_has_no_news() {
    let mut b = Bench::trading().await;
    b.heard(|s| {
        s.halted = true;
        s.latches = vec!["drawdown".into()];
        s.level = LadderLevel::Warning;
        let taken = vec![("XUSDT".into(), "t/other".into())];
        s.taken.insert("t/nobi".into(), taken);
    });
    b.settle().await;
    assert_eq!(b.condition("Paused").reason, "AccountHalted");
    assert_eq!(b.account_condition("Paused").reason, "Latched");
    assert_eq!(b.account_condition("Degraded").reason, "MarginProtection");
    let before = (b.status(), b.account_status());
    b.restart();
    b.ctx.board.forget("t/paper");
    b.silent = true;
    for _ in 0..5 {
        b.after(1000);
        let asked = b.look().await;
        assert_eq!(calls(&asked, "status "), 0, "{asked:?}");
    }
    assert_eq!((b.status(), b.account_status()), before);
    // A change that it takes up before it has heard anybody is pending all the same.
    b.edit(NOBI, |s| {
        s["signals"] = json!({"nobiTriggerThreshold": "0.6"})
    });
    b.after(1000);
    b.settle().await;
    assert_eq!(b.status(), before.0, "it may be there in a moment");
    b.after(3000);
    b.settle().await;
    assert_eq!(b.status().updated_workers, Some(0));
    assert_eq!(b.condition("Progressing").reason, "ParametersPending");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_was_written_and_is_not_seen_yet_is_not_written_again() {
    let mut b = Bench::trading().await;
    b.heard(|s| s.level = LadderLevel::Warning);
    b.after(1000);
    let write = "status heliosstrategies/";
    assert_eq!(calls(&b.look_blind().await, write), 1);
    for _ in 0..5 {
        b.after(2000);
        // The watch is late: it shows nothing of that.
        assert_eq!(calls(&b.look_blind().await, write), 0);
    }
    // What is to be said after it is said over it.
    b.heard(|s| s.level = LadderLevel::Normal);
    b.after(2000);
    assert_eq!(calls(&b.look_blind().await, write), 1);
    b.after(2000);
    assert_eq!(calls(&b.look().await, write), 0);
    assert_eq!(b.condition("Degraded").reason, "AsWanted");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_acknowledged_soon_is_one_write_of_the_status() {
    let mut b = Bench::trading().await;
    b.edit(NOBI, |s| {
        s["signals"] = json!({"nobiTriggerThreshold": "0.6"})
    });
    b.after(1000);
    assert_eq!(b.look().await, ["apply configmaps/hs-nobi"]);
    b.after(1000);
    assert_eq!(b.look().await, NOTHING);
    b.workers_are_ready();
    b.after(100);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    assert_eq!(b.status().observed_generation, Some(2));
    assert_eq!(b.condition("Ready").reason, "Trading");
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

#[tokio::test(start_paused = true)]
async fn a_moment_without_readiness_is_no_write_at_all() {
    let mut b = Bench::trading().await;
    let btc = pod("BTCUSDT");
    for _ in 0..2 {
        b.pod_runs(&btc, false);
        b.coordinators_are_ready(1);
        b.after(2000);
        assert_eq!(b.look().await, NOTHING);
        b.after(2000);
        assert_eq!(b.look().await, NOTHING);
        b.pod_runs(&btc, true);
        b.coordinators_are_ready(2);
        b.after(2000);
        assert_eq!(b.look().await, NOTHING);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_settled_moves_only_when_it_is_unready_for_half_a_minute() {
    let mut b = Bench::trading().await;
    let moving = |b: &Bench| {
        let of = |c: helios_crds::kube::Condition| (c.status, c.reason);
        let (strategy, account) = (
            b.condition("Reconciling"),
            b.account_condition("Reconciling"),
        );
        (of(strategy), of(account))
    };
    let is = |status: &str, reason: &str| (status.to_string(), reason.to_string());
    b.pod_runs(&pod("BTCUSDT"), false);
    b.coordinators_are_ready(1);
    for ms in [1000, 6000, 23_900] {
        b.after(ms);
        b.look().await;
        assert_eq!(
            moving(&b),
            (is("False", "Settled"), is("False", "Settled")),
            "{ms}"
        );
    }
    assert_eq!(
        b.status().ready.as_deref(),
        Some("4/5"),
        "counts say it before"
    );
    b.after(1100);
    b.look().await;
    let both = (
        is("True", "WorkersStarting"),
        is("True", "CoordinatorsStarting"),
    );
    assert_eq!(moving(&b), both);
    // On the way to another generation it is said at once.
    let mut b = Bench::trading().await;
    b.edit(NOBI, |s| s["suspend"] = json!(true));
    b.pod_runs(&pod("BTCUSDT"), false);
    b.after(1000);
    b.look().await;
    assert_eq!(moving(&b).0, is("True", "WorkersStarting"));
}
