//! Keys and signatures.

use super::config::ApiCredentials;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// True when `signature` (hex) is the HMAC-SHA256 of `payload`. Compared in constant time.
pub(super) fn verify(secret: &str, payload: &[u8], signature: &str) -> bool {
    let Ok(bytes) = hex::decode(signature) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    mac.update(payload);
    mac.verify_slice(&bytes).is_ok()
}

/// What is signed: query and body as they were sent, one after the other, without the `signature` parameter; and that
/// parameter's value.
pub(super) fn payload(query: &str, body: &str) -> (String, Option<String>) {
    let mut out = String::with_capacity(query.len() + body.len());
    let mut signature = None;
    for part in [query, body] {
        let mut first = true;
        for pair in part.split('&').filter(|p| !p.is_empty()) {
            match pair.strip_prefix("signature=") {
                Some(s) => signature = Some(s.to_owned()),
                None => {
                    if !first {
                        out.push('&');
                    }
                    first = false;
                    out.push_str(pair);
                }
            }
        }
    }
    (out, signature)
}

/// 64 hexadecimal characters nobody can guess: hashes under the process's random keys, which the system seeds.
pub(super) fn token(label: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut h = Sha256::new();
    h.update(label.as_bytes());
    for i in 0..4_u64 {
        let n = COUNT.fetch_add(1, Relaxed);
        h.update(RandomState::new().hash_one((i, n)).to_le_bytes());
    }
    hex::encode(h.finalize())
}

/// A new key and secret.
pub(super) fn credentials() -> ApiCredentials {
    ApiCredentials {
        key: token("key"),
        secret: token("secret"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn published_vectors_verify() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/data/samples/signing_vectors_hmac.json"
        );
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("SKIPPED: {path} is missing");
            return;
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        for v in vectors.as_array().unwrap() {
            let f = |k: &str| v[k].as_str().unwrap();
            assert!(verify(f("key"), f("payload").as_bytes(), f("signature")));
            assert!(!verify(
                f("key"),
                format!("{}0", f("payload")).as_bytes(),
                f("signature")
            ));
            assert!(!verify(f("key"), f("payload").as_bytes(), "zz"));
        }
    }

    #[test]
    fn the_payload_is_query_then_body_without_the_signature() {
        let (p, s) = payload("a=1&signature=ab&b=2", "c=3");
        assert_eq!((p.as_str(), s.as_deref()), ("a=1&b=2c=3", Some("ab")));
        let (p, s) = payload("a=1", "b=2&signature=cd");
        assert_eq!((p.as_str(), s.as_deref()), ("a=1b=2", Some("cd")));
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token("x"), token("x"));
        assert_eq!(token("x").len(), 64);
    }
}
