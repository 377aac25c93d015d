//! The callout's own keys, in NATS's nkey form: what signs its answers, what it logs in with, what it is written to with.
//!
//! Their text is wiped from memory when dropped and never printed; the key schedules inside the crypto crates live as long
//! as the process does.

use super::files::{self, FileError};
use nkeys::{KeyPair, KeyPairType, XKey};
use std::path::Path;
use zeroize::Zeroizing;

/// Signs answers; the server knows its public half as `issuer`.
pub struct Issuer(KeyPair);

/// Opens requests and seals answers; the server knows its public half as `xkey`.
pub struct Sealer(XKey);

/// Logs the callout itself in; the server knows its public half as a user of the account `AUTH`.
pub struct Login(Zeroizing<String>);

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Issuer").field(&self.public()).finish()
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sealer").field(&self.public()).finish()
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

/// A seed that is none, in words that do not hold it.
fn no_seed(path: &Path, what: &str) -> FileError {
    FileError::Content {
        path: path.into(),
        why: format!("holds no seed of {what}"),
    }
}

impl Issuer {
    /// A new one.
    pub fn generate() -> Self {
        Self(KeyPair::new_account())
    }

    /// Reads a file that holds an account's seed (`SA…`).
    ///
    /// # Errors
    /// The file can't be used or holds something else.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let (text, _) = files::read(path)?;
        KeyPair::from_seed(text.trim())
            .ok()
            .filter(|k| k.key_pair_type() == KeyPairType::Account)
            .map(Self)
            .ok_or_else(|| no_seed(path, "an account (SA...)"))
    }

    /// Its public half (`A…`).
    pub fn public(&self) -> String {
        self.0.public_key()
    }

    /// Signs bytes; `None` never happens with a seed.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.sign(bytes).ok()
    }

    pub(crate) fn seed(&self) -> Option<Zeroizing<String>> {
        self.0.seed().ok().map(Zeroizing::new)
    }
}

impl Sealer {
    /// A new one.
    pub fn generate() -> Self {
        Self(XKey::new())
    }

    /// Reads a file that holds a curve key's seed (`SX…`).
    ///
    /// # Errors
    /// The file can't be used or holds something else.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let (text, _) = files::read(path)?;
        XKey::from_seed(text.trim())
            .map(Self)
            .map_err(|_| no_seed(path, "a curve key (SX...)"))
    }

    /// Its public half (`X…`).
    pub fn public(&self) -> String {
        self.0.public_key()
    }

    /// Opens what the holder of the public key `from` has sealed for us.
    pub(crate) fn open(&self, sealed: &[u8], from: &str) -> Option<Zeroizing<Vec<u8>>> {
        let from = XKey::from_public_key(from).ok()?;
        self.0.open(sealed, &from).ok().map(Zeroizing::new)
    }

    /// Seals for the holder of the public key `to`.
    pub(crate) fn seal(&self, plain: &[u8], to: &str) -> Option<Vec<u8>> {
        let to = XKey::from_public_key(to).ok()?;
        self.0.seal(plain, &to).ok()
    }

    pub(crate) fn seed(&self) -> Option<Zeroizing<String>> {
        self.0.seed().ok().map(Zeroizing::new)
    }
}

impl Login {
    /// A new one, with its public half (`U…`).
    pub fn generate() -> Option<(Self, String)> {
        let key = KeyPair::new_user();
        let seed = key.seed().ok()?;
        Some((Self(Zeroizing::new(seed)), key.public_key()))
    }

    /// Reads a file that holds a user's seed (`SU…`).
    ///
    /// # Errors
    /// The file can't be used or holds something else.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let (text, _) = files::read(path)?;
        let seed = Zeroizing::new(text.trim().to_owned());
        KeyPair::from_seed(&seed)
            .ok()
            .filter(|k| k.key_pair_type() == KeyPairType::User)
            .ok_or_else(|| no_seed(path, "a user (SU...)"))?;
        Ok(Self(seed))
    }

    /// The seed itself, for the client library and a file; nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_seed_survives_its_file_and_is_taken_for_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let [a, x, u] = ["a", "x", "u"].map(|n| dir.path().join(n));
        let (issuer, sealer) = (Issuer::generate(), Sealer::generate());
        let (login, _) = Login::generate().unwrap();
        files::create(&a, &format!("{}\n", issuer.seed().unwrap().as_str())).unwrap();
        files::create(&x, &sealer.seed().unwrap()).unwrap();
        files::create(&u, login.expose()).unwrap();
        assert_eq!(Issuer::read(&a).unwrap().public(), issuer.public());
        assert_eq!(Sealer::read(&x).unwrap().public(), sealer.public());
        assert_eq!(Login::read(&u).unwrap().expose(), login.expose());
        for e in [
            Issuer::read(&u).map(drop),
            Sealer::read(&a).map(drop),
            Login::read(&x).map(drop),
        ] {
            let e = e.unwrap_err().to_string();
            assert!(e.contains("holds no seed of"), "{e}");
        }
    }

    #[test]
    fn a_seed_is_never_shown() {
        let issuer = Issuer::generate();
        let (login, _) = Login::generate().unwrap();
        assert!(!format!("{issuer:?}").contains(issuer.seed().unwrap().as_str()));
        assert!(!format!("{login:?}").contains(login.expose()));
    }

    #[test]
    fn what_one_seals_only_the_other_opens() {
        let (a, b, c) = (Sealer::generate(), Sealer::generate(), Sealer::generate());
        let sealed = a.seal(b"hello", &b.public()).unwrap();
        assert_eq!(b.open(&sealed, &a.public()).unwrap().as_slice(), b"hello");
        assert!(c.open(&sealed, &a.public()).is_none());
        assert!(b.open(&sealed, &c.public()).is_none());
        assert!(b.open(&sealed, "X").is_none() && b.open(b"", &a.public()).is_none());
    }
}
