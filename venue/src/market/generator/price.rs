//! The mid price, its volatility, and the imbalance that is shown beside it.
//!
//! With `edge` 0 the mid is a martingale to the last half tick: each step is a fresh, symmetric draw, rounded to ticks
//! without bias, and its size depends on the past only. The shown imbalance is made of other draws. So no function of
//! what was seen tells anything of the mean of what comes. The edge adds one term: a drift against the slow part of the
//! imbalance (ask-heavy falls). Regimes and bursts change the size of steps; the drift's strength follows the regime.

use super::profile::Profile;
use crate::market::rng::{Ou, Rng, exp};

/// Regimes by the size of their steps, their share of the drift, and how long the imbalance lasts.
const REGIMES: [(f64, f64, f64); 4] = [
    (1.0, 1.3, 1.5), // trend: the drift is strong and lasts
    (0.8, 0.7, 0.7), // range
    (1.5, 1.0, 1.0), // volatile
    (0.5, 1.0, 1.0), // quiet
];

/// State of one contract's mid.
#[derive(Clone, Debug)]
pub(crate) struct PriceProcess {
    dt: f64,
    sigma: f64,
    drift: f64,
    contrast: f64,
    regime_seconds: f64,
    one_tick: f64,
    imbalance: super::profile::Imbalance,
    regime: usize,
    regime_left: f64,
    mood: Ou,
    burst: f64,
    activity: Ou,
    slow: Ou,
    fast: Ou,
    /// Normalises the mean square of all volatility factors to 1.
    norm: f64,
}

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The best bid moves by this many ticks.
    pub(crate) bid_move: i64,
    /// Spread after it, ticks.
    pub(crate) spread: i64,
    /// Shown imbalance, in (−1, 1), positive ask-heavy.
    pub(crate) nobi: f64,
    /// Activity relative to its mean.
    pub(crate) activity: f64,
}

impl PriceProcess {
    pub(crate) fn new(p: &Profile, edge: f64, vol: f64, rng: &mut Rng) -> Self {
        let sigma = p.sigma_bp * 1e-4 * vol;
        let c = p.regime_contrast;
        let ms = REGIMES.iter().map(|r| factor(r.0, c).powi(2)).sum::<f64>() / 4.0;
        let regime = (rng.bits() % 4) as usize;
        Self {
            dt: p.depth_interval_ms as f64 / 1000.0,
            sigma,
            drift: edge * p.drift_sigmas * sigma / 300f64.sqrt(),
            contrast: c,
            regime_seconds: p.regime_seconds,
            one_tick: p.one_tick_share,
            imbalance: p.imbalance,
            regime,
            regime_left: p.regime_seconds * rng.exponential(),
            mood: Ou::new(rng),
            burst: 0.0,
            activity: Ou::new(rng),
            slow: Ou::new(rng),
            fast: Ou::new(rng),
            // The mood has mean square 1; bursts add about 0.06.
            norm: 1.0 / (ms * 1.06).sqrt(),
        }
    }

    /// The imbalance now, for the first snapshot.
    pub(crate) fn nobi(&self) -> f64 {
        squash(self.slow.x * self.imbalance.slow_sd + self.fast.x * self.imbalance.fast_sd)
    }

    /// Volatility, fraction of price per √s, root mean square.
    pub(crate) fn sigma(&self) -> f64 {
        self.sigma
    }

    /// One interval of `self.dt` seconds: `mid` in ticks, `spread` in ticks before it.
    pub(crate) fn step(&mut self, rng: &mut Rng, mid: f64, spread: i64) -> Step {
        let dt = self.dt;
        self.regime_left -= dt;
        if self.regime_left <= 0.0 {
            // A quarter of the mean is a minimum dwell.
            self.regime_left = self.regime_seconds * (0.25 + 0.75 * rng.exponential());
            self.regime = (self.regime + 1 + (rng.bits() % 3) as usize) % 4;
        }
        let (vol, share, lasting) = REGIMES[self.regime];
        let vol = factor(vol, self.contrast);
        // Size of this step: everything here is known before its sign is drawn.
        let mood = exp(0.25 * self.mood.x - 0.0625);
        let size = vol * mood * (1.0 + self.burst) * self.norm;
        let drift = -self.drift * share * vol * squash(self.slow.x * self.imbalance.slow_sd);
        let n = martingale_step(rng, self.sigma * size * dt.sqrt() * mid);
        let d = if self.drift > 0.0 {
            rng.round(drift * dt * mid)
        } else {
            0
        };
        let next = self.next_spread(rng);
        // A change of the spread moves the mid half a tick either way, by a coin.
        let widen = next - spread;
        let mut down = widen.div_euclid(2);
        if widen.rem_euclid(2) == 1 && rng.chance(0.5) {
            down += 1;
        }
        // What the next step will be like.
        self.mood.step(rng, exp(-dt / 60.0));
        self.burst *= exp(-dt / 4.0);
        if rng.chance(dt / 180.0) {
            self.burst += 1.5 * rng.exponential();
        }
        self.activity.step(rng, exp(-dt / 1.5));
        let i = self.imbalance;
        self.slow.step(rng, exp(-dt / (i.slow_tau_s * lasting)));
        self.fast.step(rng, exp(-dt / i.fast_tau_s));
        Step {
            bid_move: (n + d).clamp(-2_000, 2_000) - down,
            spread: next,
            nobi: self.nobi(),
            activity: exp(self.activity.x - 0.5) * (0.7 + 0.3 * size),
        }
    }

    fn next_spread(&self, rng: &mut Rng) -> i64 {
        let u = rng.uniform();
        if u < self.one_tick {
            1
        } else {
            // Two ticks mostly, seldom more.
            2 + (rng.exponential() * 1.2) as i64
        }
    }
}

/// An integer of mean exactly 0 and variance `s`², symmetric.
fn martingale_step(rng: &mut Rng, s: f64) -> i64 {
    let v = s * s;
    if v < 0.5 {
        let u = rng.uniform();
        return if u < 0.5 * v { -1 } else { i64::from(u < v) };
    }
    // Unbiased rounding adds a variance of 1/6.
    let z = rng.normal();
    rng.round((v - 1.0 / 6.0).sqrt() * z)
}

fn factor(vol: f64, contrast: f64) -> f64 {
    1.0 + (vol - 1.0) * contrast
}

fn squash(y: f64) -> f64 {
    y / (1.0 + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_has_no_mean_and_the_variance_asked_for() {
        let mut r = Rng::new(3, 0);
        for s in [0.05, 0.4, 0.75, 3.0, 40.0] {
            let n = 200_000;
            let (mut m, mut v) = (0.0, 0.0);
            for _ in 0..n {
                let x = martingale_step(&mut r, s) as f64;
                m += x;
                v += x * x;
            }
            let (m, v) = (m / f64::from(n), v / f64::from(n));
            assert!(m.abs() < 4.0 * s / f64::from(n).sqrt(), "{s}: mean {m}");
            let wide = 0.02 + 4.0 / (f64::from(n) * (s * s).min(1.0)).sqrt();
            assert!((v / (s * s) - 1.0).abs() < wide, "{s}: variance {v}");
        }
    }

    #[test]
    fn volatility_is_that_of_the_profile() {
        let p = Profile::named("demo").unwrap();
        let mut r = Rng::new(4, 0);
        let mut x = PriceProcess::new(&p, 0.0, 1.0, &mut r);
        let (mut sum, n, mid) = (0.0, 1_000_000, 618_000.0);
        let mut spread = 1;
        for _ in 0..n {
            let s = x.step(&mut r, mid, spread);
            let dm = s.bid_move as f64 + 0.5 * (s.spread - spread) as f64;
            spread = s.spread;
            sum += dm * dm;
        }
        let sigma = (sum / f64::from(n) / x.dt).sqrt() / mid * 1e4;
        assert!((sigma / p.sigma_bp - 1.0).abs() < 0.15, "{sigma}");
    }

    #[test]
    fn without_edge_the_next_move_is_uncorrelated_with_imbalance_and_with_past_moves() {
        let p = Profile::named("sim").unwrap();
        let mut r = Rng::new(5, 0);
        let mut x = PriceProcess::new(&p, 0.0, 1.0, &mut r);
        let (mut nobi, mut last, mut spread) = (x.nobi(), 0.0, 1);
        let (mut a, mut b, mut v) = (0.0, 0.0, 0.0);
        for _ in 0..500_000 {
            let s = x.step(&mut r, 618_000.0, spread);
            let dm = s.bid_move as f64 + 0.5 * (s.spread - spread) as f64;
            spread = s.spread;
            a += nobi * dm;
            b += f64::signum(last) * dm;
            v += dm * dm;
            nobi = s.nobi;
            last = dm;
        }
        // Both are sums of martingale differences: their deviation is at most √v.
        assert!(
            a.abs() < 3.5 * v.sqrt() && b.abs() < 3.5 * v.sqrt(),
            "{a} {b} {v}"
        );
    }

    #[test]
    fn an_edge_makes_ask_heavy_books_fall() {
        let p = Profile::named("sim").unwrap();
        let mut r = Rng::new(5, 0);
        let mut x = PriceProcess::new(&p, 0.5, 1.0, &mut r);
        let (mut nobi, mut spread, mut a, mut v) = (x.nobi(), 1, 0.0, 0.0);
        for _ in 0..200_000 {
            let s = x.step(&mut r, 618_000.0, spread);
            let dm = s.bid_move as f64 + 0.5 * (s.spread - spread) as f64;
            spread = s.spread;
            a += nobi * dm;
            v += dm * dm;
            nobi = s.nobi;
        }
        assert!(a < -5.0 * v.sqrt(), "{a} {v}");
    }
}
