//! Each rule both ways: a neighbour that holds it passes, an object that breaks it is told what to write instead.

use crate::fields::{account, strategy};
use crate::verdict::{Kind, Kind::Account, Kind::Strategy, Said, put, schema, server, smallest};
use serde_json::{Value, json};

/// The smallest object with changes; `null` takes a field away.
fn with(kind: Kind, changes: &Value) -> Value {
    let mut object = smallest(kind);
    for (pointer, v) in changes.as_object().unwrap() {
        put(&mut object, pointer, v.clone());
    }
    object
}

fn said(kind: Kind, changes: &Value) -> Said {
    server(kind, &with(kind, changes), None).unwrap()
}

const LIVE: &str = r#"{"/spec/venue": "BinanceUsdm", "/spec/environment": "Live", "/spec/confirmLive": "paper", "/spec/credentialsSecretRef/name": "k"}"#;

#[test]
fn a_neighbour_passes_and_a_broken_rule_says_what_to_write() {
    let live: Value = serde_json::from_str(LIVE).unwrap();
    let mut unconfirmed = live.clone();
    unconfirmed["/spec/confirmLive"] = json!("main");
    let mut keyless = live.clone();
    keyless["/spec/credentialsSecretRef"] = Value::Null;
    keyless
        .as_object_mut()
        .unwrap()
        .remove("/spec/credentialsSecretRef/name");
    for (kind, good, bad, path, words) in [
        (
            Account,
            json!({"/metadata/name": "a".repeat(40)}),
            json!({"/metadata/name": "a".repeat(41)}),
            "metadata.name",
            "write 1 to 40 lower-case letters",
        ),
        (
            Account,
            json!({}),
            json!({"/spec/environment": "Live", "/spec/confirmLive": "paper"}),
            "spec.environment",
            "write Paper, or venue BinanceUsdm",
        ),
        (
            Account,
            live.clone(),
            keyless,
            "spec.credentialsSecretRef",
            "Live needs keys: write {name: ",
        ),
        (
            Account,
            live,
            unconfirmed,
            "spec.confirmLive",
            "write confirmLive: paper",
        ),
        (
            Account,
            json!({"/spec/margin/criticalMarginRatio": "29.99999"}),
            json!({"/spec/margin/criticalMarginRatio": "30"}),
            "spec.margin.criticalMarginRatio",
            "write less than 30",
        ),
        (
            Account,
            json!({"/spec/margin/warningMarginRatio": "40"}),
            json!({"/spec/margin/warningMarginRatio": "40.00001"}),
            "spec.margin.warningMarginRatio",
            "write at most 100 / 2 - 10",
        ),
        (
            Account,
            json!({"/spec/limits/maxGrossLeverage": "2.5"}),
            json!({"/spec/limits/maxGrossLeverage": "2.50001"}),
            "spec.margin.warningMarginRatio",
            "or a lower maxGrossLeverage",
        ),
        (
            Account,
            json!({"/spec/simulated/profile": "btc-like"}),
            json!({"/spec/simulated/profile": "btc"}),
            "spec.simulated.profile",
            "write demo or btc-like",
        ),
        (
            Account,
            json!({"/spec/endpoints/rest": "https://h"}),
            json!({"/spec/endpoints/rest": "wss://h"}),
            "spec.endpoints.rest",
            "starts with http:// or https://",
        ),
        (
            Account,
            json!({"/spec/endpoints/wsApi": "wss://h"}),
            json!({"/spec/endpoints/wsApi": "https://h"}),
            "spec.endpoints.wsApi",
            "starts with ws:// or wss://",
        ),
        (
            Strategy,
            json!({"/spec/watchlist/include": ["A"], "/spec/watchlist/exclude": ["B"]}),
            json!({"/spec/watchlist/include": ["B"], "/spec/watchlist/exclude": ["B"]}),
            "spec.watchlist.include",
            "keep one of the two",
        ),
        (
            Strategy,
            json!({"/spec/watchlist/symbols": ["A"]}),
            json!({"/spec/watchlist/symbols": ["A"], "/spec/watchlist/exclude": ["B"]}),
            "spec.watchlist.symbols",
            "leave out include and exclude",
        ),
        (
            Strategy,
            json!({"/spec/watchlist/symbols": ["A", "B"]}),
            json!({"/spec/watchlist/symbols": ["A", "B", "A"]}),
            "spec.watchlist.symbols",
            "names A twice: keep one",
        ),
        (
            Strategy,
            json!({"/spec/watchlist/include": ["币安USDT"]}),
            json!({"/spec/watchlist/include": ["btcusdt"]}),
            "spec.watchlist.include",
            "such as BTCUSDT",
        ),
        (
            Strategy,
            json!({"/spec/signals/model/mode": "Required"}),
            json!({"/spec/signals/model/mode": "Required", "/spec/signals/model/name": ""}),
            "spec.signals.model.name",
            "write its name",
        ),
        (
            Strategy,
            json!({"/spec/signals/model/sha256": "0a".repeat(32)}),
            json!({"/spec/signals/model/sha256": "0x"}),
            "spec.signals.model.sha256",
            "64 hexadecimal digits",
        ),
        (
            Strategy,
            json!({"/spec/regimes": [{"regime": "Quiet"}]}),
            json!({"/spec/regimes": [{"regime": "Quiet"}, {"regime": "Quiet"}]}),
            "spec.regimes",
            "keep one",
        ),
        (
            Strategy,
            json!({"/spec/risk/sizing": "FixedNotional", "/spec/risk/fixedNotional": "5"}),
            json!({"/spec/risk/sizing": "FixedNotional"}),
            "spec.risk.fixedNotional",
            "such as \"1000\"",
        ),
        (
            Strategy,
            json!({}),
            json!({"/spec/risk/fixedNotional": "5"}),
            "spec.risk.fixedNotional",
            "remove it, or write sizing: FixedNotional",
        ),
        (
            Strategy,
            json!({"/spec/risk/probeRiskPercent": "1"}),
            json!({"/spec/risk/probeRiskPercent": "1.00001"}),
            "spec.risk.probeRiskPercent",
            "write at most that",
        ),
        (
            Strategy,
            json!({"/spec/record/enabled": true, "/spec/record/path": "/d"}),
            json!({"/spec/record/enabled": true}),
            "spec.record.path",
            "path: /data/recordings",
        ),
        (
            Strategy,
            json!({"/spec/accountRef/name": "a"}),
            json!({"/spec/accountRef/name": ""}),
            "spec.accountRef.name",
            "write the HeliosAccount's name",
        ),
    ] {
        assert_eq!(said(kind, &good), Said::new(), "{good}");
        let found = said(kind, &bad);
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        let (p, w) = found.first().unwrap();
        assert!(p == path && w.contains(words), "{p}: {w}");
    }
}

#[test]
fn whole_numbers_and_decimals_say_from_where_to_where() {
    for (kind, pointer, low, high) in [
        (Account, "/spec/simulated/speed", 1, 1000),
        (Account, "/spec/limits/maxOpenPositions", 1, 60),
        (Strategy, "/spec/watchlist/size", 1, 60),
        (Strategy, "/spec/risk/atr/barSeconds", 5, 86_400),
        (Strategy, "/spec/rollout/canarySymbols", 0, 60),
    ] {
        for n in [low, high] {
            assert_eq!(
                said(kind, &json!({ pointer: n })),
                Said::new(),
                "{pointer} {n}"
            );
        }
        for n in [low - 1, high + 1] {
            let found = said(kind, &json!({ pointer: n }));
            let words = format!("write a whole number from {low} to {high}");
            assert!(
                found.iter().any(|(_, w)| *w == words),
                "{pointer} {n} {found:?}"
            );
        }
    }
    for (kind, pointer, good, bad, words) in [
        (
            Account,
            "/spec/simulated/edge",
            "0",
            "1.00001",
            "from 0 up to 1",
        ),
        (
            Account,
            "/spec/limits/maxDailyLossPercent",
            "0.00001",
            "0",
            "above 0 up to 100",
        ),
        (
            Strategy,
            "/spec/risk/atr/multiplier",
            "0.1",
            "0.09999",
            "from 0.1 up to 20",
        ),
        (
            Strategy,
            "/spec/exits/takeProfitAtr",
            "100",
            "100.00001",
            "above 0 up to 100",
        ),
    ] {
        assert_eq!(said(kind, &json!({ pointer: good })), Said::new());
        let found = said(kind, &json!({ pointer: bad }));
        let words = format!("is \"{bad}\": write a decimal {words}, in quotes");
        assert!(found.iter().any(|(_, w)| *w == words), "{found:?}");
    }
}

/// Rules of a schema, each with the field that it names.
fn rules(node: &Value, path: &str, all: &mut Said) {
    for r in node["x-kubernetes-validations"]
        .as_array()
        .unwrap_or(&Vec::new())
    {
        let field = format!("{path}{}", r["fieldPath"].as_str().unwrap_or_default());
        let field = field.trim_start_matches('.').to_string();
        all.insert((field, r["rule"].as_str().unwrap().into()));
    }
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        rules(child, format!("{path}.{name}").trim_start_matches('.'), all);
    }
    if node["items"].is_object() {
        rules(&node["items"], path, all);
    }
}

#[test]
fn no_rule_is_without_an_object_that_breaks_it() {
    for (kind, fields) in [(Account, account()), (Strategy, strategy())] {
        let mut left = Said::new();
        rules(schema(kind), "", &mut left);
        left.retain(|(_, rule)| !rule.contains("oldSelf"));
        assert!(left.len() > 20);
        let mut broken = Said::new();
        let mut objects: Vec<Value> = fields
            .into_iter()
            .flat_map(|(pointer, values)| values.into_iter().map(move |v| (pointer, v)))
            .map(|(pointer, v)| {
                let mut o = smallest(kind);
                if pointer.starts_with("/spec/regimes/0") {
                    o["spec"]["regimes"] = json!([{"regime": "Quiet"}]);
                }
                put(&mut o, pointer, v);
                o
            })
            .collect();
        objects.push(with(
            kind,
            &json!({"/spec/watchlist/include": ["B"], "/spec/watchlist/exclude": ["B"]}),
        ));
        objects.push(with(
            kind,
            &json!({"/spec/watchlist/symbols": ["A"], "/spec/watchlist/exclude": ["B"]}),
        ));
        objects.push(with(
            kind,
            &json!({"/spec/signals/model/mode": "Required", "/spec/signals/model/name": ""}),
        ));
        objects.push(with(
            kind,
            &json!({"/spec/venue": "BinanceUsdm", "/spec/environment": "Live"}),
        ));
        for o in objects {
            broken.extend(crate::verdict::broken_rules(kind, &o));
        }
        let untried: Vec<_> = left.difference(&broken).collect();
        assert!(untried.is_empty(), "{untried:?}");
    }
}

#[test]
fn an_account_keeps_its_venue_and_its_environment_for_life() {
    let old = smallest(Account);
    let changed = |pointer: &str, v: &str| with(Account, &json!({ pointer: v }));
    let words = "is immutable: delete this object and create another";
    for (pointer, v, path) in [
        ("/spec/venue", "BinanceUsdm", "spec.venue"),
        ("/spec/environment", "Testnet", "spec.environment"),
    ] {
        let found = server(Account, &changed(pointer, v), Some(&old)).unwrap();
        assert!(found.contains(&(path.into(), words.into())), "{found:?}");
    }
    let halted = with(Account, &json!({"/spec/halt": true}));
    assert_eq!(server(Account, &halted, Some(&old)), Ok(Said::new()));
    // Silence and the default are the same environment.
    let said = with(Account, &json!({"/spec/environment": "Paper"}));
    assert_eq!(server(Account, &said, Some(&old)), Ok(Said::new()));
}

#[test]
fn a_strategy_keeps_its_account_for_life() {
    let old = smallest(Strategy);
    let moved = with(Strategy, &json!({"/spec/accountRef/name": "other"}));
    let found = server(Strategy, &moved, Some(&old)).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found.first().unwrap().0, "spec.accountRef");
    let tuned = with(Strategy, &json!({"/spec/risk/leverage": 20}));
    assert_eq!(server(Strategy, &tuned, Some(&old)), Ok(Said::new()));
}
