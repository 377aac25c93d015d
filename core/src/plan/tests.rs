//! The planner against a little world that carries its actions out.
#![allow(clippy::unwrap_used)]

use super::testkit::*;
use super::*;
use crate::params::OnDelete;
use proptest::prelude::*;
use rust_decimal::Decimal;

#[test]
fn parameters_are_published_before_the_workers_that_need_them() {
    let o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["BTCUSDT"])], &[])),
    );
    let actions = step(&o);
    assert!(matches!(actions[0], Action::StartCoordinator { .. }));
    assert!(matches!(actions[1], Action::PublishParams { .. }));
    assert!(matches!(actions[2], Action::StartWorker(_)));
    assert_eq!(actions.len(), 3);
}

#[test]
fn an_unknown_snapshot_changes_nothing() {
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A", "B"])], &[])),
    );
    settle(&mut o);
    o.accounts[0].snapshot = None;
    assert_eq!(step(&o), []);
}

#[test]
fn the_older_strategy_gets_the_symbol_and_higher_priority_beats_age() {
    let both = || Some(snapshot(&[("d/old", &["A"]), ("d/new", &["A", "B"])], &[]));
    let mut o = world(vec![strategy("d/new", 2), strategy("d/old", 1)], both());
    settle(&mut o);
    assert_eq!(
        symbols(&o),
        [("A".into(), "d/old".into()), ("B".into(), "d/new".into())]
    );
    let mut o = world(
        vec![
            ObservedStrategy {
                priority: 1,
                ..strategy("d/new", 2)
            },
            strategy("d/old", 1),
        ],
        both(),
    );
    settle(&mut o);
    assert_eq!(
        symbols(&o),
        [("A".into(), "d/new".into()), ("B".into(), "d/new".into())]
    );
}

#[test]
fn a_symbol_with_a_position_is_drained_not_dropped() {
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A", "B"])], &[])),
    );
    settle(&mut o);
    o.accounts[0].snapshot = Some(snapshot(&[("d/s", &["B"])], &["A"]));
    assert_eq!(step(&o), []);
    o.accounts[0].snapshot = Some(snapshot(&[("d/s", &["B"])], &[]));
    settle(&mut o);
    assert_eq!(symbols(&o), [("B".into(), "d/s".into())]);
}

#[test]
fn a_failed_worker_restarts_after_its_pause_and_not_before() {
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A"])], &[])),
    );
    settle(&mut o);
    o.now_ms = 1_000_000;
    (
        o.workers[0].phase,
        o.workers[0].failures,
        o.workers[0].since_ms,
    ) = (Phase::Failed, 3, o.now_ms);
    assert_eq!(step(&o), []);
    o.now_ms += restart_delay_ms(3);
    assert_eq!(
        step(&o),
        [Action::RemoveWorker {
            uid: o.workers[0].uid.clone()
        }]
    );
    settle(&mut o);
    assert_eq!(symbols(&o).len(), 1);
}

#[test]
fn new_parameters_do_not_restart_a_worker_but_a_new_spec_hash_does() {
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A"])], &[])),
    );
    settle(&mut o);
    o.strategies[0].params = document(2);
    assert!(matches!(step(&o)[..], [Action::PublishParams { .. }]));
    settle(&mut o);
    o.strategies[0].spec_hash = "h2".into();
    assert!(matches!(step(&o)[..], [Action::StopWorker { .. }]));
    settle(&mut o);
    assert_eq!(o.workers[0].spec.spec_hash, "h2");
}

#[test]
fn a_deleted_strategy_is_flattened_by_the_coordinator_before_it_goes_and_the_coordinator_goes_last()
{
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A"])], &["A"])),
    );
    settle(&mut o);
    o.strategies[0].deleting = true;
    o.accounts[0].deleting = true;
    let mut seen = Vec::new();
    let mut uid = 0;
    for _ in 0..10 {
        for a in step(&o) {
            seen.push(a.clone());
            carry_out(&mut o, a, &mut uid);
        }
    }
    let place = |f: fn(&Action) -> bool| seen.iter().position(f).unwrap();
    let stop = place(|a| matches!(a, Action::StopWorker { .. }));
    let release = place(|a| matches!(a, Action::Release { .. }));
    let finalize = place(|a| matches!(a, Action::FinalizeStrategy { .. }));
    let coordinator = place(|a| matches!(a, Action::StopCoordinator { .. }));
    let account = place(|a| matches!(a, Action::FinalizeAccount { .. }));
    assert!(
        stop < release && release < finalize && finalize < coordinator && coordinator < account,
        "{seen:?}"
    );
}

fn replacing(positions: &[&str]) -> Observed {
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A", "B", "C"])], positions)),
    );
    settle(&mut o);
    o.strategies[0].spec_hash = "h2".into();
    o
}

fn stops(o: &Observed) -> usize {
    step(o)
        .iter()
        .filter(|a| matches!(a, Action::StopWorker { .. }))
        .count()
}

#[test]
fn workers_are_replaced_one_at_a_time_while_the_others_do_their_work() {
    let mut o = replacing(&[]);
    assert_eq!(stops(&o), 1);
    o.workers[1].phase = Phase::Ending;
    assert_eq!(stops(&o), 0, "one is on its way already");
    o.workers[1].phase = Phase::Running;
    o.workers[1].ready = false;
    assert_eq!(stops(&o), 1, "only the one that does no work");
    settle(&mut o);
    assert!(o.workers.iter().all(|w| w.spec.spec_hash == "h2"));
}

#[test]
fn a_worker_in_position_is_replaced_when_flat_or_at_once_if_so_asked() {
    let mut o = replacing(&["A", "B", "C"]);
    assert_eq!(stops(&o), 0);
    o.strategies[0].replace_now = true;
    assert_eq!(stops(&o), 1);
}

#[test]
fn an_old_snapshot_starts_what_is_missing_and_stops_nothing() {
    let mut o = replacing(&[]);
    o.accounts[0].stale = true;
    o.accounts[0].snapshot = Some(snapshot(&[("d/s", &["A", "B", "D"])], &[]));
    o.workers.remove(0);
    let actions = step(&o);
    assert_eq!(stops(&o), 0);
    let started: Vec<_> = actions
        .iter()
        .filter_map(|a| match a {
            Action::StartWorker(w) => Some(w.symbol.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(started, ["A", "D"]);
    o.strategies[0].deleting = true;
    o.workers.clear();
    assert_eq!(
        step(&o),
        [],
        "a strategy is not let go by an old word that it is flat"
    );
}

#[test]
fn a_held_strategy_keeps_what_runs_and_gets_nothing_new() {
    let mut o = replacing(&[]);
    o.strategies[0].held = true;
    o.strategies[0].params = document(2);
    o.accounts[0].snapshot = Some(snapshot(&[("d/s", &["D"])], &[]));
    assert_eq!(step(&o), []);
}

#[test]
fn a_worker_on_a_lost_host_is_struck_off_only_when_it_ends_and_its_time_is_over() {
    let mut o = world(
        vec![strategy("d/s", 1)],
        Some(snapshot(&[("d/s", &["A"])], &["A"])),
    );
    settle(&mut o);
    o.now_ms = 1_000_000;
    o.workers[0].host_lost_ms = Some(o.now_ms);
    o.now_ms += STRIKE_AFTER_MS;
    assert_eq!(step(&o), [], "its host may come back");
    o.workers[0].phase = Phase::Ending;
    o.now_ms -= 1;
    assert_eq!(step(&o), [], "it may still trade");
    o.now_ms += 1;
    let uid = o.workers[0].uid.clone();
    assert_eq!(step(&o), [Action::StrikeWorker { uid }]);
    settle(&mut o);
    assert_eq!(symbols(&o).len(), 1);
}

#[test]
fn a_strategy_that_nobody_is_there_to_flatten_waits_for_its_workers_alone() {
    let mut o = replacing(&["A", "B", "C"]);
    o.strategies[0].deleting = true;
    o.strategies[0].goes = Goes::WithoutWorkers;
    o.accounts[0].snapshot = None;
    assert_eq!(step(&o).len(), 3);
    assert_eq!(stops(&o), 3);
    o.workers.clear();
    assert!(matches!(step(&o)[..], [Action::FinalizeStrategy { .. }]));
}

#[test]
fn a_strategy_whose_time_is_over_and_its_account_wait_for_no_worker_that_hangs() {
    let mut o = replacing(&["A"]);
    o.workers.truncate(1);
    o.workers[0].phase = Phase::Ending;
    o.strategies[0].deleting = true;
    o.accounts[0].deleting = true;
    assert_eq!(step(&o), [], "its end is waited for");
    o.strategies[0].goes = Goes::AtOnce;
    assert!(matches!(step(&o)[..], [Action::FinalizeStrategy { .. }]));
    o.strategies.clear();
    assert_eq!(step(&o), []);
    o.accounts[0].let_go = true;
    assert!(matches!(step(&o)[..], [Action::StopCoordinator { .. }]));
    o.coordinators.clear();
    assert!(matches!(step(&o)[..], [Action::FinalizeAccount { .. }]));
}

#[test]
fn only_what_is_heard_after_a_worker_has_ended_proves_that_it_left_nothing() {
    let mut o = replacing(&[]);
    o.strategies[0].deleting = true;
    o.workers.clear();
    (o.now_ms, o.strategies[0].worker_ended_ms) = (1_000_000, 995_000);
    for (heard_ms, goes) in [(990_000, false), (996_999, false), (997_000, true)] {
        o.accounts[0].heard_ms = heard_ms;
        let gone = matches!(step(&o)[..], [Action::FinalizeStrategy { .. }]);
        assert_eq!(gone, goes, "heard at {heard_ms}");
    }
    // Nothing needs proof where positions are left as they are.
    o.accounts[0].heard_ms = 990_000;
    o.strategies[0].on_delete = OnDelete::KeepProtected;
    assert!(matches!(step(&o)[..], [Action::FinalizeStrategy { .. }]));
}

#[test]
fn a_strategy_that_was_not_scanned_for_keeps_what_runs_and_gets_only_who_guards_a_position() {
    let mut o = world(
        vec![strategy("d/s", 1), strategy("d/other", 2)],
        Some(snapshot(
            &[("d/s", &["A", "B", "C"]), ("d/other", &[])],
            &[],
        )),
    );
    settle(&mut o);
    let mut s = snapshot(&[("d/other", &["B"])], &["A"]);
    s.drained.insert("d/s".into(), vec!["A".into()]);
    o.accounts[0].snapshot = Some(s);
    assert_eq!(step(&o), [], "flat or not, wanted by others or not");
    o.strategies[0].spec_hash = "h2".into();
    o.strategies[0].replace_now = true;
    assert_eq!(step(&o), [], "nor replaced");
    o.workers.clear();
    let started: Vec<_> = step(&o)
        .iter()
        .filter_map(|a| match a {
            Action::StartWorker(w) => Some((w.strategy.clone(), w.symbol.clone())),
            _ => None,
        })
        .collect();
    let of = |s: &str, symbol: &str| (s.to_string(), symbol.to_string());
    assert_eq!(started, [of("d/s", "A"), of("d/other", "B")]);
    // A scan that found nothing is an answer.
    settle(&mut o);
    o.accounts[0].snapshot = Some(snapshot(&[("d/s", &[]), ("d/other", &[])], &[]));
    settle(&mut o);
    assert_eq!(symbols(&o), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_world_comes_to_rest_with_one_worker_for_each_claimed_symbol(
        lists in proptest::collection::vec((any::<bool>(), -1i32..2, proptest::collection::btree_set(0u8..6, 0..5)), 0..4),
        positions in proptest::collection::btree_set(0u8..6, 0..4),
        stray in proptest::collection::vec((0u8..6, 0u8..5, 0u8..3), 0..5),
    ) {
        let sym = |n: &u8| format!("S{n}");
        let strategies: Vec<_> = lists.iter().enumerate().map(|(i, (deleting, priority, _))| ObservedStrategy {
            deleting: *deleting, priority: *priority, ..strategy(&format!("d/s{i}"), i as i64)
        }).collect();
        let mut snap = snapshot(&[], &[]);
        for (i, (_, _, l)) in lists.iter().enumerate() {
            snap.wanted.insert(format!("d/s{i}"), l.iter().map(sym).collect());
        }
        snap.positions = positions.iter().map(|p| (sym(p), Decimal::ONE)).collect();
        let mut o = world(strategies, Some(snap));
        for (symbol, owner, phase) in stray {
            if o.workers.iter().any(|w| w.spec.symbol == sym(&symbol)) { continue; }
            let phase = if phase == 0 { Phase::Failed } else { Phase::Running };
            o.workers.push(ObservedWorker {
                uid: format!("stray{symbol}"),
                spec: WorkerSpec { account: "d/a".into(), symbol: sym(&symbol), strategy: format!("d/s{owner}"), spec_hash: "h0".into() },
                phase, failures: 0, since_ms: 0, ready: phase == Phase::Running, host_lost_ms: None,
            });
        }
        settle(&mut o);
        let wanted: std::collections::BTreeSet<String> = lists.iter().filter(|(deleting, _, _)| !deleting).flat_map(|(_, _, l)| l.iter().map(sym)).collect();
        let running: std::collections::BTreeSet<String> = o.workers.iter().map(|w| w.spec.symbol.clone()).collect();
        prop_assert!(running.is_superset(&wanted));
        prop_assert_eq!(o.workers.len(), running.len());
        let mut reversed = o.clone();
        reversed.workers.reverse();
        reversed.strategies.reverse();
        prop_assert_eq!(step(&reversed), []);
    }
}
