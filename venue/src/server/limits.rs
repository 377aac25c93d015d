//! Request weight and connections of each address, order counts of each account. Liveness time: windows of the wall clock,
//! whatever the market's speed.
//!
//! An address that is refused for its weight (429) and goes on asking is banned (418): two minutes first, each further
//! time twice as long, three days at most. A day without a ban forgets the ones before.

use super::params::ApiError;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tokio::time::{Duration, Instant};

/// `REQUEST_WEIGHT` a minute and address.
pub(super) const WEIGHT_1M: u64 = 2400;
/// `ORDERS` in ten seconds and in a minute, of an account.
pub(super) const ORDERS_10S: u64 = 300;
/// See [`ORDERS_10S`].
pub(super) const ORDERS_1M: u64 = 1200;
/// WebSocket connections in five minutes and of an address.
pub(super) const CONNECTIONS_5M: u64 = 300;
/// Refusals (429) within a minute after which an address is banned.
pub(super) const IGNORED: u64 = 30;
/// The first ban, and the longest.
const BAN: Duration = Duration::from_secs(120);
const BAN_MAX: Duration = Duration::from_secs(3 * 86_400);
const FORGOTTEN: Duration = Duration::from_secs(86_400);
/// Addresses remembered; those without a running window or ban are let go first.
const ADDRESSES: usize = 4096;

/// A refusal, and the seconds to wait.
pub(super) type Refused = (ApiError, u64);

#[derive(Clone, Copy, Debug)]
struct Window {
    length: Duration,
    start: Instant,
    used: u64,
}

impl Window {
    fn new(secs: u64, now: Instant) -> Self {
        Self {
            length: Duration::from_secs(secs),
            start: now,
            used: 0,
        }
    }

    fn over(&self, now: Instant) -> bool {
        now.duration_since(self.start) >= self.length
    }

    /// Starts anew when its time is over; says so.
    fn roll(&mut self, now: Instant) -> bool {
        let over = self.over(now);
        if over {
            self.start = now;
            self.used = 0;
        }
        over
    }

    fn retry_after_s(&self, now: Instant) -> u64 {
        let left = self.length.saturating_sub(now.duration_since(self.start));
        left.as_secs() + 1
    }
}

/// Orders of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderCount {
    orders_10s: Window,
    orders_1m: Window,
}

impl OrderCount {
    /// Counters at zero.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            orders_10s: Window::new(10, now),
            orders_1m: Window::new(60, now),
        }
    }

    /// (`X-MBX-ORDER-COUNT-10S`, `X-MBX-ORDER-COUNT-1M`).
    pub(super) const fn used(&self) -> (u64, u64) {
        (self.orders_10s.used, self.orders_1m.used)
    }
}

/// One address.
#[derive(Clone, Copy, Debug)]
struct Address {
    weight: Window,
    /// Refusals in the running minute.
    ignored: u64,
    connections: Window,
    /// End of the latest ban, and how many there were.
    ban: Option<Instant>,
    bans: u32,
}

impl Address {
    fn new(now: Instant) -> Self {
        Self {
            weight: Window::new(60, now),
            ignored: 0,
            connections: Window::new(300, now),
            ban: None,
            bans: 0,
        }
    }

    fn idle(&self, now: Instant) -> bool {
        let banned = self.ban.is_some_and(|t| t + FORGOTTEN > now);
        self.weight.over(now) && self.connections.over(now) && !banned
    }
}

/// Counters of every address, and the rules for accounts.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    enforce: bool,
    scale: u64,
    addresses: BTreeMap<IpAddr, Address>,
}

impl Limits {
    /// Counters at zero. A market faster than real time allows that many times the exchange's limits a wall minute: its
    /// traders live through that many market minutes in it.
    pub(super) fn new(enforce: bool, speed: f64) -> Self {
        Self {
            enforce,
            // At least 1 and at most the speed's own bound, so the cast is exact enough.
            scale: speed.ceil().max(1.0) as u64,
            addresses: BTreeMap::new(),
        }
    }

    /// A limit of the exchange as it is in force here.
    pub(super) const fn in_force(&self, limit: u64) -> u64 {
        limit * self.scale
    }

    fn address(&mut self, now: Instant, ip: IpAddr) -> &mut Address {
        if self.addresses.len() >= ADDRESSES && !self.addresses.contains_key(&ip) {
            self.addresses.retain(|_, a| !a.idle(now));
            // Nobody is idle: whoever is not banned makes room.
            if self.addresses.len() >= ADDRESSES {
                let free = |(_, a): &(&IpAddr, &Address)| a.ban.is_none();
                if let Some(ip) = self.addresses.iter().find(free).map(|(ip, _)| *ip) {
                    self.addresses.remove(&ip);
                }
            }
        }
        self.addresses
            .entry(ip)
            .or_insert_with(|| Address::new(now))
    }

    /// Counts a request of an address at venue time `now_ms`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        now_ms: i64,
        ip: IpAddr,
        weight: u64,
    ) -> Result<(), Refused> {
        let (enforce, allowed) = (self.enforce, self.in_force(WEIGHT_1M));
        let patience = self.in_force(IGNORED);
        let a = self.address(now, ip);
        if let Some(until) = a.ban.filter(|t| enforce && *t > now) {
            return Err(banned(ip, until - now, now_ms));
        }
        if a.weight.roll(now) {
            a.ignored = 0;
        }
        a.weight.used += weight;
        if !enforce || a.weight.used <= allowed {
            return Ok(());
        }
        a.ignored += 1;
        if a.ignored > patience {
            if a.ban.is_some_and(|t| t + FORGOTTEN <= now) {
                a.bans = 0;
            }
            let length = BAN.saturating_mul(1 << a.bans.min(16)).min(BAN_MAX);
            a.bans += 1;
            a.ban = Some(now + length);
            a.ignored = 0;
            return Err(banned(ip, length, now_ms));
        }
        let e = ApiError::new(
            -1003,
            format!(
                "Too many requests; current limit of IP({ip}) is {allowed} requests per minute. Please use the websocket for live updates to avoid polling the API."
            ),
        );
        Err((e, a.weight.retry_after_s(now)))
    }

    /// Counts a WebSocket connection of an address.
    pub(super) fn connect(&mut self, now: Instant, now_ms: i64, ip: IpAddr) -> Result<(), Refused> {
        let (enforce, allowed) = (self.enforce, self.in_force(CONNECTIONS_5M));
        let a = self.address(now, ip);
        if let Some(until) = a.ban.filter(|t| enforce && *t > now) {
            return Err(banned(ip, until - now, now_ms));
        }
        a.connections.roll(now);
        a.connections.used += 1;
        if enforce && a.connections.used > allowed {
            let msg = format!(
                "Too many connections; current limit of IP({ip}) is {allowed} connections per 5 minutes."
            );
            return Err((ApiError::new(-1003, msg), a.connections.retry_after_s(now)));
        }
        Ok(())
    }

    /// Counts orders of an account.
    pub(super) fn orders(
        &self,
        now: Instant,
        count: &mut OrderCount,
        orders: u64,
    ) -> Result<(), Refused> {
        for (w, max, unit) in [
            (&mut count.orders_10s, ORDERS_10S * self.scale, "10 SECOND"),
            (&mut count.orders_1m, ORDERS_1M * self.scale, "MINUTE"),
        ] {
            w.roll(now);
            w.used += orders;
            if self.enforce && w.used > max {
                let msg = format!("Too many new orders; current limit is {max} orders per {unit}.");
                return Err((ApiError::new(-1015, msg), w.retry_after_s(now)));
            }
        }
        Ok(())
    }

    /// `X-MBX-USED-WEIGHT-1M` of an address.
    pub(super) fn used(&self, ip: IpAddr) -> u64 {
        self.addresses.get(&ip).map_or(0, |a| a.weight.used)
    }
}

fn banned(ip: IpAddr, left: Duration, now_ms: i64) -> Refused {
    let until = now_ms.saturating_add(left.as_millis() as i64);
    let mut e = ApiError::new(
        -1003,
        format!(
            "Way too many requests; IP({ip}) banned until {until}. Please use the websocket for live updates to avoid bans."
        ),
    );
    e.status = 418;
    (e, left.as_secs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn after(t: Instant, s: u64) -> Instant {
        t + Duration::from_secs(s)
    }

    #[test]
    fn a_market_of_many_times_the_speed_allows_as_many_times_the_limits() {
        let t0 = Instant::now();
        let mut l = Limits::new(true, 60.0);
        assert!(l.take(t0, 0, A, 60 * WEIGHT_1M).is_ok());
        assert!(l.take(t0, 0, A, 1).is_err());
    }

    #[test]
    fn a_window_refuses_beyond_its_limit_and_starts_anew_and_each_address_has_its_own() {
        let t0 = Instant::now();
        let mut l = Limits::new(true, 1.0);
        assert!(l.take(t0, 0, A, WEIGHT_1M).is_ok());
        let refused = l
            .take(after(t0, 20), 0, A, 1)
            .map_err(|(e, s)| (e.code, e.status, s));
        assert_eq!(refused, Err((-1003, 429, 41)));
        assert!(l.take(after(t0, 20), 0, B, WEIGHT_1M).is_ok());
        assert!(l.take(after(t0, 60), 0, A, 1).is_ok());
        assert_eq!((l.used(A), l.used(B)), (1, WEIGHT_1M));
    }

    #[test]
    fn who_ignores_429_is_banned_for_two_minutes_then_four() {
        let mut l = Limits::new(true, 1.0);
        let mut t = Instant::now();
        for secs in [120, 240, 480] {
            assert!(l.take(t, 0, A, WEIGHT_1M).is_ok());
            for _ in 0..IGNORED {
                assert_eq!(l.take(t, 0, A, 1).map_err(|e| e.0.status), Err(429));
            }
            let ban = l
                .take(t, 1_000, A, 1)
                .map_err(|(e, s)| (e.status, e.msg, s));
            let until = format!("banned until {}", 1_000 + secs * 1_000);
            assert!(matches!(&ban, Err((418, m, s)) if m.contains(&until) && *s == secs + 1));
            let end = after(t, secs);
            let last = l.take(end - Duration::from_millis(1), 0, A, 1);
            assert_eq!(last.map_err(|e| (e.0.status, e.1)), Err((418, 1)));
            assert!(l.connect(end - Duration::from_millis(1), 0, A).is_err());
            assert!(l.take(t, 0, B, 1).is_ok());
            t = end;
        }
        let mut calm = Limits::new(false, 1.0);
        for _ in 0..4 * WEIGHT_1M {
            assert!(calm.take(t, 0, A, 1).is_ok());
        }
    }

    #[test]
    fn connections_are_counted_over_five_minutes() {
        let t0 = Instant::now();
        let mut l = Limits::new(true, 1.0);
        for _ in 0..CONNECTIONS_5M {
            assert!(l.connect(t0, 0, A).is_ok());
        }
        let refused = l.connect(after(t0, 299), 0, A);
        assert_eq!(refused.map_err(|e| (e.0.status, e.1)), Err((429, 2)));
        assert!(l.connect(after(t0, 300), 0, A).is_ok());
    }

    #[test]
    fn orders_are_counted_apart() {
        let t0 = Instant::now();
        let l = Limits::new(true, 1.0);
        let (mut one, mut other) = (OrderCount::new(t0), OrderCount::new(t0));
        for _ in 0..ORDERS_10S {
            assert!(l.orders(t0, &mut one, 1).is_ok());
        }
        assert_eq!(
            l.orders(t0, &mut one, 1).map_err(|(e, _)| e.code),
            Err(-1015)
        );
        assert!(l.orders(t0, &mut other, 1).is_ok());
        assert!(l.orders(after(t0, 10), &mut one, 1).is_ok());
    }
}
