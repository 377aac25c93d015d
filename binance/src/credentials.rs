//! API credentials: explicit key type, secret wiped on drop, never printed.
//!
//! The type is said, not guessed: a base64-looking HMAC secret has been taken for an Ed25519 key elsewhere.

use crate::sign::Ed25519Key;
use std::fmt;
use zeroize::Zeroizing;

/// How requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// HMAC-SHA256 over the payload, hex.
    Hmac,
    /// Ed25519 over the payload, base64.
    Ed25519,
}

/// A text that is wiped when dropped and shows as `[redacted]`.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why credentials can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Key or secret is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The API key can't be an HTTP header.
    #[error("apiKey contains characters that no API key has")]
    BadApiKey,
    /// Not a private key in PKCS#8 (PEM or base64) or a base64 seed of 32 bytes.
    #[error(
        "apiSecret is no Ed25519 private key: expected PKCS#8 PEM or a base64 seed of 32 bytes"
    )]
    BadEd25519,
}

/// An API key with what signs for it.
#[derive(Clone)]
pub struct Credentials {
    api_key: Secret,
    pub(crate) key: SigningKey,
}

#[derive(Clone)]
pub(crate) enum SigningKey {
    Hmac(Secret),
    Ed25519(Box<Ed25519Key>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("api_key", &"[redacted]")
            .field("key_type", &self.key_type())
            .finish()
    }
}

impl Credentials {
    /// Checks and takes over a key pair; `secret` is the HMAC secret or the Ed25519 private key.
    ///
    /// # Errors
    /// [`CredentialsError`] when either is empty or not of its type.
    pub fn new(api_key: &str, secret: Secret, key_type: KeyType) -> Result<Self, CredentialsError> {
        let api_key = api_key.trim();
        if api_key.is_empty() {
            return Err(CredentialsError::Empty("apiKey"));
        }
        if !api_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(CredentialsError::BadApiKey);
        }
        if secret.expose().trim().is_empty() {
            return Err(CredentialsError::Empty("apiSecret"));
        }
        let key = match key_type {
            KeyType::Hmac => SigningKey::Hmac(Secret::new(secret.expose().trim().to_owned())),
            KeyType::Ed25519 => SigningKey::Ed25519(Box::new(Ed25519Key::parse(secret.expose())?)),
        };
        Ok(Self {
            api_key: Secret::new(api_key.to_owned()),
            key,
        })
    }

    /// Value of the `X-MBX-APIKEY` header.
    pub(crate) fn api_key(&self) -> &str {
        self.api_key.expose()
    }

    /// How requests are signed.
    pub fn key_type(&self) -> KeyType {
        match self.key {
            SigningKey::Hmac(_) => KeyType::Hmac,
            SigningKey::Ed25519(_) => KeyType::Ed25519,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn debug_shows_neither_key_nor_secret() {
        let c =
            Credentials::new("theApiKey", Secret::new("theSecret".into()), KeyType::Hmac).unwrap();
        let shown = format!("{c:?} {:?}", Secret::new("theSecret".into()));
        assert!(!shown.contains("theApiKey") && !shown.contains("theSecret"));
    }

    #[test]
    fn empty_or_wrong_keys_are_refused() {
        let s = || Secret::new("x".into());
        assert_eq!(
            Credentials::new(" ", s(), KeyType::Hmac).unwrap_err(),
            CredentialsError::Empty("apiKey")
        );
        assert_eq!(
            Credentials::new("a\nb", s(), KeyType::Hmac).unwrap_err(),
            CredentialsError::BadApiKey
        );
        assert_eq!(
            Credentials::new("a", s(), KeyType::Ed25519).unwrap_err(),
            CredentialsError::BadEd25519
        );
    }
}
