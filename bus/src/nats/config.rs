//! How to reach NATS, and as whom. Secrets are wiped when dropped and never shown.

use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// Silence on the connection after which the server is asked for a sign of life; after three without one it counts as gone.
pub const PING: Duration = Duration::from_secs(1);

/// A secret text: no `Debug` of its content, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn text(&self) -> String {
        self.0.as_str().to_owned()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// As whom.
#[derive(Clone, Debug, Default)]
pub enum NatsAuth {
    /// Nobody in particular.
    #[default]
    None,
    /// A token.
    Token(Secret),
    /// A token in a file, read anew for each connection (a projected service account token changes).
    TokenFile(PathBuf),
    /// The same, with a user that says which of several the token stands for (a worker's symbol).
    UserTokenFile {
        /// User.
        user: String,
        /// File of the token.
        file: PathBuf,
    },
    /// A user with a password.
    UserPassword {
        /// User.
        user: String,
        /// Password.
        password: Secret,
    },
}

/// Certificates (PEM files, read anew for each connection). With them the connection is encrypted or not made.
#[derive(Clone, Debug, Default)]
pub struct NatsTls {
    /// Authorities to trust; without, those of the system.
    pub ca: Option<PathBuf>,
    /// Own certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How to reach NATS.
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// Servers, `nats://host:port` or `tls://host:port`, without user or password. Others that the servers name are not used:
    /// their addresses seldom fit a certificate.
    pub urls: Vec<String>,
    /// As whom.
    pub auth: NatsAuth,
    /// Encryption; `None` = as the server wishes.
    pub tls: Option<NatsTls>,
    /// Name that the server shows for this client.
    pub name: String,
    /// First tokens of the subjects on which answers arrive, so that permissions can bind them: the client's own.
    pub inbox_prefix: String,
    /// Key-value bucket.
    pub bucket: String,
    /// Copies of the bucket: 1, or 3 on a cluster. Used when it is created.
    pub replicas: u8,
    /// Create the bucket when it is missing. For the coordinator's side; workers open it only.
    pub create_bucket: bool,
    /// May confirm a read that seems old with the bucket's leader (`$JS.API.STREAM.MSG.GET.KV_<bucket>`, which reads every key).
    /// Without, a read is old when it stays so for [`NatsConfig::old_for`].
    pub leader_reads: bool,
    /// How long reads must stay older than what was seen before that counts as a rollback, without `leader_reads`. A copy that
    /// lags is far faster than the default of one second.
    pub old_for: Duration,
    /// Longest that an operation on the bucket may take.
    pub bucket_timeout: Duration,
    /// Messages a subscriber may lag behind before it loses the oldest (and never more than 16 MiB).
    pub queue: usize,
}

impl NatsConfig {
    /// Defaults for one server: no identity, no encryption, bucket `helios`, one copy, opened only.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            auth: NatsAuth::None,
            tls: None,
            name: "helios".into(),
            inbox_prefix: "_INBOX".into(),
            bucket: "helios".into(),
            replicas: 1,
            create_bucket: false,
            leader_reads: false,
            old_for: Duration::from_secs(1),
            bucket_timeout: Duration::from_secs(2),
            queue: 4096,
        }
    }

    /// Defaults for the coordinator's side: as [`NatsConfig::new`], creating the bucket. It does not ask the bucket's leader:
    /// that request reads every key, so no permission grants it.
    pub fn coordinator(url: impl Into<String>) -> Self {
        Self {
            create_bucket: true,
            ..Self::new(url)
        }
    }

    /// Is it one that can work?
    ///
    /// # Errors
    /// The first field that cannot.
    pub fn check(&self) -> Result<(), NatsError> {
        let bad = |why: String| Err(NatsError::Config(why));
        if self.urls.is_empty() {
            return bad("no server is named".into());
        }
        for url in &self.urls {
            match url.parse::<async_nats::ServerAddr>() {
                // Not shown: it holds a password.
                Ok(a) if a.has_user_pass() => {
                    return bad("a server's address holds a user: name it apart".into());
                }
                Ok(_) => {}
                Err(e) => return bad(format!("server: {e}")),
            }
        }
        let plain = |s: &str| {
            !s.is_empty()
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
        };
        if !self.inbox_prefix.split('.').all(plain) {
            return bad(format!(
                "inbox prefix {:?} is no subject without wildcards",
                self.inbox_prefix
            ));
        }
        if !plain(&self.bucket) || self.bucket.contains('=') {
            return bad(format!("bucket {:?} is no name", self.bucket));
        }
        if ![1, 3, 5].contains(&self.replicas) {
            return bad(format!("{} copies of the bucket: 1 or 3", self.replicas));
        }
        if self.queue == 0 {
            return bad("a queue of no messages".into());
        }
        Ok(())
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NatsError {
    /// The configuration cannot work.
    #[error("NATS: {0}")]
    Config(String),
    /// No server took the connection.
    #[error("NATS: no connection: {0}")]
    Connect(String),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_configuration_never_shows_its_secrets_and_takes_none_in_an_address() {
        let mut c = NatsConfig::new("nats://localhost:4222");
        c.auth = NatsAuth::UserPassword {
            user: "u".into(),
            password: Secret::new("hunter2".into()),
        };
        c.check().unwrap();
        assert!(!format!("{c:?}").contains("hunter2"));
        c.urls.push("nats://u:hunter2@localhost".into());
        assert!(!c.check().unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn an_inbox_prefix_that_permissions_cannot_bind_is_refused() {
        let mut c = NatsConfig::new("nats://localhost:4222");
        c.inbox_prefix = "_INBOX.>".into();
        assert!(c.check().is_err());
    }
}
