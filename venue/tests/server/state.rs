//! What a saved state keeps, which states are read, and market time that keeps in step with the system's clock.

use super::client::{Client, signature, with};
use super::source::{Flat, T0};
use helios_venue::market::{Generator, GeneratorConfig, Profile};
use helios_venue::server::{
    AccountConfig, ApiCredentials, ApiKey, ApiRestrictions, VenueConfig, VenueServer,
    VenueServerError, saved_start,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010";

fn config(dir: &Path) -> VenueConfig {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.state_dir = Some(dir.to_owned());
    config
}

fn account(name: &str, letter: &str, balance: i64) -> AccountConfig {
    AccountConfig {
        name: name.into(),
        keys: vec![ApiKey::hmac(letter.repeat(64), "secret")],
        balance: Decimal::from(balance),
        restrictions: ApiRestrictions::default(),
    }
}

fn start(dir: &Path) -> (i64, bool) {
    let saved = saved_start(dir).unwrap().unwrap();
    (saved.start_ms, saved.in_step)
}

async fn ledger(c: &Client, name: &str) -> Value {
    let path = format!("/ledger?account={name}");
    c.admin("GET", &path, json!({})).await.ok()
}

#[tokio::test]
async fn accounts_and_listen_keys_survive_and_new_accounts_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = config(dir.path());
    first.accounts = vec![account("a", "A", 100_000), account("b", "B", 200)];
    let c = with(first).await;
    let key = c.listen_key().await;
    c.order(BUY).await.ok();
    let was = ledger(&c, "a").await;
    c.venue.shutdown().await.unwrap();
    assert_eq!(start(dir.path()), (T0, false));
    // Another order, one account less, one more, another balance.
    let mut second = config(dir.path());
    second.accounts = vec![account("c", "C", 300), account("a", "A", 7)];
    let c = with(second).await;
    assert_eq!(ledger(&c, "a").await, was);
    assert_eq!(ledger(&c, "b").await["wallet"], "200");
    assert_eq!(ledger(&c, "c").await["wallet"], "300");
    let (a, b) = ("A".repeat(64), "B".repeat(64));
    let kept = c.send("PUT", "/fapi/v1/listenKey", Some(&a), "").await.ok();
    assert_eq!(kept["listenKey"], key);
    let without_key = c.send("PUT", "/fapi/v1/listenKey", Some(&b), "").await;
    assert_eq!(without_key.refusal(), (401, -2015));
}

#[tokio::test]
async fn a_state_of_version_1_is_read_as_the_first_account() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("venue.json");
    let c = with(config(dir.path())).await;
    c.order(BUY).await.ok();
    let was = ledger(&c, "default").await;
    c.venue.shutdown().await.unwrap();
    // As the version before wrote it.
    let read = || -> Value { serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap() };
    let now = read();
    assert_eq!(now["version"], 2);
    let old = json!({
        "version": 1, "label": now["label"], "now_ms": now["now_ms"], "shifts": now["shifts"],
        "initial_balance": now["accounts"][0]["initial_balance"],
        "realised": now["accounts"][0]["realised"], "engine": now["engine"],
    });
    let mut old = old;
    let engine = old["engine"].as_object_mut().unwrap();
    assert!(engine.remove("orphan_stops_canceled").is_some());
    std::fs::write(&file, old.to_string()).unwrap();
    assert_eq!(start(dir.path()), (GeneratorConfig::START_MS, false));
    let c = with(config(dir.path())).await;
    assert_eq!(ledger(&c, "default").await, was);
    c.venue.shutdown().await.unwrap();
    assert_eq!(read()["accounts"], now["accounts"]);
    std::fs::write(
        &file,
        old.to_string().replace("\"version\":1", "\"version\":3"),
    )
    .unwrap();
    let e = VenueServer::start(config(dir.path())).await.err().unwrap();
    assert!(e.to_string().contains("version 3"), "{e}");
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

#[tokio::test]
async fn a_market_in_step_takes_signatures_by_the_systems_clock_and_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let start_ms = wall_ms() - 20_000;
    let config = |start_ms| {
        let profile = Profile::named("demo").unwrap();
        let mut g = GeneratorConfig::new(7, 0.0, profile);
        g.symbols.truncate(2);
        g.start_ms = start_ms;
        let mut config = VenueConfig::new(Box::new(Generator::new(g).unwrap()));
        config.state_dir = Some(dir.path().to_owned());
        config.in_step = true;
        config.credentials = Some(ApiCredentials {
            key: "A".repeat(64),
            secret: "secret".into(),
        });
        config
    };
    for _ in 0..2 {
        let c = with(config(start_ms)).await;
        c.venue.start_market().await.unwrap();
        while (c.now().await - wall_ms()).abs() > 500 {
            tokio::task::yield_now().await;
        }
        let query = format!("timestamp={}", wall_ms());
        let target = format!(
            "/fapi/v3/account?{query}&signature={}",
            signature("secret", &query)
        );
        c.send("GET", &target, Some(&"A".repeat(64)), "").await.ok();
        c.venue.shutdown().await.unwrap();
    }
    assert_eq!(start(dir.path()), (start_ms, true));
    let e = VenueServer::start(config(start_ms + 60_000)).await;
    let e = e.err().unwrap();
    assert!(e.to_string().contains("another market"), "{e}");
    let mut fast = config(start_ms);
    fast.speed = 2.0;
    let e = VenueServer::start(fast).await.err().unwrap();
    assert!(matches!(e, VenueServerError::NotInStep { .. }), "{e}");
}
