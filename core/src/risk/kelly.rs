//! Fractional Kelly from few trades: W and R shrunk to a prior, W by its lower confidence bound.
//!
//! With `n` trades of which `k` won, and a prior (`W0`, `R0`) worth `w` trades:
//! - `W` = Wilson's lower bound ([`CONFIDENCE_Z`], one-sided 90 %) on `k + w·W0` successes of `n + w` trials;
//! - `R` = `exp((w·ln R0 + n·ln R_seen) / (w + n))`, a weighted geometric mean, since a ratio errs multiplicatively;
//!   while winners or losers are missing, `R0` alone;
//! - `f = W − (1 − W)/R`, held in `[0, KELLY_CAP]`; anything that is no number is 0.

use crate::messages::KellyStats;
use crate::params::KellyPrior;

/// One-sided 90 % normal quantile of the lower bound on W.
pub const CONFIDENCE_Z: f64 = 1.2816;

/// Full Kelly is never believed beyond this, whatever the estimate says.
pub const KELLY_CAP: f64 = 0.5;

/// What sizing believes about the strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kelly {
    /// Lower bound of the win rate, in [0, 1].
    pub w: f64,
    /// Mean win / mean loss, shrunk.
    pub r: f64,
    /// Full Kelly fraction in [0, [`KELLY_CAP`]]; 0 means: no orders.
    pub f: f64,
    /// Mean gross return mid to mid, shrunk to 0 by the prior's weight; fraction of notional.
    pub edge: f64,
    /// Trades it rests on.
    pub n: u32,
}

/// Estimates from closed trades and the prior. `model_p` is a calibrated model's probability: W is at most that.
pub fn kelly(stats: &KellyStats, prior: &KellyPrior, model_p: Option<f64>) -> Kelly {
    let n = f64::from(stats.n);
    let wins = f64::from(stats.wins.min(stats.n));
    let losses = n - wins;
    let weight = non_negative(prior.weight);
    let w0 = if prior.win_rate.is_finite() {
        prior.win_rate.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let mut w = wilson_lower(wins + weight * w0, n + weight, CONFIDENCE_Z);
    if let Some(p) = model_p {
        w = if p.is_finite() {
            w.min(p.clamp(0.0, 1.0))
        } else {
            0.0
        };
    }
    let seen = if wins > 0.0 && losses > 0.0 {
        (stats.sum_win / wins) / (stats.sum_loss / losses)
    } else {
        f64::NAN
    };
    let r0 = positive(prior.win_loss_ratio);
    let r = match (r0, positive(seen)) {
        (Some(r0), Some(s)) if weight + n > 0.0 => {
            ((weight * r0.ln() + n * s.ln()) / (weight + n)).exp()
        }
        (Some(r0), None) => r0,
        (None, Some(s)) => s,
        _ => 0.0,
    };
    let gross = if stats.sum_gross.is_finite() {
        stats.sum_gross
    } else {
        0.0
    };
    let trials = n + weight;
    Kelly {
        w,
        r,
        f: fraction(w, r),
        edge: if trials > 0.0 { gross / trials } else { 0.0 },
        n: stats.n,
    }
}

/// `W − (1 − W)/R` in [0, [`KELLY_CAP`]]; 0 for anything that is no number.
pub fn fraction(w: f64, r: f64) -> f64 {
    let f = w - (1.0 - w) / r;
    if f.is_finite() && r > 0.0 {
        f.clamp(0.0, KELLY_CAP)
    } else {
        0.0
    }
}

/// Wilson score interval, lower end, for `k` successes of `n` trials (both may be fractional); 0 without trials.
pub fn wilson_lower(k: f64, n: f64, z: f64) -> f64 {
    if !(k.is_finite() && n.is_finite() && z.is_finite()) || n <= 0.0 {
        return 0.0;
    }
    let p = (k / n).clamp(0.0, 1.0);
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let spread = z * ((p * (1.0 - p) + z2 / (4.0 * n)) / n).sqrt();
    ((centre - spread) / (1.0 + z2 / n)).clamp(0.0, 1.0)
}

fn positive(v: f64) -> Option<f64> {
    (v.is_finite() && v > 0.0).then_some(v)
}

fn non_negative(v: f64) -> f64 {
    positive(v).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn prior() -> KellyPrior {
        KellyPrior {
            win_rate: 0.5,
            win_loss_ratio: 1.5,
            weight: 30.0,
        }
    }

    #[test]
    fn without_trades_the_prior_speaks_with_its_own_uncertainty() {
        let k = kelly(&KellyStats::default(), &prior(), None);
        assert!(k.w < 0.5 && k.w > 0.35, "{k:?}");
        assert_eq!(k.r, 1.5);
    }

    #[test]
    fn many_good_trades_lift_the_fraction_and_many_bad_ones_close_it() {
        let good = KellyStats {
            n: 500,
            wins: 300,
            sum_win: 300.0 * 0.004,
            sum_loss: 200.0 * 0.002,
            sum_gross: 0.9,
        };
        let k = kelly(&good, &prior(), None);
        assert!(k.f > 0.25 && k.f <= KELLY_CAP, "{k:?}");
        let bad = KellyStats {
            n: 500,
            wins: 150,
            sum_win: 150.0 * 0.002,
            sum_loss: 350.0 * 0.002,
            sum_gross: 0.0,
        };
        assert_eq!(kelly(&bad, &prior(), None).f, 0.0);
    }

    #[test]
    fn a_sceptical_model_lowers_w_but_never_lifts_it() {
        let k = kelly(&KellyStats::default(), &prior(), None);
        assert_eq!(kelly(&KellyStats::default(), &prior(), Some(0.9)).w, k.w);
        assert_eq!(kelly(&KellyStats::default(), &prior(), Some(0.2)).w, 0.2);
        assert_eq!(
            kelly(&KellyStats::default(), &prior(), Some(f64::NAN)).f,
            0.0
        );
    }

    #[test]
    fn wilson_agrees_with_a_value_worked_by_hand() {
        // 8 of 10 at z = 1.96: (0.8 + 0.19208 − 1.96·sqrt((0.16 + 0.09604)/10)) / 1.38416 = 0.4902
        assert!((wilson_lower(8.0, 10.0, 1.96) - 0.4902).abs() < 1e-4);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_fraction_stays_between_zero_and_the_cap_whatever_comes_in(
            n in any::<u32>(), wins in any::<u32>(), a in any::<f64>(), b in any::<f64>(), g in any::<f64>(),
            w0 in any::<f64>(), r0 in any::<f64>(), wt in any::<f64>(), p in proptest::option::of(any::<f64>())
        ) {
            let s = KellyStats { n, wins, sum_win: a, sum_loss: b, sum_gross: g };
            let k = kelly(&s, &KellyPrior { win_rate: w0, win_loss_ratio: r0, weight: wt }, p);
            prop_assert!(k.f >= 0.0 && k.f <= KELLY_CAP);
            prop_assert!(k.w >= 0.0 && k.w <= 1.0);
            prop_assert!(k.edge.is_finite());
        }
    }
}
