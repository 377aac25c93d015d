#![allow(clippy::unwrap_used)]
use super::*;
use crate::auth::{Callout, ClientInfo, Options, Placement, Refused, Role, Validator};
use nkeys::KeyPair;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn encode(claims: &Value, key: &KeyPair) -> String {
    let header = BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let text = format!(
        "{header}.{}",
        BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
    );
    let signature = key.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// What a server sends.
fn claims(server: &KeyPair, user: &KeyPair) -> Value {
    json!({
        "aud": "nats-authorization-request", "exp": NOW + 2, "iat": NOW, "iss": server.public_key(), "sub": "A",
        "nats": {
            "server_id": {"name": "n", "host": "h", "id": server.public_key()},
            "user_nkey": user.public_key(),
            "client_info": {"host": "127.0.0.1", "id": 7, "kind": "Client", "type": "nats"},
            "connect_opts": {"user": "worker:BTCUSDT", "pass": "hidden", "name": "w", "protocol": 1},
            "type": "authorization_request", "version": 2,
        },
    })
}

fn payload(jwt: &str) -> Value {
    let part = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

fn worker() -> Role {
    Role::Worker {
        account: "ns/a".into(),
        symbol: "BTCUSDT".into(),
        strategy: "ns/nobi".into(),
    }
}

#[test]
fn a_request_is_read_as_the_server_wrote_it_and_its_token_is_never_shown() {
    let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
    let text = encode(&claims(&server, &user), &server);
    let r = Request::decode(text.as_bytes(), at(NOW)).unwrap();
    assert_eq!(r.server, server.public_key());
    assert_eq!(r.user_nkey, user.public_key());
    assert_eq!((r.user.as_str(), r.name.as_str()), ("worker:BTCUSDT", "w"));
    assert_eq!((r.host.as_str(), r.client_id), ("127.0.0.1", 7));
    assert!(r.plain_client());
    assert_eq!(r.token.expose(), "hidden");
    assert!(!format!("{r:?}").contains("hidden"));
}

#[test]
fn a_token_without_user_is_taken_from_its_own_field() {
    let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
    let mut c = claims(&server, &user);
    c["nats"]["connect_opts"] = json!({"auth_token": "t", "protocol": 1});
    let r = Request::decode(encode(&c, &server).as_bytes(), at(NOW)).unwrap();
    assert_eq!((r.token.expose(), r.user.as_str()), ("t", ""));
}

#[test]
fn a_request_of_another_signer_kind_audience_or_time_is_refused() {
    let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
    let good = claims(&server, &user);
    let decode = |c: &Value, k: &KeyPair| {
        Request::decode(encode(c, k).as_bytes(), at(NOW))
            .map(drop)
            .unwrap_err()
    };
    assert_eq!(decode(&good, &KeyPair::new_server()), JwtError::Signature);
    // Signed by its issuer, which is no server.
    let other = KeyPair::new_user();
    let mut c = good.clone();
    c["iss"] = json!(other.public_key());
    assert_eq!(decode(&c, &other), JwtError::Signature);
    for (field, value, why) in [
        ("aud", json!("other"), JwtError::Audience),
        ("exp", json!(NOW), JwtError::Time),
        ("exp", json!(0), JwtError::Time),
        ("iat", json!(NOW + 3600), JwtError::Time),
        ("nbf", json!(NOW + 3600), JwtError::Time),
        ("exp", json!("soon"), JwtError::Malformed),
        ("nats", json!({}), JwtError::Malformed),
    ] {
        let mut c = good.clone();
        c[field] = value;
        assert_eq!(decode(&c, &server), why, "{field}");
    }
    let mut c = good.clone();
    c["nats"]["server_id"]["id"] = json!(KeyPair::new_server().public_key());
    assert_eq!(decode(&c, &server), JwtError::Audience);
    let mut c = good.clone();
    c["nats"]["user_nkey"] = json!(server.public_key());
    assert_eq!(decode(&c, &server), JwtError::Malformed);
    // One changed letter.
    let text = encode(&good, &server).replacen(".ey", ".eY", 1);
    assert!(Request::decode(text.as_bytes(), at(NOW)).is_err());
}

#[test]
fn the_answer_is_signed_for_this_connection_of_this_server_and_ends_in_time() {
    let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
    let text = encode(&claims(&server, &user), &server);
    let r = Request::decode(text.as_bytes(), at(NOW)).unwrap();
    let issuer = Issuer::generate();
    let hour = Duration::from_secs(3600);
    for (token_ends, ends) in [(None, NOW + 3600), (Some(NOW + 60), NOW + 60)] {
        let identity = Identity {
            role: worker(),
            expires: token_ends.map(at),
        };
        let answer = r.admit(&issuer, "PLACE", &identity, hour, at(NOW)).unwrap();
        let key = KeyPair::from_public_key(&issuer.public()).unwrap();
        let (signed, signature) = answer.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        key.verify(signed.as_bytes(), &signature).unwrap();
        let outer = payload(&answer);
        assert_eq!(outer["aud"], json!(server.public_key()));
        assert_eq!(outer["sub"], json!(user.public_key()));
        assert_eq!(outer["nats"]["error"], Value::Null);
        let inner = payload(outer["nats"]["jwt"].as_str().unwrap());
        assert_eq!(inner["aud"], json!("PLACE"));
        assert_eq!(inner["sub"], json!(user.public_key()));
        assert_eq!(inner["iss"], json!(issuer.public()));
        assert_eq!(inner["exp"], json!(ends));
        let p = Permissions::of(&worker());
        assert_eq!(inner["nats"]["pub"]["allow"], json!(p.publish));
        assert_eq!(inner["nats"]["sub"]["allow"], json!(p.subscribe));
        assert!(!answer.contains("hidden") && !inner.to_string().contains("hidden"));
    }
    let outer = payload(&r.refuse(&issuer, "unknown token", at(NOW)).unwrap());
    assert_eq!(outer["nats"]["error"], json!("unknown token"));
    assert_eq!(outer["nats"]["jwt"], Value::Null);
}

struct Anyone;

#[async_trait::async_trait]
impl Validator for Anyone {
    async fn validate(&self, _: &str, _: &ClientInfo) -> Result<Identity, Refused> {
        Ok(Identity {
            role: worker(),
            expires: None,
        })
    }
}

fn callout(sealer: Option<crate::auth::keys::Sealer>) -> Callout {
    let options = Options {
        issuer: Issuer::generate(),
        sealer,
        placement: Placement::Own,
        lifetime: Duration::from_secs(60),
    };
    Callout::new(options, Arc::new(Anyone))
}

fn now_claims(server: &KeyPair, user: &KeyPair) -> Value {
    let mut c = claims(server, user);
    c["iat"] = json!(seconds(SystemTime::now()));
    c["exp"] = json!(seconds(SystemTime::now()) + 60);
    c
}

#[tokio::test]
async fn only_plain_clients_with_a_token_are_let_in() {
    let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
    let service = callout(None);
    let good = now_claims(&server, &user);
    for (path, value, error) in [
        ("/nats/client_info/kind", json!("Client"), Value::Null),
        (
            "/nats/client_info/kind",
            json!("Leafnode"),
            json!("only plain clients are let in"),
        ),
        (
            "/nats/client_info/type",
            json!("mqtt"),
            json!("only plain clients are let in"),
        ),
        ("/nats/connect_opts/pass", json!(""), json!("no token")),
    ] {
        let mut c = good.clone();
        *c.pointer_mut(path).unwrap() = value;
        let answer = service.answer(encode(&c, &server).as_bytes(), None).await;
        let answer = String::from_utf8(answer.unwrap()).unwrap();
        assert_eq!(payload(&answer)["nats"]["error"], error, "{path}");
    }
    let counts = service.counts();
    assert_eq!((counts.admitted, counts.refused), (1, 3));
}

#[tokio::test]
async fn with_a_curve_key_only_sealed_questions_are_answered_and_only_their_sender_can_open_that() {
    use crate::auth::keys::Sealer;
    let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
    let (ours, theirs, other) = (Sealer::generate(), Sealer::generate(), Sealer::generate());
    let public = ours.public();
    let service = callout(Some(ours));
    let mut c = now_claims(&server, &user);
    let plain = encode(&c, &server);
    assert!(service.answer(plain.as_bytes(), None).await.is_none());
    // Sealed, but the signed question names no key, or another.
    let sealed = theirs.seal(plain.as_bytes(), &public).unwrap();
    let from = theirs.public();
    assert!(service.answer(&sealed, Some(&from)).await.is_none());
    c["nats"]["server_id"]["xkey"] = json!(from);
    let text = encode(&c, &server);
    let sealed = other.seal(text.as_bytes(), &public).unwrap();
    assert!(
        service
            .answer(&sealed, Some(&other.public()))
            .await
            .is_none()
    );
    let sealed = theirs.seal(text.as_bytes(), &public).unwrap();
    let answer = service.answer(&sealed, Some(&from)).await.unwrap();
    assert!(other.open(&answer, &public).is_none());
    let answer = theirs.open(&answer, &public).unwrap();
    assert!(answer.starts_with(b"eyJ"));
    assert_eq!(service.counts().malformed, 3);
}

proptest! {
    #[test]
    fn garbage_is_no_request_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), xkey in ".{0,60}") {
        prop_assert!(Request::decode(&bytes, at(NOW)).is_err());
        let sealer = crate::auth::keys::Sealer::generate();
        prop_assert!(sealer.open(&bytes, &xkey).is_none());
    }

    #[test]
    fn a_damaged_request_is_no_request_and_no_panic(at_byte in 0usize..2000, to in any::<u8>()) {
        let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
        let mut text = encode(&claims(&server, &user), &server).into_bytes();
        let i = at_byte % text.len();
        prop_assume!(text[i] != to);
        text[i] = to;
        prop_assert!(Request::decode(&text, at(NOW)).is_err());
    }

    #[test]
    fn a_signed_request_of_any_shape_is_no_panic(kind in ".{0,8}", nkey in "[A-Z2-7]{0,60}", id in any::<i64>()) {
        let (server, user) = (KeyPair::new_server(), KeyPair::new_user());
        let mut c = claims(&server, &user);
        c["nats"]["client_info"]["kind"] = json!(kind);
        c["nats"]["client_info"]["id"] = json!(id);
        c["nats"]["user_nkey"] = json!(nkey);
        prop_assert!(Request::decode(encode(&c, &server).as_bytes(), at(NOW)).is_err());
    }
}
