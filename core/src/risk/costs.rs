//! What a round trip costs, as a fraction of notional, and the gate that compares it with the stop.
//!
//! `costs = 2 × fee + spread + 2 × max(0.5 bp, mean slippage of the last 50 own fills)`; fee is taker, or maker where the
//! order is post-only. Slippage is measured against the mid at decision, adverse is positive.

use crate::instrument::FeeRates;
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

/// Own fills that the slippage mean looks back on.
pub const SLIPPAGE_FILLS: usize = 50;
/// Slippage is never believed below this (0.5 bp).
pub const SLIPPAGE_FLOOR: f64 = 0.000_05;
/// The stop must be this many times as far as the costs.
pub const COST_GATE_FACTOR: i64 = 3;

/// Slippage of the last own fills; no allocation after construction.
#[derive(Clone, Debug)]
pub struct Slippage {
    ring: [f64; SLIPPAGE_FILLS],
    len: usize,
    next: usize,
}

impl Default for Slippage {
    fn default() -> Self {
        Self {
            ring: [0.0; SLIPPAGE_FILLS],
            len: 0,
            next: 0,
        }
    }
}

impl Slippage {
    /// Records one fill's adverse distance from the mid at decision, as a fraction of it. What is no number is dropped.
    pub fn record(&mut self, adverse: f64) {
        if !adverse.is_finite() {
            return;
        }
        self.ring[self.next] = adverse;
        self.next = (self.next + 1) % SLIPPAGE_FILLS;
        self.len = (self.len + 1).min(SLIPPAGE_FILLS);
    }

    /// Mean of what is recorded, floored at [`SLIPPAGE_FLOOR`].
    pub fn mean(&self) -> f64 {
        if self.len == 0 {
            return SLIPPAGE_FLOOR;
        }
        let sum: f64 = self.ring[..self.len].iter().sum();
        (sum / self.len as f64).max(SLIPPAGE_FLOOR)
    }

    /// Fills recorded, at most [`SLIPPAGE_FILLS`].
    pub fn fills(&self) -> usize {
        self.len
    }
}

/// Round-trip costs as a fraction of notional. `spread` is spread / mid.
pub fn round_trip_costs(
    fees: &FeeRates,
    post_only: bool,
    spread: Decimal,
    slippage: &Slippage,
) -> Decimal {
    let fee = if post_only { fees.maker } else { fees.taker };
    let slip = Decimal::from_f64(slippage.mean()).unwrap_or(Decimal::new(5, 5));
    (Decimal::TWO * fee + spread.max(Decimal::ZERO) + Decimal::TWO * slip).round_dp(10)
}

/// True when the stop is far enough: `stop_distance ≥ 3 × costs × mid` (both distances in price).
pub fn stop_pays(stop_distance: Decimal, costs: Decimal, mid: Decimal) -> bool {
    stop_distance >= Decimal::from(COST_GATE_FACTOR) * costs * mid
}

/// A fraction in basis points, for texts.
pub fn bp(fraction: Decimal) -> f64 {
    (fraction * Decimal::from(10_000)).to_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn d(s: &str) -> Decimal {
        s.parse().unwrap()
    }

    #[test]
    fn costs_are_two_fees_the_spread_and_two_slippages() {
        let fees = FeeRates {
            maker: d("0.0002"),
            taker: d("0.0005"),
        };
        let mut s = Slippage::default();
        assert_eq!(round_trip_costs(&fees, false, d("0.0001"), &s), d("0.0012"));
        assert_eq!(round_trip_costs(&fees, true, d("0.0001"), &s), d("0.0006"));
        s.record(0.0003);
        s.record(0.0001);
        assert_eq!(round_trip_costs(&fees, false, d("0"), &s), d("0.0014"));
    }

    #[test]
    fn slippage_forgets_all_but_the_last_fifty_fills_and_has_a_floor() {
        let mut s = Slippage::default();
        s.record(1.0);
        for _ in 0..SLIPPAGE_FILLS {
            s.record(-0.001);
        }
        s.record(f64::NAN);
        assert_eq!(s.mean(), SLIPPAGE_FLOOR);
        assert_eq!(s.fills(), SLIPPAGE_FILLS);
    }

    #[test]
    fn the_gate_opens_at_exactly_three_times_the_costs() {
        assert!(stop_pays(d("36"), d("0.0012"), d("10000")));
        assert!(!stop_pays(d("35.99"), d("0.0012"), d("10000")));
    }
}
