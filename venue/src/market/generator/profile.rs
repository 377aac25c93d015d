//! What a generated market looks like: cadence, volatility, sizes, imbalance. Named built-ins, or any of one's own.

use serde::{Deserialize, Serialize};

/// A market's character. Sizes, rates and distances are those of the deepest contract; the others are scaled from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Name, part of the label.
    pub name: String,
    /// Market ms between depth events, at least 10.
    pub depth_interval_ms: i64,
    /// Changed levels in an event, mean.
    pub levels_per_update: f64,
    /// Aggregate trades per market second, mean.
    pub trades_per_second: f64,
    /// Volatility, bp of price per √s, root mean square over regimes.
    pub sigma_bp: f64,
    /// Share of events after which the spread is one tick.
    pub one_tick_share: f64,
    /// The displayed imbalance.
    pub imbalance: Imbalance,
    /// Drift at `edge` 1 and |NOBI| 1: over 300 s, in standard deviations of 300 s. At `edge` 0 it does nothing.
    pub drift_sigmas: f64,
    /// Mean market seconds in a regime.
    pub regime_seconds: f64,
    /// How far regimes lie apart in volatility: 0 alike, 1 as built in.
    pub regime_contrast: f64,
}

/// NOBI of the best ten levels, as a sum of a slow and a fast mean-reverting process squashed into (−1, 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Imbalance {
    /// Standard deviation of the slow part before squashing. The drift, if any, follows this part.
    pub slow_sd: f64,
    /// Its time constant, market seconds.
    pub slow_tau_s: f64,
    /// Standard deviation of the fast part.
    pub fast_sd: f64,
    /// Its time constant, market seconds.
    pub fast_tau_s: f64,
}

impl Profile {
    /// The names of the built-in profiles.
    pub const NAMES: [&'static str; 3] = ["demo", "btc-like", "sim"];

    /// A built-in profile: `demo` (ATR of a minute about 25 bp, slow imbalance), `btc-like` (fitted to a recorded quarter
    /// of an hour of BTCUSDT, ATR about 5 bp), `sim` (the demo at a coarser cadence: many trades for little time).
    pub fn named(name: &str) -> Option<Self> {
        let demo = Self {
            name: "demo".into(),
            depth_interval_ms: 100,
            levels_per_update: 40.0,
            trades_per_second: 8.0,
            sigma_bp: 2.05,
            one_tick_share: 0.99,
            imbalance: Imbalance {
                slow_sd: 0.45,
                slow_tau_s: 240.0,
                fast_sd: 0.06,
                fast_tau_s: 0.5,
            },
            drift_sigmas: 8.0,
            regime_seconds: 1_200.0,
            regime_contrast: 0.5,
        };
        match name {
            "demo" => Some(demo),
            "btc-like" => Some(Self {
                name: "btc-like".into(),
                levels_per_update: 118.0,
                trades_per_second: 30.0,
                sigma_bp: 0.39,
                imbalance: Imbalance {
                    slow_sd: 0.55,
                    slow_tau_s: 3.5,
                    fast_sd: 0.55,
                    fast_tau_s: 0.6,
                },
                drift_sigmas: 3.0,
                regime_contrast: 1.0,
                ..demo
            }),
            "sim" => Some(Self {
                name: "sim".into(),
                depth_interval_ms: 250,
                levels_per_update: 16.0,
                trades_per_second: 2.0,
                imbalance: Imbalance {
                    slow_sd: 0.6,
                    slow_tau_s: 60.0,
                    ..demo.imbalance
                },
                ..demo
            }),
            _ => None,
        }
    }

    /// What is wrong with it, in words, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let range = |name: &str, v: f64, lo: f64, hi: f64| {
            // Written so that NaN fails.
            if v >= lo && v <= hi {
                Ok(())
            } else {
                Err(format!("{name} is {v}: write a number from {lo} to {hi}"))
            }
        };
        if !(10..=10_000).contains(&self.depth_interval_ms) {
            return Err(format!(
                "depthIntervalMs is {}: write a number from 10 to 10000",
                self.depth_interval_ms
            ));
        }
        range("levelsPerUpdate", self.levels_per_update, 1.0, 500.0)?;
        range("tradesPerSecond", self.trades_per_second, 0.1, 500.0)?;
        range("sigmaBp", self.sigma_bp, 0.001, 50.0)?;
        range("oneTickShare", self.one_tick_share, 0.1, 1.0)?;
        range("driftSigmas", self.drift_sigmas, 0.0, 50.0)?;
        range("regimeSeconds", self.regime_seconds, 1.0, 1e7)?;
        range("regimeContrast", self.regime_contrast, 0.0, 1.0)?;
        let i = &self.imbalance;
        range("slowSd", i.slow_sd, 0.0, 5.0)?;
        range("fastSd", i.fast_sd, 0.0, 5.0)?;
        range("slowTauS", i.slow_tau_s, 0.01, 1e6)?;
        range("fastTauS", i.fast_tau_s, 0.01, 1e6)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn built_in_profiles_are_sound_and_survive_json() {
        for n in Profile::NAMES {
            let p = Profile::named(n).unwrap();
            p.check().unwrap();
            assert_eq!(p.name, n);
            let back: Profile = serde_json::from_str(&serde_json::to_string(&p).unwrap()).unwrap();
            assert_eq!(back, p);
        }
        assert!(Profile::named("nope").is_none());
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let mut p = Profile::named("demo").unwrap();
        p.sigma_bp = f64::NAN;
        assert!(p.check().unwrap_err().contains("sigmaBp"));
    }
}
