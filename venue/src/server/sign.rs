//! Keys and signatures.

use super::config::ApiCredentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
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

/// What comes before the 32 bytes of an Ed25519 public key in its DER.
const PUBLIC_DER: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// An Ed25519 public key as PEM, or as base64 of its DER or of its bytes.
pub(super) fn public_key(text: &str) -> Option<VerifyingKey> {
    let lines = text.lines().map(str::trim);
    let body: String = lines.filter(|l| !l.starts_with("-----")).collect();
    let der = STANDARD.decode(body).ok()?;
    let raw = der.strip_prefix(&PUBLIC_DER[..]).unwrap_or(&der);
    VerifyingKey::from_bytes(raw.try_into().ok()?).ok()
}

/// True when `signature` (base64) is the Ed25519 one of `payload`.
pub(super) fn verify_ed25519(public: &VerifyingKey, payload: &[u8], signature: &str) -> bool {
    let bytes = STANDARD.decode(signature).ok();
    let signature = bytes.and_then(|b| Signature::from_slice(&b).ok());
    signature.is_some_and(|s| public.verify_strict(payload, &s).is_ok())
}

/// What is signed: query and body as they were sent, one after the other, without the `signature` parameter; and that
/// parameter's value, decoded: a bare `+` is a space, as in any form.
pub(super) fn payload(query: &str, body: &str) -> (String, Option<String>) {
    let mut out = String::with_capacity(query.len() + body.len());
    let mut signature = None;
    for part in [query, body] {
        let mut first = true;
        for pair in part.split('&').filter(|p| !p.is_empty()) {
            match pair.strip_prefix("signature=") {
                Some(s) => {
                    let text = s.replace('+', " ");
                    let text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy();
                    signature = Some(text.into_owned());
                }
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

    /// RFC 8032, section 7.1, test 2.
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNED_72: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    #[test]
    fn an_ed25519_signature_of_rfc_8032_verifies_in_every_form_of_its_key() {
        let raw = hex::decode(PUBLIC).unwrap();
        let der = [&PUBLIC_DER[..], &raw].concat();
        let (raw, der) = (STANDARD.encode(raw), STANDARD.encode(der));
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
        let signature = STANDARD.encode(hex::decode(SIGNED_72).unwrap());
        for text in [&raw, &der, &pem] {
            let key = public_key(text).unwrap();
            assert!(verify_ed25519(&key, &[0x72], &signature));
            assert!(!verify_ed25519(&key, &[0x73], &signature));
            assert!(!verify_ed25519(&key, &[0x72], SIGNED_72));
            assert!(!verify_ed25519(&key, &[0x72], ""));
        }
        for text in ["", "zz", "AAAA", "-----BEGIN PUBLIC KEY-----"] {
            assert!(public_key(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_payload_is_query_then_body_without_the_signature() {
        let (p, s) = payload("a=1&signature=ab&b=2", "c=3");
        assert_eq!((p.as_str(), s.as_deref()), ("a=1&b=2c=3", Some("ab")));
        let (p, s) = payload("a=1", "b=2&signature=cd");
        assert_eq!((p.as_str(), s.as_deref()), ("a=1b=2", Some("cd")));
        let (_, s) = payload("signature=a%2Bb%2Fc%3D%3D", "");
        assert_eq!(s.as_deref(), Some("a+b/c=="));
        assert_eq!(payload("signature=a+b", "").1.as_deref(), Some("a b"));
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token("x"), token("x"));
        assert_eq!(token("x").len(), 64);
    }
}
