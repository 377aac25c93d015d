//! The exchange's keys as files of one directory, the way the kubelet keeps a Secret: `apiKey`, `apiSecret`, `keyType`.
//!
//! They may come later than the process, and be others later: it is looked at them each second. The three are read from one
//! state of the directory, since the kubelet replaces a Secret's files together, by a link. Nothing of them is ever shown.

use super::own::kubelet_keeps;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::rest::RestClient;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Between two looks.
pub const LOOK: Duration = Duration::from_secs(1);
/// Longer than any key.
const LARGEST: u64 = 64 * 1024;

/// A directory of keys.
pub struct SecretDir {
    dir: PathBuf,
    /// Whose files they are, for words.
    whose: String,
    /// What was used last.
    used: Option<Raw>,
    /// What was wrong last, so that it is told once.
    wrong: Option<String>,
}

/// The files as they are.
#[derive(PartialEq)]
struct Raw {
    key: Zeroizing<String>,
    secret: Zeroizing<String>,
    key_type: Zeroizing<String>,
}

impl SecretDir {
    /// Looks at nothing yet. `secret` is the Secret's name, if there is one.
    pub fn new(dir: &Path, secret: Option<&str>) -> Self {
        Self {
            dir: dir.to_path_buf(),
            whose: secret.map_or_else(|| dir.display().to_string(), |s| format!("Secret {s}")),
            used: None,
            wrong: None,
        }
    }

    /// The keys that are there now, unless they were given out before.
    ///
    /// # Errors
    /// What is missing, or can't be used, in words that start with `credentials`.
    pub fn look(&mut self) -> Result<Option<Credentials>, String> {
        let raw = self.read()?;
        if self.used.as_ref() == Some(&raw) {
            return Ok(None);
        }
        let unusable = |why: String| format!("credentials of {} can't be used: {why}", self.whose);
        let key_type = match raw.key_type.trim() {
            "" | "Hmac" => KeyType::Hmac,
            "Ed25519" => KeyType::Ed25519,
            // It may be a secret that landed in the wrong file.
            _ => return Err(unusable("keyType is neither Hmac nor Ed25519".into())),
        };
        let secret = Secret::new(raw.secret.to_string());
        let made = Credentials::new(&raw.key, secret, key_type);
        let made = made.map_err(|e| unusable(e.to_string()))?;
        self.used = Some(raw);
        Ok(Some(made))
    }

    fn read(&self) -> Result<Raw, String> {
        // The state that `..data` points to now; the next one has another name.
        let data = std::fs::canonicalize(self.dir.join("..data"));
        let at = data.as_deref().unwrap_or(&self.dir);
        let file = |name: &str| self.file(at, name);
        let (key, secret, key_type) = (file("apiKey")?, file("apiSecret")?, file("keyType")?);
        match (key, secret) {
            (Some(key), Some(secret)) => Ok(Raw {
                key,
                secret,
                key_type: key_type.unwrap_or_default(),
            }),
            (key, secret) => {
                let missing = [("apiKey", key.is_none()), ("apiSecret", secret.is_none())];
                let missing = missing.iter().filter(|(_, m)| *m).map(|(n, _)| *n);
                let missing = missing.collect::<Vec<_>>().join(", ");
                Err(format!(
                    "credentials missing: {} has no {missing}: write apiKey and apiSecret into it, and keyType unless it is Hmac",
                    self.whose
                ))
            }
        }
    }

    /// One file; `None` when it is not there or empty.
    fn file(&self, at: &Path, name: &str) -> Result<Option<Zeroizing<String>>, String> {
        let shown = self.dir.join(name);
        let broken =
            |e: std::io::Error| format!("credentials: {} can't be read: {e}", shown.display());
        let file = match std::fs::File::open(at.join(name)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(broken)?,
        };
        let mode = file.metadata().map_err(broken)?.mode();
        if mode & 0o077 != 0 && !kubelet_keeps(&shown) {
            return Err(format!(
                "credentials: {0} may be read by others (mode {1:o}): chmod 600 {0}",
                shown.display(),
                mode & 0o777
            ));
        }
        // Room for all of it at once: what grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(LARGEST as usize));
        file.take(LARGEST)
            .read_to_string(&mut text)
            .map_err(broken)?;
        Ok((!text.trim().is_empty()).then_some(text))
    }

    /// Waits for keys that can be used; `waits` is told of what is wrong until then.
    pub async fn wait(&mut self, waits: impl Fn(&str)) -> Credentials {
        loop {
            match self.look() {
                Ok(Some(keys)) => return keys,
                Ok(None) => {}
                Err(why) => waits(&why),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives a client other keys when there are others, for as long as the process lives. What can't be used changes nothing:
    /// the keys before may serve on.
    pub async fn follow(mut self, rest: RestClient) {
        loop {
            tokio::time::sleep(LOOK).await;
            let wrong = match self.look() {
                Ok(Some(keys)) => {
                    rest.renew(keys);
                    tracing::info!(
                        "the exchange's keys were replaced: requests are signed with the new ones"
                    );
                    None
                }
                Ok(None) => None,
                Err(why) => Some(why),
            };
            if wrong != self.wrong {
                if let Some(why) = &wrong {
                    tracing::error!("{why}; the keys read before stay in use");
                }
                self.wrong = wrong;
            }
        }
    }
}

#[cfg(test)]
#[path = "secret_dir_tests.rs"]
mod tests;
