//! What a worker is replaced for, and what it takes over while it runs.
#![allow(clippy::unwrap_used)]

use super::golden::{account, least, most, paper, plain, strategy, testnet};
use super::*;
use crate::config::PodSettings;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;
use std::collections::BTreeSet;

/// Parameters of a strategy that its workers take over, as paths and values that are not the defaults.
fn hot() -> Vec<(&'static str, Value)> {
    vec![
        ("suspend", json!(true)),
        ("priority", json!(7)),
        ("watchlist", json!({"size": 3})),
        (
            "signals",
            json!({"nobiTriggerThreshold": "0.6", "cooldownSeconds": 5}),
        ),
        ("exits", json!({"maxHoldSeconds": 60})),
        ("execution", json!({"maxSlippageBps": "3"})),
        ("rollout", json!({"canarySymbols": 2})),
        ("onDelete", json!("KeepProtected")),
        (
            "risk",
            json!({"kellyFraction": "0.1", "maxRiskPerTradePercent": "0.5"}),
        ),
    ]
}

proptest! {
    #[test]
    fn no_parameter_that_a_running_worker_takes_over_replaces_it(
        some in subsequence(hot(), 0..=9), size in 1u32..50, halt: bool,
    ) {
        let mut spec = json!({});
        for (field, value) in some {
            spec[field] = value;
        }
        spec["watchlist"] = json!({"size": size});
        let mut h = strategy("nobi", "paper", spec);
        h.metadata.generation = Some(u64::from(size));
        h.metadata.labels.insert("team".into(), size.to_string());
        let mut a = account("paper", json!({
            "venue": "Simulated", "halt": halt, "limits": {"maxOpenPositions": size},
            "margin": {"warningMarginRatio": "40"},
        }));
        a.metadata.generation = Some(u64::from(size));
        let settings = PodSettings { coordinators: 5, network: None, ..least() };
        prop_assert_eq!(spec_hash(&a, &h, &settings), spec_hash(&paper(), &plain("paper"), &least()));
    }
}

#[test]
fn whatever_a_running_worker_cannot_take_over_replaces_it() {
    let of = |spec: Value| strategy("nobi", "paper", spec);
    let on = |spec: Value| account("paper", spec);
    let (a, h, s) = (paper(), plain("paper"), least());
    let mut other = h.clone();
    other.metadata.uid = Some("another".into());
    let hashes = [
        spec_hash(&a, &h, &s),
        spec_hash(&a, &other, &s),
        spec_hash(&a, &of(json!({"risk": {"leverage": 3}})), &s),
        spec_hash(
            &a,
            &of(json!({"worker": {"resources": {"limits": {"memory": "1Gi"}}}})),
            &s,
        ),
        spec_hash(&on(json!({"venue": "BinanceUsdm"})), &h, &s),
        spec_hash(
            &on(json!({"venue": "Simulated", "simulated": {"url": "http://venue:9181"}})),
            &h,
            &s,
        ),
        spec_hash(
            &on(json!({"venue": "Simulated", "endpoints": {"rest": "https://x"}})),
            &h,
            &s,
        ),
        spec_hash(
            &on(json!({
                "venue": "Simulated",
                "simulated": {"url": "http://venue:9181"},
                "credentialsSecretRef": {"name": "k"},
            })),
            &h,
            &s,
        ),
        spec_hash(&testnet(), &h, &s),
        spec_hash(&a, &h, &most()),
        spec_hash(
            &a,
            &h,
            &PodSettings {
                image: "helios:next".into(),
                ..s.clone()
            },
        ),
        spec_hash(
            &a,
            &h,
            &PodSettings {
                nats_url: "nats://other:4222".into(),
                ..s.clone()
            },
        ),
        spec_hash(
            &a,
            &h,
            &PodSettings {
                priority_class: "high".into(),
                ..s.clone()
            },
        ),
    ];
    let different: BTreeSet<&String> = hashes.iter().collect();
    assert_eq!(different.len(), hashes.len());
}

#[test]
fn the_pods_of_all_symbols_carry_the_same_hash() {
    let (a, h, s) = (paper(), plain("paper"), least());
    for symbol in ["BTCUSDT", "１２３USDT"] {
        let pod = pod(&a, &h, &s, symbol);
        let noted = &pod["metadata"]["annotations"][crate::names::SPEC_HASH];
        assert_eq!(noted, &json!(spec_hash(&a, &h, &s)));
    }
}
