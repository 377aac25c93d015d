//! The rules of one object, and of an account with a strategy: the Rust twin of what admission checks.
//!
//! A rule names the field and says what to write. All problems of an object are reported, not only the first.

use crate::account::{Environment, HeliosAccount, Venue};
use crate::decimal::Dec;
use crate::meta::{API_VERSION, ObjectMeta};
use crate::strategy::{CostGate, HeliosStrategy, ModelMode, Risk, Signals, Sizing, Watchlist};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Field, e.g. `spec.risk.atr.barSeconds`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Collects problems.
#[derive(Default)]
struct Rules(Vec<Problem>);

impl Rules {
    fn must(&mut self, ok: bool, path: &str, message: impl FnOnce() -> String) {
        if !ok {
            self.0.push(Problem {
                path: path.into(),
                message: message(),
            });
        }
    }

    /// `low < value ≤ high` where `open`, else `low ≤ value ≤ high`.
    fn within(&mut self, path: &str, value: Dec, low: &str, open: bool, high: &str) {
        let (l, h) = (Dec::lit(low).0, Dec::lit(high).0);
        let ok = value.0 <= h && if open { value.0 > l } else { value.0 >= l };
        let words = if open { "above" } else { "from" };
        self.must(ok, path, || {
            format!("is \"{value}\": write a decimal {words} {low} up to {high}, in quotes")
        });
    }

    fn between(&mut self, path: &str, value: u64, low: u64, high: u64) {
        self.must((low..=high).contains(&value), path, || {
            format!("is {value}: write a whole number from {low} to {high}")
        });
    }

    fn distinct(&mut self, path: &str, list: &[String]) {
        let mut seen = BTreeSet::new();
        for s in list {
            self.must(seen.insert(s), path, || {
                format!("names {s} twice: keep one")
            });
            let good = !s.is_empty()
                && s.chars().count() <= 40
                && !s.contains(['/', ' ', '.'])
                && *s == s.to_uppercase();
            self.must(good, path, || {
                format!("\"{s}\" is no symbol: write it as the exchange does, such as BTCUSDT")
            });
        }
    }

    fn url(&mut self, path: &str, value: Option<&String>, schemes: &[&str]) {
        if let Some(v) = value {
            let ok = schemes.iter().any(|s| {
                v.strip_prefix(s)
                    .is_some_and(|rest| rest.starts_with("://") && rest.len() > 3)
            });
            self.must(ok, path, || {
                format!(
                    "is \"{v}\": write a URL that starts with {}://",
                    schemes.join(":// or ")
                )
            });
        }
    }

    fn meta(&mut self, m: &ObjectMeta, api_version: &str) {
        self.must(api_version == API_VERSION, "apiVersion", || {
            format!("is \"{api_version}\": write {API_VERSION}")
        });
        let good = |s: &str| {
            !s.is_empty()
                && s.len() <= 40
                && s.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !s.starts_with('-')
                && !s.ends_with('-')
        };
        let words = "write 1 to 40 lower-case letters, digits or '-', starting and ending with a letter or digit";
        self.must(good(&m.name), "metadata.name", || {
            format!("is \"{}\": {words}", m.name)
        });
        if let Some(ns) = &m.namespace {
            self.must(good(ns), "metadata.namespace", || {
                format!("is \"{ns}\": {words}")
            });
        }
    }
}

/// Everything that is wrong with an account on its own.
pub fn account(a: &HeliosAccount) -> Vec<Problem> {
    let mut r = Rules::default();
    let s = &a.spec;
    r.meta(&a.metadata, &a.api_version);
    r.must(
        s.venue != Venue::Simulated || s.environment == Environment::Paper,
        "spec.environment",
        || "venue Simulated has no real account: write Paper, or venue BinanceUsdm".into(),
    );
    if s.venue == Venue::BinanceUsdm && s.environment != Environment::Paper {
        r.must(
            s.credentials_secret_ref.is_some(),
            "spec.credentialsSecretRef",
            || {
                format!(
                    "{:?} needs keys: write {{name: <secret with apiKey, apiSecret, keyType>}}",
                    s.environment
                )
            },
        );
    }
    if s.environment == Environment::Live {
        r.must(
            s.confirm_live.as_deref() == Some(a.metadata.name.as_str()),
            "spec.confirmLive",
            || {
                format!(
                    "Live trades real money: to confirm it, write confirmLive: {}",
                    a.metadata.name
                )
            },
        );
    }
    if let Some(c) = &s.credentials_secret_ref {
        r.must(!c.name.is_empty(), "spec.credentialsSecretRef.name", || {
            "is empty: write the secret's name".into()
        });
    }
    let sim = &s.simulated;
    r.between("spec.simulated.speed", sim.speed.into(), 1, 1000);
    r.within("spec.simulated.edge", sim.edge, "0", false, "1");
    r.within(
        "spec.simulated.initialBalance",
        sim.initial_balance,
        "0",
        true,
        "1000000000",
    );
    r.between("spec.simulated.latencyMs", sim.latency_ms.into(), 0, 10_000);
    r.must(
        ["demo", "btc-like"].contains(&sim.profile.as_str()),
        "spec.simulated.profile",
        || format!("\"{}\" is no profile: write demo or btc-like", sim.profile),
    );
    r.url("spec.simulated.url", sim.url.as_ref(), &["http", "https"]);
    if let Some(e) = &s.endpoints {
        r.url("spec.endpoints.rest", e.rest.as_ref(), &["http", "https"]);
        r.url(
            "spec.endpoints.wsPublic",
            e.ws_public.as_ref(),
            &["ws", "wss"],
        );
        r.url(
            "spec.endpoints.wsMarket",
            e.ws_market.as_ref(),
            &["ws", "wss"],
        );
        r.url(
            "spec.endpoints.wsPrivate",
            e.ws_private.as_ref(),
            &["ws", "wss"],
        );
        r.url("spec.endpoints.wsApi", e.ws_api.as_ref(), &["ws", "wss"]);
    }
    if let Some(m) = &s.monitoring {
        r.url(
            "spec.monitoring.otlpEndpoint",
            m.otlp_endpoint.as_ref(),
            &["http", "https"],
        );
    }
    let (warning, critical) = (
        s.margin.warning_margin_ratio,
        s.margin.critical_margin_ratio,
    );
    r.within("spec.margin.criticalMarginRatio", critical, "0", true, "90");
    r.must(critical < warning, "spec.margin.criticalMarginRatio", || {
        format!("is \"{critical}\" but must be below warningMarginRatio \"{warning}\": lower is worse, write less than {warning}")
    });
    let l = &s.limits;
    r.within(
        "spec.limits.maxGrossLeverage",
        l.max_gross_leverage,
        "0",
        true,
        "20",
    );
    if l.max_gross_leverage.0 > Decimal::ZERO {
        let room = Decimal::ONE_HUNDRED / l.max_gross_leverage.0;
        r.must(warning.0 + Decimal::TEN <= room, "spec.margin.warningMarginRatio", || {
            format!(
                "is \"{warning}\", but at maxGrossLeverage \"{}\" the ratio is about {} already: write at most \"{}\", or a lower maxGrossLeverage",
                l.max_gross_leverage,
                room.round_dp(1),
                (room - Decimal::TEN).round_dp(1)
            )
        });
    }
    r.within(
        "spec.limits.maxSymbolNotionalPercent",
        l.max_symbol_notional_percent,
        "0",
        true,
        "2000",
    );
    r.between(
        "spec.limits.maxOpenPositions",
        l.max_open_positions.into(),
        1,
        60,
    );
    r.within(
        "spec.limits.maxDailyLossPercent",
        l.max_daily_loss_percent,
        "0",
        true,
        "100",
    );
    r.within(
        "spec.limits.maxDrawdownPercent",
        l.max_drawdown_percent,
        "0",
        true,
        "100",
    );
    r.0
}

/// Everything that is wrong with a strategy on its own.
pub fn strategy(h: &HeliosStrategy) -> Vec<Problem> {
    let mut r = Rules::default();
    let s = &h.spec;
    r.meta(&h.metadata, &h.api_version);
    r.must(
        !s.account_ref.name.is_empty(),
        "spec.accountRef.name",
        || "is empty: write the HeliosAccount's name".into(),
    );
    watchlist(&mut r, &s.watchlist);
    signals(&mut r, &s.signals);
    risk(&mut r, &s.risk);
    let mut seen = BTreeSet::new();
    for o in &s.regimes {
        r.must(seen.insert(o.regime), "spec.regimes", || {
            format!("names {:?} twice: keep one", o.regime)
        });
        for (name, v, low, open, high) in [
            (
                "nobiTriggerThreshold",
                o.nobi_trigger_threshold,
                "0",
                true,
                "1",
            ),
            (
                "confidenceThreshold",
                o.confidence_threshold,
                "0",
                false,
                "1",
            ),
            ("kellyFraction", o.kelly_fraction, "0", false, "1"),
            ("atrMultiplier", o.atr_multiplier, "0.1", false, "20"),
        ] {
            if let Some(v) = v {
                r.within(&format!("spec.regimes.{name}"), v, low, open, high);
            }
        }
        if let Some(m) = o.max_hold_seconds {
            r.between("spec.regimes.maxHoldSeconds", m.into(), 1, 2_592_000);
        }
    }
    r.between(
        "spec.exits.maxHoldSeconds",
        s.exits.max_hold_seconds.into(),
        1,
        2_592_000,
    );
    if let Some(t) = s.exits.take_profit_atr {
        r.within("spec.exits.takeProfitAtr", t, "0", true, "100");
    }
    r.within(
        "spec.execution.maxSlippageBps",
        s.execution.max_slippage_bps,
        "0",
        true,
        "500",
    );
    r.between(
        "spec.rollout.canarySymbols",
        s.rollout.canary_symbols.into(),
        0,
        60,
    );
    r.between(
        "spec.rollout.soakSeconds",
        s.rollout.soak_seconds.into(),
        0,
        604_800,
    );
    if let Some(redis) = s.state.as_ref().and_then(|p| p.redis.as_ref()) {
        r.must(
            !redis.url_secret_ref.name.is_empty(),
            "spec.state.redis.urlSecretRef.name",
            || "is empty: write the secret's name".into(),
        );
    }
    r.must(
        !s.record.enabled || s.record.path.as_ref().is_some_and(|p| !p.is_empty()),
        "spec.record.path",
        || "recording is enabled: write where to, such as path: /data/recordings".into(),
    );
    r.0
}

fn watchlist(r: &mut Rules, w: &Watchlist) {
    r.between("spec.watchlist.size", w.size.into(), 1, 60);
    r.between(
        "spec.watchlist.rescanIntervalSeconds",
        w.rescan_interval_seconds.into(),
        30,
        86_400,
    );
    r.must(
        !w.quote_asset.is_empty(),
        "spec.watchlist.quoteAsset",
        || "is empty: write USDT".into(),
    );
    r.distinct("spec.watchlist.include", &w.include);
    r.distinct("spec.watchlist.exclude", &w.exclude);
    r.distinct("spec.watchlist.symbols", &w.symbols);
    for s in &w.include {
        r.must(!w.exclude.contains(s), "spec.watchlist.include", || {
            format!("{s} is excluded too: keep one of the two")
        });
    }
    r.must(w.symbols.len() <= 60, "spec.watchlist.symbols", || {
        "has more than 60 symbols: 200 conditional orders carry 60 positions".into()
    });
    r.must(
        w.symbols.is_empty() || (w.include.is_empty() && w.exclude.is_empty()),
        "spec.watchlist.symbols",
        || "is a fixed list: leave out include and exclude, which belong to the scan".into(),
    );
}

fn signals(r: &mut Rules, s: &Signals) {
    r.between("spec.signals.nobiDepth", s.nobi_depth.into(), 1, 1000);
    r.within(
        "spec.signals.nobiTriggerThreshold",
        s.nobi_trigger_threshold,
        "0",
        true,
        "1",
    );
    r.between(
        "spec.signals.persistenceMs",
        s.persistence_ms.into(),
        0,
        3_600_000,
    );
    r.between(
        "spec.signals.cooldownSeconds",
        s.cooldown_seconds.into(),
        0,
        604_800,
    );
    r.within(
        "spec.signals.model.confidenceThreshold",
        s.model.confidence_threshold,
        "0",
        false,
        "1",
    );
    r.must(
        s.model.mode != ModelMode::Required || !s.model.name.is_empty(),
        "spec.signals.model.name",
        || "mode Required needs a model: write its name".into(),
    );
    if let Some(sha) = &s.model.sha256 {
        r.must(
            sha.len() == 64 && sha.bytes().all(|b| b.is_ascii_hexdigit()),
            "spec.signals.model.sha256",
            || "is no SHA-256: write its 64 hexadecimal digits".into(),
        );
    }
}

fn risk(r: &mut Rules, k: &Risk) {
    match (k.sizing, k.fixed_notional) {
        (Sizing::FixedNotional, None) => r.must(false, "spec.risk.fixedNotional", || {
            "sizing FixedNotional needs it: write a notional in USDT, such as \"1000\"".into()
        }),
        (Sizing::FixedNotional, Some(n)) => {
            r.within("spec.risk.fixedNotional", n, "0", true, "100000000")
        }
        (_, Some(_)) => r.must(false, "spec.risk.fixedNotional", || {
            format!(
                "sizing {:?} does not use it: remove it, or write sizing: FixedNotional",
                k.sizing
            )
        }),
        (_, None) => {}
    }
    r.within("spec.risk.kellyFraction", k.kelly_fraction, "0", true, "1");
    r.between("spec.risk.leverage", k.leverage.into(), 1, 125);
    r.within(
        "spec.risk.maxRiskPerTradePercent",
        k.max_risk_per_trade_percent,
        "0",
        true,
        "10",
    );
    r.within(
        "spec.risk.probeRiskPercent",
        k.probe_risk_percent,
        "0",
        false,
        "10",
    );
    r.must(
        k.probe_risk_percent <= k.max_risk_per_trade_percent,
        "spec.risk.probeRiskPercent",
        || {
            format!(
                "is \"{}\", more than maxRiskPerTradePercent \"{}\": write at most that",
                k.probe_risk_percent, k.max_risk_per_trade_percent
            )
        },
    );
    r.between("spec.risk.minTrades", k.min_trades.into(), 0, 100_000);
    r.between(
        "spec.risk.atr.barSeconds",
        k.atr.bar_seconds.into(),
        5,
        86_400,
    );
    r.between("spec.risk.atr.period", k.atr.period.into(), 2, 200);
    r.within(
        "spec.risk.atr.multiplier",
        k.atr.multiplier,
        "0.1",
        false,
        "20",
    );
    r.within("spec.risk.prior.winRate", k.prior.win_rate, "0", false, "1");
    r.within(
        "spec.risk.prior.winLossRatio",
        k.prior.win_loss_ratio,
        "0",
        true,
        "100",
    );
    r.within(
        "spec.risk.prior.weight",
        k.prior.weight,
        "0",
        false,
        "100000",
    );
    let p = &k.protections;
    r.between(
        "spec.risk.protections.maxConsecutiveLosses",
        p.max_consecutive_losses.into(),
        0,
        1000,
    );
    r.between(
        "spec.risk.protections.pauseSeconds",
        p.pause_seconds.into(),
        0,
        604_800,
    );
    r.within(
        "spec.risk.protections.maxMarkDeviationBps",
        p.max_mark_deviation_bps,
        "0",
        true,
        "10000",
    );
    r.between(
        "spec.risk.protections.maxBookAgeMs",
        p.max_book_age_ms.into(),
        50,
        60_000,
    );
}

/// What only an account and a strategy together show: such a strategy is stalled and no worker starts.
pub fn pair(a: &HeliosAccount, h: &HeliosStrategy) -> Vec<Problem> {
    let mut r = Rules::default();
    let simulated = a.spec.venue == Venue::Simulated;
    r.must(
        simulated || h.spec.risk.sizing != Sizing::FixedNotional,
        "spec.risk.sizing",
        || "FixedNotional is for venue Simulated only: write Kelly or Probe".into(),
    );
    r.must(
        simulated || h.spec.risk.cost_gate != CostGate::Off,
        "spec.risk.costGate",
        || "Off is for venue Simulated only: write Enforce".into(),
    );
    let live = a.spec.environment == Environment::Live;
    r.must(
        !live || h.spec.signals.model.mode == ModelMode::Required,
        "spec.signals.model.mode",
        || format!("account {} is Live: write Required", a.metadata.name),
    );
    r.0
}
