//! Objects drawn at and around every boundary, several at a time: both sides say the same of each.

use crate::verdict::{Kind, Said, put, rust, server, smallest};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A field and the values that are tried there.
pub type Field = (&'static str, Vec<Value>);

fn decimals(list: &[&str]) -> Vec<Value> {
    let odd = [
        "0",
        "-1",
        "-0.00001",
        "0.00001",
        "1",
        "0.99999",
        "1.00001",
        "9999999999.99999",
        "1.000001",
        "12345678901",
        "",
        "1.",
        ".5",
        "1e3",
        "+1",
        "NaN",
        "١",
    ];
    list.iter()
        .chain(&odd)
        .map(|s| json!(s))
        .chain([json!(1), json!(0.5)])
        .collect()
}

fn integers(low: i64, high: i64) -> Vec<Value> {
    [
        low - 1,
        low,
        low + 1,
        high - 1,
        high,
        high + 1,
        0,
        -1,
        i64::from(i32::MAX),
    ]
    .iter()
    .map(|n| json!(n))
    .chain([json!("1"), json!(1.5)])
    .collect()
}

fn texts(most: usize) -> Vec<Value> {
    vec![
        json!(""),
        json!("a"),
        json!("é".repeat(most)),
        json!("é".repeat(most + 1)),
        json!("a".repeat(most)),
        json!(7),
    ]
}

fn urls() -> Vec<Value> {
    let mut all: Vec<Value> = [
        "http://h",
        "https://h/p?q#f",
        "ws://h",
        "wss://h",
        "http://",
        "httpss://h",
        "http//h",
        "http:// h",
        "http://é",
        "HTTP://h",
        "xhttp://h",
        "http://h\n",
        "wsss://h",
        "",
    ]
    .iter()
    .map(|s| json!(s))
    .collect();
    all.push(json!(format!("http://{}", "a".repeat(2041))));
    all.push(json!(format!("http://{}", "a".repeat(2042))));
    all
}

fn symbols() -> Vec<Value> {
    let many = |n: usize| json!((0..n).map(|i| format!("S{i}USDT")).collect::<Vec<_>>());
    vec![
        json!([]),
        json!(["BTCUSDT"]),
        json!(["BTCUSDT", "ETHUSDT"]),
        json!(["ETHUSDT"]),
        json!(["BTCUSDT", "ETHUSDT", "BTCUSDT"]),
        json!(["btcusdt"]),
        json!([""]),
        json!(["A B"]),
        json!(["A/B"]),
        json!(["A.B"]),
        json!(["A\nB"]),
        json!(["币安人生USDT"]),
        json!(["éUSDT"]),
        json!(["BTCUSDT_260327"]),
        json!(["Ä".repeat(40)]),
        json!(["Ä".repeat(41)]),
        json!(["Ä".repeat(65)]),
        json!([1]),
        many(60),
        many(61),
        many(200),
        many(201),
        json!("BTCUSDT"),
    ]
}

fn names() -> Vec<Value> {
    let mut all: Vec<Value> = [
        "a", "a-b", "-a", "a-", "A", "a.b", "a_b", "", "é", "paper", "9",
    ]
    .iter()
    .map(|s| json!(s))
    .collect();
    all.push(json!("a".repeat(40)));
    all.push(json!("a".repeat(41)));
    all
}

fn one_of(list: &[&str]) -> Vec<Value> {
    list.iter()
        .chain(&["", "Nonsense"])
        .map(|s| json!(s))
        .chain([json!(true)])
        .collect()
}

fn flags() -> Vec<Value> {
    vec![json!(true), json!(false), json!("true")]
}

fn quantities() -> Vec<Value> {
    [
        "0",
        "1",
        "250m",
        "128Mi",
        "1.5Gi",
        "1e3",
        "1E",
        "-1",
        "+1",
        "1gi",
        "1.",
        ".5",
        "",
        "1 Gi",
        "1e100",
        "123456789012345",
        "1234567890123456",
        "0.123456789",
        "0.1234567891",
    ]
    .iter()
    .map(|s| json!(s))
    .chain([
        json!(0),
        json!(2),
        json!(-1),
        json!(1.5),
        json!(999_999_999_999_999_u64),
        json!(1_000_000_000_000_000_u64),
    ])
    .collect()
}

fn many_quantities(n: usize) -> Value {
    (0..n)
        .map(|i| (format!("example.com/r{i}"), json!("1")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

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

/// Both sides on one object. Where neither the types nor the schema refuse it, they name the same fields in the same words.
pub fn agree(kind: Kind, object: &Value) -> Result<(), String> {
    let (ours, theirs) = (rust(kind, object), server(kind, object, None));
    let accepts = |good: bool| if good { "accepts" } else { "refuses" };
    let ours_good = ours.as_ref().is_ok_and(|p| p.is_empty());
    let theirs_good = theirs.as_ref().is_ok_and(|p| p.is_empty());
    if ours_good != theirs_good {
        return Err(format!(
            "Rust {} {ours:?}\nthe server {} {theirs:?}\n{object}",
            accepts(ours_good),
            accepts(theirs_good)
        ));
    }
    let (Ok(ours), Ok(theirs)) = (&ours, &theirs) else {
        return Ok(());
    };
    let paths = |said: &Said| -> BTreeSet<String> { said.iter().map(|s| s.0.clone()).collect() };
    let same = paths(ours) == paths(theirs)
        && theirs
            .iter()
            .all(|(path, words)| ours.iter().any(|(p, w)| p == path && same_words(w, words)));
    if same {
        Ok(())
    } else {
        Err(format!(
            "Rust says {ours:?}\nthe server says {theirs:?}\n{object}"
        ))
    }
}

/// The same words, except where a rule can't know the value: of a number the server shows it itself, and reckons nothing.
fn same_words(ours: &str, theirs: &str) -> bool {
    let about = |s: &str| {
        s.split_once(" the ratio is about")
            .map(|(head, _)| head.to_string())
    };
    ours == theirs
        || (theirs.starts_with("write a whole number") && ours.ends_with(&format!(": {theirs}")))
        || (theirs == "names a regime twice: keep one" && ours.ends_with(" twice: keep one"))
        || (about(theirs).is_some() && about(ours) == about(theirs))
}

fn drawn(kind: Kind) -> impl Strategy<Value = Value> {
    let fields = match kind {
        Kind::Account => account(),
        Kind::Strategy => strategy(),
    };
    let change = (select(fields), any::<Index>());
    proptest::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut object = smallest(kind);
        for ((pointer, values), pick) in changes {
            if pointer.starts_with("/spec/regimes/0") && object["spec"]["regimes"][0].is_null() {
                object["spec"]["regimes"] = json!([{"regime": "Quiet"}]);
            }
            put(&mut object, pointer, pick.get(&values).clone());
        }
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_server_admits_an_account_exactly_when_the_rust_rules_accept_it(object in drawn(Kind::Account)) {
        prop_assert_eq!(agree(Kind::Account, &object), Ok(()));
    }

    #[test]
    fn the_server_admits_a_strategy_exactly_when_the_rust_rules_accept_it(object in drawn(Kind::Strategy)) {
        prop_assert_eq!(agree(Kind::Strategy, &object), Ok(()));
    }
}

#[test]
fn every_value_of_every_field_gets_the_same_verdict_and_words_from_both_sides() {
    let mut apart = Vec::new();
    for (kind, fields) in [(Kind::Account, account()), (Kind::Strategy, strategy())] {
        for (pointer, values) in fields {
            for v in values {
                let mut object = smallest(kind);
                if pointer.starts_with("/spec/regimes/0") {
                    object["spec"]["regimes"] = json!([{"regime": "Quiet"}]);
                }
                put(&mut object, pointer, v);
                apart.extend(agree(kind, &object).err());
            }
        }
    }
    assert!(apart.is_empty(), "{}\n{}", apart.len(), apart.join("\n\n"));
}
