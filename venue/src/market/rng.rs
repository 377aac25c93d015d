//! Draws: uniform, normal, exponential, Poisson, from a seeded ChaCha stream and nothing else.
//!
//! The transcendental functions are written out here, in plain additions and multiplications, so that a seed means the
//! same market in every process whatever C library it links.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::sync::OnceLock;

/// A seeded stream of draws.
#[derive(Clone, Debug)]
pub struct Rng {
    inner: ChaCha8Rng,
    spare: Option<f64>,
}

impl Rng {
    /// Stream number `stream` of `seed`: different streams are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut inner = ChaCha8Rng::seed_from_u64(seed);
        inner.set_stream(stream);
        Self { inner, spare: None }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal, by the polar method.
    pub fn normal(&mut self) -> f64 {
        if let Some(v) = self.spare.take() {
            return v;
        }
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let s = x * x + y * y;
            if s > 0.0 && s < 1.0 {
                let f = (-2.0 * ln(s) / s).sqrt();
                self.spare = Some(y * f);
                return x * f;
            }
        }
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.uniform())
    }

    /// Poisson with mean `lambda` (normal approximation above 30).
    pub fn poisson(&mut self, lambda: f64) -> u32 {
        if lambda <= 0.0 {
            return 0;
        }
        if lambda > 30.0 {
            let v = lambda + lambda.sqrt() * self.normal() + 0.5;
            return if v < 0.0 { 0 } else { v as u32 };
        }
        let floor = exp(-lambda);
        let mut p = self.uniform();
        let mut n = 0;
        while p > floor {
            p *= self.uniform();
            n += 1;
        }
        n
    }

    /// An integer whose expectation is exactly `x`: its floor, or one more with the probability of the fraction.
    pub fn round(&mut self, x: f64) -> i64 {
        (x + self.uniform()).floor() as i64
    }
}

/// A mean-reverting Gaussian process with unit stationary variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ou {
    pub(crate) x: f64,
}

impl Ou {
    /// Starts in the stationary distribution.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self { x: rng.normal() }
    }

    /// One step of the given retention `a` = e^(−dt/τ).
    pub(crate) fn step(&mut self, rng: &mut Rng, a: f64) -> f64 {
        self.x = a * self.x + (1.0 - a * a).sqrt() * rng.normal();
        self.x
    }
}

/// Natural logarithm of a positive number; −745 for anything smaller than the smallest normal one.
pub fn ln(x: f64) -> f64 {
    if !(x >= f64::MIN_POSITIVE && x.is_finite()) {
        return -745.0;
    }
    let bits = x.to_bits();
    let mut e = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        e += 1;
    }
    // ln m = 2 atanh(s), |s| <= 0.172: the series is below 1e-16 after nine terms.
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let mut sum = 0.0;
    for k in (0..10).rev() {
        sum = sum * s2 + 1.0 / (2 * k + 1) as f64;
    }
    2.0 * s * sum + e as f64 * std::f64::consts::LN_2
}

/// e^x, clamped to the finite range.
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let k = (x / std::f64::consts::LN_2 + 0.5).floor();
    let r = x - k * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for n in (1..=14).rev() {
        sum = 1.0 + sum * r / f64::from(n);
    }
    sum * f64::from_bits((((k as i64) + 1023) as u64) << 52)
}

/// Entries of a table of quantiles.
pub(crate) const QUANTILES: usize = 1024;

/// Quantiles of the standard normal at the midpoints of [`QUANTILES`] equal shares.
pub(crate) fn normal_quantiles() -> &'static [f64] {
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let at = |i: usize| normal_quantile((i as f64 + 0.5) / QUANTILES as f64);
        (0..QUANTILES).map(at).collect()
    })
}

/// Quantile of the standard normal at `p` in (0, 1), by bisection of the series of its distribution: slow.
fn normal_quantile(p: f64) -> f64 {
    let (mut lo, mut hi) = (-9.0, 9.0);
    for _ in 0..60 {
        let mid = 0.5 * (lo + hi);
        if normal_cdf(mid) < p {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    0.5 * (lo + hi)
}

fn normal_cdf(x: f64) -> f64 {
    // Φ(x) = ½ + φ(x)(x + x³/3 + x⁵/15 + ...), which converges for every x we ask (|x| ≤ 9).
    if x < -8.5 {
        return 0.0;
    }
    if x > 8.5 {
        return 1.0;
    }
    let mut term = x;
    let mut sum = x;
    let mut k = 1.0;
    while term.abs() > 1e-17 * sum.abs() && k < 400.0 {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_out_functions_agree_with_the_standard_ones() {
        for i in 1..4000 {
            let x = f64::from(i) * 0.32 - 600.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-13, "exp {x}");
            let y = f64::from(i) * 0.0137;
            assert!(
                (ln(y) - y.ln()).abs() < 1e-14 * (1.0 + y.ln().abs()),
                "ln {y}"
            );
        }
        assert!((normal_quantile(0.975) - 1.959_963_985).abs() < 1e-8);
    }

    #[test]
    fn draws_have_the_moments_they_promise() {
        let mut r = Rng::new(1, 0);
        let n = 200_000;
        let (mut m, mut v, mut e, mut p) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = r.normal();
            m += x;
            v += x * x;
            e += r.exponential();
            p += f64::from(r.poisson(3.5));
        }
        let n = f64::from(n);
        assert!((m / n).abs() < 0.01, "{}", m / n);
        assert!((v / n - 1.0).abs() < 0.015);
        assert!((e / n - 1.0).abs() < 0.01);
        assert!((p / n - 3.5).abs() < 0.02);
    }

    #[test]
    fn a_rounded_number_keeps_its_expectation() {
        let mut r = Rng::new(2, 0);
        let sum: i64 = (0..100_000).map(|_| r.round(-0.3)).sum();
        assert!((sum as f64 / 100_000.0 + 0.3).abs() < 0.006);
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let a: Vec<u64> = (0..4).map(|s| Rng::new(9, s).bits()).collect();
        let b: Vec<u64> = (0..4).map(|s| Rng::new(9, s).bits()).collect();
        assert_eq!(a, b);
        assert!(a.windows(2).all(|w| w[0] != w[1]));
    }
}
