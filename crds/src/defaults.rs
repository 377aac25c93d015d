//! Defaults, all in one place: what the stored object shows where a manifest is silent.

use crate::account::{Limits, Margin, Simulated};
use crate::decimal::Dec;
use crate::strategy::{
    Atr, CostGate, Execution, Exits, Model, ModelMode, Prior, Protections, Risk, Rollout, Signals,
    Sizing, Watchlist,
};

impl Default for Simulated {
    fn default() -> Self {
        Self {
            url: None,
            speed: 1,
            seed: 7,
            edge: Dec::lit("0"),
            profile: "demo".into(),
            latency_ms: 0,
            initial_balance: Dec::lit("10000"),
        }
    }
}

impl Default for Margin {
    fn default() -> Self {
        Self {
            warning_margin_ratio: Dec::lit("30"),
            critical_margin_ratio: Dec::lit("15"),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_gross_leverage: Dec::lit("2"),
            max_symbol_notional_percent: Dec::lit("100"),
            max_open_positions: 10,
            max_daily_loss_percent: Dec::lit("5"),
            max_drawdown_percent: Dec::lit("20"),
        }
    }
}

impl Default for Watchlist {
    fn default() -> Self {
        Self {
            size: 5,
            rescan_interval_seconds: 300,
            quote_asset: "USDT".into(),
            include: Vec::new(),
            exclude: Vec::new(),
            symbols: Vec::new(),
        }
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            nobi_depth: 10,
            nobi_trigger_threshold: Dec::lit("0.4"),
            persistence_ms: 0,
            cooldown_seconds: 60,
            model: Model::default(),
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self {
            mode: ModelMode::Optional,
            name: "nobi-hybrid".into(),
            source: None,
            sha256: None,
            confidence_threshold: Dec::lit("0.75"),
        }
    }
}

impl Default for Risk {
    fn default() -> Self {
        Self {
            sizing: Sizing::Kelly,
            fixed_notional: None,
            kelly_fraction: Dec::lit("0.5"),
            leverage: 10,
            max_risk_per_trade_percent: Dec::lit("1"),
            min_trades: 30,
            probe_risk_percent: Dec::lit("0.25"),
            atr: Atr::default(),
            prior: Prior::default(),
            cost_gate: CostGate::Enforce,
            protections: Protections::default(),
        }
    }
}

impl Default for Atr {
    fn default() -> Self {
        Self {
            bar_seconds: 900,
            period: 14,
            multiplier: Dec::lit("2"),
        }
    }
}

impl Default for Prior {
    fn default() -> Self {
        Self {
            win_rate: Dec::lit("0.5"),
            win_loss_ratio: Dec::lit("1"),
            weight: Dec::lit("20"),
        }
    }
}

impl Default for Protections {
    fn default() -> Self {
        Self {
            max_consecutive_losses: 5,
            pause_seconds: 3600,
            max_entries_per_hour: 0,
            max_mark_deviation_bps: Dec::lit("50"),
            max_book_age_ms: 500,
        }
    }
}

impl Default for Exits {
    fn default() -> Self {
        Self {
            max_hold_seconds: 14400,
            take_profit_atr: None,
            on_opposite_signal: Default::default(),
        }
    }
}

impl Default for Execution {
    fn default() -> Self {
        Self {
            entry: Default::default(),
            max_slippage_bps: Dec::lit("10"),
        }
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            canary_symbols: 0,
            soak_seconds: 600,
        }
    }
}
