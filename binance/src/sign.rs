//! Signing: parameters are percent-encoded first, then signed; the signature is appended last.
//!
//! HMAC signatures are hex; Ed25519 ones base64 and then percent-encoded themselves, because base64 has `+`, `/`, `=`.

use crate::credentials::{Credentials, CredentialsError, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use std::fmt::Write;
use zeroize::Zeroizing;

/// Everything but RFC 3986's unreserved characters is escaped.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// An ordered query string, encoded as it grows. `Debug` shows no signature.
#[derive(Clone, Default)]
pub struct Query(String);

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.split_once("signature=") {
            Some((before, _)) => write!(f, "{before}signature=[redacted]"),
            None => f.write_str(&self.0),
        }
    }
}

impl Query {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `name=value`, the value percent-encoded.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.push(name, value);
        self
    }

    /// Appends `name=value` when there is a value.
    #[must_use]
    pub fn with_opt(self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(v) => self.with(name, v),
            None => self,
        }
    }

    fn push(&mut self, name: &str, value: impl std::fmt::Display) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        let value = value.to_string();
        // Writing to a String can't fail.
        let _ = write!(self.0, "{name}={}", utf8_percent_encode(&value, UNRESERVED));
    }

    /// The encoded text: what is sent, and what is signed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parameters as a JSON object of strings: an element of `batchOrders`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let pairs = url::form_urlencoded::parse(self.0.as_bytes());
        pairs
            .map(|(k, v)| (k.into_owned(), serde_json::Value::String(v.into_owned())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Signs what is there and appends `signature`.
    pub fn signed(mut self, credentials: &Credentials) -> Self {
        let signature = signature(credentials, &self.0);
        self.push("signature", signature);
        self
    }
}

/// The signature of an encoded payload: hex for HMAC, plain base64 for Ed25519.
pub fn signature(credentials: &Credentials, payload: &str) -> String {
    match &credentials.key {
        SigningKey::Hmac(secret) => hmac_hex(secret.expose().as_bytes(), payload),
        SigningKey::Ed25519(key) => STANDARD.encode(key.0.sign(payload.as_bytes()).to_bytes()),
    }
}

fn hmac_hex(key: &[u8], payload: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(payload.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        }
        // HMAC takes keys of any length; were it otherwise, the venue would answer −1022.
        Err(_) => String::new(),
    }
}

/// An Ed25519 private key; its bytes are wiped on drop.
#[derive(Clone)]
pub(crate) struct Ed25519Key(ed25519_dalek::SigningKey);

/// DER of the algorithm identifier 1.3.101.112 in PKCS#8.
const ED25519_OID: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
/// OCTET STRING holding an OCTET STRING of 32 bytes: the seed follows.
const SEED_HEADER: &[u8] = &[0x04, 0x22, 0x04, 0x20];

impl Ed25519Key {
    /// Reads PKCS#8 (PEM or base64 of its DER) or a base64 seed of 32 bytes.
    pub(crate) fn parse(text: &str) -> Result<Self, CredentialsError> {
        let bad = CredentialsError::BadEd25519;
        let body: Zeroizing<String> = Zeroizing::new(
            text.lines()
                .map(str::trim)
                .filter(|l| !l.starts_with("-----"))
                .collect(),
        );
        let der = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_| bad.clone())?);
        let seed: &[u8] = if der.len() == 32 {
            &der
        } else {
            let rest = after(&der, ED25519_OID).ok_or_else(|| bad.clone())?;
            let rest = rest.strip_prefix(SEED_HEADER).ok_or_else(|| bad.clone())?;
            rest.get(..32).ok_or_else(|| bad.clone())?
        };
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().map_err(|_| bad)?);
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }
}

fn after<'a>(hay: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    hay.windows(needle.len())
        .position(|w| w == needle)
        .map(|i| &hay[i + needle.len()..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::credentials::{KeyType, Secret};

    fn ed(secret: String) -> Credentials {
        Credentials::new("k", Secret::new(secret), KeyType::Ed25519).unwrap()
    }

    #[test]
    fn hmac_signatures_equal_the_exchange_s_published_vectors() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/data/samples/signing_vectors_hmac.json"
        );
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("SKIPPED: {path} is not there");
            return;
        };
        let vectors: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(vectors.len(), 3);
        for v in vectors {
            let key = Secret::new(v["key"].as_str().unwrap().into());
            let c = Credentials::new("k", key, KeyType::Hmac).unwrap();
            assert_eq!(
                signature(&c, v["payload"].as_str().unwrap()),
                v["signature"].as_str().unwrap()
            );
        }
    }

    #[test]
    fn parameters_are_percent_encoded_before_they_are_signed() {
        let q = Query::new()
            .with("symbol", "１２３")
            .with("text", "a b+c/d=e&f");
        assert_eq!(
            q.as_str(),
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93&text=a%20b%2Bc%2Fd%3De%26f"
        );
    }

    /// RFC 8032, section 7.1, tests 1 to 3 (secret, message, signature).
    const RFC8032: [(&str, &str, &str); 3] = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];

    #[test]
    fn ed25519_signatures_equal_rfc_8032() {
        for (secret, message, want) in RFC8032 {
            let c = ed(STANDARD.encode(hex::decode(secret).unwrap()));
            let SigningKey::Ed25519(key) = &c.key else {
                panic!("wrong key type")
            };
            let got = key.0.sign(&hex::decode(message).unwrap()).to_bytes();
            assert_eq!(hex::encode(got), want);
        }
    }

    #[test]
    fn a_pkcs8_pem_and_a_raw_seed_give_the_same_signature() {
        let seed = hex::decode(RFC8032[1].0).unwrap();
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend(&seed);
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(&der)
        );
        let (a, b) = (ed(pem), ed(STANDARD.encode(&seed)));
        let payload = "symbol=BTCUSDT&timestamp=1";
        assert_eq!(signature(&a, payload), signature(&b, payload));
        let q = Query::new().with("timestamp", 1).signed(&a);
        let sent = q.as_str().rsplit_once("signature=").unwrap().1;
        assert!(!sent.contains(['+', '/', '=']), "{sent}");
    }
}
