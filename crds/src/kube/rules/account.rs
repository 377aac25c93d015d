//! The rules of a `HeliosAccount` on its own: venue and keys, endpoints, the margin ladder, the limits.

use super::{Rule, between, immutable, not_empty, url, within};

pub(super) fn rules() -> Vec<Rule> {
    let mut all = identity();
    all.extend(simulated());
    all.extend(addresses());
    all.extend(margin());
    all
}

/// What the account trades, and with which keys.
fn identity() -> Vec<Rule> {
    vec![
        immutable("spec.venue"),
        immutable("spec.environment"),
        Rule::new(
            "spec",
            "self.venue != 'Simulated' || self.environment == 'Paper'",
            "venue Simulated has no real account: write Paper, or venue BinanceUsdm",
        )
        .of(".environment"),
        Rule::new(
            "spec",
            "self.venue != 'BinanceUsdm' || self.environment == 'Paper' || has(self.credentialsSecretRef)",
            "Testnet and Live need keys: write {name: <secret with apiKey, apiSecret, keyType>}",
        )
        .says("self.environment + ' needs keys: write {name: <secret with apiKey, apiSecret, keyType>}'")
        .of(".credentialsSecretRef"),
        Rule::new(
            "",
            "self.spec.environment != 'Live' || (has(self.spec.confirmLive) && self.spec.confirmLive == self.metadata.name)",
            "Live trades real money: to confirm it, write confirmLive: <the account's name>",
        )
        .says("'Live trades real money: to confirm it, write confirmLive: ' + self.metadata.name")
        .of(".spec.confirmLive"),
        not_empty(
            "spec.credentialsSecretRef.name",
            "write the secret's name",
        ),
    ]
}

fn simulated() -> Vec<Rule> {
    vec![
        between("spec.simulated.speed", 1, 1000),
        between("spec.simulated.seed", 0, 9_007_199_254_740_991),
        within("spec.simulated.edge", "0", false, "1"),
        Rule::new(
            "spec.simulated.profile",
            "self in ['demo', 'btc-like']",
            "write demo or btc-like",
        )
        .says("'\"' + self + '\" is no profile: write demo or btc-like'"),
        between("spec.simulated.latencyMs", 0, 10_000),
        within("spec.simulated.initialBalance", "0", true, "1000000000"),
        url("spec.simulated.url", ["http", "https"]),
    ]
}

fn addresses() -> Vec<Rule> {
    vec![
        url("spec.endpoints.rest", ["http", "https"]),
        url("spec.endpoints.wsPublic", ["ws", "wss"]),
        url("spec.endpoints.wsMarket", ["ws", "wss"]),
        url("spec.endpoints.wsPrivate", ["ws", "wss"]),
        url("spec.endpoints.wsApi", ["ws", "wss"]),
        url("spec.monitoring.otlpEndpoint", ["http", "https"]),
        not_empty(
            "spec.monitoring.azureConnectionStringSecretRef.name",
            "write the secret's name",
        ),
    ]
}

/// Ladder and limits.
fn margin() -> Vec<Rule> {
    vec![
        within("spec.margin.criticalMarginRatio", "0", true, "90"),
        Rule::new(
            "spec.margin",
            "double(self.criticalMarginRatio) < double(self.warningMarginRatio)",
            "must be below warningMarginRatio: lower is worse",
        )
        .says(
            "'is \"' + self.criticalMarginRatio + '\" but must be below warningMarginRatio \"' + self.warningMarginRatio \
             + '\": lower is worse, write less than ' + self.warningMarginRatio",
        )
        .of(".criticalMarginRatio"),
        ladder(),
        within("spec.limits.maxGrossLeverage", "0", true, "20"),
        within("spec.limits.maxSymbolNotionalPercent", "0", true, "2000"),
        between("spec.limits.maxOpenPositions", 1, 60),
        within("spec.limits.maxDailyLossPercent", "0", true, "100"),
        within("spec.limits.maxDrawdownPercent", "0", true, "100"),
    ]
}

/// A warning that the allowed leverage trips by itself would be no warning.
///
/// A product of two decimals is a multiple of 1e-10, so what breaks the rule is at least 100.0000000001. The doubles are off
/// by less than 1e-13 here: the tolerance, a tenth of that step, lets nothing through and refuses nothing.
fn ladder() -> Rule {
    let warning = "self.margin.warningMarginRatio";
    let leverage = "self.limits.maxGrossLeverage";
    Rule::new(
        "spec",
        format!(
            "double({leverage}) <= 0.0 || (double({warning}) + 10.0) * double({leverage}) <= 100.00000000001"
        ),
        "write at most 100 / maxGrossLeverage - 10, or a lower maxGrossLeverage",
    )
    // The Rust rule reckons the figure; here the text of a number has no length that its cost is known by.
    .says(format!(
        "'is \"' + {warning} + '\", but at maxGrossLeverage \"' + {leverage} + '\" the ratio is about 100 / ' + {leverage} \
         + ' already: write at most 100 / ' + {leverage} + ' - 10, or a lower maxGrossLeverage'"
    ))
    .of(".margin.warningMarginRatio")
}
