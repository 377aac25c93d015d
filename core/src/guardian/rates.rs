//! The one owner of the exchange's rate limits: request weight for each IP, orders for the account, sockets for each IP.
//!
//! A fifth of everything is nobody's share: exits and stops use it. Of the weight a fixed part is the coordinator's own.
//! The rest is shared by the workers of an egress, two parts for a symbol with a position, one for a flat one. A share may
//! be in force as long as its grant, so it counts until a worker must have heard the next one: what shrinks goes first,
//! what grows takes only what is left. A worker whose way out is not known counts on every one.

use super::Guardian;
use super::event::{HandedShare, RateLimits};
use super::grants::Place;
use super::ledger::{GRACE_NS, GRANT_MS};
use super::ms;
use crate::instrument::Symbol;
use crate::messages::{RateReport, RateShare};
use crate::time::Now;
use std::collections::{BTreeMap, BTreeSet};

/// Of the weight, what workers share: 20 % are for exits, 30 % for the coordinator's own reads and scans.
const WEIGHT_PERCENT: u64 = 50;
/// The coordinator's own part of the weight.
const OWN_PERCENT: u64 = 30;
/// Of the orders, what workers share: 20 % are for exits.
const ORDER_PERCENT: u64 = 80;
/// Weight seen on an IP above this part of the limit, of which our processes know nothing, shrinks the shares.
const SEEN_PERCENT: u64 = 80;
/// A share counts this long: as long as its grant, and then as its orders may be under way.
const HOLD_NS: u64 = ms(GRANT_MS) + GRACE_NS;
/// Reports older than this tell nothing of what is used.
const FRESH_NS: u64 = ms(10_000);
/// New connections an IP may make in 5 minutes.
const SOCKETS: usize = 300;
/// A worker's: public, market, private.
const SOCKETS_PER_WORKER: usize = 3;
/// Times all sockets of a position must be able to come back in that time.
const RECONNECTS: usize = 2;

/// A worker that shares.
#[derive(Clone, Copy)]
struct Member<'a> {
    egress: &'a str,
    parts: u64,
}

/// A share that may be in force.
#[derive(Clone, Debug)]
struct Given {
    egress: String,
    share: RateShare,
    at: u64,
}

/// Shares given.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    given: BTreeMap<Symbol, Vec<Given>>,
}

impl Rates {
    fn expire(&mut self, now: Now) {
        for all in self.given.values_mut() {
            all.retain(|g| now.mono_since(g.at) <= HOLD_NS);
        }
        self.given.retain(|_, all| !all.is_empty());
    }

    fn give(&mut self, now: Now, symbol: &Symbol, egress: &str, share: RateShare) {
        let all = self.given.entry(symbol.clone()).or_default();
        all.retain(|g| g.egress != egress || most(g.share, share) != share);
        all.push(Given {
            egress: egress.into(),
            share,
            at: now.mono_ns,
        });
    }

    /// What everybody but `asker` may be using, on an egress or (`None`) everywhere.
    fn held(&self, asker: &str, egress: Option<&str>) -> Total {
        let mut sum = Total::default();
        for (_, all) in self.given.iter().filter(|(s, _)| ***s != *asker) {
            let here = all
                .iter()
                .filter(|g| egress.is_none_or(|e| g.egress == e || g.egress.is_empty()));
            if let Some(s) = here.map(|g| g.share).reduce(most) {
                sum.weight_1m += u64::from(s.weight_1m);
                sum.orders_10s += u64::from(s.orders_10s);
                sum.orders_1m += u64::from(s.orders_1m);
            }
        }
        sum
    }

    /// For the next leader.
    pub fn in_force(&self, now: Now) -> BTreeMap<String, HandedShare> {
        let of = |(s, all): (&Symbol, &Vec<Given>)| {
            let live: Vec<&Given> = all
                .iter()
                .filter(|g| now.mono_since(g.at) <= HOLD_NS)
                .collect();
            let share = live.iter().map(|g| g.share).reduce(most)?;
            let one = live.iter().all(|g| g.egress == live[0].egress);
            let egress = if one {
                live[0].egress.clone()
            } else {
                String::new()
            };
            Some((s.to_string(), HandedShare { egress, share }))
        };
        self.given.iter().filter_map(of).collect()
    }

    pub fn inherit(&mut self, now: Now, shares: &BTreeMap<String, HandedShare>) {
        for (s, h) in shares {
            self.give(now, &s.as_str().into(), &h.egress, h.share);
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Total {
    weight_1m: u64,
    orders_10s: u64,
    orders_1m: u64,
}

/// The larger of both, number by number.
fn most(a: RateShare, b: RateShare) -> RateShare {
    RateShare {
        weight_1m: a.weight_1m.max(b.weight_1m),
        orders_10s: a.orders_10s.max(b.orders_10s),
        orders_1m: a.orders_1m.max(b.orders_1m),
    }
}

/// This part of the budget, no more than what is left of it.
fn part(budget: u64, parts: u64, of: u64, held: u64) -> u32 {
    let target = budget.saturating_mul(parts) / of.max(1);
    u32::try_from(target.min(budget.saturating_sub(held))).unwrap_or(u32::MAX)
}

fn percent(limit: u32, percent: u64) -> u64 {
    u64::from(limit) * percent / 100
}

impl Guardian {
    /// The asker's share, noted as given.
    pub(super) fn share(&mut self, now: Now, symbol: &Symbol) -> RateShare {
        self.rates.expire(now);
        let members = self.members(now, symbol);
        let own = members[symbol];
        let limits = self.config.rate_limits;
        let sum = |egress: Option<&str>| -> u64 {
            let here = members
                .values()
                .filter(|m| egress.is_none_or(|e| m.egress == e || m.egress.is_empty()));
            here.map(|m| m.parts).sum()
        };
        // An asker that may be anywhere must fit everywhere, also where only a share of a former report is.
        let mut named: BTreeSet<&str> = members.values().map(|m| m.egress).collect();
        let given = self.rates.given.values().flatten();
        named.extend(given.map(|g| g.egress.as_str()));
        let ways = named
            .iter()
            .filter(|e| own.egress.is_empty() || **e == own.egress);
        let weight = ways.map(|e| {
            let budget = self.weight_budget(now, e, &limits);
            let held = self.rates.held(symbol, Some(e)).weight_1m;
            part(budget, own.parts, sum(Some(e)), held)
        });
        let (all, held) = (sum(None), self.rates.held(symbol, None));
        let share = RateShare {
            weight_1m: weight.min().unwrap_or(0),
            orders_10s: part(
                percent(limits.orders_10s, ORDER_PERCENT),
                own.parts,
                all,
                held.orders_10s,
            ),
            orders_1m: part(
                percent(limits.orders_1m, ORDER_PERCENT),
                own.parts,
                all,
                held.orders_1m,
            ),
        };
        let egress = own.egress.to_owned();
        self.rates.give(now, symbol, &egress, share);
        share
    }

    /// Every worker that is there or should be, and the asker.
    fn members<'a>(&'a self, now: Now, asker: &'a Symbol) -> BTreeMap<&'a Symbol, Member<'a>> {
        let settled = self.wanted.settled();
        let asked = self.ledger.symbols().filter(|s| self.may_be_there(now, s));
        let heard = self
            .heard
            .iter()
            .filter(|(_, h)| now.mono_since(h.heard_at) <= FRESH_NS)
            .map(|x| x.0);
        let lists = settled.wanted.values().chain(settled.drained.values());
        let names = lists.flatten().chain(asked).chain(heard).chain([asker]);
        let names: BTreeSet<&Symbol> = names.collect();
        let open: BTreeSet<&Symbol> = self.picture.open().map(|o| o.0).collect();
        let member = |s: &'a Symbol| Member {
            egress: self.egress(s).unwrap_or_default(),
            parts: 1 + u64::from(open.contains(s)),
        };
        names.into_iter().map(|s| (s, member(s))).collect()
    }

    /// The way out of a symbol's worker, as last told.
    fn egress(&self, symbol: &str) -> Option<&str> {
        let rates = self.heard.get(symbol)?.rates.as_ref()?;
        Some(rates.egress.as_str()).filter(|e| !e.is_empty())
    }

    /// What workers of an egress may use: less when strangers on the same IP use it up.
    fn weight_budget(&self, now: Now, egress: &str, limits: &RateLimits) -> u64 {
        let budget = percent(limits.weight_1m, WEIGHT_PERCENT);
        let here: Vec<&RateReport> = self
            .heard
            .values()
            .filter(|h| now.mono_since(h.heard_at) <= FRESH_NS)
            .filter_map(|h| h.rates.as_ref())
            .filter(|r| r.egress == egress)
            .collect();
        let seen = here.iter().map(|r| r.weight_seen_1m).max().unwrap_or(0);
        if seen <= percent(limits.weight_1m, SEEN_PERCENT) {
            return budget;
        }
        let own = here
            .iter()
            .fold(0u64, |sum, r| sum.saturating_add(r.weight_1m));
        let own = own.saturating_add(percent(limits.weight_1m, OWN_PERCENT));
        let strangers = seen.saturating_sub(own);
        budget - strangers.min(budget / 10 * 9)
    }

    /// Room for the sockets of one more position on the asker's IP, beside the positions there and the better flat ones.
    /// A worker that has not told its way out is not held up: its first report comes within a second.
    pub(super) fn has_sockets(&self, symbol: &Symbol, queue: &[Place]) -> bool {
        let Some(egress) = self.egress(symbol) else {
            return true;
        };
        let here = |s: &Symbol| self.egress(s).is_none_or(|e| e == egress);
        let positions = self.picture.open().filter(|(s, _)| here(s)).count();
        let better = queue
            .iter()
            .take_while(|p| p.symbol != *symbol)
            .filter(|p| here(&p.symbol))
            .count();
        // One set more is the coordinator's.
        (positions + better + 2) * SOCKETS_PER_WORKER * RECONNECTS <= SOCKETS
    }
}
