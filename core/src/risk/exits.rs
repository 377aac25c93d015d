//! When a position is left at market: maximum holding time, take profit, opposite signal. Stops are `stops`'.
//!
//! Times are market time. The order of the checks is the order of the reasons: a profit taken is called one.

use crate::fixed::Side;
use crate::messages::ExitReason;
use crate::params::{ExitParams, OnOppositeSignal};
use rust_decimal::Decimal;

/// What the exit policy looks at.
#[derive(Clone, Copy, Debug)]
pub struct ExitInputs {
    /// Direction of the position.
    pub side: Side,
    /// Average entry, quote asset.
    pub entry: Decimal,
    /// Mark (or mid where no mark is known), quote asset.
    pub price: Decimal,
    /// ATR at entry, quote asset; `None` switches take profit off.
    pub atr: Option<Decimal>,
    /// Market ms the position has been held.
    pub held_ms: i64,
    /// Side that the signal asks for now.
    pub signal: Option<Side>,
    /// Maximum holding time in force (a regime may override it), market seconds; 0 is off.
    pub max_hold_seconds: i64,
}

/// The reason to leave now, if any.
pub fn exit_due(p: &ExitParams, x: &ExitInputs) -> Option<ExitReason> {
    if let (Some(n), Some(atr)) = (p.take_profit_atr, x.atr) {
        let gain = Decimal::from(x.side.sign()) * (x.price - x.entry);
        if n > Decimal::ZERO && atr > Decimal::ZERO && gain >= n * atr {
            return Some(ExitReason::TakeProfit);
        }
    }
    if p.on_opposite_signal == OnOppositeSignal::Close && x.signal == Some(x.side.opposite()) {
        return Some(ExitReason::OppositeSignal);
    }
    if x.max_hold_seconds > 0 && x.held_ms >= x.max_hold_seconds.saturating_mul(1000) {
        return Some(ExitReason::MaxHold);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> ExitParams {
        ExitParams {
            max_hold_seconds: 300,
            take_profit_atr: Some(Decimal::from(3)),
            on_opposite_signal: OnOppositeSignal::Close,
        }
    }

    fn inputs() -> ExitInputs {
        ExitInputs {
            side: Side::Sell,
            entry: Decimal::from(100),
            price: Decimal::from(100),
            atr: Some(Decimal::ONE),
            held_ms: 0,
            signal: None,
            max_hold_seconds: 300,
        }
    }

    #[test]
    fn a_quiet_position_is_kept() {
        assert_eq!(exit_due(&params(), &inputs()), None);
    }

    #[test]
    fn a_short_takes_profit_when_the_price_fell_by_three_atr() {
        let x = ExitInputs {
            price: Decimal::from(97),
            ..inputs()
        };
        assert_eq!(exit_due(&params(), &x), Some(ExitReason::TakeProfit));
        let x = ExitInputs {
            price: Decimal::from(103),
            ..inputs()
        };
        assert_eq!(exit_due(&params(), &x), None);
    }

    #[test]
    fn the_holding_time_ends_exactly_at_its_limit() {
        let mut x = inputs();
        x.held_ms = 299_999;
        assert_eq!(exit_due(&params(), &x), None);
        x.held_ms = 300_000;
        assert_eq!(exit_due(&params(), &x), Some(ExitReason::MaxHold));
    }

    #[test]
    fn an_opposite_signal_closes_only_when_asked_to() {
        let x = ExitInputs {
            signal: Some(Side::Buy),
            ..inputs()
        };
        assert_eq!(exit_due(&params(), &x), Some(ExitReason::OppositeSignal));
        let p = ExitParams {
            on_opposite_signal: OnOppositeSignal::Ignore,
            ..params()
        };
        assert_eq!(exit_due(&p, &x), None);
    }
}
