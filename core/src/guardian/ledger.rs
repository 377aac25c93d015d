//! What has been promised: the ceilings of grants that may still be in force, and whom each symbol belongs to.
//!
//! A grant binds a task for at most its length; an order sent under it is fenced by its recvWindow. So a promise counts
//! until its deadline + 2 s **and** a read of the venue asked for after that: what it became is then visible as position
//! or open entry. A symbol's promises form a staircase (a later grant with a higher ceiling swallows the earlier), so
//! the memory is bounded.

use crate::fixed::Money;
use crate::instrument::Symbol;
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Longest grant, liveness ms.
pub(super) const GRANT_MS: u64 = 2000;
/// After its deadline a promise still counts this long.
pub(super) const GRACE_NS: u64 = 2 * NS_PER_S;
/// Tasks remembered as replaced, per symbol.
const RETIRED: usize = 64;

/// One grant that may still be in force, or its orders under way.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub task: String,
    pub ceiling: Money,
    pub risk: Money,
    deadline: u64,
}

/// One symbol's promises and owner.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub owner: Option<String>,
    pub strategy: String,
    retired: VecDeque<String>,
    promises: Vec<Promise>,
    pub asked_at: Option<u64>,
}

impl Slot {
    /// The highest ceiling that may still be in force or under way.
    pub fn reserved(&self) -> Money {
        let most = self.promises.iter().map(|p| p.ceiling).max();
        most.unwrap_or(Decimal::ZERO)
    }
}

/// Whether a task may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It holds the symbol.
    Yes,
    /// It holds the symbol, but a promise to its predecessor may still be in force.
    Waiting,
    /// A later task holds the symbol.
    Replaced,
}

/// All promises of the account.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    slots: BTreeMap<Symbol, Slot>,
}

impl Ledger {
    /// A task asks: the latest one seen holds the symbol, for ever after the one it replaced gets nothing.
    pub fn claim(&mut self, now: Now, symbol: &Symbol, task: &str, strategy: &str) -> Owner {
        let slot = self.slots.entry(symbol.clone()).or_default();
        if slot.retired.iter().any(|t| t == task) {
            return Owner::Replaced;
        }
        if slot.owner.as_deref() != Some(task)
            && let Some(old) = slot.owner.replace(task.into())
        {
            if slot.retired.len() == RETIRED {
                slot.retired.pop_front();
            }
            slot.retired.push_back(old);
        }
        slot.strategy = strategy.into();
        slot.asked_at = Some(now.mono_ns);
        if slot.promises.iter().any(|p| p.task != task) {
            return Owner::Waiting;
        }
        Owner::Yes
    }

    /// Notes a grant given now. A shorter one counts like the longest: later promises never end before earlier ones.
    pub fn promise(&mut self, now: Now, symbol: &Symbol, task: &str, ceiling: Money, risk: Money) {
        let deadline = now.mono_ns + GRANT_MS * NS_PER_MS;
        let slot = self.slots.entry(symbol.clone()).or_default();
        slot.promises
            .retain(|p| p.task != task || p.ceiling > ceiling || p.risk > risk);
        slot.promises.push(Promise {
            task: task.into(),
            ceiling,
            risk,
            deadline,
        });
    }

    /// A promise of a former leader's, as if given now: it can't have been given later.
    pub fn inherit(
        &mut self,
        now: Now,
        symbol: &Symbol,
        task: &str,
        strategy: &str,
        ceiling: Money,
        risk: Money,
    ) {
        let slot = self.slots.entry(symbol.clone()).or_default();
        slot.owner.get_or_insert_with(|| task.into());
        if slot.strategy.is_empty() {
            slot.strategy = strategy.into();
        }
        self.promise(now, symbol, task, ceiling, risk);
    }

    /// Every promise not yet swept, with its symbol and strategy.
    pub fn standing(&self) -> impl Iterator<Item = (&Symbol, &str, &Promise)> {
        self.slots
            .iter()
            .flat_map(|(s, slot)| slot.promises.iter().map(move |p| (s, &*slot.strategy, p)))
    }

    /// Drops promises that a read asked for at `asked_at` has made visible.
    pub fn sweep(&mut self, asked_at: u64) {
        for slot in self.slots.values_mut() {
            slot.promises
                .retain(|p| p.deadline.saturating_add(GRACE_NS) >= asked_at);
        }
    }

    /// A read asked for now would release something.
    pub fn wants_read(&self, now: Now) -> bool {
        let dead = |p: &Promise| p.deadline.saturating_add(GRACE_NS) < now.mono_ns;
        self.slots.values().any(|s| s.promises.iter().any(dead))
    }

    /// The highest ceiling of a symbol that may still be in force or under way.
    pub fn reserved(&self, symbol: &str) -> Money {
        self.most(symbol, |p| p.ceiling)
    }

    /// The highest risk of a symbol that may still be in force or under way.
    pub fn risk(&self, symbol: &str) -> Money {
        self.most(symbol, |p| p.risk)
    }

    /// Room is held by promises that nobody renews: it comes back.
    pub fn dying(&self, now: Now) -> bool {
        let dead = |p: &Promise| p.deadline <= now.mono_ns && p.ceiling > Decimal::ZERO;
        self.slots.values().any(|s| s.promises.iter().any(dead))
    }

    pub fn slot(&self, symbol: &str) -> Option<&Slot> {
        self.slots.get(symbol)
    }

    /// Symbols that have an owner or a promise.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.slots.keys()
    }

    /// All of them, by symbol.
    pub fn slots(&self) -> &BTreeMap<Symbol, Slot> {
        &self.slots
    }

    fn most(&self, symbol: &str, of: impl Fn(&Promise) -> Money) -> Money {
        self.slots
            .get(symbol)
            .and_then(|s| s.promises.iter().map(of).max())
            .unwrap_or(Decimal::ZERO)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(ms: u64) -> Now {
        Now::new(0, ms * NS_PER_MS)
    }

    #[test]
    fn a_promise_counts_until_two_seconds_after_its_deadline_and_a_later_read() {
        let (mut l, s): (Ledger, Symbol) = (Ledger::default(), "BTCUSDT".into());
        assert_eq!(l.claim(at(0), &s, "a", "n/x"), Owner::Yes);
        l.promise(at(0), &s, "a", Decimal::TEN, Decimal::ONE);
        l.sweep(at(4000).mono_ns);
        assert_eq!(
            l.reserved("BTCUSDT"),
            Decimal::TEN,
            "the read must be later than deadline + 2 s"
        );
        assert!(!l.wants_read(at(4000)) && l.wants_read(at(4001)));
        l.sweep(at(4001).mono_ns);
        assert_eq!(
            (l.reserved("BTCUSDT"), l.risk("BTCUSDT")),
            (Decimal::ZERO, Decimal::ZERO)
        );
    }

    #[test]
    fn a_lower_grant_keeps_the_higher_one_reserved_until_that_is_dead() {
        let (mut l, s): (Ledger, Symbol) = (Ledger::default(), "BTCUSDT".into());
        l.promise(at(0), &s, "a", Decimal::TEN, Decimal::ONE);
        l.promise(at(500), &s, "a", Decimal::ONE, Decimal::ONE);
        assert_eq!(l.reserved("BTCUSDT"), Decimal::TEN);
        l.sweep(at(4100).mono_ns);
        assert_eq!(l.reserved("BTCUSDT"), Decimal::ONE);
    }

    #[test]
    fn a_replacing_task_waits_for_the_old_promise_and_the_old_task_never_comes_back() {
        let (mut l, s): (Ledger, Symbol) = (Ledger::default(), "BTCUSDT".into());
        assert_eq!(l.claim(at(0), &s, "a", "n/x"), Owner::Yes);
        l.promise(at(0), &s, "a", Decimal::TEN, Decimal::ONE);
        assert_eq!(l.claim(at(100), &s, "b", "n/x"), Owner::Waiting);
        assert_eq!(l.claim(at(200), &s, "a", "n/x"), Owner::Replaced);
        l.sweep(at(4001).mono_ns);
        assert_eq!(l.claim(at(4100), &s, "b", "n/x"), Owner::Yes);
        assert_eq!(l.claim(at(9000), &s, "a", "n/x"), Owner::Replaced);
    }

    #[test]
    fn renewing_for_ever_keeps_the_memory_small() {
        let (mut l, s): (Ledger, Symbol) = (Ledger::default(), "BTCUSDT".into());
        for i in 0..1000 {
            l.promise(at(i), &s, "a", Decimal::from(i % 7), Decimal::ONE);
        }
        assert!(l.slots[&s].promises.len() <= 7);
    }
}
