#![allow(clippy::unwrap_used)]
use super::*;
use helios_crds::kube::HeliosAccount as AccountResource;
use kube::core::error_boundary::InvalidObject;
use serde_json::{Value, json};

const A: &str = "ns/a";

fn account(spec: Value) -> Found<AccountResource> {
    let object = json!({
        "apiVersion": "helios.trading/v1alpha1", "kind": "HeliosAccount", "spec": spec,
        "metadata": {"name": "a", "namespace": "ns", "uid": "u-a", "generation": 4},
    });
    Ok(serde_json::from_value(object).unwrap())
}

fn paper() -> Found<AccountResource> {
    account(json!({"venue": "Simulated"}))
}

fn strategy(uid: &str, spec: &Value) -> Found<Resource> {
    let object = json!({
        "apiVersion": "helios.trading/v1alpha1", "kind": "HeliosStrategy", "spec": spec,
        "metadata": {
            "name": "s", "namespace": "ns", "uid": uid, "generation": 7,
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
    });
    Ok(serde_json::from_value(object).unwrap())
}

fn plain() -> Value {
    json!({"accountRef": {"name": "a"}})
}

/// One that no rule lets through.
fn wrong() -> Value {
    json!({"accountRef": {"name": "a"}, "risk": {"leverage": 0}})
}

fn garbage<K>() -> Found<K> {
    Err(Box::new(InvalidObject {
        error: "no spec".into(),
        metadata: ObjectMeta::default(),
    }))
}

struct World {
    objects: Objects,
    told: Told,
}

impl World {
    fn new() -> Self {
        Self {
            objects: Objects::default(),
            told: Told::default(),
        }
    }

    fn sees(
        &mut self,
        account: Option<&Found<AccountResource>>,
        s: &[(&str, Found<Resource>)],
    ) -> String {
        let strategies = s.iter().cloned().map(|(n, f)| (n.to_string(), f)).collect();
        let now = Now {
            account,
            strategies: &strategies,
        };
        accept(&mut self.objects, A, &now, &mut self.told).join("\n")
    }

    fn leverage(&self) -> u32 {
        self.objects.strategies["ns/s"].object.spec.risk.leverage
    }

    fn suspended(&self) -> bool {
        self.objects.coordinator(A).unwrap().strategies[0]
            .params
            .suspend
    }
}

#[test]
fn identity_age_and_generation_are_the_api_servers() {
    let mut w = World::new();
    w.sees(Some(&paper()), &[("s", strategy("u-1", &plain()))]);
    let s = &w.objects.coordinator(A).unwrap().strategies[0];
    assert_eq!((s.name.as_str(), s.uid.as_str()), ("ns/s", "u-1"));
    assert_eq!(s.created_ms, 1_767_323_045_000);
    assert!(!s.params.suspend);
    let counted = &w.objects.strategies["ns/s"];
    assert_eq!((counted.generation, w.objects.accounts[A].1), (7, 4));
}

#[test]
fn one_of_another_account_or_one_that_breaks_a_rule_is_left_out_with_a_reason_told_once() {
    let mut w = World::new();
    let other = strategy("u-1", &json!({"accountRef": {"name": "b"}}));
    assert_eq!(w.sees(Some(&paper()), &[("s", other)]), "");
    let bad = || [("s", strategy("u-1", &wrong()))];
    let said = w.sees(Some(&paper()), &bad());
    assert!(
        said.contains("ns/s") && said.contains("spec.risk.leverage"),
        "{said}"
    );
    assert_eq!(w.sees(Some(&paper()), &bad()), "");
    let garbage = garbage();
    let said = w.sees(Some(&paper()), &[("s", garbage)]);
    assert!(
        said.contains("left out") && said.contains("no spec"),
        "{said}"
    );
    assert!(w.objects.strategies.is_empty());
    w.sees(Some(&paper()), &[("s", strategy("u-1", &plain()))]);
    assert_eq!(w.objects.strategies.len(), 1);
}

#[test]
fn what_only_account_and_strategy_together_show_leaves_the_strategy_out() {
    let mut w = World::new();
    let off = json!({"accountRef": {"name": "a"}, "risk": {"costGate": "Off"}});
    let binance = account(json!({"venue": "BinanceUsdm"}));
    let said = w.sees(Some(&binance), &[("s", strategy("u-1", &off))]);
    assert!(said.contains("costGate"), "{said}");
    assert!(w.objects.strategies.is_empty() && w.objects.accounts.contains_key(A));
}

#[test]
fn a_good_strategy_that_is_edited_badly_stays_as_it_was_and_opens_nothing() {
    let mut w = World::new();
    let five = json!({"accountRef": {"name": "a"}, "risk": {"leverage": 5}});
    w.sees(Some(&paper()), &[("s", strategy("u-1", &five))]);
    w.sees(Some(&paper()), &[("s", strategy("u-1", &wrong()))]);
    assert!(w.suspended() && w.leverage() == 5);
    w.sees(Some(&paper()), &[("s", strategy("u-1", &plain()))]);
    assert!(!w.suspended() && w.leverage() != 5);
    // Another object of that name owes nothing to the old one.
    w.sees(Some(&paper()), &[("s", strategy("u-2", &wrong()))]);
    assert!(w.objects.strategies.is_empty());
}

#[test]
fn an_account_that_is_gone_or_broken_leaves_the_last_good_one_in_force() {
    let mut w = World::new();
    let s = || [("s", strategy("u-1", &plain()))];
    assert!(w.sees(None, &s()).contains("is not there"));
    assert!(w.objects.accounts.is_empty() && w.objects.strategies.is_empty());
    w.sees(Some(&paper()), &s());
    let before = w.objects.coordinator(A).unwrap();
    let broken = account(json!({"venue": "Simulated", "environment": "Live"}));
    let garbage = garbage();
    for now in [None, Some(&broken), Some(&garbage)] {
        let said = w.sees(now, &s());
        assert!(said.contains("stays in force"), "{said}");
        assert_eq!(w.objects.coordinator(A).unwrap(), before);
    }
}

#[test]
fn one_that_is_to_go_opens_nothing_and_one_that_is_gone_is_gone() {
    let mut w = World::new();
    w.sees(Some(&paper()), &[("s", strategy("u-1", &plain()))]);
    let mut going = strategy("u-1", &plain()).unwrap();
    let now = serde_json::from_value(json!("2026-01-03T00:00:00Z")).unwrap();
    going.metadata.deletion_timestamp = Some(now);
    let said = w.sees(Some(&paper()), &[("s", Ok(going.clone()))]);
    assert!(said.contains("is to go") && w.suspended());
    assert!(w.objects.strategies["ns/s"].deleting);
    // Not even a broken one of them is forgotten before it is gone.
    going.spec.risk.leverage = 0;
    w.sees(Some(&paper()), &[("s", Ok(going))]);
    assert!(w.objects.strategies["ns/s"].deleting);
    assert!(w.sees(Some(&paper()), &[]).contains("is gone"));
    assert!(w.objects.strategies.is_empty());
}
