//! One step of the planner.

use super::observed::{
    Action, Goes, Observed, ObservedAccount, ObservedStrategy, ObservedWorker, Phase, WorkerSpec,
};
use crate::messages::AccountSnapshot;
use crate::params::OnDelete;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Pause before a failed worker or coordinator is started again: 100 ms doubled with each failure in a row, 30 s at most.
/// The first restart is quick because a position may be waiting for it.
pub const fn restart_delay_ms(failures: u32) -> u64 {
    let doublings = if failures > 9 { 9 } else { failures };
    let d = 50u64 << doublings;
    if d > 30_000 { 30_000 } else { d }
}

/// How long a host must have been lost before its ending workers are struck off: a worker that hears no coordinator has
/// stopped trading and trailing by then, so a second one of its name can't trade beside it.
pub const STRIKE_AFTER_MS: u64 = 30_000;

/// How long after the end of a strategy's last worker a snapshot must have been heard for its word that something is flat. What
/// the worker sent last may be executed for a second, is then still to be heard by the coordinator, and a snapshot that was made
/// before may come after.
pub const CERTAIN_AFTER_MS: u64 = 2_000;

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
        strategies.sort_by(|a, b| claim_order(a, b));
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
    let nothing_left = strategies.is_empty() && (workers.is_empty() || account.let_go);
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
        .filter(|s| !s.deleting && !s.held && s.published.is_none_or(|p| p < s.params.order()))
    {
        out.push(Action::PublishParams {
            strategy: s.name.clone(),
            document: Box::new(s.params.clone()),
        });
    }
    let snapshot = account.snapshot.as_ref();
    let claims = snapshot.map(|s| settle(strategies, s));
    let certain = if account.stale { None } else { snapshot };
    let mut replacing = BTreeSet::new();
    for w in workers {
        one_worker(o, strategies, w, claims.as_ref(), certain, out);
    }
    if let (Some(claims), Some(snapshot)) = (&claims, certain) {
        for w in workers {
            replace(
                strategies,
                workers,
                w,
                (claims, snapshot),
                &mut replacing,
                out,
            );
        }
    }
    if let Some(claims) = &claims {
        for (symbol, s) in claims {
            // One name for each (account, symbol): whoever holds it, even ending or failed, must be gone first.
            let taken = workers.iter().any(|w| w.spec.symbol == *symbol);
            if !account.deleting && !s.held && !taken {
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
        finish_strategy(account, s, workers, certain, out);
    }
}

/// Which strategy has which symbol of an account, `symbol -> strategy`, as [`step`] starts workers by it.
pub fn claims(
    strategies: &[ObservedStrategy],
    snapshot: &AccountSnapshot,
) -> BTreeMap<String, String> {
    let mut sorted: Vec<&ObservedStrategy> = strategies.iter().collect();
    sorted.sort_by(|a, b| claim_order(a, b));
    settle(&sorted, snapshot)
        .into_iter()
        .map(|(symbol, s)| (symbol, s.name.clone()))
        .collect()
}

/// Priority, then age, then name.
fn claim_order(a: &ObservedStrategy, b: &ObservedStrategy) -> Ordering {
    let key = |s: &ObservedStrategy| (-i64::from(s.priority), s.created_ms);
    key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
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
        Phase::Ending => {
            if w.host_lost_ms
                .is_some_and(|t| o.now_ms >= t + STRIKE_AFTER_MS)
            {
                out.push(Action::StrikeWorker { uid: w.uid.clone() });
            }
        }
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
            let flat = !snapshot.positions.contains_key(&w.spec.symbol);
            // A symbol that is no longer wanted is drained by the coordinator first. Should a worker enter after the snapshot was
            // made, the next one lists its symbol as drained, and a successor is started.
            if flat && !owner.held && scanned(snapshot, owner) && !is_wanted(claims, owner, w) {
                out.push(Action::StopWorker {
                    uid: w.uid.clone(),
                    how: OnDelete::KeepProtected,
                });
            }
        }
    }
}

/// What a strategy wants is known. Until its coordinator has scanned the market it is missing in the snapshot: nothing of it is
/// stopped or replaced by that, and nothing is started but who guards a position.
fn scanned(snapshot: &AccountSnapshot, s: &ObservedStrategy) -> bool {
    snapshot.wanted.contains_key(&s.name)
}

fn is_wanted(
    claims: &BTreeMap<String, &ObservedStrategy>,
    owner: &ObservedStrategy,
    w: &ObservedWorker,
) -> bool {
    claims
        .get(&w.spec.symbol)
        .is_some_and(|s| s.name == owner.name)
}

/// Stops a worker that was started as something else than is wanted now, so that the next step starts its successor. One
/// at a time for each strategy, while the others do their work; one that does none is replaced in any case.
fn replace(
    strategies: &[&ObservedStrategy],
    workers: &[&ObservedWorker],
    w: &ObservedWorker,
    (claims, snapshot): (&BTreeMap<String, &ObservedStrategy>, &AccountSnapshot),
    replacing: &mut BTreeSet<String>,
    out: &mut Vec<Action>,
) {
    let owner = strategies
        .iter()
        .find(|s| s.name == w.spec.strategy && !s.deleting && !s.held);
    let Some(owner) = owner.filter(|s| scanned(snapshot, s)) else {
        return;
    };
    let outdated = w.phase == Phase::Running
        && w.spec.spec_hash != owner.spec_hash
        && is_wanted(claims, owner, w);
    let may = owner.replace_now || !snapshot.positions.contains_key(&w.spec.symbol);
    if !outdated || !may {
        return;
    }
    let at_work = |symbol: &str| {
        workers
            .iter()
            .any(|o| o.spec.symbol == *symbol && o.phase == Phase::Running && o.ready)
    };
    let others_work = claims
        .iter()
        .filter(|(symbol, s)| s.name == owner.name && **symbol != w.spec.symbol)
        .all(|(symbol, _)| at_work(symbol));
    if !w.ready || (others_work && replacing.insert(owner.name.clone())) {
        out.push(Action::StopWorker {
            uid: w.uid.clone(),
            how: OnDelete::KeepProtected,
        });
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
    let finalize = || Action::FinalizeStrategy {
        strategy: s.name.clone(),
    };
    if s.goes == Goes::AtOnce {
        return out.push(finalize());
    }
    if workers.iter().any(|w| w.spec.strategy == s.name) {
        return;
    }
    if s.goes == Goes::WithoutWorkers {
        return out.push(finalize());
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
    } else if s.on_delete == OnDelete::KeepProtected
        || account.heard_ms >= s.worker_ended_ms + CERTAIN_AFTER_MS
    {
        // A worker may have entered after the last snapshot before its end: that one proves nothing.
        out.push(finalize());
    }
}
