//! Static tokens from a file: who may connect where there is no Kubernetes to ask.
//!
//! The file holds SHA-256 digests (a token itself is taken too), is read again whenever it changes, and must be its
//! owner's alone. One that can't be used admits nobody: a half-written file must not keep a removed token alive.

use super::files::{self, FileError, Mark};
use super::validator::{ClientInfo, Refused, Validator};
use super::{Identity, Role};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

/// A token is at least this long: it is the only thing between a stranger and the bus, and nobody has to remember it.
const SHORTEST: usize = 32;

/// The file as written.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenFile {
    /// Everybody who may connect.
    pub tokens: Vec<TokenEntry>,
}

/// One token as written.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenEntry {
    /// SHA-256 of the token, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// The token itself, where there is no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Zeroizing<String>>,
    /// What its holder is.
    pub role: RoleName,
    /// Account, `namespace/name`.
    pub account: String,
    /// Strategy of a worker, `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Symbol of a worker; `*` for any one that the connection claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// When it ends, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// The kind of a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleName {
    /// [`Role::Worker`].
    #[default]
    Worker,
    /// [`Role::Coordinator`].
    Coordinator,
    /// [`Role::Operator`].
    Operator,
    /// [`Role::Admin`].
    Admin,
}

/// What a token is good for.
#[derive(Clone, Debug)]
enum Grants {
    /// One role, whatever the client says.
    Role(Role),
    /// A worker of the symbol that the client claims.
    AnySymbol { account: String, strategy: String },
}

#[derive(Clone, Debug)]
struct Entry {
    digest: [u8; 32],
    grants: Grants,
    expires: Option<SystemTime>,
}

/// SHA-256 of a token, in hex, as the file holds it.
pub fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

impl TokenEntry {
    /// Checks it; the error names the line's fault, never the token.
    fn entry(&self) -> Result<Entry, String> {
        let digest = match (&self.token_sha256, &self.token) {
            (Some(h), None) => {
                let mut d = [0; 32];
                hex::decode_to_slice(h, &mut d)
                    .map_err(|_| "tokenSha256 must be 64 hex digits".to_owned())?;
                d
            }
            (None, Some(t)) if t.len() >= SHORTEST => Sha256::digest(t.as_bytes()).into(),
            (None, Some(_)) => return Err(format!("token has fewer than {SHORTEST} characters")),
            _ => return Err("give either tokenSha256 or token".into()),
        };
        if self.account.is_empty() {
            return Err("account is empty".into());
        }
        let account = self.account.clone();
        let grants = match (self.role, &self.strategy, &self.symbol) {
            (RoleName::Worker, Some(strategy), Some(symbol))
                if !strategy.is_empty() && !symbol.is_empty() =>
            {
                let strategy = strategy.clone();
                if symbol == "*" {
                    Grants::AnySymbol { account, strategy }
                } else {
                    Grants::Role(Role::Worker {
                        account,
                        symbol: symbol.clone(),
                        strategy,
                    })
                }
            }
            (RoleName::Worker, ..) => return Err("a Worker needs strategy and symbol".into()),
            (_, Some(_), _) | (_, _, Some(_)) => {
                return Err("strategy and symbol are for a Worker only".into());
            }
            (RoleName::Coordinator, ..) => Grants::Role(Role::Coordinator { account }),
            (RoleName::Operator, ..) => Grants::Role(Role::Operator { account }),
            (RoleName::Admin, ..) => Grants::Role(Role::Admin { account }),
        };
        let expires = match &self.expires {
            None => None,
            Some(t) => Some(
                OffsetDateTime::parse(t, &Rfc3339)
                    .map_err(|_| "expires must be like 2030-01-31T00:00:00Z".to_owned())?
                    .into(),
            ),
        };
        Ok(Entry {
            digest,
            grants,
            expires,
        })
    }
}

/// The entries of a file and the state of the file they are from.
#[derive(Debug)]
struct Read {
    mark: Mark,
    entries: Vec<Entry>,
}

/// Tokens from a file.
#[derive(Debug)]
pub struct StaticTokens {
    path: PathBuf,
    read: Mutex<Option<Read>>,
}

impl StaticTokens {
    /// Reads the file.
    ///
    /// # Errors
    /// It can't be used.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let read = load(&path)?;
        Ok(Self {
            path,
            read: Mutex::new(Some(read)),
        })
    }

    /// Tokens in the file as last read.
    pub fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, |r| r.entries.len())
    }

    /// Does it admit nobody?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Read>> {
        // Replaced as a whole, so a poisoned lock still holds whole entries.
        self.read
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The entry of a token, from the file as it is now.
    fn find(&self, token: &str) -> Result<Entry, Refused> {
        let mut read = self.lock();
        self.refresh(&mut read)
            .map_err(|e| Refused::Unavailable(e.to_string()))?;
        let wanted: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // All of them are compared, each in constant time: how long it takes tells nothing.
        let mut found = None;
        for e in read.iter().flat_map(|r| &r.entries) {
            if bool::from(e.digest.ct_eq(&wanted)) {
                found = Some(e);
            }
        }
        found.cloned().ok_or(Refused::Unknown)
    }

    /// Reads the file again if it is another than before; on failure nothing is left of the old one.
    fn refresh(&self, read: &mut Option<Read>) -> Result<(), FileError> {
        let before = read.take();
        let mark = files::mark(&self.path)?;
        *read = match before {
            Some(r) if r.mark == mark => Some(r),
            _ => {
                let new = load(&self.path)?;
                tracing::info!(file = %self.path.display(), tokens = new.entries.len(), "tokens read again");
                Some(new)
            }
        };
        Ok(())
    }
}

fn load(path: &Path) -> Result<Read, FileError> {
    let (text, mark) = files::read(path)?;
    let content = |why: String| FileError::Content {
        path: path.into(),
        why,
    };
    let file: TokenFile = serde_saphyr::from_str(&text)
        // The parser's own words may quote the file.
        .map_err(|_| content("is no token file (see `helios nats-auth --help`)".into()))?;
    let mut entries: Vec<Entry> = Vec::with_capacity(file.tokens.len());
    for (i, t) in file.tokens.iter().enumerate() {
        let entry = t
            .entry()
            .map_err(|why| content(format!("token {}: {why}", i + 1)))?;
        if entries.iter().any(|e| e.digest == entry.digest) {
            return Err(content(format!("token {} is there twice", i + 1)));
        }
        entries.push(entry);
    }
    Ok(Read { mark, entries })
}

#[async_trait]
impl Validator for StaticTokens {
    async fn validate(&self, token: &str, client: &ClientInfo) -> Result<Identity, Refused> {
        if token.is_empty() {
            return Err(Refused::NoToken);
        }
        let entry = self.find(token)?;
        if entry.expires.is_some_and(|e| e <= SystemTime::now()) {
            return Err(Refused::Expired);
        }
        let claimed = client.claimed_symbol();
        let role = match entry.grants {
            Grants::AnySymbol { account, strategy } => Role::Worker {
                account,
                symbol: claimed.ok_or(Refused::NoSymbol)?.to_owned(),
                strategy,
            },
            Grants::Role(role) => {
                if let (Role::Worker { symbol, .. }, Some(claimed)) = (&role, claimed)
                    && symbol != claimed
                {
                    return Err(Refused::OtherSymbol {
                        bound: symbol.clone(),
                        claimed: claimed.to_owned(),
                    });
                }
                role
            }
        };
        Ok(Identity {
            role,
            expires: entry.expires,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn file(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("t.yaml");
        let _ = std::fs::remove_file(&path);
        files::create(&path, text).unwrap();
        path
    }

    fn open(text: &str) -> Result<StaticTokens, String> {
        let dir = tempfile::tempdir().unwrap();
        StaticTokens::open(file(dir.path(), text)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_token_or_its_digest_in_yaml_or_json_is_the_same() {
        let by_token = format!("tokens:\n- {{token: '{TOKEN}', role: Admin, account: ns/a}}");
        let by_digest = format!(
            r#"{{"tokens":[{{"tokenSha256":"{}","role":"Admin","account":"ns/a"}}]}}"#,
            digest(TOKEN)
        );
        for text in [by_token, by_digest] {
            let dir = tempfile::tempdir().unwrap();
            let tokens = StaticTokens::open(file(dir.path(), &text)).unwrap();
            assert_eq!(tokens.len(), 1);
            assert!(tokens.find(TOKEN).is_ok());
            assert_eq!(tokens.find("x").map(drop), Err(Refused::Unknown));
        }
    }

    #[test]
    fn a_file_with_a_fault_is_refused_in_words_that_hold_no_token() {
        let t = format!("token: '{TOKEN}'");
        for (entry, says) in [
            (
                "token: short, role: Admin, account: a".into(),
                "fewer than 32",
            ),
            (
                "role: Admin, account: a".into(),
                "either tokenSha256 or token",
            ),
            (format!("{t}, role: Admin, account: ''"), "account is empty"),
            (
                format!("{t}, role: Worker, account: a, strategy: s"),
                "needs strategy and symbol",
            ),
            (
                format!("{t}, role: Coordinator, account: a, symbol: s"),
                "for a Worker only",
            ),
            (
                format!("{t}, role: Admin, account: a, expires: tomorrow"),
                "2030-01-31T00:00:00Z",
            ),
            (
                "tokenSha256: zz, role: Admin, account: a".into(),
                "64 hex digits",
            ),
            (format!("{t}, role: Boss, account: a"), "no token file"),
            (
                format!("{t}, role: Admin, account: a, colour: red"),
                "no token file",
            ),
            (
                format!("{t}, role: Admin, account: a}}, {{{t}, role: Admin, account: b"),
                "twice",
            ),
        ] {
            let e = open(&format!("tokens: [{{{entry}}}]"))
                .map(drop)
                .unwrap_err();
            assert!(e.contains(says), "{entry}: {e}");
            assert!(!e.contains(TOKEN), "{e}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_also_later() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("tokens: [{{token: '{TOKEN}', role: Admin, account: a}}]");
        let path = file(dir.path(), &text);
        let tokens = StaticTokens::open(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let e = tokens.find(TOKEN).unwrap_err().to_string();
        assert!(e.contains("chmod 600"), "{e}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(tokens.find(TOKEN).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(tokens.find(TOKEN), Err(Refused::Unavailable(_))));
    }

    #[tokio::test]
    async fn the_connection_ends_with_its_token() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "tokens: [{{token: '{TOKEN}', role: Admin, account: a, expires: 2100-01-01T00:00:00Z}}]"
        );
        let tokens = StaticTokens::open(file(dir.path(), &text)).unwrap();
        let identity = tokens
            .validate(TOKEN, &ClientInfo::default())
            .await
            .unwrap();
        let expires = identity.expires.unwrap();
        let seconds = expires.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(seconds.as_secs(), 4_102_444_800);
    }
}
