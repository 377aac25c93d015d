//! An account's status.

use super::{Patient, Settled, coordinator_trouble, coordinators, failure, kept, sooner};
use crate::conditions::{Finding, Findings, merge};
use crate::config::Patience;
use crate::memory::Memory;
use crate::pipeline::apply::Applied;
use crate::pipeline::dereference::World;
use crate::pipeline::plan::Plan;
use crate::pipeline::validate::{Account, Validated};
use helios_core::messages::{AccountSnapshot, LadderLevel};
use helios_crds::kube::{AccountStatus, Condition};

/// The status of an account, and liveness ms at which it may differ without any news.
pub fn account_status(
    world: &World,
    v: &Validated,
    a: &Account,
    plan: &Plan,
    applied: &Applied,
    memory: &mut Memory,
    patience: &Patience,
) -> (AccountStatus, Option<u64>) {
    let snapshot = world.heard.as_ref().map(|h| &*h.snapshot);
    let before = a.object.status.clone().unwrap_or_default();
    let generation = a.object.metadata.generation.unwrap_or(0);
    let counts = coordinators(world);
    let now = ready(world, a, snapshot, counts, plan, applied);
    let (ready, wake) = PATIENT.tell(now, &before.conditions, world.now_ms, memory, patience);
    let (have, want) = counts.unwrap_or((0, 0));
    let progressing = if a.stall.is_none() && (have < want || counts.is_none()) {
        Finding::yes("CoordinatorsStarting", not_ready(world, have, want))
    } else {
        Finding::no("Settled", "")
    };
    let settled = Settled {
        key: "",
        flaps: "CoordinatorsStarting",
        same_generation: before.observed_generation == Some(generation),
    };
    let (progressing, ends) = settled.tell(
        progressing,
        &before.conditions,
        world.now_ms,
        memory,
        patience,
    );
    let wake = sooner(wake, ends);
    let halted = a.manifest.spec.halt;
    // Whoever deletes an account right after its last strategy is asked by this number.
    let naming = v.strategies.len() + v.unreadable.len();
    let found = Findings {
        progressing,
        degraded: degraded(snapshot, &before.conditions),
        paused: match snapshot {
            _ if halted => Finding::yes("Halted", "spec.halt is true"),
            Some(AccountSnapshot {
                unfit: Some(why), ..
            }) => Finding::yes("Unfit", why.clone()),
            Some(s) if s.halted => Finding::yes(
                "Latched",
                format!("latches hold new risk back: {}", s.latches.join(", ")),
            ),
            Some(_) => Finding::no("Running", ""),
            None => kept(&before.conditions, "Paused", "Latched")
                .or_else(|| kept(&before.conditions, "Paused", "Unfit"))
                .unwrap_or_else(|| Finding::no("Running", "")),
        },
        stalled: a
            .stall
            .as_ref()
            .map(|(s, words)| (s.reason(), words.clone())),
        ready,
    };
    let status = AccountStatus {
        observed_generation: Some(generation),
        conditions: merge(&before.conditions, &found, generation, world.wall_s),
        strategies: i32::try_from(naming.saturating_sub(applied.finalized.len())).ok(),
        coordinators: counts.map(|(have, want)| format!("{have}/{want}")),
        leader: match snapshot {
            Some(s) => Some(s.holder.clone()).filter(|h| !h.is_empty()),
            None => before.leader,
        },
        epoch: match snapshot {
            Some(s) => i64::try_from(s.epoch).ok(),
            None => before.epoch,
        },
        margin: match snapshot {
            Some(s) => s.known.then(|| format!("{:?}", s.level)),
            None => before.margin,
        },
        latches: snapshot.map_or(before.latches, |s| s.latches.clone()),
    };
    (status, wake)
}

fn ready(
    world: &World,
    a: &Account,
    snapshot: Option<&AccountSnapshot>,
    counts: Option<(i64, i64)>,
    plan: &Plan,
    applied: &Applied,
) -> Finding {
    if let Some((stall, words)) = &a.stall {
        return Finding::no(stall.reason(), words.clone());
    }
    if a.object.metadata.deletion_timestamp.is_some() {
        return Finding::no(
            "Deleting",
            "its coordinator goes last, after its strategies",
        );
    }
    if let Some((reason, words, _)) = failure(&applied.failed, None) {
        return Finding::no(reason, words);
    }
    // Without keys no coordinator gets ready, which says less than that they are missing.
    let said = snapshot.filter(|_| world.heard.is_some() && !plan.stale);
    let missing = |why: &&String| why.contains("credentials");
    if let Some(why) = said.and_then(|s| s.unknown.as_ref()).filter(missing) {
        return Finding::no("CredentialsMissing", why.clone());
    }
    let (have, want) = counts.unwrap_or((0, 0));
    if have == 0 {
        return Finding::no(
            "CoordinatorNotReady",
            match said.and_then(|s| s.unknown.as_deref()) {
                Some(why) => format!("0 of {want} coordinators are ready: {why}"),
                None => not_ready(world, have, want),
            },
        );
    }
    let Some(s) = said else {
        let words = "its coordinator has not been heard: see its pods, NATS, and the callout";
        return Finding::no("CoordinatorSilent", words);
    };
    if s.known {
        return Finding::yes("Guarding", "the account is read and guarded");
    }
    let why = s.unknown.as_deref().unwrap_or("it is being read");
    Finding::no(
        "AccountUnknown",
        format!("the account's picture is not complete: {why}"),
    )
}

/// How many are ready, and what keeps the others.
fn not_ready(world: &World, have: i64, want: i64) -> String {
    let words = format!("{have} of {want} coordinators are ready");
    match coordinator_trouble(world) {
        Some(why) => format!("{words}: {why}"),
        None => words,
    }
}

/// A coordinator that is away for a moment is no news.
const PATIENT: Patient<'_> = Patient {
    key: "",
    flaps: &[
        "CoordinatorNotReady",
        "CoordinatorSilent",
        "AccountUnknown",
        // The operator's own troubles with the API server say nothing about the coordinator, until they last.
        "ApiUnavailable",
        "Conflict",
    ],
    kept: &["Guarding"],
};

fn degraded(snapshot: Option<&AccountSnapshot>, before: &[Condition]) -> Finding {
    let Some(s) = snapshot else {
        let found = kept(before, "Degraded", "MarginProtection");
        return found.unwrap_or_else(|| Finding::no("AsWanted", ""));
    };
    if s.level > LadderLevel::Normal {
        return Finding::yes(
            "MarginProtection",
            format!("the margin ladder is at {:?}", s.level),
        );
    }
    Finding::no("AsWanted", "")
}
