//! Everything that is known of one account, taken out of the index at one instant.

use crate::board::{Board, Heard};
use crate::facts::{AccountFact, DocumentFact, Index, Owned, OwnedKind, PodFact, StrategyFact};
use crate::memory::Memory;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A pod, and what the index knows about its time.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSeen {
    /// The pod.
    pub pod: PodFact,
    /// Liveness ms since when it is as it is.
    pub since_ms: u64,
    /// Liveness ms since when its node is not heard of.
    pub lost_ms: Option<u64>,
}

/// What is known of an account.
#[derive(Clone, Debug)]
pub struct World {
    /// Liveness ms.
    pub now_ms: u64,
    /// Wall clock, seconds since the Unix epoch: soak times and deletions count in it, as they outlive processes.
    pub wall_s: i64,
    /// `namespace/name`.
    pub account: String,
    /// The object; `None` when there is none.
    pub object: Option<AccountFact>,
    /// Strategies that name it.
    pub strategies: Vec<StrategyFact>,
    /// Its pods.
    pub pods: Vec<PodSeen>,
    /// Liveness ms at which the last end of a worker was seen, by strategy.
    pub worker_ended: BTreeMap<String, u64>,
    /// What stands published, by strategy.
    pub documents: BTreeMap<String, DocumentFact>,
    /// What was made for it, by kind and full name.
    pub owned: BTreeMap<(OwnedKind, String), Owned>,
    /// What a strategy that is gone has left behind without an owner: kind, full name and uid.
    pub left: Vec<(OwnedKind, String, Option<String>)>,
    /// What its coordinator said last.
    pub heard: Option<Heard>,
    /// Its namespace is being deleted, since then: seconds since the Unix epoch.
    pub namespace_deleted_s: Option<i64>,
}

impl World {
    /// Takes an account out of the index.
    pub fn of(index: &Index, board: &Board, account: &str, now_ms: u64, wall_s: i64) -> Self {
        let pods: Vec<PodSeen> = index
            .pods_of(account)
            .map(|p| PodSeen {
                pod: p.clone(),
                since_ms: index.since(&p.uid),
                lost_ms: index.lost(&p.node),
            })
            .collect();
        let documents: BTreeMap<String, DocumentFact> = index
            .documents
            .iter()
            .filter(|(_, d)| d.account == account)
            .map(|(_, d)| (d.strategy.clone(), d.clone()))
            .collect();
        // What is left of one that can't be read says where it was, whatever account it names by now.
        let left = |name: &str| {
            documents.contains_key(name) || pods.iter().any(|p| p.pod.strategy == name)
        };
        let strategies: Vec<StrategyFact> = index
            .strategies
            .iter()
            .filter(|(name, s)| {
                s.account().as_deref() == Some(account) || (s.object.is_err() && left(name))
            })
            .map(|(_, s)| s.clone())
            .collect();
        let owned = OwnedKind::ALL.iter().flat_map(|kind| {
            let shelf = index.owned.get(kind).into_iter().flat_map(|s| s.iter());
            shelf
                .filter(|(_, o)| o.account == account)
                .map(move |(name, o)| ((*kind, name.clone()), o.clone()))
        });
        let ended = strategies
            .iter()
            .map(|s| (s.name.clone(), index.worker_ended(&s.name)));
        Self {
            worker_ended: ended.collect(),
            now_ms,
            wall_s,
            account: account.into(),
            object: index.accounts.get(account).cloned(),
            strategies,
            owned: owned.collect(),
            left: index
                .left_behind(account)
                .map(|(kind, name, uid)| (kind, name.clone(), uid.map(str::to_string)))
                .collect(),
            pods,
            documents,
            heard: board.get(account),
            namespace_deleted_s: None,
        }
    }

    /// Its namespace is being deleted: nothing can be made in it.
    pub fn namespace_going(&self) -> bool {
        self.namespace_deleted_s.is_some()
    }

    /// Takes what was written for what stands until a watch shows it, or something else.
    pub fn go_on_from(&mut self, memory: &mut Memory) {
        let now_ms = self.now_ms;
        memory.written_parameters.retain(|strategy, late| {
            let shown = self.documents.get(strategy).cloned();
            let stands = late.stands(&shown, now_ms).cloned().flatten();
            stands.is_some_and(|d| {
                self.documents.insert(strategy.clone(), d);
                true
            })
        });
        let statuses = &mut memory.written_statuses;
        let mut late = std::mem::take(statuses);
        for s in &mut self.strategies {
            let (uid, shown) = match &s.object {
                Ok(o) => (o.metadata.uid.clone(), o.status.clone()),
                Err(u) => (u.metadata.uid.clone(), u.status.clone()),
            };
            let key = (s.name.clone(), uid);
            let Some(mut written) = late.remove(&key) else {
                continue;
            };
            if let Some(status) = written.stands(&shown.unwrap_or_default(), now_ms) {
                let status = Some(status.clone());
                match &mut s.object {
                    Ok(o) => Arc::make_mut(o).status = status,
                    Err(u) => {
                        let u = Arc::make_mut(u);
                        (u.status, u.spoilt) = (status, Vec::new());
                    }
                }
                statuses.insert(key, written);
            }
        }
    }

    /// Something in it is being deleted, so that it matters whether its namespace is.
    pub fn something_goes(&self) -> bool {
        let account = self.object.iter().filter_map(|a| a.object.as_ref().ok());
        let strategies = self
            .strategies
            .iter()
            .filter_map(|s| s.object.as_ref().ok());
        account
            .map(|a| &a.metadata)
            .chain(strategies.map(|s| &s.metadata))
            .any(|m| m.deletion_timestamp.is_some())
    }
}
