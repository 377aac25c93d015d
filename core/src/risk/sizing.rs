//! How much: the least of every limit, rounded down to lots, with the name of the limit that bound.
//!
//! Notional = min(f × kellyFraction × available × leverage, f × kellyFraction × equity / d, maxRisk × equity / d,
//! maxSymbolNotional, grant ceiling − position − open entries, bracket cap of the leverage − position − open entries), with
//! `d` = (stop distance + costs) as a fraction of price. Below `min_trades` (or under `Probe`) the probe risk stands in for
//! maxRisk and both Kelly terms drop out; in Live it is 0. Unknown (zero or negative) balances give no size.

use crate::fixed::{Money, Price, Qty};
use crate::instrument::SymbolInfo;
use crate::params::{RiskParams, Sizing};
use crate::risk::kelly::Kelly;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

/// What bound the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Seed's Kelly margin formula.
    KellyMargin,
    /// Kelly share of equity at the stop.
    KellyRisk,
    /// `max_risk_per_trade_percent`.
    MaxRisk,
    /// `probe_risk_percent`.
    Probe,
    /// `fixed_notional`.
    Fixed,
    /// Account limit on the symbol.
    SymbolLimit,
    /// Ceiling of the grant.
    Grant,
    /// Notional cap of the leverage bracket.
    Bracket,
    /// MARKET_LOT_SIZE or LOT_SIZE `maxQty`.
    LotSize,
}

impl Binding {
    /// Stable name for decision records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KellyMargin => "kelly margin",
            Self::KellyRisk => "kelly risk",
            Self::MaxRisk => "max risk per trade",
            Self::Probe => "probe risk",
            Self::Fixed => "fixed notional",
            Self::SymbolLimit => "symbol limit",
            Self::Grant => "grant",
            Self::Bracket => "leverage bracket",
            Self::LotSize => "lot size",
        }
    }
}

/// What sizing looks at. Prices and money in the quote asset.
#[derive(Clone, Copy, Debug)]
pub struct SizeInputs<'a> {
    /// Contract.
    pub info: &'a SymbolInfo,
    /// Risk parameters.
    pub risk: &'a RiskParams,
    /// Kelly fraction in force (a regime may override it).
    pub kelly_fraction: Decimal,
    /// Environment is Live: probe risk reads as 0.
    pub live: bool,
    /// W, R, f, n.
    pub kelly: Kelly,
    /// Account equity.
    pub equity: Money,
    /// Available balance.
    pub available: Money,
    /// Grant's ceiling on |position + open entries|.
    pub ceiling: Money,
    /// Limit of the account on the symbol, where the caller knows it apart from the ceiling.
    pub symbol_limit: Option<Money>,
    /// |position| now, quote asset.
    pub position_notional: Money,
    /// Entries sent and not over, quote asset.
    pub open_entries: Money,
    /// Price each lot is valued at: the highest of limit, mid and mark, so that no ceiling is passed by valuation.
    pub price: Price,
    /// Distance to the stop, in price.
    pub stop_distance: Decimal,
    /// Round-trip costs, fraction of notional.
    pub costs: Decimal,
}

/// A size that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sized {
    /// Whole lots, positive.
    pub qty: Qty,
    /// At [`SizeInputs::price`].
    pub notional: Money,
    /// What bound it.
    pub binding: Binding,
}

/// Why there is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSize {
    /// Kelly says f ≤ 0.
    KellyNotPositive,
    /// The binding limit leaves less than minQty or MIN_NOTIONAL.
    TooSmall(Binding),
    /// Equity, balance, price or stop distance is unknown.
    Unknown,
}

impl NoSize {
    /// Stable name for decision records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KellyNotPositive => "KellyNotPositive",
            Self::TooSmall(_) => "SizeBelowMinimum",
            Self::Unknown => "InputsUnknown",
        }
    }
}

/// The design's minimum of everything, in lots.
///
/// # Errors
/// [`NoSize`] when nothing may be sent.
pub fn size(x: &SizeInputs) -> Result<Sized, NoSize> {
    let ins = &x.info.instrument;
    let price = ins.price_dec(x.price);
    if price <= Decimal::ZERO || x.equity <= Decimal::ZERO || x.stop_distance <= Decimal::ZERO {
        return Err(NoSize::Unknown);
    }
    let risk_fraction = (x.stop_distance / price).checked_add(x.costs.max(Decimal::ZERO));
    let Some(d) = risk_fraction.filter(|d| *d > Decimal::ZERO) else {
        return Err(NoSize::Unknown);
    };
    let percent_risk = |percent: Decimal| (percent / Decimal::ONE_HUNDRED) * x.equity / d;
    let mut least = Least::new();
    let probing = match x.risk.sizing {
        Sizing::FixedNotional => {
            least.take(
                x.risk.fixed_notional.unwrap_or(Decimal::ZERO),
                Binding::Fixed,
            );
            false
        }
        Sizing::Probe => true,
        Sizing::Kelly => x.kelly.n < x.risk.min_trades,
    };
    if probing {
        let percent = if x.live {
            Decimal::ZERO
        } else {
            x.risk.probe_risk_percent
        };
        least.take(percent_risk(percent), Binding::Probe);
    } else if x.risk.sizing == Sizing::Kelly {
        let f = Decimal::from_f64(x.kelly.f).unwrap_or(Decimal::ZERO);
        if f <= Decimal::ZERO {
            return Err(NoSize::KellyNotPositive);
        }
        if x.available <= Decimal::ZERO {
            return Err(NoSize::Unknown);
        }
        let part = f * x.kelly_fraction;
        let leverage = Decimal::from(x.risk.leverage.min(x.info.leverage.max(1)));
        least.take(part * x.available * leverage, Binding::KellyMargin);
        least.take(part * x.equity / d, Binding::KellyRisk);
        least.take(
            percent_risk(x.risk.max_risk_per_trade_percent),
            Binding::MaxRisk,
        );
    }
    let held = x.position_notional.abs() + x.open_entries.max(Decimal::ZERO);
    if let Some(limit) = x.symbol_limit {
        least.take(limit - held, Binding::SymbolLimit);
    }
    least.take(x.ceiling - held, Binding::Grant);
    if let Some(cap) = bracket_cap(x.info) {
        least.take(cap - held, Binding::Bracket);
    }
    let (notional, mut binding) = least.0.ok_or(NoSize::Unknown)?;
    let mut qty = ins.qty_floor(notional.max(Decimal::ZERO) / price);
    let most = ins.market_max_qty.min(ins.max_qty);
    if qty > most {
        qty = most;
        binding = Binding::LotSize;
    }
    let notional = ins.notional(x.price, qty);
    if qty < ins.min_qty.max(Qty(1)) || notional < ins.min_notional {
        return Err(NoSize::TooSmall(binding));
    }
    Ok(Sized {
        qty,
        notional,
        binding,
    })
}

/// The largest notional the exchange allows at the leverage in force: the cap of the highest bracket that still allows it.
/// `None` when no brackets are known.
pub fn bracket_cap(info: &SymbolInfo) -> Option<Money> {
    if info.brackets.is_empty() {
        return None;
    }
    Some(
        info.brackets
            .iter()
            .filter(|b| b.initial_leverage >= info.leverage)
            .map(|b| b.notional_cap)
            .max()
            .unwrap_or(Decimal::ZERO),
    )
}

struct Least(Option<(Money, Binding)>);

impl Least {
    fn new() -> Self {
        Self(None)
    }
    fn take(&mut self, v: Money, b: Binding) {
        if self.0.is_none_or(|(m, _)| v < m) {
            self.0 = Some((v, b));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::instrument::{Bracket, FeeRates, Instrument};
    use crate::params::{AtrParams, CostGate, KellyPrior, ProtectionParams};
    use proptest::prelude::*;

    fn d(s: &str) -> Decimal {
        s.parse().unwrap()
    }

    fn info() -> SymbolInfo {
        SymbolInfo {
            instrument: Instrument::with_grid("BTCUSDT", d("0.1"), d("0.001")).unwrap(),
            brackets: vec![
                Bracket {
                    notional_floor: d("0"),
                    notional_cap: d("50000"),
                    maint_margin_ratio: d("0.004"),
                    cum: d("0"),
                    initial_leverage: 125,
                },
                Bracket {
                    notional_floor: d("50000"),
                    notional_cap: d("200000"),
                    maint_margin_ratio: d("0.005"),
                    cum: d("50"),
                    initial_leverage: 20,
                },
                Bracket {
                    notional_floor: d("200000"),
                    notional_cap: d("1000000"),
                    maint_margin_ratio: d("0.01"),
                    cum: d("1050"),
                    initial_leverage: 5,
                },
            ],
            fees: FeeRates {
                maker: d("0.0002"),
                taker: d("0.0005"),
            },
            leverage: 10,
        }
    }

    fn risk(sizing: Sizing) -> RiskParams {
        RiskParams {
            sizing,
            fixed_notional: Some(d("1000")),
            kelly_fraction: d("0.5"),
            leverage: 10,
            max_risk_per_trade_percent: d("1"),
            min_trades: 30,
            probe_risk_percent: d("0.25"),
            atr: AtrParams {
                bar_seconds: 60,
                period: 14,
                multiplier: d("2"),
            },
            prior: KellyPrior {
                win_rate: 0.5,
                win_loss_ratio: 1.5,
                weight: 30.0,
            },
            cost_gate: CostGate::Enforce,
            protections: ProtectionParams {
                max_consecutive_losses: 0,
                pause_seconds: 0,
                max_entries_per_hour: 0,
                max_mark_deviation_bps: d("50"),
                max_book_age_ms: 500,
            },
        }
    }

    fn k(f: f64, n: u32) -> Kelly {
        Kelly {
            w: 0.5,
            r: 2.0,
            f,
            edge: 0.0,
            n,
        }
    }

    fn inputs<'a>(info: &'a SymbolInfo, risk: &'a RiskParams) -> SizeInputs<'a> {
        SizeInputs {
            info,
            risk,
            kelly_fraction: risk.kelly_fraction,
            live: false,
            kelly: k(0.2, 100),
            equity: d("10000"),
            available: d("10000"),
            ceiling: d("1000000"),
            symbol_limit: None,
            position_notional: d("0"),
            open_entries: d("0"),
            price: Price(500_000), // 50000
            stop_distance: d("440"),
            costs: d("0.0012"), // with the stop's 0.0088: d = 0.01
        }
    }

    #[test]
    fn kelly_sizing_is_the_least_of_margin_risk_share_and_maximum_risk() {
        let (i, r) = (info(), risk(Sizing::Kelly));
        let mut x = inputs(&i, &r);
        // margin: 0.2·0.5·10000·10 = 10000; share: 0.1·10000/0.01 = 100000; risk: 1 %·10000/0.01 = 10000 (equal, first wins)
        let s = size(&x).unwrap();
        assert_eq!((s.qty, s.notional), (Qty(200), d("10000")));
        x.kelly = k(0.1, 100);
        let s = size(&x).unwrap();
        assert_eq!((s.notional, s.binding), (d("5000"), Binding::KellyMargin));
        x.kelly = k(0.4, 100);
        let s = size(&x).unwrap();
        assert_eq!((s.notional, s.binding), (d("10000"), Binding::MaxRisk));
    }

    #[test]
    fn without_edge_there_is_no_order() {
        let (i, r) = (info(), risk(Sizing::Kelly));
        let x = SizeInputs {
            kelly: k(0.0, 100),
            ..inputs(&i, &r)
        };
        assert_eq!(size(&x), Err(NoSize::KellyNotPositive));
    }

    #[test]
    fn below_min_trades_the_probe_risk_sizes_and_in_live_it_is_nothing() {
        let (i, r) = (info(), risk(Sizing::Kelly));
        let mut x = inputs(&i, &r);
        x.kelly = k(0.0, 29);
        let s = size(&x).unwrap();
        assert_eq!((s.notional, s.binding), (d("2500"), Binding::Probe));
        x.live = true;
        assert_eq!(size(&x), Err(NoSize::TooSmall(Binding::Probe)));
    }

    #[test]
    fn the_grant_binds_what_is_left_after_position_and_open_entries() {
        let (i, r) = (info(), risk(Sizing::FixedNotional));
        let mut x = inputs(&i, &r);
        assert_eq!(size(&x).unwrap().binding, Binding::Fixed);
        x.ceiling = d("1500");
        x.position_notional = d("-600");
        x.open_entries = d("300");
        let s = size(&x).unwrap();
        assert_eq!((s.notional, s.binding), (d("600"), Binding::Grant));
        x.open_entries = d("899");
        assert_eq!(size(&x), Err(NoSize::TooSmall(Binding::Grant)));
        x.open_entries = d("5000");
        assert_eq!(size(&x), Err(NoSize::TooSmall(Binding::Grant)));
    }

    #[test]
    fn the_bracket_of_the_leverage_in_force_caps_the_notional() {
        assert_eq!(bracket_cap(&info()), Some(d("200000")));
        let mut i = info();
        i.leverage = 50;
        assert_eq!(bracket_cap(&i), Some(d("50000")));
        let mut r = risk(Sizing::FixedNotional);
        r.fixed_notional = Some(d("70000"));
        let s = size(&inputs(&i, &r)).unwrap();
        assert_eq!((s.notional, s.binding), (d("50000"), Binding::Bracket));
    }

    #[test]
    fn market_lot_size_caps_so_that_one_order_can_leave_again() {
        let mut i = info();
        i.instrument.market_max_qty = Qty(10);
        let r = risk(Sizing::FixedNotional);
        let s = size(&inputs(&i, &r)).unwrap();
        assert_eq!((s.qty, s.binding), (Qty(10), Binding::LotSize));
    }

    #[test]
    fn unknown_equity_or_balance_is_never_a_number() {
        let (i, r) = (info(), risk(Sizing::Kelly));
        let x = SizeInputs {
            equity: d("0"),
            ..inputs(&i, &r)
        };
        assert_eq!(size(&x), Err(NoSize::Unknown));
        let x = SizeInputs {
            available: d("0"),
            ..inputs(&i, &r)
        };
        assert_eq!(size(&x), Err(NoSize::Unknown));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn a_size_never_passes_the_ceiling_the_bracket_or_the_risk(
            f in 0.0f64..0.5, n in 0u32..100, equity in 1i64..1_000_000, ceiling in 0i64..500_000, pos in -300_000i64..300_000,
            open in 0i64..10_000, px in 1i64..2_000_000, stop in 1i64..100_000, sizing in 0u8..3
        ) {
            let i = info();
            let r = risk([Sizing::Kelly, Sizing::Probe, Sizing::FixedNotional][sizing as usize]);
            let x = SizeInputs {
                kelly: k(f, n), equity: equity.into(), ceiling: ceiling.into(), position_notional: pos.into(),
                open_entries: open.into(), price: Price(px), stop_distance: Decimal::new(stop, 1), ..inputs(&i, &r)
            };
            if let Ok(s) = size(&x) {
                let held = Decimal::from(pos.abs() + open);
                prop_assert!(held + s.notional <= Decimal::from(ceiling));
                prop_assert!(held + s.notional <= d("200000"));
                prop_assert!(s.notional >= i.instrument.min_notional && s.qty.0 > 0);
                if r.sizing != Sizing::FixedNotional {
                    let loss = s.notional * (x.stop_distance / i.instrument.price_dec(x.price) + x.costs);
                    prop_assert!(loss <= Decimal::from(equity) * d("0.010000001"));
                }
            }
        }
    }
}
