//! One step of the planner.

use super::observed::{
    Action, Observed, ObservedAccount, ObservedStrategy, ObservedWorker, Phase, WorkerSpec,
};
use crate::messages::AccountSnapshot;
use crate::params::OnDelete;
use std::collections::{BTreeMap, BTreeSet};

/// Pause before a failed worker or coordinator is started again: 100 ms doubled with each failure in a row, 30 s at most.
/// The first restart is quick because a position may be waiting for it.
pub const fn restart_delay_ms(failures: u32) -> u64 {
    let doublings = if failures > 9 { 9 } else { failures };
    let d = 50u64 << doublings;
    if d > 30_000 { 30_000 } else { d }
}

/// What to do now. Idempotent; ends in no actions once everything is as wanted.
pub fn step(o: &Observed) -> Vec<Action> {
    let mut out = Vec::new();
    let mut accounts: Vec<&ObservedAccount> = o.accounts.iter().collect();
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    for account in accounts {
        let mut strategies: Vec<&ObservedStrategy> = o
            .strategies
            .iter()
            .filter(|s| s.account == account.name)
            .collect();
        // Claims: priority, then age, then name.
        strategies.sort_by(|a, b| {
            (-i64::from(a.priority), a.created_ms, &a.name).cmp(&(
                -i64::from(b.priority),
                b.created_ms,
                &b.name,
            ))
        });
        let mut workers: Vec<&ObservedWorker> = o
            .workers
            .iter()
            .filter(|w| w.spec.account == account.name)
            .collect();
        workers.sort_by(|a, b| (&a.spec, &a.uid).cmp(&(&b.spec, &b.uid)));
        one_account(o, account, &strategies, &workers, &mut out);
    }
    out
}

fn one_account(
    o: &Observed,
    account: &ObservedAccount,
    strategies: &[&ObservedStrategy],
    workers: &[&ObservedWorker],
    out: &mut Vec<Action>,
) {
    let coordinator = o.coordinators.iter().find(|c| c.account == account.name);
    let nothing_left = strategies.is_empty() && workers.is_empty();
    if account.deleting && nothing_left {
        match coordinator.map(|c| c.phase) {
            Some(Phase::Running) => out.push(Action::StopCoordinator {
                account: account.name.clone(),
            }),
            Some(Phase::Ending) => {}
            Some(Phase::Failed) | None => out.push(Action::FinalizeAccount {
                account: account.name.clone(),
            }),
        }
        return;
    }
    let start = match coordinator {
        None => true,
        Some(c) => {
            c.phase == Phase::Failed && o.now_ms >= c.since_ms + restart_delay_ms(c.failures)
        }
    };
    if start {
        out.push(Action::StartCoordinator {
            account: account.name.clone(),
        });
    }
    for s in strategies
        .iter()
        .filter(|s| !s.deleting && s.published.is_none_or(|p| p < s.params.order()))
    {
        out.push(Action::PublishParams {
            strategy: s.name.clone(),
            document: Box::new(s.params.clone()),
        });
    }
    let snapshot = account.snapshot.as_ref();
    let claims = snapshot.map(|s| settle(strategies, s));
    for w in workers {
        one_worker(o, strategies, w, claims.as_ref(), snapshot, out);
    }
    if let Some(claims) = &claims {
        for (symbol, s) in claims {
            // One name for each (account, symbol): whoever holds it, even ending or failed, must be gone first.
            if !account.deleting && !workers.iter().any(|w| w.spec.symbol == *symbol) {
                out.push(Action::StartWorker(WorkerSpec {
                    account: account.name.clone(),
                    symbol: symbol.clone(),
                    strategy: s.name.clone(),
                    spec_hash: s.spec_hash.clone(),
                }));
            }
        }
    }
    for s in strategies.iter().filter(|s| s.deleting) {
        finish_strategy(account, s, workers, snapshot, out);
    }
}

/// Which strategy gets which symbol: who holds a position in it while it is drained, then the first in claim order that
/// wants it.
fn settle<'a>(
    strategies: &[&'a ObservedStrategy],
    snapshot: &AccountSnapshot,
) -> BTreeMap<String, &'a ObservedStrategy> {
    let mut claims = BTreeMap::new();
    for s in strategies.iter().filter(|s| !s.deleting) {
        for symbol in snapshot.drained.get(&s.name).into_iter().flatten() {
            claims.entry(symbol.clone()).or_insert(*s);
        }
    }
    for s in strategies.iter().filter(|s| !s.deleting) {
        for symbol in snapshot.wanted.get(&s.name).into_iter().flatten() {
            claims.entry(symbol.clone()).or_insert(*s);
        }
    }
    claims
}

fn one_worker(
    o: &Observed,
    strategies: &[&ObservedStrategy],
    w: &ObservedWorker,
    claims: Option<&BTreeMap<String, &ObservedStrategy>>,
    snapshot: Option<&AccountSnapshot>,
    out: &mut Vec<Action>,
) {
    let owner = strategies.iter().find(|s| s.name == w.spec.strategy);
    match w.phase {
        Phase::Ending => {}
        // The failed one keeps the name until its pause is over: that is what paces restarts. Nobody follows one whose
        // strategy is going.
        Phase::Failed => {
            let followed = owner.is_some_and(|s| !s.deleting);
            if !followed || o.now_ms >= w.since_ms + restart_delay_ms(w.failures) {
                out.push(Action::RemoveWorker { uid: w.uid.clone() });
            }
        }
        Phase::Running => {
            let Some(owner) = owner.filter(|s| !s.deleting) else {
                let how = owner.map_or(OnDelete::KeepProtected, |s| s.on_delete);
                return out.push(Action::StopWorker {
                    uid: w.uid.clone(),
                    how,
                });
            };
            let (Some(claims), Some(snapshot)) = (claims, snapshot) else {
                return;
            };
            let wanted = claims
                .get(&w.spec.symbol)
                .is_some_and(|s| s.name == owner.name);
            let flat = !snapshot.positions.contains_key(&w.spec.symbol);
            let replace = w.spec.spec_hash != owner.spec_hash;
            // A symbol that is no longer wanted is drained by the coordinator first; a replacement waits until flat too.
            if flat && (!wanted || replace) {
                out.push(Action::StopWorker {
                    uid: w.uid.clone(),
                    how: OnDelete::KeepProtected,
                });
            }
        }
    }
}

/// A deleted strategy goes when its workers are gone and its symbols are flat, or protected where that is asked.
fn finish_strategy(
    account: &ObservedAccount,
    s: &ObservedStrategy,
    workers: &[&ObservedWorker],
    snapshot: Option<&AccountSnapshot>,
    out: &mut Vec<Action>,
) {
    if workers.iter().any(|w| w.spec.strategy == s.name) {
        return;
    }
    let Some(snapshot) = snapshot else { return };
    let lists = [&snapshot.wanted, &snapshot.drained];
    let mine: BTreeSet<&String> = lists
        .iter()
        .filter_map(|l| l.get(&s.name))
        .flatten()
        .collect();
    let open: Vec<&String> = mine
        .into_iter()
        .filter(|symbol| snapshot.positions.contains_key(*symbol))
        .collect();
    if s.on_delete == OnDelete::Flatten && !open.is_empty() {
        for symbol in open {
            out.push(Action::Release {
                account: account.name.clone(),
                symbol: symbol.clone(),
                how: s.on_delete,
            });
        }
    } else {
        out.push(Action::FinalizeStrategy {
            strategy: s.name.clone(),
        });
    }
}
