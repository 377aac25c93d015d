//! Request weight and order counts. Liveness time: windows of the wall clock, whatever the market's speed.

use super::params::ApiError;
use tokio::time::{Duration, Instant};

/// `REQUEST_WEIGHT` a minute and address (the venue is one address's).
pub(super) const WEIGHT_1M: u64 = 2400;
/// `ORDERS` in ten seconds and in a minute.
pub(super) const ORDERS_10S: u64 = 300;
/// See [`ORDERS_10S`].
pub(super) const ORDERS_1M: u64 = 1200;

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

    fn roll(&mut self, now: Instant) {
        if now.duration_since(self.start) >= self.length {
            self.start = now;
            self.used = 0;
        }
    }

    fn retry_after_s(&self, now: Instant) -> u64 {
        let left = self.length.saturating_sub(now.duration_since(self.start));
        left.as_secs() + 1
    }
}

/// Counters of the one account and address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    enforce: bool,
    scale: u64,
    weight: Window,
    orders_10s: Window,
    orders_1m: Window,
}

impl Limits {
    /// Counters at zero. A market faster than real time allows that many times the exchange's limits a wall minute: its
    /// traders live through that many market minutes in it.
    pub(super) fn new(enforce: bool, speed: f64, now: Instant) -> Self {
        Self {
            enforce,
            // At least 1 and at most the speed's own bound, so the cast is exact enough.
            scale: speed.ceil().max(1.0) as u64,
            weight: Window::new(60, now),
            orders_10s: Window::new(10, now),
            orders_1m: Window::new(60, now),
        }
    }

    /// A limit of the exchange as it is in force here.
    pub(super) const fn in_force(&self, limit: u64) -> u64 {
        limit * self.scale
    }

    /// Counts a request; the error comes with the seconds to wait.
    pub(super) fn take(
        &mut self,
        now: Instant,
        weight: u64,
        orders: u64,
    ) -> Result<(), (ApiError, u64)> {
        for w in [&mut self.weight, &mut self.orders_10s, &mut self.orders_1m] {
            w.roll(now);
        }
        self.weight.used += weight;
        let allowed = self.in_force(WEIGHT_1M);
        if self.enforce && self.weight.used > allowed {
            let e = ApiError::new(
                -1003,
                format!(
                    "Too many requests; current limit of IP(127.0.0.1) is {allowed} requests per minute. Please use the websocket for live updates to avoid polling the API."
                ),
            );
            return Err((e, self.weight.retry_after_s(now)));
        }
        if orders > 0 {
            for (w, max, unit) in [
                (&mut self.orders_10s, ORDERS_10S * self.scale, "10 SECOND"),
                (&mut self.orders_1m, ORDERS_1M * self.scale, "MINUTE"),
            ] {
                w.used += orders;
                if self.enforce && w.used > max {
                    let msg =
                        format!("Too many new orders; current limit is {max} orders per {unit}.");
                    return Err((ApiError::new(-1015, msg), w.retry_after_s(now)));
                }
            }
        }
        Ok(())
    }

    /// (`X-MBX-USED-WEIGHT-1M`, `X-MBX-ORDER-COUNT-10S`, `X-MBX-ORDER-COUNT-1M`).
    pub(super) const fn used(&self) -> (u64, u64, u64) {
        (self.weight.used, self.orders_10s.used, self.orders_1m.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_of_many_times_the_speed_allows_as_many_times_the_limits() {
        let t0 = Instant::now();
        let mut l = Limits::new(true, 60.0, t0);
        assert!(l.take(t0, 60 * WEIGHT_1M, 0).is_ok());
        assert!(l.take(t0, 1, 0).is_err());
    }

    #[test]
    fn a_window_refuses_beyond_its_limit_and_starts_anew() {
        let t0 = Instant::now();
        let mut l = Limits::new(true, 1.0, t0);
        assert!(l.take(t0, WEIGHT_1M, 0).is_ok());
        let refused = l
            .take(t0 + Duration::from_secs(20), 1, 0)
            .map_err(|(e, s)| (e.code, e.status, s));
        assert_eq!(refused, Err((-1003, 429, 41)));
        assert!(l.take(t0 + Duration::from_secs(60), 1, 0).is_ok());
        assert_eq!(l.used().0, 1);
    }

    #[test]
    fn orders_are_counted_apart() {
        let t0 = Instant::now();
        let mut l = Limits::new(true, 1.0, t0);
        for _ in 0..ORDERS_10S {
            assert!(l.take(t0, 0, 1).is_ok());
        }
        assert_eq!(l.take(t0, 0, 1).map_err(|(e, _)| e.code), Err(-1015));
        assert!(l.take(t0 + Duration::from_secs(10), 0, 1).is_ok());
    }
}
