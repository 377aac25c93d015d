//! A strategy's status.

use super::{Patient, Settled, coordinators, failure, kept, sooner, symbols};
use crate::conditions::{Finding, Findings, merge};
use crate::config::Patience;
use crate::memory::Memory;
use crate::pipeline::apply::Applied;
use crate::pipeline::dereference::World;
use crate::pipeline::plan::{Document, Plan, Progress};
use crate::pipeline::validate::{Strategy, Validated};
use helios_core::messages::{AccountSnapshot, LadderLevel};
use helios_crds::kube::{RolloutOutcome, RolloutStatus, StrategyStatus, SymbolTaken};

/// Everything that the status of one strategy follows from.
struct Facts<'a> {
    world: &'a World,
    s: &'a Strategy,
    plan: &'a Plan,
    applied: &'a Applied,
    snapshot: Option<&'a AccountSnapshot>,
    /// Its status as it stands.
    before: &'a StrategyStatus,
    halted: bool,
    wanted: Option<Vec<String>>,
    ready: usize,
    updated: usize,
    replacing: usize,
    troubles: Vec<String>,
}

/// The status of a strategy, and liveness ms at which it may differ without any news.
pub fn strategy_status(
    world: &World,
    v: &Validated,
    s: &Strategy,
    plan: &Plan,
    applied: &Applied,
    memory: &mut Memory,
    patience: &Patience,
) -> (StrategyStatus, Option<u64>) {
    let before = s.object.status.clone().unwrap_or_default();
    let f = facts(world, v, s, plan, applied, &before);
    let generation = s.object.metadata.generation.unwrap_or(0);
    let (ready, wake) = f.ready(memory, patience);
    let document = plan.documents.get(&s.name);
    let settled = Settled {
        key: &s.name,
        flaps: "WorkersStarting",
        same_generation: before.observed_generation == Some(generation),
    };
    let (progressing, ends) = settled.tell(
        f.progressing(document),
        &before.conditions,
        world.now_ms,
        memory,
        patience,
    );
    let wake = sooner(wake, ends);
    let rolled_back = document.filter(|d| d.progress == Progress::RolledBack);
    let stalled = match (&s.stall, rolled_back) {
        (Some((stall, words)), _) => Some((stall.reason(), words.clone())),
        (None, Some(d)) => Some(("RolledBack", rolled_back_words(d))),
        (None, None) => None,
    };
    let found = Findings {
        progressing,
        degraded: f.degraded(document),
        paused: f.paused(),
        ready,
        stalled,
    };
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let wanted = f.wanted.as_ref();
    let status = StrategyStatus {
        observed_generation: Some(generation),
        conditions: merge(&before.conditions, &found, generation, world.wall_s),
        ready: wanted
            .map(|w| format!("{}/{}", f.ready, w.len()))
            .or(before.ready.clone()),
        wanted_workers: wanted.map(|w| count(w.len())).or(before.wanted_workers),
        ready_workers: Some(count(f.ready)),
        updated_workers: Some(count(f.updated)),
        symbols: wanted.cloned().unwrap_or(before.symbols.clone()),
        taken: f.taken(),
        rollout: rollout(document, before.rollout.clone(), world),
    };
    (status, wake)
}

fn facts<'a>(
    world: &'a World,
    v: &'a Validated,
    s: &'a Strategy,
    plan: &'a Plan,
    applied: &'a Applied,
    before: &'a StrategyStatus,
) -> Facts<'a> {
    let snapshot = world.heard.as_ref().map(|h| &*h.snapshot);
    let wanted = symbols(plan, &s.name);
    let order = plan.documents.get(&s.name).map(|d| d.document.order());
    let workers = snapshot.and_then(|s| s.health.as_ref()).map(|h| &h.workers);
    let pods = world.pods.iter().map(|p| &p.pod);
    let pods: Vec<_> = pods.filter(|p| p.worker && p.strategy == s.name).collect();
    let at_work = |symbol: &String| {
        pods.iter()
            .find(|p| p.symbol == *symbol && p.ready && !p.deleting)
    };
    let ready: Vec<_> = wanted.iter().flatten().filter_map(at_work).collect();
    let updated = ready.iter().filter(|p| {
        let told = workers
            .and_then(|w| w.get(&p.symbol))
            .filter(|w| w.task_uid == p.uid);
        told.zip(order).is_some_and(|(w, order)| w.params >= order)
    });
    // Who has which parameters is the coordinator's to say. Until it is heard, what was said of this generation stands.
    let same = before.observed_generation == s.object.metadata.generation;
    let said = before.updated_workers.filter(|_| same);
    let updated = match snapshot {
        Some(_) => updated.count(),
        None => said
            .and_then(|n| usize::try_from(n).ok())
            .map_or(0, |n| n.min(ready.len())),
    };
    let halted = match snapshot {
        Some(s) => s.halted,
        None => kept(&before.conditions, "Paused", "AccountHalted").is_some(),
    };
    let hash = plan.spec_hashes.get(&s.name);
    let account = v.account.as_ref().map(|a| &a.manifest);
    Facts {
        halted: halted || account.is_some_and(|a| a.spec.halt),
        updated,
        replacing: ready
            .iter()
            .filter(|p| hash.is_some_and(|h| *h != p.spec_hash))
            .count(),
        ready: ready.len(),
        troubles: pods
            .iter()
            .filter_map(|p| Some(format!("{}: {}", p.symbol, p.trouble.as_deref()?)))
            .collect(),
        world,
        s,
        plan,
        applied,
        snapshot,
        before,
        wanted,
    }
}

/// What may last a moment without being news.
const FLAPS: [&str; 6] = [
    "WorkersNotReady",
    "CoordinatorNotReady",
    "CoordinatorSilent",
    "NotScanned",
    // The operator's own troubles with the API server say nothing about the workers, until they last.
    "ApiUnavailable",
    "Conflict",
];

impl Facts<'_> {
    /// Ready, with patience for what flaps, and when that patience ends.
    fn ready(&self, memory: &mut Memory, patience: &Patience) -> (Finding, Option<u64>) {
        let found = self.ready_now();
        let patient = Patient {
            key: &self.s.name,
            flaps: &FLAPS,
            kept: &["Trading", "Suspended", "Halted"],
        };
        let now_ms = self.world.now_ms;
        patient.tell(found, &self.before.conditions, now_ms, memory, patience)
    }

    fn ready_now(&self) -> Finding {
        if let Some((stall, words)) = &self.s.stall {
            return Finding::no(stall.reason(), words.clone());
        }
        if self.s.object.metadata.deletion_timestamp.is_some() {
            return Finding::no(
                "Deleting",
                "its positions are being left as spec.onDelete says",
            );
        }
        if let Some((reason, words, _)) = failure(&self.applied.failed, Some(&self.s.name)) {
            return Finding::no(reason, words);
        }
        if let Some((reason, words, _)) = failure(&self.applied.failed, None) {
            return Finding::no(reason, words);
        }
        // Said by a coordinator that waits for them: it is not ready, and has no watchlist, and neither says as much.
        let said = self.snapshot.filter(|_| !self.plan.stale);
        if let Some(unknown) = said.and_then(|s| s.unknown.as_ref())
            && unknown.contains("credentials")
        {
            return Finding::no("CredentialsMissing", unknown.clone());
        }
        let (coordinators, _) = coordinators(self.world).unwrap_or((0, 0));
        if coordinators == 0 {
            return Finding::no(
                "CoordinatorNotReady",
                "no coordinator of its account is ready: workers add no exposure",
            );
        }
        if self.plan.unscanned.contains(&self.s.name) && !self.plan.stale {
            let words =
                "its account's coordinator has not scanned the market yet: what runs goes on";
            return Finding::no("NotScanned", words);
        }
        let Some(wanted) = self.wanted.as_ref().filter(|_| !self.plan.stale) else {
            let words =
                "its account's coordinator has not been heard: see its pods, NATS, and the callout";
            return Finding::no("CoordinatorSilent", words);
        };
        if wanted.is_empty() {
            let words = if self.taken().is_empty() {
                "the scan has found no symbol that fits"
            } else {
                "other strategies trade every symbol it wants"
            };
            return Finding::no("NoSymbols", words);
        }
        if self.ready < wanted.len() {
            let mut words = format!("{} of {} workers are ready", self.ready, wanted.len());
            if let Some(t) = self.troubles.first() {
                words += &format!("; {t}");
            }
            return Finding::no("WorkersNotReady", words);
        }
        let words = format!("{} workers trade", wanted.len());
        if self.s.manifest.spec.suspend {
            Finding::yes("Suspended", "no new entries; positions stay guarded")
        } else if self.halted {
            Finding::yes(
                "Halted",
                "the account is halted: no new entries; positions stay guarded",
            )
        } else {
            Finding::yes("Trading", words)
        }
    }

    fn progressing(&self, document: Option<&Document>) -> Finding {
        if self.s.stall.is_some() {
            return Finding::no("Stalled", "");
        }
        if document.is_some_and(|d| d.progress == Progress::Soaking) {
            return Finding::yes("Rollout", "canary symbols run the change");
        }
        let Some(wanted) = &self.wanted else {
            return Finding::yes(
                "WaitingForWatchlist",
                "the coordinator has not published its watchlist yet",
            );
        };
        if self.ready < wanted.len() {
            return Finding::yes(
                "WorkersStarting",
                format!("{} of {} workers are ready", self.ready, wanted.len()),
            );
        }
        if self.updated < self.ready {
            let words = format!(
                "{} of {} workers have the parameters in force",
                self.updated, self.ready
            );
            return Finding::yes("ParametersPending", words);
        }
        if self.replacing > 0 {
            return Finding::yes(
                "Replacing",
                "workers are replaced, one at a time, when they are flat",
            );
        }
        Finding::no("Settled", "")
    }

    fn degraded(&self, document: Option<&Document>) -> Finding {
        if let Some(d) = document.filter(|d| d.progress == Progress::RolledBack) {
            return Finding::yes("RolledBack", rolled_back_words(d));
        }
        let level = self.snapshot.map_or(LadderLevel::Normal, |s| s.level);
        if level > LadderLevel::Normal {
            return Finding::yes(
                "MarginProtection",
                format!("the account's margin ladder is at {level:?}"),
            );
        }
        if self.snapshot.is_none()
            && let Some(found) = kept(&self.before.conditions, "Degraded", "MarginProtection")
        {
            return found;
        }
        let taken = self.taken();
        if let Some(t) = taken.first() {
            let words = format!(
                "{} is traded by {} ({} in all)",
                t.symbol,
                t.by,
                taken.len()
            );
            return Finding::yes("SymbolTaken", words);
        }
        Finding::no("AsWanted", "")
    }

    fn paused(&self) -> Finding {
        if self.s.manifest.spec.suspend {
            Finding::yes("Suspended", "spec.suspend is true")
        } else if self.halted {
            Finding::yes(
                "AccountHalted",
                "the account is halted, by its spec or by a latch",
            )
        } else {
            Finding::no("Running", "")
        }
    }

    fn taken(&self) -> Vec<SymbolTaken> {
        let Some(snapshot) = self.snapshot else {
            return self.before.taken.clone();
        };
        let all = snapshot.taken.get(&self.s.name);
        let all = all.into_iter().flatten().map(|(symbol, by)| SymbolTaken {
            symbol: symbol.clone(),
            by: by.clone(),
        });
        all.collect()
    }
}

fn rolled_back_words(d: &Document) -> String {
    let why = d.breach.as_deref().unwrap_or("its canaries broke");
    if d.is_lost() {
        return format!("{why}: no new entries until the spec changes; positions stay guarded");
    }
    format!(
        "the change was taken back: {why}; all symbols run the parameters before it until the spec changes"
    )
}

fn rollout(
    document: Option<&Document>,
    before: Option<RolloutStatus>,
    world: &World,
) -> Option<RolloutStatus> {
    let d = document?;
    let generation = i64::try_from(d.document.generation).unwrap_or(i64::MAX);
    let outcome = match d.progress {
        Progress::Settled => return before.filter(|b| b.generation != generation),
        Progress::Soaking => RolloutOutcome::Soaking,
        Progress::Promoted => RolloutOutcome::Promoted,
        Progress::RolledBack => RolloutOutcome::RolledBack,
    };
    let same = before.filter(|b| b.generation == generation);
    let canaries = d.document.canary.as_ref().map(|c| c.symbols.clone());
    let since = same.as_ref().and_then(|b| b.started_at.clone());
    let now = || {
        k8s_openapi::jiff::Timestamp::from_second(world.wall_s)
            .ok()
            .map(|t| t.to_string())
    };
    Some(RolloutStatus {
        generation,
        step: i32::try_from(d.document.rollout_step).unwrap_or(i32::MAX),
        canary_symbols: canaries
            .or(same.map(|b| b.canary_symbols))
            .unwrap_or_default(),
        started_at: d.since.clone().or(since).or_else(now),
        outcome: Some(outcome),
        message: d.breach.clone(),
    })
}
