//! Parameters that the tests of planner, guardian and trader begin from; each says only what it needs to be another.
#![allow(clippy::unwrap_used)]

use super::*;

fn d(s: &str) -> Decimal {
    s.parse().unwrap()
}

/// A strategy that probes with a book of ten levels and a two-ATR stop, without a model.
pub(crate) fn plain() -> StrategyParams {
    StrategyParams {
        suspend: false,
        priority: 0,
        signals: SignalParams {
            nobi_depth: 10,
            nobi_trigger_threshold: 0.4,
            persistence_ms: 0,
            cooldown_seconds: 60,
            model: ModelParams {
                mode: ModelMode::Off,
                name: String::new(),
                confidence_threshold: 0.75,
            },
        },
        regimes: vec![],
        risk: RiskParams {
            sizing: Sizing::Probe,
            fixed_notional: None,
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
                win_loss_ratio: 1.0,
                weight: 10.0,
            },
            cost_gate: CostGate::Enforce,
            protections: ProtectionParams {
                max_consecutive_losses: 0,
                pause_seconds: 0,
                max_entries_per_hour: 0,
                max_mark_deviation_bps: d("50"),
                max_book_age_ms: 500,
            },
        },
        exits: ExitParams {
            max_hold_seconds: 300,
            take_profit_atr: None,
            on_opposite_signal: OnOppositeSignal::Close,
        },
        execution: ExecutionParams {
            entry: EntryStyle::Market,
            max_slippage_bps: d("10"),
        },
        on_delete: OnDelete::Flatten,
    }
}
