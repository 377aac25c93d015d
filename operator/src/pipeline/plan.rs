//! What is to be done for an account: `core::plan` decides what runs, the builders say what the objects are.
//!
//! Pure: the world as it was seen, what the operator remembers, and settings in; actions and objects out.

mod objects;
mod rollout;
mod running;

pub use objects::Object;
pub(super) use objects::own;
pub use rollout::{Document, Progress};

use super::dereference::World;
use super::validate::{Strategy, Validated};
use crate::config::{Patience, PodSettings};
use crate::memory::Memory;
use crate::time::ms;
use crate::{build, names};
use helios_core::messages::AccountSnapshot;
use helios_core::params::OnDelete;
use helios_core::plan::{
    self, Action, CERTAIN_AFTER_MS, Goes, Observed, ObservedAccount, ObservedStrategy,
};
use helios_crds::UpdatePolicy;
use running::{coordinator, workers};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What its namespace's controller deletes late has still so long to be left in order.
const LEAST: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Actions, in order.
    pub actions: Vec<Action>,
    /// Objects as they shall be.
    pub objects: Vec<Object>,
    /// Parameters as they shall stand published, by strategy.
    pub documents: BTreeMap<String, Document>,
    /// Strategies whose positions must be left before they go, and that do not say so yet.
    pub guard_strategies: Vec<String>,
    /// The account must stay until its coordinator is gone, and does not say so yet.
    pub guard_account: bool,
    /// Its lock shall be there.
    pub lease: bool,
    /// Which strategy has which symbol; `None` when that is not known.
    pub claims: Option<BTreeMap<String, String>>,
    /// Strategies of which the coordinator does not say yet what they want.
    pub unscanned: BTreeSet<String>,
    /// The snapshot that was decided by is old.
    pub stale: bool,
    /// What workers are built from now, by strategy.
    pub spec_hashes: BTreeMap<String, String>,
    /// Liveness ms by which it must be looked at again.
    pub wake_ms: Option<u64>,
}

impl Plan {
    fn wake(&mut self, at_ms: u64) {
        self.wake_ms = Some(self.wake_ms.map_or(at_ms, |w| w.min(at_ms)));
    }

    /// A time that has passed wakes nobody: what was due then is done by now, or waits for something else.
    fn wake_after(&mut self, at_ms: u64, now_ms: u64) {
        if at_ms > now_ms {
            self.wake(at_ms);
        }
    }
}

/// Decides.
pub fn plan(
    world: &World,
    v: &Validated,
    memory: &mut Memory,
    settings: &PodSettings,
    patience: &Patience,
) -> Plan {
    let mut p = Plan::default();
    let usable = v.account.as_ref().filter(|a| a.stall.is_none());
    let going = |m: &kube::core::ObjectMeta| m.deletion_timestamp.is_some();
    let account_going = v
        .account
        .as_ref()
        .is_some_and(|a| going(&a.object.metadata));
    let (snapshot, stale) = snapshot(world, v, patience);
    p.stale = stale;
    if let Some(account) = usable {
        for s in v
            .strategies
            .iter()
            .filter(|s| s.stall.is_none() && !going(&s.object.metadata))
        {
            let document =
                rollout::document(world, account, s, snapshot.as_deref(), memory, patience);
            if let Some(at) = document.wake_ms {
                p.wake(at);
            }
            p.documents.insert(s.name.clone(), document);
        }
    }
    // Nothing else may happen by then: coordinator and workers can be gone for good.
    let objects = v.strategies.iter().map(|s| &s.object.metadata);
    let objects = objects.chain(v.account.iter().map(|a| &a.object.metadata));
    for at in objects.filter_map(|m| let_go_ms(world, m, patience)) {
        p.wake_after(at, world.now_ms);
    }
    let account_late = v
        .account
        .as_ref()
        .is_some_and(|a| late(world, &a.object.metadata, patience));
    let readable = v
        .strategies
        .iter()
        .map(|s| strategy(world, v, s, &p, settings, patience));
    let unreadable = v
        .unreadable
        .iter()
        .filter_map(|s| left_alone(world, &s.name));
    let strategies: Vec<_> = readable.chain(unreadable).collect();
    // What is open is not known while the account's picture has holes: nothing counts as flat then.
    let holes = snapshot.as_deref().is_some_and(|s| !s.known);
    let observed = Observed {
        now_ms: world.now_ms,
        accounts: vec![ObservedAccount {
            name: world.account.clone(),
            deleting: account_going,
            snapshot: snapshot.as_deref().cloned(),
            heard_ms: world.heard.as_ref().map_or(0, |h| h.at_ms),
            stale: stale || holes,
            let_go: account_late,
        }],
        strategies,
        coordinators: coordinator(world, account_late).into_iter().collect(),
        workers: workers(world, memory, &mut p),
    };
    let hashes = observed.strategies.iter().filter(|s| !s.held);
    p.spec_hashes = hashes
        .map(|s| (s.name.clone(), s.spec_hash.clone()))
        .collect();
    if let Some(s) = snapshot.as_deref() {
        let names = observed.strategies.iter().map(|s| &s.name);
        let unscanned = names.filter(|n| !s.wanted.contains_key(*n));
        p.unscanned = unscanned.cloned().collect();
    }
    wake_for_proof(&observed, &mut p);
    p.claims = snapshot
        .as_deref()
        .map(|s| plan::claims(&observed.strategies, s));
    p.actions = plan::step(&observed);
    p.actions.retain(|a| match a {
        // The document goes out when its content differs, which says more than its number.
        Action::PublishParams { .. } => false,
        // The coordinator releases by itself: it sees what is being deleted.
        Action::Release { .. } => false,
        Action::StartCoordinator { .. } => usable.is_some() && !world.namespace_going(),
        Action::StartWorker(_) => !world.namespace_going(),
        // With its account unreadable nothing of it may be let go; with none at all there is nothing to let go.
        Action::FinalizeAccount { .. } | Action::StopCoordinator { .. } => v.account.is_some(),
        _ => true,
    });
    if let Some(account) = usable
        && !account_going
        && !world.namespace_going()
    {
        objects::of_account(&mut p, world, account, v, settings);
        p.lease = true;
        p.guard_account = !has(&account.object.metadata, names::ACCOUNT_FINALIZER);
        let unguarded = |s: &&Strategy| {
            let m = &s.object.metadata;
            s.stall.is_none() && !going(m) && !has(m, names::STRATEGY_FINALIZER)
        };
        p.guard_strategies = v
            .strategies
            .iter()
            .filter(unguarded)
            .map(|s| s.name.clone())
            .collect();
    }
    p
}

/// A word that is heard soon lets a strategy go that has no worker any more, and nothing in it that would be news.
fn wake_for_proof(o: &Observed, p: &mut Plan) {
    let account = o.accounts.iter().find(|a| !a.stale);
    let Some(heard_ms) = account.map(|a| a.heard_ms) else {
        return;
    };
    for s in o.strategies.iter().filter(|s| s.deleting) {
        let certain = s.worker_ended_ms + CERTAIN_AFTER_MS;
        if heard_ms < certain && !o.workers.iter().any(|w| w.spec.strategy == s.name) {
            p.wake(certain.max(o.now_ms + 1000));
        }
    }
}

fn has(m: &kube::core::ObjectMeta, finalizer: &str) -> bool {
    m.finalizers.iter().flatten().any(|f| f == finalizer)
}

/// The snapshot to decide by. Before any was heard, what the strategies' own status says was traded serves as an old one,
/// so that an operator that starts while NATS is down still replaces workers that are lost.
fn snapshot(
    world: &World,
    v: &Validated,
    patience: &Patience,
) -> (Option<Arc<AccountSnapshot>>, bool) {
    if let Some(h) = &world.heard {
        // A coordinator that does not know the account yet and knows of no wishes has said nothing.
        let said = h.snapshot.known || h.snapshot.lists_something();
        let stale = world.now_ms.saturating_sub(h.at_ms) > ms(patience.stale_after);
        return (said.then(|| h.snapshot.clone()), stale);
    }
    let traded = |s: &Strategy| {
        let symbols = s.object.status.as_ref().map(|s| s.symbols.clone());
        symbols
            .filter(|l| !l.is_empty())
            .map(|l| (s.name.clone(), l))
    };
    let wanted: BTreeMap<String, Vec<String>> = v.strategies.iter().filter_map(traded).collect();
    let remembered = AccountSnapshot {
        wanted,
        ..AccountSnapshot::default()
    };
    (
        (!remembered.wanted.is_empty()).then(|| Arc::new(remembered)),
        true,
    )
}

/// Liveness ms at which what is being deleted is let go although something is open or does not end.
fn let_go_ms(world: &World, m: &kube::core::ObjectMeta, patience: &Patience) -> Option<u64> {
    let deleted = m.deletion_timestamp.as_ref()?;
    let deleted = deleted.0.as_second();
    let after = |s: i64, wait: Duration| s.saturating_add_unsigned(wait.as_secs());
    let by = match world.namespace_deleted_s {
        Some(namespace) => after(namespace, patience.namespace_by).max(after(deleted, LEAST)),
        None => after(deleted, patience.flatten_by),
    };
    // Clocks of two hosts: what seems to be deleted tomorrow has no longer to go than what is deleted now.
    let left = by.saturating_sub(world.wall_s.max(deleted));
    let left = u64::try_from(left).unwrap_or(0);
    Some(world.now_ms + left * 1000)
}

/// Its time to be left in order is over.
fn late(world: &World, m: &kube::core::ObjectMeta, patience: &Patience) -> bool {
    let_go_ms(world, m, patience).is_some_and(|at| at <= world.now_ms)
}

fn strategy(
    world: &World,
    v: &Validated,
    s: &Strategy,
    p: &Plan,
    settings: &PodSettings,
    patience: &Patience,
) -> ObservedStrategy {
    let m = &s.object.metadata;
    let skip = m
        .annotations
        .as_ref()
        .and_then(|a| a.get(names::SKIP_FLATTEN));
    let going = m.deletion_timestamp.is_some();
    let alone = world.object.is_none() && coordinator(world, false).is_none();
    let goes = match (skip, alone) {
        _ if !going => Goes::WhenLeft,
        _ if late(world, m, patience) => Goes::AtOnce,
        (Some(v), _) if v == "true" => Goes::AtOnce,
        (_, true) => Goes::WithoutWorkers,
        _ => Goes::WhenLeft,
    };
    let uid = m.uid.clone().unwrap_or_default();
    let params = p.documents.get(&s.name).map_or_else(
        || helios_crds::convert::params_document(&s.manifest, &uid, 0, 0),
        |d| d.document.clone(),
    );
    let account = v.account.as_ref().map(|a| &a.manifest);
    let published = world
        .documents
        .get(&s.name)
        .and_then(|d| d.document.as_ref());
    ObservedStrategy {
        name: s.name.clone(),
        account: world.account.clone(),
        priority: s.manifest.spec.priority,
        created_ms: m
            .creation_timestamp
            .as_ref()
            .map_or(0, |t| t.0.as_millisecond()),
        deleting: going,
        on_delete: params.stable.on_delete,
        spec_hash: account
            .map(|a| build::spec_hash(a, &s.manifest, settings))
            .unwrap_or_default(),
        params,
        published: published
            .filter(|d| d.strategy_uid == uid)
            .map(|d| d.order()),
        held: s.stall.is_some(),
        replace_now: s.manifest.spec.worker.update_policy == UpdatePolicy::Now,
        worker_ended_ms: world.worker_ended.get(&s.name).copied().unwrap_or(0),
        goes,
    }
}

/// A strategy whose object can't be read: it keeps its workers, its symbols and its parameters until it can be again.
fn left_alone(world: &World, name: &str) -> Option<ObservedStrategy> {
    let standing = world.documents.get(name).and_then(|d| d.document.as_ref());
    let params = standing.map_or_else(
        || {
            // Nothing is published for it in any case: what a strategy says that says nothing.
            let bare = serde_json::json!({
                "apiVersion": helios_crds::API_VERSION, "kind": "HeliosStrategy",
                "metadata": {"name": names::split(name).1},
                "spec": {"accountRef": {"name": names::split(&world.account).1}},
            });
            let bare: helios_crds::HeliosStrategy = serde_json::from_value(bare).ok()?;
            Some(helios_crds::convert::params_document(&bare, "", 0, 0))
        },
        |d| Some((**d).clone()),
    )?;
    Some(ObservedStrategy {
        name: name.into(),
        account: world.account.clone(),
        priority: params.stable.priority,
        created_ms: i64::MAX,
        deleting: false,
        on_delete: OnDelete::KeepProtected,
        spec_hash: String::new(),
        published: Some(params.order()),
        params,
        held: true,
        replace_now: false,
        worker_ended_ms: world.worker_ended.get(name).copied().unwrap_or(0),
        goes: Goes::WhenLeft,
    })
}
