//! All facts together, and which accounts a piece of news concerns.

use super::{AccountFact, DocumentFact, News, NodeFact, PodFact, Shelf, StrategyFact, unreadable};
use crate::names;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Kinds of which the operator keeps the objects it made, to see whether they still are what it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum OwnedKind {
    ServiceAccount,
    RoleBinding,
    Service,
    Deployment,
    PodDisruptionBudget,
    NetworkPolicy,
    GuardianState,
}

impl OwnedKind {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 7] = [
        Self::ServiceAccount,
        Self::RoleBinding,
        Self::GuardianState,
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::Deployment,
    ];
}

/// An object that the operator made.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// `namespace/name` of the account it is for.
    pub account: String,
    /// The object without what the API server keeps for itself.
    pub content: Arc<Value>,
}

impl Owned {
    /// Uid of the object.
    pub fn uid(&self) -> Option<&str> {
        self.content.pointer("/metadata/uid")?.as_str()
    }

    /// Deletion was asked for.
    pub fn deleting(&self) -> bool {
        self.content
            .pointer("/metadata/deletionTimestamp")
            .is_some()
    }
}

/// Everything known.
#[derive(Debug, Default)]
pub struct Index {
    /// Accounts.
    pub accounts: Shelf<AccountFact>,
    /// Strategies.
    pub strategies: Shelf<StrategyFact>,
    /// Pods of workers and coordinators.
    pub pods: Shelf<PodFact>,
    /// Published parameters, by ConfigMap.
    pub documents: Shelf<DocumentFact>,
    /// Nodes.
    pub nodes: Shelf<NodeFact>,
    /// What the operator made.
    pub owned: BTreeMap<OwnedKind, Shelf<Owned>>,
    /// Liveness ms since when a node is not heard of, by name.
    lost: BTreeMap<String, u64>,
    /// Liveness ms since when a pod is as (not) ready and alive as it is, by uid.
    since: BTreeMap<String, u64>,
    /// Liveness ms at which the last end of a worker was seen, by strategy.
    ended: BTreeMap<String, u64>,
    /// Liveness ms since when all pods are known: an end before that was seen by nobody.
    pods_known: u64,
    /// Pods of each account, by full name of the pod.
    by_account: BTreeMap<String, BTreeSet<String>>,
}

/// Full names of accounts that a piece of news concerns.
type Concerned = BTreeSet<String>;

impl Index {
    /// Every first list is in.
    pub fn synced(&self) -> bool {
        self.accounts.synced()
            && self.strategies.synced()
            && self.pods.synced()
            && self.documents.synced()
            && self.nodes.synced()
            && OwnedKind::ALL
                .iter()
                .all(|k| self.owned.get(k).is_some_and(Shelf::synced))
    }

    /// An account changed.
    pub fn account(&mut self, news: News<AccountFact>) -> Concerned {
        let changes = self.accounts.hear(news);
        unreadable::log(&changes, |f| &f.object);
        both(changes, |a| Some(a.name.clone()))
    }

    /// A strategy changed.
    pub fn strategy(&mut self, news: News<StrategyFact>) -> Concerned {
        // One that does not even name its account any more concerns the one it was on; its document and pods name that.
        let changes = self.strategies.hear(news);
        unreadable::log(&changes, |f| &f.object);
        for (before, after) in &changes {
            if let (Some(gone), None) = (before, after) {
                self.ended.remove(&gone.name);
            }
        }
        both(changes, StrategyFact::account)
    }

    /// A pod changed.
    pub fn pod(&mut self, news: News<PodFact>, now_ms: u64) -> Concerned {
        let knew = self.pods.synced();
        let changes = self.pods.hear(news);
        if !knew && self.pods.synced() {
            self.pods_known = now_ms;
        }
        for (old, new) in &changes {
            if let Some(old) = old {
                let (namespace, _) = names::split(&old.account);
                let name = format!("{namespace}/{}", old.name);
                if let Some(set) = self.by_account.get_mut(&old.account) {
                    set.remove(&name);
                }
                if new.as_ref().is_none_or(|n| n.uid != old.uid) {
                    self.since.remove(&old.uid);
                    if old.worker {
                        self.ended.insert(old.strategy.clone(), now_ms);
                    }
                }
            }
            if let Some(new) = new {
                let (namespace, _) = names::split(&new.account);
                let name = format!("{namespace}/{}", new.name);
                self.by_account
                    .entry(new.account.clone())
                    .or_default()
                    .insert(name);
                // No news may come of a node that was gone before its pod was heard of.
                let node = self.nodes.get(&new.node);
                if !new.node.is_empty() && self.nodes.synced() && node.is_none_or(|n| !n.heard) {
                    self.lost.entry(new.node.clone()).or_insert(now_ms);
                }
                let state = |p: &PodFact| (p.life, p.ready, p.deleting, p.crash_loop);
                if old
                    .as_ref()
                    .is_none_or(|o| o.uid != new.uid || state(o) != state(new))
                {
                    self.since.insert(new.uid.clone(), now_ms);
                }
            }
        }
        both(changes, |p| Some(p.account.clone()))
    }

    /// Published parameters changed.
    pub fn document(&mut self, news: News<DocumentFact>) -> Concerned {
        both(self.documents.hear(news), |d| Some(d.account.clone()))
    }

    /// Something the operator made changed.
    pub fn owned(&mut self, kind: OwnedKind, news: News<Owned>) -> Concerned {
        let shelf = self.owned.entry(kind).or_default();
        both(shelf.hear(news), |o| Some(o.account.clone()))
    }

    /// A node changed; whoever has a pod there is concerned.
    pub fn node(&mut self, news: News<NodeFact>, now_ms: u64) -> Concerned {
        if self.nodes.hear(news).is_empty() {
            return Concerned::new();
        }
        let gone = |name: &String| self.nodes.get(name).is_none_or(|n| !n.heard);
        let hosts: BTreeSet<&String> = self.pods.iter().map(|(_, p)| &p.node).collect();
        let unheard = self.nodes.iter().filter(|(_, n)| !n.heard);
        let lost: BTreeSet<String> = unheard
            .map(|(name, _)| name.clone())
            .chain(
                hosts
                    .into_iter()
                    .filter(|n| !n.is_empty() && gone(n))
                    .cloned(),
            )
            .collect();
        self.lost.retain(|name, _| lost.contains(name));
        for name in &lost {
            self.lost.entry(name.clone()).or_insert(now_ms);
        }
        let touched = self
            .pods
            .iter()
            .filter(|(_, p)| p.deleting || lost.contains(&p.node));
        touched.map(|(_, p)| p.account.clone()).collect()
    }

    /// Pods of an account.
    pub fn pods_of(&self, account: &str) -> impl Iterator<Item = &PodFact> {
        let names = self.by_account.get(account).into_iter().flatten();
        names.filter_map(|n| self.pods.get(n))
    }

    /// Liveness ms since when a pod is as it is.
    pub fn since(&self, uid: &str) -> u64 {
        self.since.get(uid).copied().unwrap_or(0)
    }

    /// Liveness ms at which the last of a strategy's workers that are gone was seen to be.
    pub fn worker_ended(&self, strategy: &str) -> u64 {
        self.ended.get(strategy).copied().unwrap_or(self.pods_known)
    }

    /// Liveness ms since when a node has not been heard of.
    pub fn lost(&self, node: &str) -> Option<u64> {
        self.lost.get(node).copied()
    }

    /// Something the operator made, by kind and full name.
    pub fn made(&self, kind: OwnedKind, full_name: &str) -> Option<&Owned> {
        self.owned.get(&kind)?.get(full_name)
    }

    /// What strategies that are gone have left of an account without an owner: kind, full name, uid. What has one is the garbage
    /// collector's.
    pub fn left_behind(
        &self,
        account: &str,
    ) -> impl Iterator<Item = (OwnedKind, &String, Option<&str>)> {
        let maps = self.documents.iter().filter(move |(_, d)| {
            d.account == account && d.owner.is_none() && self.strategies.get(&d.strategy).is_none()
        });
        let maps = maps.map(|(n, d)| (OwnedKind::GuardianState, n, d.uid.as_deref()));
        let budgets = self.owned.get(&OwnedKind::PodDisruptionBudget);
        let budgets = budgets.into_iter().flat_map(Shelf::iter);
        let budgets = budgets.filter(move |(name, o)| {
            let m = o.content.get("metadata");
            let of = m.and_then(|m| m.get("labels")?.get(names::STRATEGY)?.as_str());
            let owners = m.and_then(|m| m.get("ownerReferences")?.as_array());
            let owned = owners.is_some_and(|o| !o.is_empty());
            let gone = |strategy: &str| {
                let full = format!("{}/{strategy}", names::split(name).0);
                self.strategies.get(&full).is_none()
            };
            o.account == account && !owned && of.is_some_and(gone)
        });
        maps.chain(budgets.map(|(n, o)| (OwnedKind::PodDisruptionBudget, n, o.uid())))
    }

    /// Accounts that exist, that a strategy names, or that something is left of.
    pub fn all_accounts(&self) -> BTreeSet<String> {
        let accounts = self.accounts.iter().map(|(n, _)| n.clone());
        let named = self.strategies.iter().filter_map(|(_, s)| s.account());
        let left = self.by_account.iter().filter(|(_, pods)| !pods.is_empty());
        let ownerless = self.documents.iter().filter(|(_, d)| d.owner.is_none());
        accounts
            .chain(named)
            .chain(ownerless.map(|(_, d)| d.account.clone()))
            .chain(left.map(|(n, _)| n.clone()))
            .collect()
    }
}

fn both<F>(
    changes: Vec<(Option<F>, Option<F>)>,
    account: impl Fn(&F) -> Option<String>,
) -> Concerned {
    changes
        .iter()
        .flat_map(|(a, b)| [a, b])
        .flatten()
        .filter_map(account)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::PodLife;

    fn pod(node: &str) -> PodFact {
        PodFact {
            name: "w".into(),
            uid: "u".into(),
            account: "n/a".into(),
            strategy: "n/s".into(),
            symbol: "BTCUSDT".into(),
            spec_hash: String::new(),
            worker: true,
            life: PodLife::Running,
            ready: true,
            deleting: false,
            node: node.into(),
            crash_loop: false,
            trouble: None,
        }
    }

    fn with_node(heard: bool) -> Index {
        let mut i = Index::default();
        i.node(News::Listed("one".into(), NodeFact { heard }), 0);
        i.node(News::Complete, 0);
        i
    }

    #[test]
    fn a_pod_on_a_node_that_is_gone_or_silent_is_lost_whichever_is_heard_of_first() {
        let mut i = with_node(true);
        i.pod(News::Changed("n/w".into(), pod("two")), 5);
        assert_eq!(
            (i.lost("one"), i.lost("two")),
            (None, Some(5)),
            "no such node"
        );
        i.node(News::Changed("two".into(), NodeFact { heard: true }), 6);
        assert_eq!(i.lost("two"), None, "it was only not heard of yet");
        i.node(News::Changed("two".into(), NodeFact { heard: false }), 7);
        i.node(News::Changed("one".into(), NodeFact { heard: false }), 8);
        assert_eq!((i.lost("one"), i.lost("two")), (Some(8), Some(7)));
        i.node(News::Gone("two".into()), 9);
        assert_eq!(i.lost("two"), Some(7), "since then");

        let mut i = with_node(false);
        i.pod(News::Changed("n/w".into(), pod("one")), 5);
        assert_eq!(i.lost("one"), Some(0));
        let mut i = Index::default();
        i.pod(News::Changed("n/w".into(), pod("one")), 5);
        assert_eq!(i.lost("one"), None, "no list of nodes yet");
    }

    #[test]
    fn a_pod_is_as_it_is_since_it_changed_in_what_matters() {
        let mut i = Index::default();
        let concerned = i.pod(News::Changed("n/w".into(), pod("one")), 5);
        assert_eq!(concerned.into_iter().collect::<Vec<_>>(), ["n/a"]);
        let trouble = PodFact {
            trouble: Some("slow".into()),
            ..pod("one")
        };
        i.pod(News::Changed("n/w".into(), trouble), 6);
        assert_eq!(i.since("u"), 5);
        let unready = PodFact {
            ready: false,
            ..pod("one")
        };
        i.pod(News::Changed("n/w".into(), unready), 7);
        assert_eq!((i.since("u"), i.pods_of("n/a").count()), (7, 1));
        i.pod(News::Gone("n/w".into()), 8);
        assert_eq!((i.since("u"), i.pods_of("n/a").count()), (0, 0));
        assert_eq!((i.worker_ended("n/s"), i.worker_ended("n/x")), (8, 0));
        i.pod(News::Complete, 9);
        assert_eq!(i.worker_ended("n/x"), 9, "before that nobody looked");
        assert!(i.all_accounts().is_empty());
    }
}
