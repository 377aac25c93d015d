//! Doing what the plan says, in its order: what pods stand on first, then parameters, then pods, then their budgets.
//!
//! Each object fails and pauses by itself, and those of different strategies don't wait for each other. A pod is started
//! only when its strategy's parameters stand published and its strategy says that it must not go without leaving its
//! positions.

mod ends;
mod pods;

use super::beside;
use super::dereference::World;
use super::plan::{Document, Object, Plan};
use super::validate::{Strategy, Validated};
use crate::config::PodSettings;
use crate::facts::DocumentFact;
use crate::late::Late;
use crate::memory::Memory;
use crate::time::ms;
use crate::writer::{Failure, Refusal, Writer, covers};
use crate::{build, names};
use helios_core::plan::Action;
use helios_crds::HeliosAccount;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Until another look where somebody else has written, at the latest: the news of it are on their way.
const MOVED_MS: u64 = 1_000;
/// Between two looks whether the lock is there.
const LEASE_EVERY_MS: u64 = 5_000;

/// Something that could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// `namespace/name` of the strategy it is about; `None` for the account.
    pub strategy: Option<String>,
    /// What, in words.
    pub what: String,
    /// Why.
    pub failure: Failure,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// What could not be done, or is paused after it could not.
    pub failed: Vec<Failed>,
    /// Strategies that were let go.
    pub finalized: BTreeSet<String>,
    /// Strategies of which workers were started.
    pub started: BTreeSet<String>,
    /// Workers that were struck off: strategy and pod.
    pub struck: Vec<(String, String)>,
    /// The account was let go.
    pub account_finalized: bool,
    /// Liveness ms at which something that failed may be tried again.
    pub retry_ms: Option<u64>,
}

/// Carries a plan out.
pub struct Hands<'a> {
    /// The API server.
    pub writer: &'a Writer,
    /// The world that was planned by.
    pub world: &'a World,
    /// The objects that were planned by.
    pub validated: &'a Validated,
    /// Settings of pods.
    pub settings: &'a PodSettings,
    /// What is remembered.
    pub memory: &'a mut Memory,
    done: Applied,
    began: Instant,
}

impl<'a> Hands<'a> {
    /// For one look.
    pub fn new(
        writer: &'a Writer,
        world: &'a World,
        validated: &'a Validated,
        settings: &'a PodSettings,
        memory: &'a mut Memory,
    ) -> Self {
        Self {
            writer,
            world,
            validated,
            settings,
            memory,
            done: Applied::default(),
            began: Instant::now(),
        }
    }

    /// Does it.
    pub async fn apply(mut self, plan: &Plan) -> Applied {
        // Nothing may be made for an account that could vanish without its objects being cleared away.
        let guarded = !plan.guard_account || self.guard_account().await;
        // The account's own in their order; of the strategies' none waits for another.
        let (of_strategies, own): (Vec<_>, Vec<_>) =
            plan.objects.iter().partition(|o| o.strategy.is_some());
        if guarded {
            for o in own {
                self.objects([o]).await;
            }
        }
        if guarded && plan.lease {
            self.lease().await;
        }
        let mut unready = self.guard_strategies(&plan.guard_strategies, true).await;
        unready.extend(self.parameters(plan).await);
        self.pods(plan, &unready).await;
        self.objects(of_strategies).await;
        self.finalize_strategies(plan).await;
        self.leftovers().await;
        for action in &plan.actions {
            match action {
                Action::StopCoordinator { .. } => self.stop_coordinator().await,
                Action::FinalizeAccount { .. } => self.finalize_account().await,
                _ => {}
            }
        }
        self.done
    }

    /// False while the object is in a pause: what it failed with counts on.
    fn may(&mut self, object: &str, of: &str, strategy: Option<&str>) -> bool {
        let waits = self.memory.backoff.waits(object, of, self.world.now_ms);
        let Some((until, failure)) = waits else {
            return true;
        };
        let failure = failure.clone();
        self.note(object, strategy, failure, until);
        false
    }

    /// Another look is due by then.
    fn again_at(&mut self, at_ms: u64) {
        self.done.retry_ms = Some(self.done.retry_ms.map_or(at_ms, |r| r.min(at_ms)));
    }

    fn note(&mut self, object: &str, strategy: Option<&str>, failure: Failure, retry_ms: u64) {
        self.again_at(retry_ms);
        self.done.failed.push(Failed {
            strategy: strategy.map(str::to_string),
            what: object.into(),
            failure,
        });
    }

    /// Notes how it went; true when it went well.
    fn went(
        &mut self,
        object: &str,
        of: &str,
        strategy: Option<&str>,
        result: Result<(), Failure>,
    ) -> bool {
        match result {
            Ok(()) => {
                self.memory.backoff.succeeded(object);
                true
            }
            // Neither a failure nor to be tried again, and no status is written that could tell of it.
            Err(f) if f.refusal == Refusal::Deposed => false,
            Err(f) => {
                tracing::warn!(object, reason = f.refusal.name(), "{f}");
                // The pause counts from the failure, which a call without an answer makes late.
                let took = ms(self.began.elapsed());
                let now_ms = self.world.now_ms.saturating_add(took);
                let until = self.memory.backoff.failed(object, of, &f, now_ms);
                self.note(object, strategy, f, until);
                false
            }
        }
    }

    /// Applies objects, beside each other, unless they are as wanted.
    async fn objects<'o>(&mut self, all: impl IntoIterator<Item = &'o Object>) {
        let mut due = Vec::new();
        for o in all {
            let key = (o.kind, o.full_name.clone());
            let there = self.world.owned.get(&key);
            if there.is_some_and(|t| covers(&t.content, &o.content)) {
                continue;
            }
            let shown = format!("{:?} {}", o.kind, o.full_name);
            let of = build::hash(&o.content);
            if self.may(&shown, &of, o.strategy.as_deref()) {
                due.push((o, shown, of));
            }
        }
        let writer = self.writer;
        let calls = due.into_iter().map(|(o, shown, of)| async move {
            let result = writer.apply(o.kind, &o.content).await.and_then(|now| {
                if covers(&now, &o.content) {
                    return Ok(());
                }
                // Applying it again and again would change nothing either.
                Err(Failure {
                    refusal: Refusal::AdmissionRefused,
                    words: "the API server, or an admission webhook, changes what is applied"
                        .into(),
                })
            });
            (o, shown, of, result)
        });
        for (o, shown, of, result) in beside::all(calls.collect()).await {
            self.went(&shown, &of, o.strategy.as_deref(), result);
        }
    }

    async fn lease(&mut self) {
        let Some(account) = &self.validated.account else {
            return;
        };
        let now = self.world.now_ms;
        if self
            .memory
            .lease_seen
            .is_some_and(|at| now < at + LEASE_EVERY_MS)
        {
            return;
        }
        let content = build::lease(&account.manifest);
        let shown = format!(
            "Lease {}",
            names::coordinator(&account.manifest.metadata.name)
        );
        if !self.may(&shown, "", None) {
            return;
        }
        let result = self.writer.ensure_lease(&content).await;
        if self.went(&shown, "", None, result) {
            self.memory.lease_seen = Some(now);
        }
    }

    /// Puts the finalizer on the account; false when it does not stand on what was seen.
    async fn guard_account(&mut self) -> bool {
        let Some(account) = &self.validated.account else {
            return false;
        };
        let shown = "finalizer of the account";
        if !self.may(shown, "on", None) {
            return false;
        }
        let result = self.writer.guard_account(&account.object, true).await;
        let as_seen = matches!(result, Ok(true));
        self.went(shown, "on", None, result.map(drop)) && as_seen
    }

    fn strategy(&self, name: &str) -> Option<&'a Strategy> {
        self.validated.strategies.iter().find(|s| s.name == name)
    }

    /// Puts the finalizer on strategies, or takes it off, beside each other; returns those of which that is not so yet.
    async fn guard_strategies(&mut self, names: &[String], on: bool) -> BTreeSet<String> {
        let mut missed: BTreeSet<String> = names.iter().cloned().collect();
        let of = if on { "on" } else { "off" };
        let mut due = Vec::new();
        for name in names {
            let Some(s) = self.strategy(name) else {
                continue;
            };
            let shown = format!("finalizer of {}", s.manifest.metadata.name);
            if self.may(&shown, of, Some(name)) {
                due.push((name, s, shown));
            }
        }
        let writer = self.writer;
        let calls = due.into_iter().map(|(name, s, shown)| async move {
            (name, shown, writer.guard_strategy(&s.object, on).await)
        });
        for (name, shown, result) in beside::all(calls.collect()).await {
            let as_seen = matches!(result, Ok(true));
            if self.went(&shown, of, Some(name), result.map(drop)) && as_seen {
                missed.remove(name);
            }
        }
        missed
    }

    /// Writes the parameters of strategies, beside each other; returns those whose parameters don't stand as wanted.
    async fn parameters(&mut self, plan: &Plan) -> BTreeSet<String> {
        let mut missed = BTreeSet::new();
        let mut due = Vec::new();
        for (name, d) in &plan.documents {
            let (Some(s), Some(account)) = (self.strategy(name), &self.validated.account) else {
                missed.insert(name.clone());
                continue;
            };
            let (a, h) = (&account.manifest, &s.manifest);
            if self.stands(s, a, d) {
                continue;
            }
            missed.insert(name.clone());
            if self.world.namespace_going() {
                continue;
            }
            let content = build::parameters(a, h, &d.document, &d.notes());
            let shown = format!("ConfigMap {}", names::strategy(&h.metadata.name));
            let of = build::hash(&content);
            if self.may(&shown, &of, Some(name)) {
                due.push((name, d, shown, of, content));
            }
        }
        let (writer, documents) = (self.writer, &self.world.documents);
        let calls = due
            .into_iter()
            .map(|(name, d, shown, of, content)| async move {
                let over = documents.get(name).and_then(|f| f.version.as_deref());
                let result = writer.apply_parameters(content, over).await;
                (name, d, shown, of, result)
            });
        for (name, d, shown, of, result) in beside::all(calls.collect()).await {
            let after = match result {
                Ok(Some(map)) => Ok(DocumentFact::of(&map)),
                Ok(None) => {
                    self.again_at(self.world.now_ms + MOVED_MS);
                    continue;
                }
                Err(f) => Err(f),
            };
            let stands = after.as_ref().ok().cloned().flatten();
            if self.went(&shown, &of, Some(name), after.map(drop)) {
                missed.remove(name);
                self.wrote_parameters(name, stands);
                let (generation, step) = (d.document.generation, d.document.rollout_step);
                tracing::info!(
                    strategy = name,
                    generation,
                    step,
                    sha256 = d.document.sha256,
                    "parameters written"
                );
            }
        }
        missed
    }

    /// Parameters were written, and a watch has yet to show them.
    fn wrote_parameters(&mut self, strategy: &str, stands: Option<DocumentFact>) {
        let shown = || Late::over(self.world.documents.get(strategy).cloned());
        let late = &mut self.memory.written_parameters;
        let late = late.entry(strategy.into()).or_insert_with(shown);
        late.wrote(stands, self.world.now_ms + ms(self.began.elapsed()));
    }

    /// The strategy's parameters stand published as wanted.
    fn stands(&self, s: &Strategy, a: &HeliosAccount, d: &Document) -> bool {
        let there = self.world.documents.get(&s.name);
        let there = there.filter(|f| f.owner == s.object.metadata.uid);
        there.is_some_and(|f| {
            f.document.as_deref() == Some(&d.document)
                && (&f.since, &f.breach, &f.baseline) == (&d.since, &d.breach, &d.baseline)
                && f.manifests == build::manifests(a, &s.manifest)
        })
    }
}
