//! Parameters as they shall stand published, and how far a rollout has come: the facts that `core::plan::rollout` decides by.

use crate::config::Patience;
use crate::facts::DocumentFact;
use crate::memory::{Baseline, Memory};
use crate::names;
use crate::pipeline::dereference::World;
use crate::pipeline::validate::{Account, Strategy};
use crate::time::ms;
use helios_core::messages::{AccountSnapshot, ParamsDocument, WorkerHealth};
use helios_core::plan::rollout::{Change, Stage, next};
use helios_crds::convert;
use helios_crds::kube::RolloutOutcome;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The note beside parameters that nothing is known to go back from.
const LOST: &str = "what ran before the change is lost, as its ConfigMap was deleted or spoilt";

/// A strategy's parameters as they shall stand published.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document, with its digest.
    pub document: ParamsDocument,
    /// When its canaries began, RFC 3339.
    pub since: Option<String>,
    /// Why a change was taken back.
    pub breach: Option<String>,
    /// Where its canaries stood when they began, for an operator that begins in the midst of it.
    pub baseline: Option<String>,
    /// Where the rollout stands.
    pub progress: Progress,
    /// Liveness ms by which a canary's time may be over.
    pub wake_ms: Option<u64>,
}

impl Document {
    /// What ran before the change is not known any more, so that nothing is opened by it.
    pub fn is_lost(&self) -> bool {
        self.breach.as_deref() == Some(LOST)
    }

    /// The memory of a rollout, as annotations.
    pub fn notes(&self) -> [(&'static str, Option<&str>); 3] {
        [
            (names::ROLLOUT_SINCE, self.since.as_deref()),
            (names::ROLLOUT_BREACH, self.breach.as_deref()),
            (names::ROLLOUT_BASELINE, self.baseline.as_deref()),
        ]
    }
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All symbols run what the object says, and there were no canaries.
    Settled,
    /// Canaries run it.
    Soaking,
    /// Canaries ran it, and now all do.
    Promoted,
    /// It was taken back.
    RolledBack,
}

pub(super) fn document(
    world: &World,
    account: &Account,
    s: &Strategy,
    snapshot: Option<&AccountSnapshot>,
    memory: &mut Memory,
    patience: &Patience,
) -> Document {
    let m = &s.object.metadata;
    let number = |g: Option<i64>| g.and_then(|g| u64::try_from(g).ok()).unwrap_or(0);
    let uid = m.uid.clone().unwrap_or_default();
    let wanted = convert::params_document(
        &s.manifest,
        &uid,
        number(m.generation),
        number(account.object.metadata.generation),
    );
    let fact = world.documents.get(&s.name);
    let published = fact
        .and_then(|d| d.document.as_deref())
        .filter(|d| d.strategy_uid == uid);
    let pods = world
        .pods
        .iter()
        .filter(|p| p.pod.strategy == s.name && !p.pod.deleting);
    let mut running: Vec<String> = pods.map(|p| p.pod.symbol.clone()).collect();
    running.sort();
    let soaking = published.filter(|p| p.canary.is_some() && p.generation == wanted.generation);
    let soak = Duration::from_secs(s.manifest.spec.rollout.soak_seconds.into());
    let watch = soaking.map(|d| {
        let c = Canaries {
            world,
            strategy: &s.name,
            document: d,
            snapshot,
        };
        c.watch(fact, memory, soak, patience)
    });
    if watch.is_none() {
        memory
            .canaries
            .retain(|(strategy, _), _| *strategy != s.name);
    }
    let breach = watch.as_ref().and_then(|w| w.breach.clone());
    // Nothing else remembers what ran before, but the status says that this change was not for all yet.
    let said = s.object.status.as_ref().and_then(|s| s.rollout.as_ref());
    let said = said.filter(|r| Some(r.generation) == m.generation);
    let unproven = said.is_some_and(|r| {
        let outcome = r.outcome.as_ref();
        outcome.is_some_and(|o| matches!(o, RolloutOutcome::Soaking | RolloutOutcome::RolledBack))
    });
    let (mut document, stage) = next(Change {
        wanted: &wanted,
        published,
        canary_symbols: s.manifest.spec.rollout.canary_symbols as usize,
        running: &running,
        soaked: watch.as_ref().is_some_and(|w| w.soaked),
        breached: breach.is_some(),
        taken_back: fact.is_some_and(|f| f.breach.is_some()),
        unproven,
        last_step: said.map_or(0, |r| u32::try_from(r.step).unwrap_or(0)),
        lost: fact.is_some_and(|f| f.breach.as_deref() == Some(LOST)),
    });
    document.sha256 = convert::digest(&document);
    let same_canaries = published.is_some_and(|p| {
        p.generation == document.generation && p.rollout_step == document.rollout_step
    });
    let (since, breach, baseline) = match stage {
        // A time that somebody took off, or spoilt, begins anew: without one the canaries would soak for ever.
        Stage::Soaking => {
            let stands = fact.filter(|f| same_canaries && began(f).is_some());
            let since = stands.and_then(|f| f.since.clone());
            let baseline = match fact.filter(|_| same_canaries) {
                Some(f) => f.baseline.clone(),
                None => stand(&document, &s.name, snapshot),
            };
            let since = since.or_else(|| Some(rfc3339(world.wall_s)));
            (since, None, baseline)
        }
        Stage::RolledBack => {
            let breach = breach.or_else(|| fact.and_then(|f| f.breach.clone()));
            (None, breach, None)
        }
        Stage::Lost => (None, Some(LOST.into()), None),
        Stage::Settled => (None, None, None),
    };
    let progress = match stage {
        Stage::Soaking => Progress::Soaking,
        Stage::RolledBack | Stage::Lost => Progress::RolledBack,
        Stage::Settled if document.rollout_step > 0 => Progress::Promoted,
        Stage::Settled => Progress::Settled,
    };
    let wake_ms = match stage {
        Stage::Soaking => Some(watch.and_then(|w| w.wake_ms).unwrap_or(world.now_ms + 1000)),
        _ => None,
    };
    Document {
        document,
        since,
        breach,
        baseline,
        progress,
        wake_ms,
    }
}

fn rfc3339(wall_s: i64) -> String {
    Timestamp::from_second(wall_s)
        .unwrap_or_default()
        .to_string()
}

/// Where canaries stand that are heard of, to be written with the document that they are about to try. Whoever is heard of for
/// the first time later is remembered by this process alone.
fn stand(
    document: &ParamsDocument,
    strategy: &str,
    snapshot: Option<&AccountSnapshot>,
) -> Option<String> {
    let workers = &snapshot?.health.as_ref()?.workers;
    let canaries = document.canary.iter().flat_map(|c| &c.symbols);
    let all: BTreeMap<&String, Baseline> = canaries
        .filter_map(|s| Some((s, workers.get(s).filter(|w| w.strategy == strategy)?)))
        .map(|(s, w)| (s, Baseline::of(w)))
        .collect();
    (!all.is_empty()).then(|| serde_json::to_string(&all).ok())?
}

/// The same as it was written, by symbol; what somebody spoilt says nothing.
fn baselines(fact: Option<&DocumentFact>) -> BTreeMap<String, Baseline> {
    let text = fact.and_then(|f| f.baseline.as_deref());
    text.and_then(|t| serde_json::from_str(t).ok())
        .unwrap_or_default()
}

/// When the canaries of a published document began.
fn began(fact: &DocumentFact) -> Option<Timestamp> {
    fact.since.as_deref()?.parse().ok()
}

/// Canaries of a published document.
struct Canaries<'a> {
    world: &'a World,
    strategy: &'a str,
    document: &'a ParamsDocument,
    snapshot: Option<&'a AccountSnapshot>,
}

/// What watching them gave.
struct Watch {
    soaked: bool,
    breach: Option<String>,
    wake_ms: Option<u64>,
}

impl Canaries<'_> {
    fn watch(
        &self,
        fact: Option<&DocumentFact>,
        memory: &mut Memory,
        soak: Duration,
        patience: &Patience,
    ) -> Watch {
        let canaries = self.document.canary.iter().flat_map(|c| &c.symbols);
        let symbols: Vec<&String> = canaries
            .filter(|s| {
                self.world
                    .pods
                    .iter()
                    .any(|p| p.pod.symbol == **s && p.pod.strategy == self.strategy)
            })
            .collect();
        let began = fact.and_then(began);
        let ran_s = began.map_or(0, |t| self.world.wall_s - t.as_second());
        let breach = symbols.iter().find_map(|s| {
            let words = self
                .unready(s, ran_s, patience)
                .or_else(|| self.health(s, fact, memory))?;
            Some(format!("{s}: {words}"))
        });
        let soak_s = i64::try_from(soak.as_secs()).unwrap_or(i64::MAX);
        // A canary that has not taken the change over has not tried it.
        let acknowledged = symbols.iter().all(|s| {
            let at = self.worker(s).map(|w| w.params);
            at.is_some_and(|p| p >= self.document.order())
        });
        let left_s = u64::try_from(soak_s - ran_s).unwrap_or(0).clamp(1, 5);
        Watch {
            soaked: acknowledged && !symbols.is_empty() && ran_s >= soak_s,
            breach,
            wake_ms: Some(self.world.now_ms + left_s * 1000),
        }
    }

    fn worker(&self, symbol: &str) -> Option<&WorkerHealth> {
        let workers = &self.snapshot?.health.as_ref()?.workers;
        workers.get(symbol).filter(|w| w.strategy == self.strategy)
    }

    /// Not ready for too long, under the change: what it was before it is not the change's fault.
    fn unready(&self, symbol: &str, ran_s: i64, patience: &Patience) -> Option<String> {
        let pods = self.world.pods.iter();
        let seen = pods
            .into_iter()
            .find(|p| p.pod.symbol == symbol && p.pod.strategy == self.strategy)?;
        let limit = ms(patience.canary_unready);
        let ran_ms = u64::try_from(ran_s).unwrap_or(0).saturating_mul(1000);
        let unready_ms = self.world.now_ms.saturating_sub(seen.since_ms);
        let long = unready_ms.min(ran_ms) >= limit;
        let why = seen.pod.trouble.as_deref().unwrap_or("it does not say why");
        (!seen.pod.ready && long).then(|| format!("not ready for {} s: {why}", limit / 1000))
    }

    /// What the coordinator hears of it: refusal, alarms, losses since the rollout began.
    fn health(
        &self,
        symbol: &str,
        fact: Option<&DocumentFact>,
        memory: &mut Memory,
    ) -> Option<String> {
        let w = self.worker(symbol)?;
        if w.refused {
            return Some("its worker does not understand the parameters".into());
        }
        let noted = baselines(fact).remove(symbol);
        let key = (self.strategy.to_string(), symbol.to_string());
        let base = memory
            .canaries
            .entry(key)
            .or_insert_with(|| noted.unwrap_or_else(|| Baseline::of(w)));
        base.follow(w);
        if w.alarms > base.alarms {
            return Some("its worker raised a critical alert".into());
        }
        let lost = base.realised_net - w.realised_net;
        let canary = self.document.for_symbol(symbol);
        let equity = self.snapshot?.equity;
        let percent = canary.risk.max_risk_per_trade_percent * rust_decimal::Decimal::TWO;
        let limit = equity.checked_mul(percent)? / rust_decimal::Decimal::ONE_HUNDRED;
        (limit > rust_decimal::Decimal::ZERO && lost > limit)
            .then(|| format!("lost {lost}, more than twice maxRiskPerTradePercent ({limit})"))
    }
}
