//! Parameters and contracts for the guardian's tests.

use super::{ACCOUNT, d};
use crate::guardian::{GuardianConfig, RateLimits, StrategyInfo};
use crate::instrument::{Bracket, FeeRates, Instrument, SymbolInfo};
use crate::params::*;
use rust_decimal::Decimal;

pub(in crate::guardian) fn account() -> AccountParams {
    AccountParams {
        account: ACCOUNT.into(),
        environment: Environment::Paper,
        halt: false,
        warning_margin_ratio: d("30"),
        critical_margin_ratio: d("15"),
        max_gross_leverage: d("2"),
        max_symbol_notional_percent: d("100"),
        max_open_positions: 10,
        max_daily_loss_percent: d("5"),
        max_drawdown_percent: d("20"),
        external_positions: ExternalPositions::Refuse,
    }
}

pub(in crate::guardian) fn strategy(name: &str, priority: i32, symbols: &[&str]) -> StrategyInfo {
    StrategyInfo {
        name: name.into(),
        uid: format!("uid-{name}"),
        created_ms: 0,
        params: StrategyParams {
            priority,
            ..testkit::plain()
        },
        watchlist: WatchlistParams {
            size: 5,
            rescan_interval_seconds: 300,
            quote_asset: "USDT".into(),
            include: vec![],
            exclude: vec![],
            symbols: symbols.iter().map(|s| (*s).into()).collect(),
        },
    }
}

/// Tick 0.1, step 0.001, maintenance 0.4 % to 50,000, then 0.5 %, then 1 %.
pub(in crate::guardian) fn info(symbol: &str) -> SymbolInfo {
    let bracket = |floor: i64, cap: i64, ratio: &str, cum: &str, leverage| Bracket {
        notional_floor: Decimal::from(floor),
        notional_cap: Decimal::from(cap),
        maint_margin_ratio: d(ratio),
        cum: d(cum),
        initial_leverage: leverage,
    };
    SymbolInfo {
        instrument: Instrument::with_grid(symbol, d("0.1"), d("0.001")).unwrap(),
        brackets: vec![
            bracket(0, 50_000, "0.004", "0", 125),
            bracket(50_000, 600_000, "0.005", "50", 100),
            bracket(600_000, 10_000_000, "0.01", "3050", 50),
        ],
        fees: FeeRates {
            maker: d("0.0002"),
            taker: d("0.0005"),
        },
        leverage: 10,
    }
}

pub(in crate::guardian) fn config(symbols: &[&str]) -> GuardianConfig {
    GuardianConfig {
        account: account(),
        strategies: vec![strategy("ns/nobi", 0, symbols)],
        symbols: symbols.iter().map(|s| ((*s).into(), info(s))).collect(),
        rate_limits: RateLimits::default(),
    }
}
