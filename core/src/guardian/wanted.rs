//! The watchlist of the account: scans, rankings, claims, and which strategy a position belongs to.

use super::Guardian;
use super::clusters::Clusters;
use super::event::GuardianEffect;
use crate::instrument::Symbol;
use crate::order::{IdMaker, Role, client_id};
use crate::time::{NS_PER_S, Now};
use crate::watchlist::{Candidate, Claim, RankParams, Ranking, Settlement, rank, settle_claims};
use std::collections::{BTreeMap, BTreeSet};

/// A scan without an answer is asked for again after this.
const SCAN_TIMEOUT_NS: u64 = 30 * NS_PER_S;

/// Scans and what came of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    candidates: Vec<Candidate>,
    rankings: BTreeMap<String, Ranking>,
    settled: Settlement,
    /// Strategies whose watchlist takes a scan that has not come yet: what they want is not known.
    unscanned: BTreeSet<String>,
    /// Owner of each position, as last derived.
    held: BTreeMap<Symbol, String>,
    scanned_market_ms: Option<i64>,
    asked_at: Option<u64>,
}

impl Wanted {
    pub fn settled(&self) -> &Settlement {
        &self.settled
    }

    /// Symbols whose position is to be left. Whoever has not been scanned may still want what it holds, and so may whoever a
    /// position belongs to of which that has not been read.
    pub fn to_drain(&self) -> BTreeSet<Symbol> {
        let sure = |owner: &String| {
            !self.unscanned.contains(owner) && (!owner.is_empty() || self.unscanned.is_empty())
        };
        let of_sure = self.settled.drained.iter().filter(|(owner, _)| sure(owner));
        of_sure.flat_map(|(_, l)| l).cloned().collect()
    }
}

impl Guardian {
    /// Ranking of a strategy's last scan, with numbers and reasons.
    pub fn ranking(&self, strategy: &str) -> Option<&Ranking> {
        self.wanted.rankings.get(strategy)
    }

    pub(super) fn scan(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        self.wanted.asked_at = Some(now.mono_ns);
        out.push(GuardianEffect::Scan);
    }

    pub(super) fn drive_scan(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let w = &self.wanted;
        if w.asked_at
            .is_some_and(|t| now.mono_since(t) < SCAN_TIMEOUT_NS)
        {
            return;
        }
        let every = self
            .config
            .strategies
            .iter()
            .map(|s| s.watchlist.rescan_interval_seconds)
            .min();
        let every = i64::from(every.unwrap_or(300).max(1)) * 1000;
        let due = w
            .scanned_market_ms
            .is_some_and(|t| now.market_since(t) >= every);
        // Asked at the start and never answered.
        if due || w.asked_at.is_some() {
            self.scan(now, out);
        }
    }

    pub(super) fn scanned(
        &mut self,
        now: Now,
        candidates: &[Candidate],
        pairs: &[(Symbol, Symbol, f64)],
    ) {
        self.wanted.asked_at = None;
        self.wanted.scanned_market_ms = Some(now.market_ms);
        self.wanted.candidates = candidates.to_vec();
        self.clusters = Clusters::of(pairs);
        self.settle(now.market_ms);
    }

    /// Settles anew when a position has been opened or left, or turns out to be somebody's.
    pub(super) fn wanted_changed(&mut self, now: Now) {
        let known = |s: &Symbol| match self.wanted.held.get(s) {
            Some(owner) => !owner.is_empty() || self.owner_of(s).is_none(),
            None => false,
        };
        let same = self.picture.open().count() == self.wanted.held.len()
            && self.picture.open().all(|(s, _)| known(s));
        if !same {
            self.settle(now.market_ms);
            self.touched = true;
        }
    }

    /// Ranks for every strategy and settles their claims. One that has not been scanned for claims nothing, so that it is
    /// missing among the wanted: an empty list would say that nothing fits.
    pub(super) fn settle(&mut self, market_ms: i64) {
        let held: BTreeMap<Symbol, String> = self
            .picture
            .open()
            .map(|(s, _)| (s.clone(), self.owner_of(s).unwrap_or_default()))
            .collect();
        let mut rankings = BTreeMap::new();
        let mut claims = Vec::new();
        let mut unscanned = BTreeSet::new();
        for s in &self.config.strategies {
            let params = RankParams::from(&s.watchlist);
            let fixed = !params.symbols.is_empty();
            if !fixed && self.wanted.scanned_market_ms.is_none() {
                unscanned.insert(s.name.clone());
                continue;
            }
            let with_position: BTreeSet<Symbol> = held
                .iter()
                .filter(|h| *h.1 == s.name)
                .map(|h| h.0.clone())
                .collect();
            let empty = Vec::new();
            let current = self.wanted.settled.wanted.get(&s.name).unwrap_or(&empty);
            let mut preference: Vec<Symbol> = if self.wanted.candidates.is_empty() {
                // Before the first scan, and where one found no contract at all, a fixed list stands as written.
                let named = params
                    .symbols
                    .iter()
                    .filter(|x| !params.exclude.contains(x));
                named.map(|x| x.as_str().into()).collect()
            } else {
                let r = rank(
                    &self.wanted.candidates,
                    &params,
                    market_ms,
                    current,
                    &with_position,
                );
                let mut p = r.preference();
                // A position that still ranks within the list is wanted; `preference` leaves only the drained out.
                p.dedup();
                rankings.insert(s.name.clone(), r);
                p
            };
            preference.retain(|x| self.config.symbols.contains_key(x));
            claims.push(Claim {
                strategy: s.name.clone(),
                priority: s.params.priority,
                created_ms: s.created_ms,
                size: if fixed { preference.len() } else { params.size },
                preference,
            });
        }
        self.wanted.settled = settle_claims(&claims, &held);
        self.wanted.unscanned = unscanned;
        self.wanted.rankings = rankings;
        self.wanted.held = held;
    }

    /// The strategy a position belongs to: by the id that made it, by promise, by report, by the watchlist.
    pub(super) fn owner_of(&self, symbol: &str) -> Option<String> {
        let known = |name: &String| self.config.strategies.iter().any(|s| s.name == *name);
        let tag = self
            .picture
            .symbols
            .get(symbol)
            .and_then(|v| v.own_tag.as_ref());
        let by_id = tag.and_then(|tag| {
            let s = self.config.strategies.iter().find(|s| {
                let account = &self.config.account.account;
                let id = IdMaker::new(account, Role::Worker, &s.uid, symbol, 0).next_id();
                client_id::parse(&id).is_some_and(|p| p.symbol_tag == tag)
            });
            s.map(|s| s.name.clone())
        });
        by_id
            .or_else(|| {
                self.ledger
                    .slot(symbol)
                    .map(|s| s.strategy.clone())
                    .filter(known)
            })
            .or_else(|| {
                self.heard
                    .get(symbol)
                    .map(|h| h.strategy.clone())
                    .filter(known)
            })
            .or_else(|| self.wanted.settled.wanted_by(symbol).map(Into::into))
    }
}
