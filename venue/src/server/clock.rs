//! Market time against wall time.
//!
//! Market time is where the market has been processed to, never beyond: it is told the wall's time and how far it may go,
//! and when processing or a subscriber is behind it is rebased, so that time was merely slower, not skipped.

use super::config::MarketState;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Duration, Instant};

/// The venue's clock.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Where market time stands.
    pub(super) state: MarketState,
    speed: f64,
    /// Follows the system's clock instead of counting from its start.
    in_step: bool,
    base_ms: f64,
    base: Instant,
    now_ms: i64,
    /// Market and wall time when the market started.
    started: Option<(i64, Instant)>,
    ended: Option<Instant>,
    /// Wall time during which the market waited for a subscriber.
    pub(super) held: Duration,
}

impl Clock {
    /// A clock standing at `start_ms`.
    pub(super) fn new(start_ms: i64, speed: f64) -> Self {
        Self {
            state: MarketState::Waiting,
            speed,
            in_step: false,
            base_ms: start_ms as f64,
            base: Instant::now(),
            now_ms: start_ms,
            started: None,
            ended: None,
            held: Duration::ZERO,
        }
    }

    /// Has market time keep in step with the system's clock, until the speed is changed.
    pub(super) fn keep_in_step(&mut self) {
        self.in_step = true;
    }

    /// Market time keeps in step with the system's clock.
    pub(super) const fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// Market time, ms.
    pub(super) const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Market milliseconds for each wall millisecond.
    pub(super) const fn speed(&self) -> f64 {
        self.speed
    }

    /// Lets time go.
    pub(super) fn start(&mut self, wall: Instant) {
        if self.state == MarketState::Waiting {
            self.state = MarketState::Running;
            self.started = Some((self.now_ms, wall));
            self.rebase(wall);
        }
    }

    /// Stops time for good.
    pub(super) fn end(&mut self, wall: Instant) {
        if self.state != MarketState::Ended {
            self.state = MarketState::Ended;
            self.ended = Some(wall);
        }
    }

    /// Changes the speed from now on.
    pub(super) fn set_speed(&mut self, speed: f64, wall: Instant) {
        self.rebase(wall);
        self.in_step &= speed == 1.0;
        self.speed = speed;
    }

    /// The market time that the wall's time allows.
    pub(super) fn target(&self, wall: Instant) -> i64 {
        if self.state != MarketState::Running {
            return self.now_ms;
        }
        if self.in_step {
            return system_ms().max(self.now_ms);
        }
        let wall_ms = wall.saturating_duration_since(self.base).as_secs_f64() * 1000.0;
        ((self.base_ms + wall_ms * self.speed) as i64).max(self.now_ms)
    }

    /// The wall time at which market time is `ms`.
    pub(super) fn wall_of(&self, ms: i64) -> Instant {
        if self.in_step {
            let wait = ms.saturating_sub(system_ms()).clamp(0, 86_400_000);
            return Instant::now() + Duration::from_millis(wait as u64);
        }
        let wait = ((ms as f64 - self.base_ms) / self.speed / 1000.0).clamp(0.0, 86_400.0);
        self.base + Duration::from_secs_f64(wait)
    }

    /// The market has been processed to `ms`. Never goes back.
    pub(super) fn reached(&mut self, ms: i64) {
        self.now_ms = self.now_ms.max(ms);
    }

    /// Goes on from here: wall time that passed without market time is forgotten.
    pub(super) fn rebase(&mut self, wall: Instant) {
        self.base_ms = self.now_ms as f64;
        self.base = wall;
    }

    /// Market time since the start of the market, ms.
    pub(super) fn elapsed_ms(&self) -> i64 {
        self.started.map_or(0, |(ms, _)| self.now_ms - ms)
    }

    /// Wall time since the start of the market.
    pub(super) fn wall_elapsed(&self, wall: Instant) -> Duration {
        let until = self.ended.unwrap_or(wall);
        self.started
            .map_or(Duration::ZERO, |(_, w)| until.saturating_duration_since(w))
    }

    /// Market time over wall time since the start of the market.
    pub(super) fn achieved(&self, wall: Instant) -> f64 {
        let wall_ms = self.wall_elapsed(wall).as_secs_f64() * 1000.0;
        if wall_ms > 0.0 {
            self.elapsed_ms() as f64 / wall_ms
        } else {
            0.0
        }
    }
}

/// The system's clock, ms since 1970.
fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_step_the_systems_clock_decides_until_the_speed_is_changed() {
        let t0 = Instant::now();
        let mut c = Clock::new(1000, 1.0);
        c.keep_in_step();
        assert_eq!(c.target(t0), 1000);
        c.start(t0);
        let (before, target) = (system_ms(), c.target(t0));
        assert!((before..=system_ms()).contains(&target));
        // Ahead of the system's clock, market time stands until that has come.
        c.reached(target + 60_000);
        assert_eq!(c.target(t0), target + 60_000);
        assert!(c.wall_of(target + 120_000) > t0 + Duration::from_secs(100));
        c.set_speed(2.0, t0);
        assert_eq!(c.target(t0 + Duration::from_millis(5)), target + 60_010);
    }

    #[test]
    fn time_stands_until_started_and_runs_at_its_speed() {
        let t0 = Instant::now();
        let mut c = Clock::new(1000, 60.0);
        let later = |ms| t0 + Duration::from_millis(ms);
        assert_eq!(c.target(later(5000)), 1000);
        c.start(t0);
        assert_eq!(c.target(later(10)), 1600);
        assert_eq!(c.wall_of(1600), later(10));
        c.reached(1600);
        c.reached(1500);
        assert_eq!(c.now_ms(), 1600);
        // 90 ms pass while the market is held: they are not caught up.
        c.rebase(later(100));
        assert_eq!(c.target(later(110)), 2200);
        c.reached(2200);
        assert!((c.achieved(later(110)) - 1200.0 / 110.0).abs() < 1e-9);
        c.set_speed(1.0, later(110));
        assert_eq!(c.target(later(120)), 2210);
        c.end(later(120));
        assert_eq!(c.target(later(500)), 2200);
    }
}
