//! One rate budget for everything this process sends to one exchange.
//!
//! Request weight is counted per IP and minute, orders per account in 10 s and a minute; all in wall time, at any market
//! speed. A fifth of each is kept for exits; background reads leave even more. A 429 or 418 stops entries and reads
//! until the wait is over; exits still try once a second after a 429 (a ban, 418, stops them too, as nothing gets through).

use crate::clock::mono_ns;
use helios_core::messages::RateShare;
use helios_core::time::{NS_PER_MS, NS_PER_S};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a request is for: who may use how much of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Scans and history: half of the weight.
    Background,
    /// Reads a machine waits for: four fifths of the weight.
    Read,
    /// Reads that whoever protects the account goes by: nine tenths, so that they have room where others have used theirs up,
    /// and still leave some to exits.
    Guard,
    /// Orders that add exposure: four fifths of weight and orders.
    Entry,
    /// Exits, stops, cancels and the queries that settle them: everything.
    Exit,
}

impl Lane {
    /// Percent of a limit that this lane may fill.
    const fn percent(self) -> u64 {
        match self {
            Self::Background => 50,
            Self::Read | Self::Entry => 80,
            Self::Guard => 90,
            Self::Exit => 100,
        }
    }

    /// The same of the orders: their last fifth is for exits alone, whatever a lane may read.
    const fn percent_of_orders(self) -> u64 {
        match self {
            Self::Guard => 80,
            lane => lane.percent(),
        }
    }
}

/// The exchange's limits (`exchangeInfo` `rateLimits`): the same that the guardian shares out.
pub use helios_core::guardian::RateLimits;

/// What a response header said; `None` where it was absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsedHeaders {
    /// `X-MBX-USED-WEIGHT-1M`.
    pub weight_1m: Option<u32>,
    /// `X-MBX-ORDER-COUNT-10S`.
    pub orders_10s: Option<u32>,
    /// `X-MBX-ORDER-COUNT-1M`.
    pub orders_1m: Option<u32>,
}

/// How full the budget is, for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetUse {
    /// Weight in the last minute, others' on this IP included as far as known.
    pub weight_1m: u64,
    /// Orders in the last 10 s.
    pub orders_10s: u64,
    /// Orders in the last minute.
    pub orders_1m: u64,
    /// Of the weight, this process's own.
    pub own_weight_1m: u64,
    /// Of the orders in a minute, this process's own.
    pub own_orders_1m: u64,
    /// Wall ms until entries may go again after a 429 or 418; 0 when not stopped.
    pub stopped_ms: u64,
    /// Requests refused or delayed by the budget since start.
    pub held_back: u64,
    /// 429 and 418 received since start.
    pub limited: u64,
}

/// The shared budget.
#[derive(Debug)]
pub struct RateBudget(Mutex<State>);

#[derive(Debug)]
struct State {
    weight: Window,
    orders_10s: Window,
    orders_1m: Window,
    stopped_until: u64,
    banned_until: u64,
    next_exit: u64,
    held_back: u64,
    limited: u64,
    share: Option<RateShare>,
}

/// A sliding window: own requests one by one, others' as what the header said beyond them.
#[derive(Debug)]
struct Window {
    limit: u64,
    span_ns: u64,
    own: VecDeque<(u64, u64)>,
    own_sum: u64,
    others: u64,
    others_until: u64,
}

impl Window {
    fn new(limit: u32, span_s: u64) -> Self {
        Self {
            limit: u64::from(limit),
            span_ns: span_s * NS_PER_S,
            own: VecDeque::new(),
            own_sum: 0,
            others: 0,
            others_until: 0,
        }
    }

    fn used(&mut self, now: u64) -> u64 {
        while let Some(&(at, n)) = self.own.front() {
            if now.saturating_sub(at) < self.span_ns {
                break;
            }
            self.own.pop_front();
            self.own_sum -= n;
        }
        if now >= self.others_until {
            self.others = 0;
        }
        self.own_sum + self.others
    }

    /// `None` when `n` more fit under `percent` of the limit, else ns until something expires.
    fn wait(&mut self, now: u64, n: u64, percent: u64) -> Option<u64> {
        let room = self.limit * percent / 100;
        let used = self.used(now);
        self.room(now, n, room, used)
    }

    /// [`Window::wait`] for a share that only this process's own requests fill.
    fn wait_share(&mut self, now: u64, n: u64, share: Option<u32>) -> Option<u64> {
        self.used(now);
        let own = self.own_sum;
        self.room(now, n, u64::from(share?), own)
    }

    fn room(&self, now: u64, n: u64, room: u64, used: u64) -> Option<u64> {
        // A request larger than the whole room may go alone, or it would wait for ever.
        if n == 0 || used + n <= room || (used == 0 && n > room) {
            return None;
        }
        let mut over = (used + n).saturating_sub(room);
        for &(at, m) in &self.own {
            if over <= m {
                return Some((at + self.span_ns).saturating_sub(now).max(NS_PER_MS));
            }
            over -= m;
        }
        Some(self.others_until.saturating_sub(now).max(NS_PER_MS))
    }

    fn add(&mut self, now: u64, n: u64) {
        if n > 0 {
            self.own.push_back((now, n));
            self.own_sum += n;
        }
    }

    fn header(&mut self, now: u64, said: Option<u32>) {
        let Some(said) = said else { return };
        self.used(now);
        let others = u64::from(said).saturating_sub(self.own_sum);
        if others > 0 {
            self.others = others;
            self.others_until = now + self.span_ns;
        }
    }
}

impl RateBudget {
    /// A fresh budget.
    pub fn new(limits: RateLimits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            weight: Window::new(limits.weight_1m, 60),
            orders_10s: Window::new(limits.orders_10s, 10),
            orders_1m: Window::new(limits.orders_1m, 60),
            stopped_until: 0,
            banned_until: 0,
            next_exit: 0,
            held_back: 0,
            limited: 0,
            share: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits in force.
    pub fn limits(&self) -> RateLimits {
        let s = self.state();
        let n = |w: &Window| u32::try_from(w.limit).unwrap_or(u32::MAX);
        RateLimits {
            weight_1m: n(&s.weight),
            orders_10s: n(&s.orders_10s),
            orders_1m: n(&s.orders_1m),
        }
    }

    /// This process's share of limits that several share: its own reads and entries stay within it. Exits may use everything,
    /// and a single request larger than the share goes alone.
    pub fn set_share(&self, share: Option<RateShare>) {
        self.state().share = share;
    }

    /// Takes over the limits the exchange states.
    pub fn set_limits(&self, limits: RateLimits) {
        let mut s = self.state();
        s.weight.limit = u64::from(limits.weight_1m);
        s.orders_10s.limit = u64::from(limits.orders_10s);
        s.orders_1m.limit = u64::from(limits.orders_1m);
    }

    /// Waits until `weight` fits the lane, then takes it.
    pub async fn acquire(&self, lane: Lane, weight: u32) {
        let mut told = false;
        loop {
            match self.try_acquire_at(mono_ns(), lane, weight, 0) {
                Ok(()) => return,
                Err(wait) => {
                    // Who looks at a process that seems to hang must find why.
                    if !std::mem::replace(&mut told, true) && wait >= Duration::from_secs(1) {
                        tracing::warn!(
                            ?lane,
                            weight,
                            used = self.usage().weight_1m,
                            "a read waits {} ms for room in the rate budget",
                            wait.as_millis()
                        );
                    }
                    tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
                }
            }
        }
    }

    /// Takes weight and order count at once, or says how long to wait.
    ///
    /// # Errors
    /// The wait until it may fit; nothing was taken.
    pub fn try_acquire(&self, lane: Lane, weight: u32, orders: u32) -> Result<(), Duration> {
        self.try_acquire_at(mono_ns(), lane, weight, orders)
    }

    /// [`RateBudget::try_acquire`] at a given monotonic instant, ns.
    ///
    /// # Errors
    /// The wait until it may fit; nothing was taken.
    pub fn try_acquire_at(
        &self,
        now: u64,
        lane: Lane,
        weight: u32,
        orders: u32,
    ) -> Result<(), Duration> {
        let mut s = self.state();
        let (weight, orders) = (u64::from(weight), u64::from(orders));
        let (percent, percent_of_orders) = (lane.percent(), lane.percent_of_orders());
        let gate = if lane == Lane::Exit {
            let probing = now < s.stopped_until;
            s.banned_until.max(if probing { s.next_exit } else { 0 })
        } else {
            s.stopped_until.max(s.banned_until)
        };
        let waits = [
            (now < gate).then(|| gate - now),
            s.weight.wait(now, weight, percent),
            s.orders_10s.wait(now, orders, percent_of_orders),
            s.orders_1m.wait(now, orders, percent_of_orders),
        ];
        let share = s
            .share
            .filter(|_| !matches!(lane, Lane::Exit | Lane::Guard));
        let shared = [
            s.weight.wait_share(now, weight, share.map(|x| x.weight_1m)),
            s.orders_10s
                .wait_share(now, orders, share.map(|x| x.orders_10s)),
            s.orders_1m
                .wait_share(now, orders, share.map(|x| x.orders_1m)),
        ];
        if let Some(ns) = waits.into_iter().chain(shared).flatten().max() {
            s.held_back += 1;
            return Err(Duration::from_nanos(ns));
        }
        if lane == Lane::Exit && now < s.stopped_until {
            s.next_exit = now + NS_PER_S;
        }
        s.weight.add(now, weight);
        s.orders_10s.add(now, orders);
        s.orders_1m.add(now, orders);
        Ok(())
    }

    /// Learns from a response's headers.
    pub fn observe(&self, used: UsedHeaders) {
        self.observe_at(mono_ns(), used);
    }

    /// [`RateBudget::observe`] at a given monotonic instant, ns.
    pub fn observe_at(&self, now: u64, used: UsedHeaders) {
        let mut s = self.state();
        s.weight.header(now, used.weight_1m);
        s.orders_10s.header(now, used.orders_10s);
        s.orders_1m.header(now, used.orders_1m);
    }

    /// The exchange said 429, 418, 403, −1003 or −1015: stop for this long.
    pub fn limited(&self, status: u16, retry_after_ms: u64) {
        self.limited_at(mono_ns(), status, retry_after_ms);
    }

    /// [`RateBudget::limited`] at a given monotonic instant, ns.
    pub fn limited_at(&self, now: u64, status: u16, retry_after_ms: u64) {
        let mut s = self.state();
        s.limited += 1;
        let until = now.saturating_add(retry_after_ms.saturating_mul(NS_PER_MS));
        s.stopped_until = s.stopped_until.max(until);
        s.next_exit = s.next_exit.max(now + NS_PER_S);
        if status == 418 {
            s.banned_until = s.banned_until.max(until);
        }
    }

    /// How full it is.
    pub fn usage(&self) -> BudgetUse {
        let now = mono_ns();
        let mut s = self.state();
        BudgetUse {
            weight_1m: s.weight.used(now),
            orders_10s: s.orders_10s.used(now),
            orders_1m: s.orders_1m.used(now),
            own_weight_1m: s.weight.own_sum,
            own_orders_1m: s.orders_1m.own_sum,
            stopped_ms: s.stopped_until.saturating_sub(now) / NS_PER_MS,
            held_back: s.held_back,
            limited: s.limited,
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
