//! The planner against a little world that carries its actions out.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::messages::{AccountSnapshot, ParamsDocument};
use crate::params::OnDelete;
use proptest::prelude::*;
use rust_decimal::Decimal;

pub(super) fn document(generation: u64) -> ParamsDocument {
    use crate::params::*;
    ParamsDocument {
        schema: 1,
        strategy_uid: "u".into(),
        generation,
        account_generation: 1,
        rollout_step: 0,
        sha256: String::new(),
        stable: StrategyParams {
            suspend: false,
            priority: 0,
            signals: SignalParams {
                nobi_depth: 10,
                nobi_trigger_threshold: 0.4,
                persistence_ms: 0,
                cooldown_seconds: 60,
                model: ModelParams {
                    mode: ModelMode::Off,
                    name: String::new(),
                    confidence_threshold: 0.75,
                },
            },
            regimes: Vec::new(),
            risk: RiskParams {
                sizing: Sizing::Probe,
                fixed_notional: None,
                kelly_fraction: Decimal::ONE,
                leverage: 10,
                max_risk_per_trade_percent: Decimal::ONE,
                min_trades: 30,
                probe_risk_percent: Decimal::ONE,
                atr: AtrParams {
                    bar_seconds: 60,
                    period: 14,
                    multiplier: Decimal::TWO,
                },
                prior: KellyPrior {
                    win_rate: 0.5,
                    win_loss_ratio: 1.0,
                    weight: 20.0,
                },
                cost_gate: CostGate::Enforce,
                protections: ProtectionParams {
                    max_consecutive_losses: 0,
                    pause_seconds: 0,
                    max_entries_per_hour: 0,
                    max_mark_deviation_bps: Decimal::TEN,
                    max_book_age_ms: 500,
                },
            },
            exits: ExitParams {
                max_hold_seconds: 300,
                take_profit_atr: None,
                on_opposite_signal: OnOppositeSignal::Close,
            },
            execution: ExecutionParams {
                entry: EntryStyle::Market,
                max_slippage_bps: Decimal::TEN,
            },
            on_delete: OnDelete::Flatten,
        },
        canary: None,
    }
}

fn strategy(name: &str, created_ms: i64) -> ObservedStrategy {
    ObservedStrategy {
        name: name.into(),
        account: "d/a".into(),
        priority: 0,
        created_ms,
        deleting: false,
        on_delete: OnDelete::Flatten,
        spec_hash: "h1".into(),
        params: document(1),
        published: None,
        held: false,
        replace_now: false,
        worker_ended_ms: 0,
        goes: Goes::WhenLeft,
    }
}

fn snapshot(wanted: &[(&str, &[&str])], positions: &[&str]) -> AccountSnapshot {
    AccountSnapshot {
        wanted: wanted
            .iter()
            .map(|(s, l)| {
                (
                    (*s).to_string(),
                    l.iter().map(ToString::to_string).collect(),
                )
            })
            .collect(),
        positions: positions
            .iter()
            .map(|p| ((*p).to_string(), Decimal::ONE))
            .collect(),
        ..AccountSnapshot::default()
    }
}

fn world(strategies: Vec<ObservedStrategy>, snap: Option<AccountSnapshot>) -> Observed {
    let account = ObservedAccount {
        name: "d/a".into(),
        deleting: false,
        snapshot: snap,
        heard_ms: CERTAIN_AFTER_MS,
        stale: false,
        let_go: false,
    };
    Observed {
        accounts: vec![account],
        strategies,
        ..Observed::default()
    }
}

/// Carries one action out; `StopWorker` and `Release` work at once here.
fn carry_out(o: &mut Observed, a: Action, uid: &mut u32) {
    match a {
        Action::StartCoordinator { account } => {
            o.coordinators.retain(|c| c.account != account);
            o.coordinators.push(ObservedCoordinator {
                account,
                phase: Phase::Running,
                failures: 0,
                since_ms: o.now_ms,
            });
        }
        Action::PublishParams { strategy, document } => {
            let s = o
                .strategies
                .iter_mut()
                .find(|s| s.name == strategy)
                .unwrap();
            s.published = Some(document.order());
        }
        Action::StartWorker(spec) => {
            assert!(
                !o.workers.iter().any(|w| w.spec.symbol == spec.symbol),
                "two workers for {}",
                spec.symbol
            );
            assert!(
                o.strategies
                    .iter()
                    .any(|s| s.name == spec.strategy && s.published.is_some()),
                "parameters first"
            );
            *uid += 1;
            o.workers.push(ObservedWorker {
                uid: uid.to_string(),
                spec,
                phase: Phase::Running,
                failures: 0,
                since_ms: o.now_ms,
                ready: true,
                host_lost_ms: None,
            });
        }
        Action::StopWorker { uid, .. }
        | Action::RemoveWorker { uid }
        | Action::StrikeWorker { uid } => o.workers.retain(|w| w.uid != uid),
        Action::Release { symbol, .. } => {
            o.accounts[0]
                .snapshot
                .as_mut()
                .unwrap()
                .positions
                .remove(&symbol);
        }
        Action::FinalizeStrategy { strategy } => o.strategies.retain(|s| s.name != strategy),
        Action::StopCoordinator { account } => o.coordinators.retain(|c| c.account != account),
        Action::FinalizeAccount { account } => o.accounts.retain(|a| a.name != account),
    }
}

fn settle(o: &mut Observed) {
    let mut uid = 1000;
    for _ in 0..50 {
        let actions = step(o);
        if actions.is_empty() {
            return;
        }
        for a in actions {
            carry_out(o, a, &mut uid);
        }
        o.now_ms += 60_000;
    }
    panic!("no rest after 50 steps: {:?}", step(o));
}

fn symbols(o: &Observed) -> Vec<(String, String)> {
    let mut v: Vec<_> = o
        .workers
        .iter()
        .map(|w| (w.spec.symbol.clone(), w.spec.strategy.clone()))
        .collect();
    v.sort();
    v
}

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
