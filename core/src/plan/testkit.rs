//! A little world for the planner's tests: it carries out what is planned.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::messages::{AccountSnapshot, ParamsDocument};
use crate::params::{OnDelete, testkit};
use rust_decimal::Decimal;

pub(super) fn document(generation: u64) -> ParamsDocument {
    ParamsDocument {
        schema: 1,
        strategy_uid: "u".into(),
        generation,
        account_generation: 1,
        rollout_step: 0,
        sha256: String::new(),
        stable: testkit::plain(),
        canary: None,
    }
}

pub(super) fn strategy(name: &str, created_ms: i64) -> ObservedStrategy {
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

pub(super) fn snapshot(wanted: &[(&str, &[&str])], positions: &[&str]) -> AccountSnapshot {
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

pub(super) fn world(strategies: Vec<ObservedStrategy>, snap: Option<AccountSnapshot>) -> Observed {
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
pub(super) fn carry_out(o: &mut Observed, a: Action, uid: &mut u32) {
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

pub(super) fn settle(o: &mut Observed) {
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

pub(super) fn symbols(o: &Observed) -> Vec<(String, String)> {
    let mut v: Vec<_> = o
        .workers
        .iter()
        .map(|w| (w.spec.symbol.clone(), w.spec.strategy.clone()))
        .collect();
    v.sort();
    v
}
