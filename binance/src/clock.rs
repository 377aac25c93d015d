//! The venue's clock as seen from here: market time for machines, timestamps for signatures.
//!
//! At speed 1 it is the best lower bound of the venue's time: the newest times received, carried on by this host's
//! monotonic clock. A venue that runs faster (or one that may stand still) is never extrapolated: its time is the newest
//! sample received. Because every sample is a time the venue has already reached, a signature is never ahead of it.

pub use helios_clock::mono_ns;
use helios_clock::wall;
use helios_core::time::{NS_PER_MS, NS_PER_S, Now};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest `recvWindow` the exchange takes, ms.
pub const MAX_RECV_WINDOW_MS: u32 = 60_000;

/// How long a sample may carry the estimate; two such spans are kept, so drift of either clock is forgotten.
const BUCKET_NS: u64 = 30 * NS_PER_S;

fn wall_ms() -> i64 {
    i64::try_from(wall().as_millis()).unwrap_or(i64::MAX)
}

/// The venue's time, shared by everything in this process that talks to one venue.
#[derive(Debug)]
pub struct VenueClock(Mutex<State>);

#[derive(Debug)]
struct State {
    speed: f64,
    extrapolate: bool,
    /// Newest venue time received; `None` before the first.
    newest_ms: Option<i64>,
    /// Best (largest) venue − monotonic of the running and the previous span, ns.
    best: [Option<i64>; 2],
    bucket_start_ns: u64,
    /// Market time given out never goes back, except by a sync.
    floor_ms: i64,
}

impl VenueClock {
    /// A clock for a venue at this market speed (1 = real time); extrapolated only at speed 1.
    pub fn new(speed: f64) -> Arc<Self> {
        Self::build(speed, speed == 1.0)
    }

    /// A clock that never extrapolates: for a simulated venue that sends time samples and may stand still.
    pub fn sampled(speed: f64) -> Arc<Self> {
        Self::build(speed, false)
    }

    fn build(speed: f64, extrapolate: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            speed: if speed.is_finite() && speed > 0.0 {
                speed
            } else {
                1.0
            },
            extrapolate,
            newest_ms: None,
            best: [None; 2],
            bucket_start_ns: 0,
            floor_ms: i64::MIN,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A venue time was just received (`E` of a frame, a time sample, a response).
    pub fn observe(&self, venue_ms: i64) {
        self.observe_at(venue_ms, mono_ns());
    }

    /// [`VenueClock::observe`] with the instant of reception.
    pub fn observe_at(&self, venue_ms: i64, mono_ns: u64) {
        self.state().observe(venue_ms, mono_ns);
    }

    /// `GET /time` answered `venue_ms` for a request sent at `sent_ns` and answered at `received_ns`: forgets all samples
    /// before. Half the round trip is added, as the answer was that old on arrival (at speed 1 only).
    pub fn sync(&self, venue_ms: i64, sent_ns: u64, received_ns: u64) {
        let mut s = self.state();
        let half_ms = if s.extrapolate {
            i64::try_from(received_ns.saturating_sub(sent_ns) / 2 / NS_PER_MS).unwrap_or(0)
        } else {
            0
        };
        s.best = [None; 2];
        s.newest_ms = None;
        s.floor_ms = i64::MIN;
        s.observe(venue_ms.saturating_add(half_ms), received_ns);
    }

    /// True once a venue time was received. Before that [`VenueClock::market_ms`] is this host's wall clock.
    pub fn is_synced(&self) -> bool {
        self.state().newest_ms.is_some()
    }

    /// Market time and signature timestamp, venue ms.
    pub fn market_ms(&self) -> i64 {
        self.state().at(mono_ns())
    }

    /// Both clocks, for a machine's event.
    pub fn now(&self) -> Now {
        let mono_ns = mono_ns();
        Now::new(self.state().at(mono_ns), mono_ns)
    }

    /// Market speed.
    pub fn speed(&self) -> f64 {
        self.state().speed
    }

    /// The market speed changed; whether the clock extrapolates does not.
    pub fn set_speed(&self, speed: f64) {
        if speed.is_finite() && speed > 0.0 {
            self.state().speed = speed;
        }
    }

    /// `recvWindow` to send for a window of wall ms: scaled by the speed, at most 60000, at least 1.
    pub fn recv_window(&self, wall_ms: u32) -> u32 {
        let scaled = f64::from(wall_ms) * self.speed();
        // Within 1..=60000 after the clamp, so the cast is exact enough.
        scaled.clamp(1.0, f64::from(MAX_RECV_WINDOW_MS)) as u32
    }

    /// Venue time − this host's wall clock, ms; `None` before the first sample. A gauge for clock drift.
    pub fn offset_ms(&self) -> Option<i64> {
        self.is_synced().then(|| self.market_ms() - wall_ms())
    }
}

impl State {
    fn observe(&mut self, venue_ms: i64, mono_ns: u64) {
        if venue_ms <= 0 {
            return;
        }
        self.newest_ms = Some(self.newest_ms.map_or(venue_ms, |n| n.max(venue_ms)));
        if !self.extrapolate {
            return;
        }
        let (Some(venue_ns), Ok(mono)) = (
            venue_ms.checked_mul(NS_PER_MS as i64),
            i64::try_from(mono_ns),
        ) else {
            return;
        };
        if mono_ns.saturating_sub(self.bucket_start_ns) >= BUCKET_NS {
            self.best = [None, self.best[0].or(self.best[1])];
            self.bucket_start_ns = mono_ns;
        }
        let offset = venue_ns - mono;
        self.best[0] = Some(self.best[0].map_or(offset, |b| b.max(offset)));
    }

    fn at(&mut self, mono_ns: u64) -> i64 {
        let Some(newest) = self.newest_ms else {
            return wall_ms();
        };
        let ms = match (self.best[0].max(self.best[1]), i64::try_from(mono_ns)) {
            (Some(offset), Ok(mono)) if self.extrapolate => (mono + offset) / NS_PER_MS as i64,
            _ => newest,
        };
        self.floor_ms = self.floor_ms.max(ms);
        self.floor_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = NS_PER_S;

    fn at(c: &VenueClock, mono: u64) -> i64 {
        c.state().at(mono)
    }

    #[test]
    fn at_speed_1_the_newest_time_is_carried_on_by_the_monotonic_clock() {
        let c = VenueClock::new(1.0);
        c.observe_at(1_000_000, 5 * S);
        assert_eq!(at(&c, 7 * S), 1_002_000);
        // A frame that took 300 ms longer says nothing new.
        c.observe_at(1_002_700, 8 * S);
        assert_eq!(at(&c, 8 * S), 1_003_000);
    }

    #[test]
    fn a_faster_venue_is_never_extrapolated() {
        let c = VenueClock::new(60.0);
        c.observe_at(1_000_000, 5 * S);
        assert_eq!(at(&c, 50 * S), 1_000_000);
        c.observe_at(1_060_000, 51 * S);
        c.observe_at(1_050_000, 51 * S);
        assert_eq!(at(&c, 52 * S), 1_060_000);
        assert_eq!(c.recv_window(1_000), 60_000);
        assert_eq!(c.recv_window(500), 30_000);
        assert_eq!(VenueClock::new(1.0).recv_window(300), 300);
        assert_eq!(VenueClock::new(1.0).recv_window(90_000), 60_000);
    }

    #[test]
    fn a_sync_forgets_a_clock_that_ran_ahead() {
        let c = VenueClock::new(1.0);
        c.observe_at(9_000_000, S);
        assert_eq!(at(&c, 2 * S), 9_001_000);
        c.sync(1_000_000, 2 * S, 2 * S + S / 10);
        assert_eq!(at(&c, 2 * S + S / 10), 1_000_050);
    }

    #[test]
    fn an_old_best_sample_is_forgotten_so_that_drift_can_t_add_up() {
        let c = VenueClock::new(1.0);
        c.sync(1_000_000, 0, 0);
        // The venue's clock loses 1 ms a second against ours.
        for i in 1..=300_u64 {
            c.observe_at(1_000_000 + (i as i64) * 999, i * S);
        }
        let ahead = at(&c, 300 * S) - (1_000_000 + 300 * 999);
        assert!(ahead <= 60, "{ahead} ms ahead of the venue");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn with_equal_rates_it_is_never_ahead_of_the_venue_and_never_goes_back(
            steps in prop::collection::vec((1_u64..2_000, 0_u64..500), 1..100)
        ) {
            // Venue time = mono + 10^6 ms exactly; each frame arrives `delay` ms after it was stamped.
            let c = VenueClock::new(1.0);
            let (mut mono_ms, mut last) = (10_000_u64, i64::MIN);
            for (gap, delay) in steps {
                mono_ms += gap;
                let stamped = (mono_ms - delay) as i64 + 1_000_000;
                c.observe_at(stamped, mono_ms * NS_PER_MS);
                let got = at(&c, mono_ms * NS_PER_MS);
                prop_assert!(got <= mono_ms as i64 + 1_000_000);
                prop_assert!(got >= stamped);
                prop_assert!(got >= last);
                last = got;
            }
        }
    }
}
