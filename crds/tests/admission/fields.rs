//! The fields of both kinds, each with the values that are tried there.

use crate::values::{
    decimals, flags, integers, many_quantities, names, one_of, quantities, symbols, texts, urls,
};
use serde_json::{Value, json};

/// A field and the values that are tried there.
pub type Field = (&'static str, Vec<Value>);

pub fn account() -> Vec<Field> {
    vec![
        ("/metadata/name", names()),
        (
            "/spec/venue",
            one_of(&["Simulated", "BinanceUsdm", "BinanceUsdm"]),
        ),
        (
            "/spec/environment",
            one_of(&["Paper", "Testnet", "Live", "Live"]),
        ),
        (
            "/spec/confirmLive",
            vec![
                json!("paper"),
                json!("a"),
                json!(""),
                json!("x".repeat(63)),
                json!("x".repeat(64)),
            ],
        ),
        ("/spec/halt", flags()),
        (
            "/spec/credentialsSecretRef",
            vec![
                json!({}),
                json!({"name": "k"}),
                json!({"name": ""}),
                json!({"name": "k", "x": 1}),
            ],
        ),
        ("/spec/credentialsSecretRef/name", texts(253)),
        ("/spec/logLevel", one_of(&["Error", "Trace"])),
        (
            "/spec/externalPositions",
            one_of(&["Refuse", "Guard", "Ignore"]),
        ),
        ("/spec/simulated/url", urls()),
        ("/spec/simulated/speed", integers(1, 1000)),
        ("/spec/simulated/seed", integers(0, 9_007_199_254_740_991)),
        ("/spec/simulated/edge", decimals(&["0.5"])),
        ("/spec/simulated/profile", one_of(&["demo", "btc-like"])),
        ("/spec/simulated/profile", texts(63)),
        ("/spec/simulated/latencyMs", integers(0, 10_000)),
        (
            "/spec/simulated/initialBalance",
            decimals(&["1000000000", "1000000000.00001"]),
        ),
        ("/spec/endpoints/rest", urls()),
        ("/spec/endpoints/wsPublic", urls()),
        ("/spec/endpoints/wsMarket", urls()),
        ("/spec/endpoints/wsPrivate", urls()),
        ("/spec/endpoints/wsApi", urls()),
        ("/spec/monitoring/otlpEndpoint", urls()),
        (
            "/spec/monitoring/azureConnectionStringSecretRef/name",
            texts(253),
        ),
        (
            "/spec/monitoring/azureConnectionStringSecretRef/key",
            texts(253),
        ),
        (
            "/spec/margin/warningMarginRatio",
            decimals(&["40", "40.00001", "39.99999", "15", "90", "0.1", "90.00001"]),
        ),
        (
            "/spec/margin/criticalMarginRatio",
            decimals(&["30", "29.99999", "30.00001", "90", "90.00001", "40"]),
        ),
        (
            "/spec/limits/maxGrossLeverage",
            decimals(&[
                "2", "2.5", "2.50001", "20", "20.00001", "1.99999", "2.00001", "3.33333",
            ]),
        ),
        (
            "/spec/limits/maxSymbolNotionalPercent",
            decimals(&["2000", "2000.00001"]),
        ),
        ("/spec/limits/maxOpenPositions", integers(1, 60)),
        (
            "/spec/limits/maxDailyLossPercent",
            decimals(&["100", "100.00001"]),
        ),
        (
            "/spec/limits/maxDrawdownPercent",
            decimals(&["100", "100.00001"]),
        ),
        ("/spec/nonsense", vec![json!(1)]),
    ]
}

pub fn strategy() -> Vec<Field> {
    let regimes = vec![
        json!([]),
        json!([{"regime": "Quiet"}]),
        json!([{"regime": "Quiet"}, {"regime": "Volatile", "haltEntries": true}]),
        json!([{"regime": "Quiet"}, {"regime": "Trending"}, {"regime": "Quiet"}]),
        json!([{"haltEntries": true}]),
        json!(vec![json!({"regime": "Ranging"}); 17]),
    ];
    vec![
        ("/metadata/name", names()),
        ("/spec/accountRef/name", texts(253)),
        ("/spec/suspend", flags()),
        (
            "/spec/priority",
            integers(i64::from(i32::MIN), i64::from(i32::MAX)),
        ),
        ("/spec/watchlist/size", integers(1, 60)),
        (
            "/spec/watchlist/rescanIntervalSeconds",
            integers(30, 86_400),
        ),
        ("/spec/watchlist/quoteAsset", texts(40)),
        ("/spec/watchlist/include", symbols()),
        ("/spec/watchlist/exclude", symbols()),
        ("/spec/watchlist/symbols", symbols()),
        ("/spec/signals/nobiDepth", integers(1, 1000)),
        ("/spec/signals/nobiTriggerThreshold", decimals(&[])),
        ("/spec/signals/persistenceMs", integers(0, 3_600_000)),
        ("/spec/signals/cooldownSeconds", integers(0, 604_800)),
        (
            "/spec/signals/model/mode",
            one_of(&["Required", "Optional", "Off"]),
        ),
        ("/spec/signals/model/name", texts(253)),
        ("/spec/signals/model/source", texts(2048)),
        (
            "/spec/signals/model/sha256",
            vec![
                json!("a".repeat(64)),
                json!("Fa".repeat(32)),
                json!("a".repeat(63)),
                json!("a".repeat(65)),
                json!("g".repeat(64)),
                json!("é".repeat(32)),
            ],
        ),
        ("/spec/signals/model/confidenceThreshold", decimals(&[])),
        ("/spec/regimes", regimes),
        (
            "/spec/regimes/0/regime",
            one_of(&["Trending", "Ranging", "Volatile", "Quiet"]),
        ),
        ("/spec/regimes/0/haltEntries", flags()),
        ("/spec/regimes/0/nobiTriggerThreshold", decimals(&[])),
        ("/spec/regimes/0/confidenceThreshold", decimals(&[])),
        ("/spec/regimes/0/kellyFraction", decimals(&[])),
        (
            "/spec/regimes/0/atrMultiplier",
            decimals(&["0.1", "0.09999", "20", "20.00001"]),
        ),
        ("/spec/regimes/0/maxHoldSeconds", integers(1, 2_592_000)),
        (
            "/spec/risk/sizing",
            one_of(&["Kelly", "Probe", "FixedNotional"]),
        ),
        (
            "/spec/risk/fixedNotional",
            decimals(&["100000000", "100000000.00001"]),
        ),
        ("/spec/risk/kellyFraction", decimals(&[])),
        ("/spec/risk/leverage", integers(1, 125)),
        (
            "/spec/risk/maxRiskPerTradePercent",
            decimals(&["10", "10.00001", "0.25", "0.24999"]),
        ),
        ("/spec/risk/minTrades", integers(0, 100_000)),
        (
            "/spec/risk/probeRiskPercent",
            decimals(&["10", "10.00001", "0.25"]),
        ),
        ("/spec/risk/atr/barSeconds", integers(5, 86_400)),
        ("/spec/risk/atr/period", integers(2, 200)),
        (
            "/spec/risk/atr/multiplier",
            decimals(&["0.1", "0.09999", "20", "20.00001"]),
        ),
        ("/spec/risk/prior/winRate", decimals(&[])),
        (
            "/spec/risk/prior/winLossRatio",
            decimals(&["100", "100.00001"]),
        ),
        (
            "/spec/risk/prior/weight",
            decimals(&["100000", "100000.00001"]),
        ),
        ("/spec/risk/costGate", one_of(&["Enforce", "Off"])),
        (
            "/spec/risk/protections/maxConsecutiveLosses",
            integers(0, 1000),
        ),
        ("/spec/risk/protections/pauseSeconds", integers(0, 604_800)),
        (
            "/spec/risk/protections/maxEntriesPerHour",
            integers(0, 1_000_000),
        ),
        (
            "/spec/risk/protections/maxMarkDeviationBps",
            decimals(&["10000", "10000.00001"]),
        ),
        ("/spec/risk/protections/maxBookAgeMs", integers(50, 60_000)),
        ("/spec/exits/maxHoldSeconds", integers(1, 2_592_000)),
        ("/spec/exits/takeProfitAtr", decimals(&["100", "100.00001"])),
        ("/spec/exits/onOppositeSignal", one_of(&["Close", "Ignore"])),
        ("/spec/execution/entry", one_of(&["Market", "PostOnly"])),
        (
            "/spec/execution/maxSlippageBps",
            decimals(&["500", "500.00001"]),
        ),
        ("/spec/rollout/canarySymbols", integers(0, 60)),
        ("/spec/rollout/soakSeconds", integers(0, 604_800)),
        ("/spec/onDelete", one_of(&["Flatten", "KeepProtected"])),
        ("/spec/state/redis/urlSecretRef/name", texts(253)),
        ("/spec/state", vec![json!({}), json!({"redis": {}})]),
        ("/spec/record/enabled", flags()),
        ("/spec/record/path", texts(1024)),
        ("/spec/worker/updatePolicy", one_of(&["WhenFlat", "Now"])),
        ("/spec/worker/resources/requests/cpu", quantities()),
        ("/spec/worker/resources/limits/memory", quantities()),
        (
            "/spec/worker/resources/limits",
            vec![json!({}), many_quantities(16), many_quantities(17)],
        ),
        ("/spec/nonsense", vec![json!(1)]),
        ("/spec/watchlist/sise", vec![json!(1)]),
    ]
}
