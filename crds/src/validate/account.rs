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
    r.text(
        "spec.confirmLive",
        s.confirm_live.as_deref().unwrap_or_default(),
        63,
    );
    if let Some(c) = &s.credentials_secret_ref {
        r.name("spec.credentialsSecretRef.name", &c.name, "secret");
    }
    let sim = &s.simulated;
    r.between("spec.simulated.speed", sim.speed.into(), 1, 1000);
    // The largest whole number that every JSON tool keeps as it is.
    r.between("spec.simulated.seed", sim.seed, 0, 9_007_199_254_740_991);
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
    r.url("spec.simulated.url", sim.url.as_ref(), ["http", "https"]);
    if let Some(e) = &s.endpoints {
        r.url("spec.endpoints.rest", e.rest.as_ref(), ["http", "https"]);
        r.url(
            "spec.endpoints.wsPublic",
            e.ws_public.as_ref(),
            ["ws", "wss"],
        );
        r.url(
            "spec.endpoints.wsMarket",
            e.ws_market.as_ref(),
            ["ws", "wss"],
        );
        r.url(
            "spec.endpoints.wsPrivate",
            e.ws_private.as_ref(),
            ["ws", "wss"],
        );
        r.url("spec.endpoints.wsApi", e.ws_api.as_ref(), ["ws", "wss"]);
    }
    if let Some(m) = &s.monitoring {
        if let Some(azure) = &m.azure_connection_string_secret_ref {
            let path = "spec.monitoring.azureConnectionStringSecretRef";
            r.name(&format!("{path}.name"), &azure.name, "secret");
            let key = azure.key.as_deref().unwrap_or_default();
            r.text(&format!("{path}.key"), key, 253);
        }
        r.url(
            "spec.monitoring.otlpEndpoint",
            m.otlp_endpoint.as_ref(),
            ["http", "https"],
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
    let leverage = l.max_gross_leverage.0;
    r.must(
        leverage <= Decimal::ZERO || (warning.0 + Decimal::TEN) * leverage <= Decimal::ONE_HUNDRED,
        "spec.margin.warningMarginRatio",
        || too_near(warning.0, leverage),
    );
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

/// Why a warning can't lie so near to the ratio that the allowed leverage leaves by itself, and what to write.
fn too_near(warning: Decimal, leverage: Decimal) -> String {
    let start = format!("is \"{warning}\", but at maxGrossLeverage \"{leverage}\"");
    let room = (Decimal::ONE_HUNDRED / leverage).trunc();
    if room > Decimal::TEN {
        format!(
            "{start} the ratio is about {room} already: write at most \"{}\", or a lower maxGrossLeverage",
            room - Decimal::TEN
        )
    } else {
        format!(
            "{start} the ratio is about {room} already: write a lower maxGrossLeverage, such as \"2\""
        )
    }
}
