//! The rules of a `HeliosStrategy` on its own: watchlist, signals, risk, regimes, exits, rollout.
//!
//! What its account forbids it is not looked at here: that takes both of them.

use super::Problem;
use super::rules::Rules;
use crate::quantity::Quantity;
use crate::strategy::{HeliosStrategy, ModelMode, Risk, Signals, Sizing, Watchlist};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong with a strategy on its own.
pub fn strategy(h: &HeliosStrategy) -> Vec<Problem> {
    let mut r = Rules::default();
    let s = &h.spec;
    r.meta(&h.metadata, &h.api_version);
    r.name("spec.accountRef.name", &s.account_ref.name, "HeliosAccount");
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
        r.name(
            "spec.state.redis.urlSecretRef.name",
            &redis.url_secret_ref.name,
            "secret",
        );
    }
    r.must(
        !s.record.enabled || s.record.path.as_ref().is_some_and(|p| !p.is_empty()),
        "spec.record.path",
        || "recording is enabled: write where to, such as path: /data/recordings".into(),
    );
    r.text(
        "spec.record.path",
        s.record.path.as_deref().unwrap_or_default(),
        1024,
    );
    if let Some(resources) = &s.worker.resources {
        quantities(&mut r, "requests", &resources.requests);
        quantities(&mut r, "limits", &resources.limits);
    }
    r.0
}

fn quantities(r: &mut Rules, list: &str, map: &BTreeMap<String, Quantity>) {
    let path = format!("spec.worker.resources.{list}");
    r.must(map.len() <= 16, &path, || {
        "has more than 16 resources: write fewer".into()
    });
    for (name, quantity) in map {
        r.must(
            Quantity::is_one(&quantity.0),
            &format!("{path}.{name}"),
            || format!("is \"{quantity}\": write a quantity such as 250m or 128Mi"),
        );
    }
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
    r.text("spec.watchlist.quoteAsset", &w.quote_asset, 40);
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
    r.text("spec.signals.model.name", &s.model.name, 253);
    let source = s.model.source.as_deref().unwrap_or_default();
    r.text("spec.signals.model.source", source, 2048);
    if let Some(sha) = &s.model.sha256 {
        r.must(
            sha.len() == 64 && sha.bytes().all(|b| b.is_ascii_hexdigit()),
            "spec.signals.model.sha256",
            || "is no SHA-256: write its 64 hexadecimal digits".into(),
        );
    }
}

fn risk(r: &mut Rules, k: &Risk) {
    let fixed = k.sizing == Sizing::FixedNotional;
    r.must(
        !fixed || k.fixed_notional.is_some(),
        "spec.risk.fixedNotional",
        || "sizing FixedNotional needs it: write a notional in USDT, such as \"1000\"".into(),
    );
    r.must(
        fixed || k.fixed_notional.is_none(),
        "spec.risk.fixedNotional",
        || {
            format!(
                "sizing {:?} does not use it: remove it, or write sizing: FixedNotional",
                k.sizing
            )
        },
    );
    if let Some(n) = k.fixed_notional {
        r.within("spec.risk.fixedNotional", n, "0", true, "100000000");
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
    r.between(
        "spec.risk.protections.maxEntriesPerHour",
        p.max_entries_per_hour.into(),
        0,
        1_000_000,
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
