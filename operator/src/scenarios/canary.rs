//! A change of parameters that runs on canary symbols first.

use super::bench::*;
use helios_crds::kube::RolloutOutcome;
use serde_json::json;

const APPLY: &str = "apply configmaps/hs-nobi";

/// Five workers trade, and changes are to run on two of them first.
async fn with_canaries() -> Bench {
    let mut b = Bench::trading().await;
    b.edit(NOBI, |s| {
        s["rollout"] = json!({"canarySymbols": 2, "soakSeconds": 600})
    });
    b.after(1000);
    b.settle().await;
    b
}

/// A change runs on the first two of them.
async fn soaking() -> Bench {
    let mut b = with_canaries().await;
    change(&mut b).await;
    b
}

async fn change(b: &mut Bench) {
    b.workers_are_ready();
    b.settle().await;
    b.commits_threshold("0.5");
    b.after(1000);
    assert_eq!(b.look().await, [APPLY, "status heliosstrategies/nobi"]);
    assert_eq!(b.published().canary.unwrap().symbols, FIVE[..2]);
    b.workers_are_ready();
    b.after(1000);
    b.settle().await;
}

fn threshold(b: &Bench, symbol: &str) -> f64 {
    b.published()
        .for_symbol(symbol)
        .signals
        .nobi_trigger_threshold
}

#[tokio::test(start_paused = true)]
async fn a_change_soaks_on_two_symbols_and_is_promoted_and_nothing_else_is_sent() {
    let mut b = soaking().await;
    assert_eq!(
        (threshold(&b, "ADAUSDT"), threshold(&b, "XRPUSDT")),
        (0.5, 0.4)
    );
    assert_eq!(b.condition("Progressing").reason, "Rollout");
    assert_eq!(b.condition("Ready").status, "True");
    b.after(590_000);
    let asked = b.look().await;
    assert!(asked.iter().all(|a| a.starts_with("get ")), "{asked:?}");
    assert!(b.wake <= b.now + 5_000, "its time is nearly over");
    b.after(10_000);
    let asked = b.look().await;
    assert_eq!(
        asked[asked.len() - 2..],
        [APPLY, "status heliosstrategies/nobi"]
    );
    assert_eq!(
        (b.published().canary, threshold(&b, "XRPUSDT")),
        (None, 0.5)
    );
    let r = b.status().rollout.unwrap();
    assert_eq!(r.outcome, Some(RolloutOutcome::Promoted));
    assert_eq!(r.canary_symbols, FIVE[..2]);
    b.after(1000);
    b.workers_are_ready();
    b.settle().await;
    assert_eq!(b.condition("Progressing").status, "False");
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_did_not_take_the_change_over_has_not_tried_it() {
    let mut b = soaking().await;
    b.worker("ADAUSDT", |w| w.params = (1, 1, 0));
    b.after(700_000);
    b.look().await;
    assert!(b.published().canary.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_restarted_in_mid_soak_goes_on() {
    let mut b = soaking().await;
    let since = b.status().rollout.unwrap().started_at;
    b.after(400_000);
    b.restart();
    b.look().await;
    assert_eq!(b.status().rollout.unwrap().started_at, since);
    assert!(b.published().canary.is_some());
    b.after(200_000);
    b.look().await;
    assert_eq!(b.published().canary, None, "600 s in all");
}

#[tokio::test(start_paused = true)]
async fn every_breach_takes_the_change_back_with_its_words_and_only_once() {
    type Break = fn(&mut Bench);
    let kinds: [(Break, &str); 4] = [
        (
            |b| b.worker("BNBUSDT", |w| w.refused = true),
            "BNBUSDT: its worker does not understand the parameters",
        ),
        (
            |b| b.worker("ADAUSDT", |w| w.alarms += 1),
            "ADAUSDT: its worker raised a critical alert",
        ),
        (
            |b| b.worker("ADAUSDT", |w| w.realised_net = (-201).into()),
            "ADAUSDT: lost 201",
        ),
        (
            |b| {
                b.pod_runs(&pod("ADAUSDT"), false);
                b.sees();
                b.after(61_000);
            },
            "ADAUSDT: not ready for 60 s",
        ),
    ];
    for (break_it, words) in kinds {
        let mut b = soaking().await;
        break_it(&mut b);
        b.after(1000);
        let asked = b.look().await;
        assert_eq!(asked.iter().filter(|a| *a == APPLY).count(), 1, "{words}");
        assert_eq!(
            (b.published().canary, threshold(&b, "ADAUSDT")),
            (None, 0.4)
        );
        for type_ in ["Degraded", "Stalled"] {
            let c = b.condition(type_);
            assert_eq!(
                (c.status.as_str(), c.reason.as_str()),
                ("True", "RolledBack")
            );
            assert!(c.message.contains(words), "{}", c.message);
        }
        let r = b.status().rollout.unwrap();
        assert_eq!(r.outcome, Some(RolloutOutcome::RolledBack));
        b.restart();
        b.after(700_000);
        let asked = b.look().await;
        assert!(!asked.contains(&APPLY.into()), "{asked:?}");
        assert!(
            b.condition("Stalled").message.contains(words),
            "it is remembered"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn losses_and_alarms_from_before_the_change_and_small_losses_are_no_breach() {
    let mut b = with_canaries().await;
    b.worker("ADAUSDT", |w| {
        (w.alarms, w.realised_net) = (3, (-5000).into())
    });
    change(&mut b).await;
    b.worker("ADAUSDT", |w| w.realised_net = (-5199).into());
    b.after(1000);
    b.look().await;
    assert!(b.published().canary.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_was_not_ready_before_the_change_has_its_time_under_it() {
    let mut b = with_canaries().await;
    b.pod_runs(&pod("ADAUSDT"), false);
    b.sees();
    b.after(300_000);
    b.settle().await;
    b.commits_threshold("0.5");
    b.look().await;
    b.after(5_000);
    b.look().await;
    assert!(b.published().canary.is_some());
    b.after(56_000);
    b.look().await;
    assert_eq!(b.condition("Degraded").reason, "RolledBack");
}

#[tokio::test(start_paused = true)]
async fn canaries_whose_beginning_somebody_took_off_or_spoilt_begin_anew() {
    for notes in [
        json!({}),
        json!({"helios.trading/rollout-since": "yesterday"}),
    ] {
        let mut b = soaking().await;
        b.after(300_000);
        b.change(PARAMS, |m| m["metadata"]["annotations"] = notes);
        let asked = b.look().await;
        assert!(asked.contains(&APPLY.into()), "{asked:?}");
        b.after(590_000);
        b.look().await;
        assert!(b.published().canary.is_some());
        b.after(11_000);
        b.look().await;
        assert_eq!(b.published().canary, None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_change_after_one_that_was_taken_back_leaves_nothing_of_it_in_the_status() {
    let mut b = soaking().await;
    b.worker("ADAUSDT", |w| w.refused = true);
    b.after(1000);
    b.look().await;
    assert!(b.status().rollout.unwrap().message.is_some());
    b.worker("ADAUSDT", |w| w.refused = false);
    b.commits_threshold("0.6");
    b.after(1000);
    b.look().await;
    b.workers_are_ready();
    b.after(1000);
    b.settle().await;
    let r = b.status().rollout.unwrap();
    assert_eq!(
        (r.outcome, r.message),
        (Some(RolloutOutcome::Soaking), None)
    );
    assert_eq!(b.condition("Stalled").status, "False");
}

#[tokio::test(start_paused = true)]
async fn a_change_on_trial_is_not_promoted_when_its_config_map_is_deleted_or_spoilt() {
    type Break = fn(&mut Bench);
    let kinds: [Break; 3] = [
        |b| b.gone(PARAMS),
        |b| b.change(PARAMS, |m| m["data"] = json!({"params.json": "{"})),
        |b| {
            b.worker("ADAUSDT", |w| w.refused = true);
            b.sees();
        },
    ];
    for break_it in kinds {
        let mut b = soaking().await;
        break_it(&mut b);
        b.after(1000);
        b.look().await;
        if b.published().canary.is_none() && !b.published().stable.suspend {
            assert_eq!(b.condition("Stalled").reason, "RolledBack");
            b.gone(PARAMS);
            b.after(1000);
            b.look().await;
        }
        let d = b.published();
        assert!(
            d.stable.suspend && d.canary.is_none(),
            "nothing is opened by it"
        );
        b.workers_are_ready();
        b.restart();
        b.after(700_000);
        b.settle().await;
        assert_eq!(b.published(), d, "however long it lasts");
        let c = b.condition("Stalled");
        assert_eq!(
            (c.status.as_str(), c.reason.as_str()),
            ("True", "RolledBack")
        );
        assert!(c.message.contains("is lost"), "{}", c.message);
        b.commits_threshold("0.6");
        b.after(1000);
        b.look().await;
        let d = b.published();
        assert!(!d.stable.suspend && d.generation == 4);
        assert_eq!(threshold(&b, "XRPUSDT"), 0.6);
        assert_eq!(b.condition("Stalled").status, "False");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_restarted_in_its_pod_counts_from_nothing() {
    // What it had won or lost before, what the new process has lost, and whether that is a breach.
    for (before, lost, breach) in [(5000, 0, false), (5000, 201, true), (-5000, 201, true)] {
        let mut b = with_canaries().await;
        b.worker("ADAUSDT", |w| {
            (w.life, w.realised_net, w.alarms) = ("one".into(), before.into(), 3);
        });
        change(&mut b).await;
        let task = b.snapshot.clone().unwrap().health.unwrap().workers["ADAUSDT"].clone();
        b.worker("ADAUSDT", |w| {
            (w.life, w.realised_net, w.alarms) = ("two".into(), (-lost).into(), 0);
            assert_eq!(w.task_uid, task.task_uid, "the pod is the same");
        });
        b.after(1000);
        b.look().await;
        assert_eq!(b.published().canary.is_none(), breach, "{before} {lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_canary_lost_before_an_operator_was_restarted_counts_on() {
    let mut b = soaking().await;
    b.worker("ADAUSDT", |w| w.realised_net = (-150).into());
    b.after(1000);
    b.look().await;
    assert!(b.published().canary.is_some());
    b.restart();
    b.after(1000);
    b.look().await;
    b.worker("ADAUSDT", |w| w.realised_net = (-201).into());
    b.after(1000);
    b.look().await;
    assert_eq!(b.condition("Degraded").reason, "RolledBack");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_was_stopped_in_a_look_writes_nothing_over_what_another_decided() {
    let mut b = with_canaries().await;
    b.workers_are_ready();
    b.settle().await;
    b.gone("services/hc-paper");
    b.commits_threshold("0.5");
    b.after(1000);
    while b.notes.try_recv().is_ok() {}
    // It is stopped while it waits for this answer, and when it wakes its time is over: nobody has told it so yet.
    let lock = b.lock.clone();
    let stopped = move || drop(lock.send_replace(leads(1, 0)));
    let wakes = (
        "apply services/hc-paper".to_string(),
        Box::new(stopped) as Box<_>,
    );
    b.api.lock().unwrap().meanwhile.push(wakes);
    assert_eq!(
        b.look().await,
        ["apply services/hc-paper"],
        "and nothing else is sent"
    );
    assert_eq!(b.published().canary, None);
    assert!(b.notes.try_recv().is_err(), "nor is anything told");
    b.after(1000);
    assert_eq!(
        b.look().await,
        [""; 0],
        "nor by a look that begins without a lead"
    );
    // It leads again: nothing of that was a failure that is waited for.
    b.api.lock().unwrap().meanwhile.clear();
    b.lock.send_replace(leads(3, u64::MAX));
    b.after(100);
    assert_eq!(b.look().await[0], APPLY);
    assert!(b.published().canary.is_some());
}
