//! Shadow trades: what the strategy would have earned while no real order may be sent, at full cost.
//!
//! First form: entered at the touch plus mean slippage, left by the same exit policy (stop with a trail that follows the
//! best mark, holding time, take profit, opposite signal) at the touch less slippage, a stop never better than its trigger;
//! taker fees both ways. They count towards W, R, n and are marked; they touch neither position nor cooldown.

use crate::fixed::{Price, Qty, Side};
use crate::instrument::SymbolInfo;
use crate::messages::{ClosedTrade, ExitReason};
use crate::params::ExitParams;
use crate::risk::exits::{ExitInputs, exit_due};
use crate::risk::stops::StopPlan;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

/// Notional of a shadow trade: only its relative result counts.
const NOTIONAL: Decimal = Decimal::from_parts(1000, 0, 0, false, 0);

/// Prices of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// Venue ms.
    pub market_ms: i64,
    /// Mid.
    pub mid: Decimal,
    /// Best bid and ask.
    pub best: (Price, Price),
    /// Mark.
    pub mark: Decimal,
    /// Mean slippage, fraction.
    pub slippage: f64,
}

/// The policy in force.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Exit parameters.
    pub exits: &'a ExitParams,
    /// Holding time in force, market seconds.
    pub max_hold_seconds: i64,
    /// Pause before the next shadow trade, market seconds.
    pub cooldown_seconds: i64,
    /// Side that the signal asks for.
    pub signal: Option<Side>,
}

#[derive(Clone, Debug)]
struct Open {
    side: Side,
    qty: Decimal,
    opened_ms: i64,
    entry: Decimal,
    entry_mid: Decimal,
    plan: StopPlan,
    extreme: Decimal,
}

/// The shadow account of one symbol: at most one trade.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    open: Option<Open>,
    not_before_ms: i64,
    count: u64,
}

impl Shadow {
    /// True while a shadow trade runs.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// True when one may begin.
    pub fn may_enter(&self, market_ms: i64) -> bool {
        self.open.is_none() && market_ms >= self.not_before_ms
    }

    /// Begins one.
    pub fn enter(&mut self, info: &SymbolInfo, side: Side, plan: StopPlan, p: &Prices) {
        let entry = taken(info, side, p);
        if entry <= Decimal::ZERO || !self.may_enter(p.market_ms) {
            return;
        }
        let inst = &info.instrument;
        let qty = inst.qty_dec(inst.qty_floor(NOTIONAL / entry).max(Qty(1)));
        self.count += 1;
        self.open = Some(Open {
            side,
            qty,
            opened_ms: p.market_ms,
            entry,
            entry_mid: p.mid,
            plan,
            extreme: p.mark,
        });
    }

    /// Time or price moved: ends the trade when the exit policy says so.
    pub fn step(
        &mut self,
        info: &SymbolInfo,
        strategy: &str,
        policy: &Policy,
        p: &Prices,
    ) -> Option<ClosedTrade> {
        let o = self.open.as_mut()?;
        o.extreme = match o.side {
            Side::Buy => o.extreme.max(p.mark),
            Side::Sell => o.extreme.min(p.mark),
        };
        let sign = Decimal::from(o.side.sign());
        let behind = |from: Decimal| from - sign * o.plan.distance;
        let stop = match o.side {
            Side::Buy => behind(o.entry).max(behind(o.extreme)),
            Side::Sell => behind(o.entry).min(behind(o.extreme)),
        };
        let stopped = sign * (p.mark - stop) <= Decimal::ZERO;
        let reason = if stopped {
            ExitReason::Stop
        } else {
            exit_due(
                policy.exits,
                &ExitInputs {
                    side: o.side,
                    entry: o.entry,
                    price: p.mark,
                    atr: Some(o.plan.atr),
                    held_ms: p.market_ms.saturating_sub(o.opened_ms),
                    signal: policy.signal,
                    max_hold_seconds: policy.max_hold_seconds,
                },
            )?
        };
        let mut exit = taken(info, o.side.opposite(), p);
        if stopped {
            exit = match o.side {
                Side::Buy => exit.min(stop),
                Side::Sell => exit.max(stop),
            };
        }
        let o = self.open.take()?;
        self.not_before_ms = p
            .market_ms
            .saturating_add(policy.cooldown_seconds.max(0).saturating_mul(1000));
        Some(ClosedTrade {
            symbol: info.instrument.symbol.to_string(),
            strategy: strategy.into(),
            entry_id: format!("shadow-{}", self.count),
            side: o.side,
            opened_ms: o.opened_ms,
            closed_ms: p.market_ms,
            qty: o.qty,
            entry_price: o.entry,
            exit_price: exit,
            entry_mid: o.entry_mid,
            exit_mid: p.mid,
            fees: (o.entry + exit) * o.qty * info.fees.taker,
            gross: sign * (exit - o.entry) * o.qty,
            gross_mid: sign * (p.mid - o.entry_mid) * o.qty,
            exit: reason,
            shadow: true,
        })
    }
}

/// What an order of this side would pay: the touch, worsened by the mean slippage.
fn taken(info: &SymbolInfo, side: Side, p: &Prices) -> Decimal {
    let touch = info.instrument.price_dec(match side {
        Side::Buy => p.best.1,
        Side::Sell => p.best.0,
    });
    let slip = Decimal::from_f64(p.slippage)
        .unwrap_or(Decimal::ZERO)
        .round_dp(10);
    touch * (Decimal::ONE + Decimal::from(side.sign()) * slip)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trader::tests::rig::{d, info, params};

    fn prices(market_ms: i64, bid: i64) -> Prices {
        Prices {
            market_ms,
            mid: Decimal::new(bid * 2 + 1, 1) / Decimal::TWO,
            best: (Price(bid), Price(bid + 1)),
            mark: Decimal::new(bid, 1),
            slippage: 0.0001,
        }
    }

    fn plan() -> StopPlan {
        StopPlan {
            atr: d("5"),
            distance: d("10"),
        }
    }

    fn step(s: &mut Shadow, p: &Prices) -> Option<ClosedTrade> {
        let x = params();
        let policy = Policy {
            exits: &x.exits,
            max_hold_seconds: 60,
            cooldown_seconds: 30,
            signal: None,
        };
        s.step(&info(), "ns/s", &policy, p)
    }

    #[test]
    fn a_shadow_trade_pays_spread_slippage_and_both_fees() {
        let mut s = Shadow::default();
        s.enter(&info(), Side::Buy, plan(), &prices(0, 10_000));
        assert!(step(&mut s, &prices(59_999, 10_000)).is_none());
        let t = step(&mut s, &prices(60_000, 10_000)).unwrap();
        assert_eq!(
            (t.exit, t.shadow, t.qty),
            (ExitReason::MaxHold, true, d("0.999"))
        );
        assert_eq!((t.entry_price, t.exit_price), (d("1000.20001"), d("999.9")));
        assert_eq!(t.gross_mid, Decimal::ZERO);
        assert!(t.gross < Decimal::ZERO && t.fees > d("0.99"));
        assert!(!s.may_enter(89_999) && s.may_enter(90_000));
    }

    #[test]
    fn its_stop_trails_the_best_mark_and_never_fills_better_than_its_trigger() {
        let mut s = Shadow::default();
        s.enter(&info(), Side::Sell, plan(), &prices(0, 10_000));
        assert!(step(&mut s, &prices(1, 9_900)).is_none());
        let mut p = prices(2, 9_990);
        assert!(step(&mut s, &p).is_none());
        p.mark = d("1000");
        let t = step(&mut s, &p).unwrap();
        assert_eq!((t.exit, t.exit_price), (ExitReason::Stop, d("1000")));
    }
}
