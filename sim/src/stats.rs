//! Statistics of closed trades: mean, interval, and the statement that the simulator gives no money away.

use helios_core::messages::ClosedTrade;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Mean and half-width of its 95 % interval, of `n` values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Half the width of the 95 % interval (normal).
    pub half: f64,
}

impl Interval {
    /// Of some values; infinitely wide below two.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        if n < 2 {
            return Self {
                n,
                mean: values.first().copied().unwrap_or(0.0),
                half: f64::INFINITY,
            };
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let var = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1) as f64;
        Self {
            n,
            mean,
            half: 1.96 * (var / n as f64).sqrt(),
        }
    }

    /// Whether the interval holds `x`.
    pub fn contains(&self, x: f64) -> bool {
        (self.mean - x).abs() <= self.half
    }
}

/// What trades earned, each in bp of its entry notional at mid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Earned {
    /// Mid to mid, before any cost.
    pub gross: Interval,
    /// After spread, slippage and fees.
    pub net: Interval,
    /// What lies between: fees, spread, slippage.
    pub cost: Interval,
}

impl Earned {
    /// Measures trades.
    pub fn by(trades: &[ClosedTrade]) -> Self {
        let mut v: [Vec<f64>; 3] = Default::default();
        for t in trades {
            let notional = t.entry_mid * t.qty;
            if notional <= Decimal::ZERO {
                continue;
            }
            let bp = |x: Decimal| (x / notional).to_f64().unwrap_or(f64::NAN) * 1e4;
            let (gross, net) = (bp(t.gross_mid), bp(t.gross - t.fees));
            v[0].push(gross);
            v[1].push(net);
            v[2].push(gross - net);
        }
        Self {
            gross: Interval::of(&v[0]),
            net: Interval::of(&v[1]),
            cost: Interval::of(&v[2]),
        }
    }

    /// That a market without edge gives nothing away: mid to mid earns nothing the 95 % interval could tell from 0, the
    /// interval is no wider than a fifth of the mean cost to either side, and net of costs trading loses.
    ///
    /// # Errors
    /// What of it does not hold, with its numbers.
    pub fn gives_nothing_away(&self) -> Result<(), String> {
        let Self { gross, net, cost } = self;
        if !gross.contains(0.0) {
            return Err(format!(
                "gross mid to mid is {:.3} ± {:.3} bp over {} trades: 0 is outside",
                gross.mean, gross.half, gross.n
            ));
        }
        // Written so that NaN fails.
        let narrow = gross.half <= 0.2 * cost.mean;
        if !narrow {
            return Err(format!(
                "the interval of ± {:.3} bp is wider than a fifth of the mean cost of {:.3} bp",
                gross.half, cost.mean
            ));
        }
        let loses = net.mean < 0.0;
        if !loses {
            return Err(format!("net mean is {:.3} bp: not a loss", net.mean));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earned(gross: (f64, f64), cost: f64) -> Earned {
        let i = |mean, half| Interval { n: 100, mean, half };
        Earned {
            gross: i(gross.0, gross.1),
            net: i(gross.0 - cost, gross.1),
            cost: i(cost, 0.1),
        }
    }

    #[test]
    fn an_interval_holds_its_mean_and_narrows_with_the_root_of_n() {
        let v: Vec<f64> = (0..400).map(|i| f64::from(i % 2) * 2.0 - 1.0).collect();
        let i = Interval::of(&v);
        assert!(i.contains(0.0) && (i.half - 0.098).abs() < 0.001, "{i:?}");
        assert_eq!(Interval::of(&[1.0]).half, f64::INFINITY);
    }

    #[test]
    fn the_statement_fails_for_each_of_its_reasons() {
        assert!(earned((0.5, 0.6), 11.0).gives_nothing_away().is_ok());
        assert!(earned((0.7, 0.6), 11.0).gives_nothing_away().is_err());
        assert!(earned((0.5, 2.3), 11.0).gives_nothing_away().is_err());
        assert!(earned((0.5, 0.6), 0.2).gives_nothing_away().is_err());
        assert!(earned((f64::NAN, 0.6), 11.0).gives_nothing_away().is_err());
    }
}
