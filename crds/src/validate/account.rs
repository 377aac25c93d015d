//! The rules of a `HeliosAccount` on its own: venue and keys, endpoints, the margin ladder, the limits.
//!
//! Ladder and leverage are looked at together: a warning that the allowed leverage trips by itself would be no warning.

use super::Problem;
use super::rules::Rules;
use crate::account::{Environment, HeliosAccount, Venue};
use rust_decimal::Decimal;

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
