//! Objects that this operator can't parse: what runs under them goes on, and it is said once, in words.

use super::bench::*;
use crate::events::Note;
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];
const OTHER: &str = "heliosstrategies/other";

/// All that was told meanwhile, without repetitions.
fn told(b: &mut Bench) -> Vec<Note> {
    let mut all: Vec<Note> = std::iter::from_fn(|| b.notes.try_recv().ok()).collect();
    all.dedup();
    all
}

/// One look, whose writes go beside each other.
async fn look_sorted(b: &mut Bench) -> Vec<String> {
    let mut asked = b.look().await;
    asked.sort();
    asked
}

/// Everything that stands at the API server but one object.
fn all_but(b: &Bench, key: &str) -> Vec<(String, Value)> {
    let api = b.api.lock().unwrap();
    let all = api.objects.iter().filter(|(k, _)| *k != key);
    all.map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// A field that this operator does not know is in the spec, or is not any more.
fn next_version(b: &Bench, key: &str, there: bool) {
    b.edit(key, |s| {
        let fields = s.as_object_mut().unwrap();
        if there {
            fields.insert("ofTheNextVersion".into(), json!("x"));
        } else {
            fields.remove("ofTheNextVersion");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_cannot_be_read_says_so_and_keeps_what_runs() {
    let mut b = Bench::trading().await;
    let (before, others) = (b.status(), all_but(&b, NOBI));
    told(&mut b);
    next_version(&b, NOBI, true);
    b.after(2000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    let stalled = b.condition("Stalled");
    assert_eq!(
        (stalled.status.as_str(), stalled.reason.as_str()),
        ("True", "Unreadable")
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        stalled.message,
        format!(
            "this operator ({version}) can't read it: unknown field `ofTheNextVersion`: upgrade the release helios, or take out what it does not know; what runs goes on with the parameters it has"
        )
    );
    for (type_, status, reason) in [
        ("Ready", "False", "Unreadable"),
        ("Progressing", "False", "Stalled"),
        ("Reconciling", "False", "Settled"),
        ("Degraded", "False", "AsWanted"),
        ("Paused", "False", "Running"),
    ] {
        let c = b.condition(type_);
        assert_eq!((c.status.as_str(), c.reason.as_str()), (status, reason));
    }
    let mut rest = b.status();
    assert_eq!(rest.observed_generation, Some(2));
    rest.conditions.clone_from(&before.conditions);
    rest.observed_generation = before.observed_generation;
    assert_eq!(rest, before, "everything else is as it was");
    let told = told(&mut b);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].reason.as_str(), told[0].warning),
        ("Unreadable", true)
    );
    assert_eq!(told[0].object.name.as_deref(), Some("nobi"));
    assert_eq!(told[0].object.kind.as_deref(), Some("HeliosStrategy"));
    // The watch is late, and then it shows what was written.
    b.after(2000);
    assert_eq!(but_the_lock(b.look_blind().await), NOTHING);
    for _ in 0..60 {
        b.after(1000);
        assert_eq!(b.look().await, NOTHING);
    }
    assert_eq!(all_but(&b, NOBI), others);
    // Nor does an operator that starts now write anything of it.
    b.restart();
    b.after(1000);
    assert_eq!(b.look().await, NOTHING);

    next_version(&b, NOBI, false);
    b.after(1000);
    b.settle().await;
    b.workers_are_ready();
    b.after(1000);
    b.settle().await;
    assert_eq!(b.condition("Ready").reason, "Trading");
    assert_eq!(b.condition("Stalled").status, "False");
    assert_eq!(b.status().observed_generation, Some(3));
    let pods = |all: &[(String, Value)]| {
        let pods = all.iter().filter(|(k, _)| k.starts_with("pods/"));
        pods.map(|(k, v)| (k.clone(), v["metadata"]["uid"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(pods(&all_but(&b, NOBI)), pods(&others));
}

#[tokio::test(start_paused = true)]
async fn what_was_found_of_what_runs_holds_on_while_the_strategy_cannot_be_read() {
    let mut b = Bench::trading().await;
    b.edit(NOBI, |s| s["suspend"] = json!(true));
    b.heard(|s| s.level = helios_core::messages::LadderLevel::Warning);
    b.after(1000);
    b.settle().await;
    b.workers_are_ready();
    b.after(5000);
    b.settle().await;
    next_version(&b, NOBI, true);
    b.after(2000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    assert_eq!(b.condition("Paused").reason, "Suspended");
    assert_eq!(b.condition("Degraded").reason, "MarginProtection");
    b.after(2000);
    assert_eq!(b.look().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_could_never_be_read_says_so_and_nothing_is_started() {
    let mut b = Bench::trading().await;
    let spec = json!({"accountRef": {"name": "paper"}, "ofTheNextVersion": "x"});
    b.put("HeliosStrategy", OTHER, spec);
    // Its coordinator may be of the next version, and know what it wants.
    b.heard(|s| drop(s.wanted.insert("t/other".into(), vec!["SOLUSDT".into()])));
    b.after(2000);
    let both = [
        "status heliosaccounts/paper",
        "status heliosstrategies/other",
    ];
    assert_eq!(look_sorted(&mut b).await, both);
    assert_eq!(b.account_status().strategies, Some(2));
    let status = &b.get(OTHER).unwrap()["status"];
    assert_eq!(status["conditions"][0]["reason"], "Unreadable");
    assert_eq!(status["observedGeneration"], 1);
    b.after(2000);
    assert_eq!(b.look().await, NOTHING);
    // Nor is it let go while nobody knows what it wants of its positions, and that is said.
    b.change(OTHER, |o| {
        o["metadata"]["finalizers"] = json!(["helios.trading/positions"])
    });
    b.delete(OTHER);
    b.after(2000);
    assert_eq!(b.look().await, ["status heliosstrategies/other"]);
    let status = &b.get(OTHER).unwrap()["status"];
    let words = status["conditions"][0]["message"].as_str().unwrap();
    assert!(words.contains("; it is not let go before; "), "{words}");
    b.after(400_000);
    assert_eq!(count(&b.look().await, "finalizers "), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_says_so_and_so_do_its_strategies() {
    let mut b = Bench::trading().await;
    let before = b.account_status();
    let others = |b: &Bench| {
        let mut all = all_but(b, PAPER);
        all.retain(|(k, _)| k != NOBI);
        all
    };
    let stood = others(&b);
    next_version(&b, PAPER, true);
    b.after(2000);
    let both = [
        "status heliosaccounts/paper",
        "status heliosstrategies/nobi",
    ];
    assert_eq!(look_sorted(&mut b).await, both);
    let stalled = b.account_condition("Stalled");
    assert_eq!(stalled.reason, "Unreadable");
    assert!(
        stalled.message.contains("`ofTheNextVersion`"),
        "{}",
        stalled.message
    );
    assert_eq!(b.account_condition("Ready").reason, "Unreadable");
    let mut rest = b.account_status();
    assert_eq!(rest.observed_generation, Some(2));
    rest.conditions.clone_from(&before.conditions);
    rest.observed_generation = before.observed_generation;
    assert_eq!(rest, before);
    let stalled = b.condition("Stalled");
    assert_eq!(stalled.reason, "AccountStalled");
    assert_eq!(
        stalled.message,
        "HeliosAccount paper can't be read: unknown field `ofTheNextVersion`: kubectl describe ha paper"
    );
    for _ in 0..60 {
        b.after(1000);
        assert_eq!(b.look().await, NOTHING);
    }
    assert_eq!(others(&b), stood);
    next_version(&b, PAPER, false);
    b.after(2000);
    b.settle().await;
    assert_eq!(b.account_condition("Ready").reason, "Guarding");
    assert_eq!(b.account_condition("Stalled").status, "False");
    assert_eq!(b.condition("Ready").reason, "Trading");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_read_is_said_and_written_anew() {
    let mut b = Bench::trading().await;
    let (symbols, others) = (b.status().symbols, all_but(&b, NOBI));
    let rollout = json!({"generation": 1, "step": 0, "outcome": "OfTheNextVersion"});
    b.change(NOBI, |o| o["status"]["rollout"] = rollout.clone());
    b.after(2000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    let words = b.condition("Stalled").message;
    assert!(
        words.contains("can't read its status: unknown variant `OfTheNextVersion`"),
        "{words}"
    );
    assert_eq!(b.status().symbols, symbols);
    assert_eq!(b.get(NOBI).unwrap()["status"]["rollout"], Value::Null);
    b.after(2000);
    b.settle().await;
    assert_eq!(b.condition("Ready").reason, "Trading");
    // Together with what can't be read of the spec it is no more than one write either.
    b.change(NOBI, |o| o["status"]["rollout"] = rollout);
    next_version(&b, NOBI, true);
    b.after(2000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    b.after(2000);
    assert_eq!(b.look().await, NOTHING);
    assert_eq!(b.condition("Ready").reason, "Unreadable");
    assert_eq!(all_but(&b, NOBI), others);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_keeps_what_runs_and_nothing_else_is_sent() {
    let mut b = Bench::trading().await;
    b.change(NOBI, |o| o["spec"] = json!({"accountRef": 5}));
    b.after(1000);
    assert_eq!(b.look().await, ["status heliosstrategies/nobi"]);
    b.after(1000);
    assert_eq!(b.look().await, NOTHING);
    // Another one that wants the same symbols does not get them meanwhile.
    b.put(
        "HeliosStrategy",
        "heliosstrategies/other",
        json!({"accountRef": {"name": "paper"}}),
    );
    let five = FIVE.iter().map(ToString::to_string).collect();
    b.heard(|s| drop(s.wanted.insert("t/other".into(), five)));
    b.after(1000);
    let asked = b.look().await;
    assert!(!asked.iter().any(|a| a.contains(" pods/")), "{asked:?}");

    let mut b = Bench::trading().await;
    b.change(PAPER, |o| o["spec"] = json!({"venue": 5}));
    b.after(1000);
    let both = [
        "status heliosaccounts/paper",
        "status heliosstrategies/nobi",
    ];
    assert_eq!(look_sorted(&mut b).await, both);
    assert_eq!(b.condition("Stalled").reason, "AccountStalled");
    b.after(1000);
    assert_eq!(b.look().await, NOTHING);
}
