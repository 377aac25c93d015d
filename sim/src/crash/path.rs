//! The prices, depth and spread of one crash, drawn from its seed: a quiet beginning, the fall with bursts, jumps and
//! rebounds in between, a partial recovery.
//!
//! Everything is in multiples of what stood at the start, in steps of [`STEP_MS`]. The fall is common to all contracts
//! with a beta each; noise and jumps of their own come on top. Depth shrinks by the drawn factor while the fall gets its
//! way and comes back slowly.

use helios_venue::market::{Rng, exp, ln};

/// Contracts of a crash.
pub(crate) const CONTRACTS: usize = 5;
/// Time between two points of a path, ms.
pub(crate) const STEP_MS: i64 = 250;
/// Points a second.
const PER_S: usize = (1_000 / STEP_MS) as usize;
/// Seconds after the fall.
const AFTERMATH_S: usize = 45;

/// One crash.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Prices by point and contract, as multiples of the start's.
    pub(crate) mids: Vec<[f64; CONTRACTS]>,
    /// Visible depth by point, as a fraction of the start's.
    pub(crate) depth: Vec<f64>,
    /// Half of the spread by point, bp.
    pub(crate) half_spread_bp: Vec<f64>,
    /// The factor by which depth shrinks at worst.
    pub(crate) shrink: f64,
    /// The common fall from start to bottom as drawn, a fraction.
    pub(crate) fall: f64,
    /// How long it takes, s.
    pub(crate) fall_s: usize,
}

/// A draw whose logarithm is uniform.
pub(crate) fn log_uniform(rng: &mut Rng, low: f64, high: f64) -> f64 {
    exp(ln(low) + rng.uniform() * (ln(high) - ln(low)))
}

/// A uniform draw.
pub(crate) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + rng.uniform() * (high - low)
}

impl Path {
    /// Draws a path. `fall` bounds the common fall; `up` turns it into a squeeze of the same size.
    pub(crate) fn draw(rng: &mut Rng, fall: (f64, f64), up: bool) -> Self {
        let fall = between(rng, fall.0, fall.1);
        let shrink = log_uniform(rng, 10.0, 50.0);
        let fall_s = log_uniform(rng, 20.0, 240.0) as usize;
        let calm_s = 3 + (rng.uniform() * 8.0) as usize;
        // In logarithms, in the direction that hurts.
        let total = if up { ln(1.0 + fall) } else { -ln(1.0 - fall) };
        let (calm, falling) = (calm_s * PER_S, fall_s * PER_S);
        let points = calm + falling + AFTERMATH_S * PER_S;
        let mut common = vec![0.0; calm];
        common.extend(the_fall(rng, total, falling));
        common.extend(the_aftermath(rng, total, points - calm - falling));
        // What has fallen, as a share, rules depth and spread.
        let mut share = 0.0f64;
        let mut at = 0.0;
        let mut depth = Vec::with_capacity(points + 1);
        let mut half_spread_bp = Vec::with_capacity(points + 1);
        let narrow = between(rng, 0.3, 1.0);
        for k in 0..=points {
            at += if k == 0 { 0.0 } else { common[k - 1] };
            share = if k < calm + falling {
                share.max((1.6 * at / total).clamp(0.0, 1.0))
            } else {
                0.4 + (share - 0.4) * 0.993
            };
            let thin = exp(share * ln(shrink));
            depth.push(1.0 / thin);
            half_spread_bp.push((narrow * exp(0.6 * ln(thin))).min(6.0));
        }
        let sign = if up { 1.0 } else { -1.0 };
        let mut logs = [0.0; CONTRACTS];
        let mut mids = vec![[1.0; CONTRACTS]];
        let (beta, own) = own_moves(rng, calm, points);
        for (k, c) in common.iter().enumerate() {
            for i in 0..CONTRACTS {
                logs[i] += beta[i] * c + own[i][k];
            }
            mids.push(logs.map(|l| exp(sign * l)));
        }
        Self {
            mids,
            depth,
            half_spread_bp,
            shrink,
            fall,
            fall_s,
        }
    }

    /// Whole seconds of it.
    pub(crate) fn seconds(&self) -> usize {
        (self.mids.len() - 1) / PER_S
    }

    /// Prices when a second is over.
    pub(crate) fn at_second(&self, s: usize) -> &[f64; CONTRACTS] {
        &self.mids[(s * PER_S).min(self.mids.len() - 1)]
    }
}

/// Betas, and what each contract does for itself.
fn own_moves(rng: &mut Rng, calm: usize, points: usize) -> ([f64; CONTRACTS], Vec<Vec<f64>>) {
    let mut beta = [1.0; CONTRACTS];
    for b in &mut beta {
        *b = between(rng, 0.75, 1.25);
    }
    let own = (0..CONTRACTS).map(|_| {
        let mut moves: Vec<f64> = (0..points)
            .map(|k| rng.normal() * if k < calm { 0.0003 } else { 0.0012 })
            .collect();
        for _ in 0..rng.poisson(0.7) {
            let k = calm + (rng.uniform() * (points - calm) as f64) as usize;
            let size = (0.01 * rng.exponential()).min(0.05);
            moves[k.min(points - 1)] += if rng.chance(0.7) { size } else { -size };
        }
        moves
    });
    (beta, own.collect())
}

/// The fall: bursts, jumps, and rebounds that are lost again. The sum is `total` but for the noise.
fn the_fall(rng: &mut Rng, total: f64, points: usize) -> Vec<f64> {
    let mut jumps = vec![0.0; points];
    let mut jumped = 0.0;
    for _ in 0..rng.poisson(3.0) {
        let size = (0.02 * rng.exponential()).min(0.09);
        if jumped + size < 0.6 * total {
            jumps[(rng.uniform() * points as f64) as usize] += size;
            jumped += size;
        }
    }
    // Now and then nothing could have helped: those paths are left out, by a rule that looks at the path alone.
    if rng.chance(0.012) {
        let size = between(rng, 0.12, 0.25).min(0.9 * (total - jumped));
        jumps[(rng.uniform() * points as f64) as usize] += size;
        jumped += size;
    }
    let mut back = vec![0.0; points];
    for _ in 0..rng.poisson(1.5) {
        let from = (rng.uniform() * points as f64) as usize;
        let long = (8 + (rng.uniform() * 24.0) as usize).min(points - from);
        let size = total * between(rng, 0.05, 0.2);
        for b in &mut back[from..from + long] {
            *b += size / long as f64;
        }
    }
    let regained: f64 = back.iter().sum();
    let mut burst = rng.normal();
    let mut weights: Vec<f64> = (0..points)
        .map(|_| {
            burst = 0.9 * burst + 0.436 * rng.normal();
            exp(burst)
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    for w in &mut weights {
        *w *= (total - jumped + regained) / sum;
    }
    let restless = between(rng, 0.001, 0.003);
    (0..points)
        .map(|k| weights[k] + jumps[k] - back[k] + restless * rng.normal())
        .collect()
}

/// Afterwards: part of it comes back within half a minute, and the market stays nervous.
fn the_aftermath(rng: &mut Rng, total: f64, points: usize) -> Vec<f64> {
    let back = total * between(rng, 0.05, 0.4);
    let long = points / 2;
    (0..points)
        .map(|k| {
            let rising = if k < long { back / long as f64 } else { 0.0 };
            0.001 * rng.normal() - rising
        })
        .collect()
}
