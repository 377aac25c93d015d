//! The adapter with keys of both kinds against a venue of several accounts.
#![allow(clippy::unwrap_used, missing_docs)]

mod still;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{KeyRights, RateBudget, RateLimits, RestClient, RestConfig};
use helios_venue::server::{
    AccountConfig, ApiKey, ApiRestrictions, VenueConfig, VenueHandle, VenueServer,
};
use rust_decimal::Decimal;
use still::Still;

const SEED: [u8; 32] = [9; 32];

async fn venue() -> VenueHandle {
    let private = ed25519_dalek::SigningKey::from_bytes(&SEED);
    let public = STANDARD.encode(private.verifying_key().to_bytes());
    let account = |name: &str, key: ApiKey, balance: i64, ip_restrict: bool| AccountConfig {
        name: name.into(),
        keys: vec![key],
        balance: Decimal::from(balance),
        restrictions: ApiRestrictions {
            ip_restrict,
            ..ApiRestrictions::default()
        },
    };
    let mut config = VenueConfig::new(Box::new(Still::new()));
    config.accounts = vec![
        account("hmac", ApiKey::hmac("A".repeat(64), "secret"), 100, false),
        account(
            "ed25519",
            ApiKey::ed25519("B".repeat(64), &public).unwrap(),
            200,
            true,
        ),
    ];
    VenueServer::start(config).await.unwrap()
}

async fn client(venue: &VenueHandle, key: &str, secret: String, kind: KeyType) -> RestClient {
    let mut endpoints = Endpoints::for_local(&venue.rest_url(), &venue.ws_url());
    endpoints.wallet = Some(venue.rest_url());
    let credentials = Credentials::new(key, Secret::new(secret), kind).unwrap();
    let rest = RestClient::new(
        endpoints,
        Some(credentials),
        VenueClock::sampled(1.0),
        RateBudget::new(RateLimits::default()),
        RestConfig::default(),
    )
    .unwrap();
    rest.sync_clock().await.unwrap();
    rest
}

#[tokio::test]
async fn each_kind_of_key_reaches_its_own_account_and_the_other_kind_is_refused() {
    let venue = venue().await;
    let (a, b) = ("A".repeat(64), "B".repeat(64));
    let seed = || STANDARD.encode(SEED);
    let hmac = client(&venue, &a, "secret".into(), KeyType::Hmac).await;
    let ed = client(&venue, &b, seed(), KeyType::Ed25519).await;
    for (rest, wallet, ip_restricted) in [(&hmac, 100, false), (&ed, 200, true)] {
        let balances = rest.balances().await.unwrap();
        assert_eq!(balances[0].wallet, Decimal::from(wallet));
        let rights = rest.key_rights().await.unwrap();
        let want = KeyRights {
            ip_restricted,
            futures: true,
            withdrawals: false,
            internal_transfer: false,
        };
        assert_eq!(rights, Some(want));
        assert!(!rest.fee_burn().await.unwrap());
        rest.set_fee_burn(true).await.unwrap();
        assert!(rest.fee_burn().await.unwrap());
        assert!(rest.adl_quantiles().await.unwrap().is_empty());
    }
    let keys = [
        (&b, "secret".into(), KeyType::Hmac),
        (&b, seed(), KeyType::Hmac),
        (&a, seed(), KeyType::Ed25519),
    ];
    for (key, secret, kind) in keys {
        let wrong = client(&venue, key, secret, kind).await;
        let e = format!("{:?}", wrong.balances().await.unwrap_err());
        assert!(e.contains("-1022"), "{e}");
    }
}
