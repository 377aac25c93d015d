//! From valid manifests to core's parameters and the parameters document.

use crate::account::{self, HeliosAccount};
use crate::decimal::Dec;
use crate::strategy::{self as st, HeliosStrategy};
use helios_core::messages::{ParamsDocument, SCHEMA};
use helios_core::params as p;
use rust_decimal::prelude::ToPrimitive;
use sha2::{Digest, Sha256};

fn float(d: Dec) -> f64 {
    d.0.to_f64().unwrap_or(0.0)
}

/// Parameters of an account.
pub fn account_params(a: &HeliosAccount) -> p::AccountParams {
    let s = &a.spec;
    p::AccountParams {
        account: a.metadata.full_name(),
        environment: match s.environment {
            account::Environment::Paper => p::Environment::Paper,
            account::Environment::Testnet => p::Environment::Testnet,
            account::Environment::Live => p::Environment::Live,
        },
        halt: s.halt,
        warning_margin_ratio: s.margin.warning_margin_ratio.0,
        critical_margin_ratio: s.margin.critical_margin_ratio.0,
        max_gross_leverage: s.limits.max_gross_leverage.0,
        max_symbol_notional_percent: s.limits.max_symbol_notional_percent.0,
        max_open_positions: s.limits.max_open_positions,
        max_daily_loss_percent: s.limits.max_daily_loss_percent.0,
        max_drawdown_percent: s.limits.max_drawdown_percent.0,
        external_positions: match s.external_positions {
            account::ExternalPositions::Refuse => p::ExternalPositions::Refuse,
            account::ExternalPositions::Guard => p::ExternalPositions::Guard,
            account::ExternalPositions::Ignore => p::ExternalPositions::Ignore,
        },
    }
}

/// Watchlist parameters of a strategy.
pub fn watchlist_params(h: &HeliosStrategy) -> p::WatchlistParams {
    let w = &h.spec.watchlist;
    p::WatchlistParams {
        size: w.size,
        rescan_interval_seconds: w.rescan_interval_seconds,
        quote_asset: w.quote_asset.clone(),
        include: w.include.clone(),
        exclude: w.exclude.clone(),
        symbols: w.symbols.clone(),
    }
}

/// Parameters of a strategy.
pub fn strategy_params(h: &HeliosStrategy) -> p::StrategyParams {
    let s = &h.spec;
    p::StrategyParams {
        suspend: s.suspend,
        priority: s.priority,
        signals: signals(&s.signals),
        regimes: s.regimes.iter().map(regime_override).collect(),
        risk: risk(&s.risk),
        exits: p::ExitParams {
            max_hold_seconds: s.exits.max_hold_seconds.into(),
            take_profit_atr: s.exits.take_profit_atr.map(|d| d.0),
            on_opposite_signal: match s.exits.on_opposite_signal {
                st::OnOppositeSignal::Close => p::OnOppositeSignal::Close,
                st::OnOppositeSignal::Ignore => p::OnOppositeSignal::Ignore,
            },
        },
        execution: p::ExecutionParams {
            entry: match s.execution.entry {
                st::EntryStyle::Market => p::EntryStyle::Market,
                st::EntryStyle::PostOnly => p::EntryStyle::PostOnly,
            },
            max_slippage_bps: s.execution.max_slippage_bps.0,
        },
        on_delete: match s.on_delete {
            st::OnDelete::Flatten => p::OnDelete::Flatten,
            st::OnDelete::KeepProtected => p::OnDelete::KeepProtected,
        },
    }
}

fn signals(s: &st::Signals) -> p::SignalParams {
    p::SignalParams {
        nobi_depth: s.nobi_depth,
        nobi_trigger_threshold: float(s.nobi_trigger_threshold),
        persistence_ms: s.persistence_ms.into(),
        cooldown_seconds: s.cooldown_seconds.into(),
        model: p::ModelParams {
            mode: match s.model.mode {
                st::ModelMode::Required => p::ModelMode::Required,
                st::ModelMode::Optional => p::ModelMode::Optional,
                st::ModelMode::Off => p::ModelMode::Off,
            },
            name: s.model.name.clone(),
            confidence_threshold: float(s.model.confidence_threshold),
        },
    }
}

fn regime_override(o: &st::RegimeOverride) -> p::RegimeOverride {
    p::RegimeOverride {
        regime: match o.regime {
            st::Regime::Trending => p::Regime::Trending,
            st::Regime::Ranging => p::Regime::Ranging,
            st::Regime::Volatile => p::Regime::Volatile,
            st::Regime::Quiet => p::Regime::Quiet,
        },
        halt_entries: o.halt_entries,
        nobi_trigger_threshold: o.nobi_trigger_threshold.map(float),
        confidence_threshold: o.confidence_threshold.map(float),
        kelly_fraction: o.kelly_fraction.map(|d| d.0),
        atr_multiplier: o.atr_multiplier.map(|d| d.0),
        max_hold_seconds: o.max_hold_seconds.map(Into::into),
    }
}

fn risk(r: &st::Risk) -> p::RiskParams {
    p::RiskParams {
        sizing: match r.sizing {
            st::Sizing::Kelly => p::Sizing::Kelly,
            st::Sizing::Probe => p::Sizing::Probe,
            st::Sizing::FixedNotional => p::Sizing::FixedNotional,
        },
        fixed_notional: r.fixed_notional.map(|d| d.0),
        kelly_fraction: r.kelly_fraction.0,
        leverage: r.leverage,
        max_risk_per_trade_percent: r.max_risk_per_trade_percent.0,
        min_trades: r.min_trades,
        probe_risk_percent: r.probe_risk_percent.0,
        atr: p::AtrParams {
            bar_seconds: r.atr.bar_seconds,
            period: r.atr.period,
            multiplier: r.atr.multiplier.0,
        },
        prior: p::KellyPrior {
            win_rate: float(r.prior.win_rate),
            win_loss_ratio: float(r.prior.win_loss_ratio),
            weight: float(r.prior.weight),
        },
        cost_gate: match r.cost_gate {
            st::CostGate::Enforce => p::CostGate::Enforce,
            st::CostGate::Off => p::CostGate::Off,
        },
        protections: p::ProtectionParams {
            max_consecutive_losses: r.protections.max_consecutive_losses,
            pause_seconds: r.protections.pause_seconds.into(),
            max_entries_per_hour: r.protections.max_entries_per_hour,
            max_mark_deviation_bps: r.protections.max_mark_deviation_bps.0,
            max_book_age_ms: r.protections.max_book_age_ms.into(),
        },
    }
}

/// The document that carries a strategy's parameters to its workers, with its digest.
pub fn params_document(
    h: &HeliosStrategy,
    uid: &str,
    generation: u64,
    account_generation: u64,
) -> ParamsDocument {
    let mut d = ParamsDocument {
        schema: SCHEMA,
        strategy_uid: uid.into(),
        generation,
        account_generation,
        rollout_step: 0,
        sha256: String::new(),
        stable: strategy_params(h),
        canary: None,
    };
    d.sha256 = digest(&d);
    d
}

/// SHA-256 over the document with an empty `sha256`, hex.
pub fn digest(d: &ParamsDocument) -> String {
    let bare = ParamsDocument {
        sha256: String::new(),
        ..d.clone()
    };
    // Core's types always encode; an empty text would only fail the comparison.
    let text = serde_json::to_vec(&bare).unwrap_or_default();
    Sha256::digest(&text)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}
