//! Who asks over the WebSocket API: signatures of both kinds, and the session of a connection.

use super::client::{Client, Ws, api_payload, signature, with};
use super::source::{Flat, T0};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use helios_venue::server::{AccountConfig, ApiCredentials, ApiKey, ApiRestrictions, VenueConfig};
use rust_decimal::Decimal;
use serde_json::{Value, json};

fn key(letter: &str) -> String {
    letter.repeat(64)
}

fn secret_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// One account with an Ed25519 key (E) and 500 USDT, one with an HMAC key (H) and 900.
async fn two() -> Client {
    let public = STANDARD.encode(secret_key().verifying_key().to_bytes());
    let account = |name: &str, key: ApiKey, balance: i64| AccountConfig {
        name: name.into(),
        keys: vec![key],
        balance: Decimal::from(balance),
        restrictions: ApiRestrictions::default(),
    };
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.accounts = vec![
        account("ed", ApiKey::ed25519(key("E"), &public).unwrap(), 500),
        account("hmac", ApiKey::hmac(key("H"), "secret"), 900),
    ];
    with(config).await
}

fn by_ed(mut params: Value) -> Value {
    let s = secret_key().sign(api_payload(&params).as_bytes());
    params["signature"] = STANDARD.encode(s.to_bytes()).into();
    params
}

fn by_hmac(mut params: Value) -> Value {
    params["signature"] = signature("secret", &api_payload(&params)).into();
    params
}

fn of(letter: &str) -> Value {
    json!({"apiKey": key(letter), "timestamp": T0})
}

/// The wallet that an `account.status` tells, or the code of its refusal.
async fn wallet(ws: &mut Ws, params: Value) -> Result<String, i64> {
    let a = ws.call(json!(1), "account.status", params).await;
    let told = a["result"]["totalWalletBalance"].as_str();
    told.map(str::to_owned)
        .ok_or_else(|| a["error"]["code"].as_i64().unwrap())
}

fn ok(amount: &str) -> Result<String, i64> {
    Ok(format!("{amount}.00000000"))
}

#[tokio::test]
async fn a_request_is_signed_with_the_kind_of_its_key_over_its_sorted_parameters() {
    let c = two().await;
    let mut ws = c.api().await;
    assert_eq!(wallet(&mut ws, by_ed(of("E"))).await, ok("500"));
    assert_eq!(wallet(&mut ws, by_hmac(of("H"))).await, ok("900"));
    for wrong in [by_hmac(of("E")), by_ed(of("H"))] {
        assert_eq!(wallet(&mut ws, wrong).await, Err(-1022));
    }
    // Without the key's own parameter, or with one more than was signed.
    let mut bare = of("H");
    bare["signature"] = signature("secret", &format!("timestamp={T0}")).into();
    assert_eq!(wallet(&mut ws, bare).await, Err(-1022));
    let mut more = by_hmac(of("H"));
    more["recvWindow"] = 5000.into();
    assert_eq!(wallet(&mut ws, more).await, Err(-1022));
    // In another order than the alphabet's.
    let mut unsorted = of("H");
    let text = format!("timestamp={T0}&apiKey={}", key("H"));
    unsorted["signature"] = signature("secret", &text).into();
    assert_eq!(wallet(&mut ws, unsorted).await, Err(-1022));
    for (params, code) in [
        (of("H"), -1102),
        (by_hmac(json!({"apiKey": key("H")})), -1102),
        (
            by_hmac(json!({"apiKey": key("H"), "timestamp": "soon"})),
            -1100,
        ),
        (
            by_hmac(json!({"apiKey": key("H"), "timestamp": T0 - 5001})),
            -1021,
        ),
        (
            by_hmac(json!({"apiKey": key("H"), "timestamp": T0 + 1000})),
            -1021,
        ),
        (
            by_hmac(json!({"apiKey": key("H"), "timestamp": T0, "recvWindow": 60001})),
            -1131,
        ),
        (by_hmac(of("X")), -2015),
        (by_hmac(json!({"timestamp": T0})), -1102),
    ] {
        assert_eq!(wallet(&mut ws, params.clone()).await, Err(code), "{params}");
    }
    let at_the_edge = json!({"apiKey": key("H"), "timestamp": T0 - 6000, "recvWindow": 6000});
    assert_eq!(wallet(&mut ws, by_hmac(at_the_edge)).await, ok("900"));
}

#[tokio::test]
async fn a_session_is_logged_on_with_an_ed25519_key_and_needs_no_signature_then() {
    let c = two().await;
    let mut ws = c.api().await;
    let status = ws.call(json!(1), "session.status", json!({})).await;
    assert_eq!(
        status["result"],
        json!({"apiKey": null, "authorizedSince": null, "connectedSince": T0, "returnRateLimits": true, "serverTime": T0})
    );
    let unsigned = json!({"timestamp": T0});
    assert_eq!(wallet(&mut ws, unsigned.clone()).await, Err(-1102));

    let on = ws.call(json!("l"), "session.logon", by_ed(of("E"))).await;
    assert_eq!(
        (&on["status"], &on["result"]["apiKey"]),
        (&json!(200), &json!(key("E")))
    );
    assert_eq!(on["result"]["authorizedSince"], T0);
    assert_eq!(wallet(&mut ws, unsigned.clone()).await, ok("500"));
    assert_eq!(wallet(&mut ws, of("E")).await, ok("500"));
    // Time is still looked at, and another key is still to be signed with.
    assert_eq!(wallet(&mut ws, json!({})).await, Err(-1102));
    assert_eq!(
        wallet(&mut ws, json!({"timestamp": T0 - 5001})).await,
        Err(-1021)
    );
    assert_eq!(wallet(&mut ws, of("H")).await, Err(-1102));
    assert_eq!(wallet(&mut ws, by_hmac(of("H"))).await, ok("900"));
    assert_eq!(wallet(&mut ws, unsigned.clone()).await, ok("500"));
    let order = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010", "timestamp": T0});
    assert_eq!(ws.call(json!(2), "order.place", order).await["status"], 200);
    let started = ws.call(json!(2), "userDataStream.start", json!({})).await;
    assert!(started["result"]["listenKey"].is_string());
    // The session is the connection's own.
    let mut other = c.api().await;
    assert_eq!(wallet(&mut other, unsigned.clone()).await, Err(-1102));

    let off = ws.call(json!("o"), "session.logout", json!({})).await;
    assert_eq!(
        (&off["status"], &off["result"]["apiKey"]),
        (&json!(200), &json!(null))
    );
    assert_eq!(wallet(&mut ws, unsigned).await, Err(-1102));
    let again = ws.call(json!("o"), "session.logout", json!({})).await;
    assert_eq!(again["status"], 200);
}

#[tokio::test]
async fn logging_on_takes_an_ed25519_signature_and_nothing_else() {
    let c = two().await;
    let mut ws = c.api().await;
    let mut forged = of("E");
    forged["signature"] = STANDARD.encode([7; 64]).into();
    for (params, want) in [
        (by_hmac(of("H")), (400, -4056)),
        (of("E"), (400, -1102)),
        (forged, (400, -1022)),
        (by_ed(of("H")), (400, -1022)),
        (by_ed(of("X")), (401, -2015)),
        (by_ed(json!({"apiKey": key("E")})), (400, -1102)),
    ] {
        let a = ws.call(json!(1), "session.logon", params).await;
        let got = (
            a["status"].as_i64().unwrap(),
            a["error"]["code"].as_i64().unwrap(),
        );
        assert_eq!(got, want, "{a}");
        let status = ws.call(json!(1), "session.status", json!({})).await;
        assert_eq!(status["result"]["apiKey"], json!(null));
    }
    // A logon that fails leaves the one before in force, and does not ride on it.
    ws.call(json!(1), "session.logon", by_ed(of("E"))).await;
    let a = ws
        .call(json!(1), "session.logon", json!({"timestamp": T0}))
        .await;
    assert_eq!(a["error"]["code"], -1102);
    assert_eq!(wallet(&mut ws, json!({"timestamp": T0})).await, ok("500"));
}

#[tokio::test]
async fn a_key_that_is_taken_away_ends_the_session_with_an_answer_to_nobody() {
    let c = two().await;
    let mut ws = c.api().await;
    ws.call(json!(1), "session.logon", by_ed(of("E"))).await;
    let new = ApiCredentials {
        key: key("N"),
        secret: "new".into(),
    };
    c.venue.renew(new).await.unwrap();
    let a = ws
        .call(json!(2), "account.status", json!({"timestamp": T0}))
        .await;
    assert_eq!((&a["id"], &a["status"]), (&json!(null), &json!(401)));
    assert_eq!(a["error"]["code"], -2015);
    let status = ws.call(json!(3), "session.status", json!({})).await;
    assert_eq!(
        (&status["id"], &status["result"]["apiKey"]),
        (&json!(3), &json!(null))
    );
}
