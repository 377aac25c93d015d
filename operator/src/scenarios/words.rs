//! How much of what happens people are told: one word for what lasts, none for a moment, and silence when nothing happens.

use super::bench::*;
use helios_core::messages::LadderLevel;
use serde_json::json;

const NOTHING: [&str; 0] = [];

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
        let written = count(&b.look().await, "status heliosstrategies/");
        assert!(
            written == 1 || b.wake <= b.now + 3000,
            "what was held back is written soon"
        );
        writes += written;
    }
    assert!((2..=3).contains(&writes), "{writes} writes in two seconds");
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
async fn a_commit_that_is_acknowledged_soon_is_one_write_of_the_status() {
    let mut b = Bench::trading().await;
    b.commits_threshold("0.6");
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

#[tokio::test(start_paused = true)]
async fn an_account_that_may_not_trade_says_why_and_its_strategies_are_halted() {
    let mut b = Bench::trading().await;
    b.heard(|s| {
        s.halted = true;
        s.unfit = Some("the API key may withdraw: take that right away".into());
    });
    b.settle().await;
    let paused = b.account_condition("Paused");
    assert_eq!(
        (paused.status.as_str(), paused.reason.as_str()),
        ("True", "Unfit")
    );
    assert!(
        paused.message.contains("may withdraw"),
        "{}",
        paused.message
    );
    assert_eq!(b.condition("Paused").reason, "AccountHalted");
    let before = b.account_status();
    b.restart();
    b.ctx.board.forget("t/paper");
    b.silent = true;
    b.settle().await;
    assert_eq!(
        b.account_status(),
        before,
        "who has heard nobody has no news"
    );
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
        assert_eq!(count(&asked, "status "), 0, "{asked:?}");
    }
    assert_eq!((b.status(), b.account_status()), before);
    // A change that it takes up before it has heard anybody is pending all the same.
    b.commits_threshold("0.6");
    b.after(1000);
    b.settle().await;
    assert_eq!(b.status(), before.0, "it may be there in a moment");
    b.after(3000);
    b.settle().await;
    assert_eq!(b.status().updated_workers, Some(0));
    assert_eq!(b.condition("Progressing").reason, "ParametersPending");
}
