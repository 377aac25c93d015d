//! What a simulation is made from, and two ready configurations.

use crate::link;
use helios_core::fixed::Money;
use helios_core::guardian::{GuardianConfig, StrategyInfo};
use helios_core::messages::{ParamsDocument, SCHEMA};
use helios_core::params::{
    AccountParams, AtrParams, CostGate, EntryStyle, Environment, ExecutionParams, ExitParams,
    ExternalPositions, KellyPrior, ModelMode, ModelParams, OnDelete, OnOppositeSignal,
    ProtectionParams, RiskParams, SignalParams, Sizing, StrategyParams, WatchlistParams,
};
use helios_venue::engine::SymbolSpec;
use rust_decimal::Decimal;

/// Delays in virtual ms, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Market data, venue to machine.
    pub market_ms: i64,
    /// A request to the venue, and its answer back.
    pub order_ms: i64,
    /// User stream, venue to machine.
    pub user_ms: i64,
    /// Between trader and guardian.
    pub bus_ms: i64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            market_ms: 5,
            order_ms: 10,
            user_ms: 10,
            bus_ms: 1,
        }
    }
}

/// One strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct SimStrategy {
    /// `namespace/name`.
    pub name: String,
    /// Identity of the object.
    pub uid: String,
    /// Parameters.
    pub params: StrategyParams,
    /// Symbols; a fixed list starts its traders at once, a scan starts those the guardian wants.
    pub watchlist: WatchlistParams,
}

impl SimStrategy {
    /// A strategy over a fixed list of symbols.
    pub fn over(name: &str, params: StrategyParams, symbols: &[String]) -> Self {
        Self {
            name: name.into(),
            uid: format!("uid-{name}"),
            params,
            watchlist: WatchlistParams {
                size: symbols.len() as u32,
                rescan_interval_seconds: 300,
                quote_asset: "USDT".into(),
                include: Vec::new(),
                exclude: Vec::new(),
                symbols: symbols.to_vec(),
            },
        }
    }

    pub(crate) fn document(&self) -> ParamsDocument {
        ParamsDocument {
            schema: SCHEMA,
            strategy_uid: self.uid.clone(),
            generation: 1,
            account_generation: 1,
            rollout_step: 0,
            sha256: String::new(),
            stable: self.params.clone(),
            canary: None,
        }
    }
}

/// What a simulation is made from, beside its market.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// The account.
    pub account: AccountParams,
    /// Deposit at the start.
    pub initial_balance: Money,
    /// Strategies that share it.
    pub strategies: Vec<SimStrategy>,
    /// Delays.
    pub latency: Latency,
    /// Virtual ms between two ticks of the machines, at most 100.
    pub tick_ms: i64,
    /// The venue cancels orphaned stops by itself (it has been seen both ways).
    pub auto_cancel_orphan_stops: bool,
}

impl SimConfig {
    /// One account with the given strategies, 10 000 USDT, default delays.
    pub fn new(strategies: Vec<SimStrategy>) -> Self {
        Self {
            account: account("default/sim"),
            initial_balance: Decimal::from(10_000),
            strategies,
            latency: Latency::default(),
            tick_ms: 100,
            auto_cancel_orphan_stops: false,
        }
    }
}

/// A paper account with the schema's limits.
pub fn account(name: &str) -> AccountParams {
    AccountParams {
        account: name.into(),
        environment: Environment::Paper,
        halt: false,
        warning_margin_ratio: Decimal::from(30),
        critical_margin_ratio: Decimal::from(15),
        max_gross_leverage: Decimal::from(2),
        max_symbol_notional_percent: Decimal::from(100),
        max_open_positions: 10,
        max_daily_loss_percent: Decimal::from(5),
        max_drawdown_percent: Decimal::from(20),
        external_positions: ExternalPositions::Refuse,
    }
}

/// The quickstart's strategy: NOBI beyond 0.4, bars of a minute, five minutes at most, probe sizing.
pub fn quickstart() -> StrategyParams {
    StrategyParams {
        suspend: false,
        priority: 0,
        signals: SignalParams {
            nobi_depth: 10,
            nobi_trigger_threshold: 0.4,
            persistence_ms: 0,
            cooldown_seconds: 30,
            model: ModelParams {
                mode: ModelMode::Off,
                name: String::new(),
                confidence_threshold: 0.75,
            },
        },
        regimes: Vec::new(),
        risk: RiskParams {
            sizing: Sizing::Probe,
            fixed_notional: None,
            kelly_fraction: Decimal::new(5, 1),
            leverage: 10,
            max_risk_per_trade_percent: Decimal::ONE,
            min_trades: 30,
            probe_risk_percent: Decimal::new(25, 2),
            atr: AtrParams {
                bar_seconds: 60,
                period: 14,
                multiplier: Decimal::TWO,
            },
            prior: KellyPrior {
                win_rate: 0.5,
                win_loss_ratio: 1.0,
                weight: 20.0,
            },
            cost_gate: CostGate::Enforce,
            protections: ProtectionParams {
                max_consecutive_losses: 0,
                pause_seconds: 0,
                max_entries_per_hour: 0,
                max_mark_deviation_bps: Decimal::from(50),
                max_book_age_ms: 3_000,
            },
        },
        exits: ExitParams {
            max_hold_seconds: 300,
            take_profit_atr: None,
            on_opposite_signal: OnOppositeSignal::Close,
        },
        execution: ExecutionParams {
            entry: EntryStyle::Market,
            max_slippage_bps: Decimal::TEN,
        },
        on_delete: OnDelete::Flatten,
    }
}

/// A strategy that trades often and always the same size: for statistics of the simulator itself.
pub fn fast_nobi(notional: Money) -> StrategyParams {
    let mut p = quickstart();
    p.signals.cooldown_seconds = 5;
    p.exits.max_hold_seconds = 60;
    p.risk.sizing = Sizing::FixedNotional;
    p.risk.fixed_notional = Some(notional);
    p.risk.cost_gate = CostGate::Off;
    p
}

/// The guardian's view of the same.
pub(crate) fn guardian_config(
    config: &SimConfig,
    specs: &[SymbolSpec],
    start_ms: i64,
) -> GuardianConfig {
    let leverage = |name: &str| {
        let of = config.strategies.iter();
        of.filter(|s| {
            s.watchlist.symbols.is_empty() || s.watchlist.symbols.iter().any(|x| x == name)
        })
        .map(|s| s.params.risk.leverage)
        .max()
        .unwrap_or(1)
    };
    GuardianConfig {
        account: config.account.clone(),
        strategies: config
            .strategies
            .iter()
            .map(|s| StrategyInfo {
                name: s.name.clone(),
                uid: s.uid.clone(),
                created_ms: start_ms,
                params: s.params.clone(),
                watchlist: s.watchlist.clone(),
            })
            .collect(),
        symbols: specs
            .iter()
            .map(|s| {
                let name = s.instrument.symbol.clone();
                let info = link::symbol_info(s, leverage(&name));
                (name, info)
            })
            .collect(),
        rate_limits: helios_core::guardian::RateLimits::default(),
    }
}
