//! Keys as the kubelet keeps them: they come, are replaced whole, and are never shown.
#![allow(clippy::unwrap_used)]
use super::*;
use helios_binance::clock::VenueClock;
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{RateBudget, RateLimits, RestConfig};
use helios_venue::market::{Generator, GeneratorConfig, Profile};
use helios_venue::server::{KNOWN_KEY, VenueConfig, VenueServer};
use std::os::unix::fs::{PermissionsExt, symlink};

/// As the kubelet does it: a new directory, then one link that is replaced.
fn put(dir: &Path, state: &str, files: &[(&str, &str)]) {
    let data = dir.join(state);
    std::fs::create_dir(&data).unwrap();
    for (name, text) in files {
        std::fs::write(data.join(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o440);
        std::fs::set_permissions(data.join(name), mode).unwrap();
        let shown = dir.join(name);
        if !shown.is_symlink() {
            symlink(format!("..data/{name}"), shown).unwrap();
        }
    }
    symlink(state, dir.join("..new")).unwrap();
    std::fs::rename(dir.join("..new"), dir.join("..data")).unwrap();
}

#[test]
fn what_is_missing_is_named_and_what_comes_is_given_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut keys = SecretDir::new(dir.path(), Some("binance-keys"));
    let missing = |keys: &mut SecretDir| keys.look().unwrap_err();
    assert_eq!(
        missing(&mut keys),
        "credentials missing: Secret binance-keys has no apiKey, apiSecret: write apiKey and apiSecret into it, and keyType unless it is Hmac"
    );
    put(dir.path(), "..1", &[("apiKey", "k"), ("apiSecret", " \n")]);
    let why = missing(&mut keys);
    let begin = "credentials missing: Secret binance-keys has no apiSecret: write";
    assert!(why.starts_with(begin), "{why}");
    let whole = [("apiKey", "k\n"), ("apiSecret", "hidden\n")];
    put(dir.path(), "..2", &whole);
    let found = keys.look().unwrap().unwrap();
    assert_eq!(found.key_type(), KeyType::Hmac);
    assert!(keys.look().unwrap().is_none());
    put(dir.path(), "..3", &whole);
    assert!(keys.look().unwrap().is_none(), "the same");
    let other = [("apiKey", "k"), ("apiSecret", "hidden"), ("keyType", "Rsa")];
    put(dir.path(), "..4", &other);
    let why = missing(&mut keys);
    assert!(
        why.starts_with("credentials") && why.contains("keyType") && !why.contains("hidden"),
        "{why}"
    );
}

#[test]
fn files_of_ones_own_must_not_be_readable_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let set = |mode| {
        for name in ["apiKey", "apiSecret"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join(name), mode).unwrap();
        }
    };
    let mut keys = SecretDir::new(dir.path(), None);
    set(0o640);
    assert!(keys.look().unwrap_err().contains("chmod 600"));
    set(0o600);
    assert!(keys.look().unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_is_replaced_signs_the_next_request_and_one_that_vanishes_stays_in_use() {
    let config = GeneratorConfig::new(7, 0.0, Profile::named("demo").unwrap());
    let mut venue = VenueConfig::new(Box::new(Generator::new(config).unwrap()));
    venue.known_key = true;
    let venue = VenueServer::start(venue).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let first = [("apiKey", KNOWN_KEY), ("apiSecret", KNOWN_KEY)];
    put(dir.path(), "..1", &first);
    let mut keys = SecretDir::new(dir.path(), Some("s"));
    let rest = RestClient::new(
        Endpoints::for_local(&venue.rest_url(), &venue.ws_url()),
        Some(keys.wait(|_| {}).await),
        VenueClock::sampled(1.0),
        RateBudget::new(RateLimits::default()),
        RestConfig::default(),
    )
    .unwrap();
    rest.sync_clock().await.unwrap();
    rest.account().await.unwrap();
    // A secret that is not the key's is refused, so what signs can be told.
    let wrong = [("apiKey", KNOWN_KEY), ("apiSecret", "another")];
    let own = venue.credentials();
    let second = [
        ("apiKey", own.key.as_str()),
        ("apiSecret", own.secret.as_str()),
    ];
    tokio::spawn(keys.follow(rest.clone()));
    let until = async |good: bool| {
        let reached = async {
            while rest.account().await.is_ok() != good {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .unwrap();
    };
    put(dir.path(), "..2", &wrong);
    until(false).await;
    put(dir.path(), "..3", &second);
    until(true).await;
    put(dir.path(), "..4", &[]);
    tokio::time::sleep(LOOK * 3).await;
    rest.account().await.unwrap();
    assert!(!format!("{rest:?}").contains(&own.secret));
    venue.shutdown().await.unwrap();
}
