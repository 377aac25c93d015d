//! A first set of keys, tokens and server configuration, so that a NATS with permissions is a matter of minutes.

use super::callout::Placement;
use super::files::{self, FileError};
use super::keys::{Issuer, Login, Sealer};
use super::tokens::{RoleName, TokenEntry, TokenFile, digest};
use data_encoding::BASE64URL_NOPAD;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// File of the issuer's seed.
pub const ISSUER_SEED: &str = "issuer.seed";
/// File of the seed the callout logs in with.
pub const LOGIN_SEED: &str = "login.seed";
/// File of the curve key's seed.
pub const XKEY_SEED: &str = "xkey.seed";
/// File of the tokens' digests.
pub const TOKENS: &str = "tokens.yaml";
/// File of the server's configuration.
pub const SERVER_CONF: &str = "nats-server.conf";
/// File of the coordinator's token.
pub const COORDINATOR_TOKEN: &str = "coordinator.token";
/// File of the workers' token.
pub const WORKER_TOKEN: &str = "worker.token";
/// File of the administrators' token.
pub const ADMIN_TOKEN: &str = "admin.token";

/// For whom the set is.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Account of Helios, `namespace/name`.
    pub account: String,
    /// Strategy whose workers get a token, `namespace/name`.
    pub strategy: String,
    /// Where the NATS server listens, e.g. `127.0.0.1:4222`.
    pub listen: String,
}

/// A new token: 256 random bits.
///
/// # Errors
/// The system gives no random bytes.
pub fn new_token() -> std::io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(std::io::Error::other)?;
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_ref())))
}

/// The keys of a callout: what it alone holds, and the public halves that a NATS server is configured with.
#[derive(Clone)]
pub struct Keys {
    /// Seed that signs the answers.
    pub issuer_seed: Zeroizing<String>,
    /// Seed the callout logs in with.
    pub login_seed: Zeroizing<String>,
    /// Seed of the curve key to which questions are sealed.
    pub xkey_seed: Zeroizing<String>,
    /// `auth_callout.issuer` of the server.
    pub issuer: String,
    /// The one of `auth_callout.auth_users`, and the only user of the account `AUTH`.
    pub login: String,
    /// `auth_callout.xkey` of the server.
    pub xkey: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// New ones; `None` when no seed can be made, which never happens.
    pub fn generate() -> Option<Self> {
        let (issuer, sealer) = (Issuer::generate(), Sealer::generate());
        let (login, user) = Login::generate()?;
        Some(Self {
            issuer_seed: issuer.seed()?,
            login_seed: Zeroizing::new(login.expose().into()),
            xkey_seed: sealer.seed()?,
            issuer: issuer.public(),
            login: user,
            xkey: sealer.public(),
        })
    }
}

impl Setup {
    /// Writes the set into `dir`, each file readable by its owner alone; returns the files.
    ///
    /// # Errors
    /// One of them exists already (nothing is written then), or can't be written.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, FileError> {
        let io = |error| FileError::Io {
            path: dir.into(),
            error,
        };
        let mut make = std::fs::DirBuilder::new();
        make.recursive(true).mode(0o700).create(dir).map_err(io)?;
        let dir = dir.canonicalize().map_err(io)?;

        let no_seed = || io(std::io::Error::other("no key could be made"));
        let keys = Keys::generate().ok_or_else(no_seed)?;
        let [coordinator, worker, admin] = [new_token(), new_token(), new_token()];
        let (coordinator, worker, admin) = (
            coordinator.map_err(io)?,
            worker.map_err(io)?,
            admin.map_err(io)?,
        );
        let conf = server_conf(
            &self.listen,
            &Placement::own(&self.account),
            &dir.join("jetstream"),
            &keys.issuer,
            &keys.login,
            &keys.xkey,
        );
        let tokens = self.token_file(&coordinator, &worker, &admin);
        let line = |s: &str| Zeroizing::new(format!("{s}\n"));
        let all: [(&str, Zeroizing<String>); 8] = [
            (ISSUER_SEED, line(&keys.issuer_seed)),
            (LOGIN_SEED, line(&keys.login_seed)),
            (XKEY_SEED, line(&keys.xkey_seed)),
            (TOKENS, Zeroizing::new(tokens)),
            (COORDINATOR_TOKEN, line(&coordinator)),
            (WORKER_TOKEN, line(&worker)),
            (ADMIN_TOKEN, line(&admin)),
            (SERVER_CONF, Zeroizing::new(conf)),
        ];
        for (name, _) in &all {
            let path = dir.join(name);
            if path.exists() {
                let error = std::io::ErrorKind::AlreadyExists.into();
                return Err(FileError::Io { path, error });
            }
        }
        let mut written = Vec::with_capacity(all.len());
        for (name, text) in &all {
            let path = dir.join(name);
            files::create(&path, text)?;
            written.push(path);
        }
        Ok(written)
    }

    fn token_file(&self, coordinator: &str, worker: &str, admin: &str) -> String {
        let entry = |role, token: &str| TokenEntry {
            token_sha256: Some(digest(token)),
            role,
            account: self.account.clone(),
            ..TokenEntry::default()
        };
        let file = TokenFile {
            tokens: vec![
                entry(RoleName::Coordinator, coordinator),
                TokenEntry {
                    strategy: Some(self.strategy.clone()),
                    symbol: Some("*".into()),
                    ..entry(RoleName::Worker, worker)
                },
                entry(RoleName::Admin, admin),
            ],
        };
        // JSON is YAML; strings in it need no further thought.
        let json = serde_json::to_string_pretty(&file).unwrap_or_default();
        format!(
            "# Who may connect to NATS; read again whenever it changes. tokenSha256 is what `sha256sum` says of a token\n\
             # without a newline. A worker's symbol may be one symbol, or * for whichever the connection claims.\n\
             {json}\n"
        )
    }
}

/// A string of the server's configuration language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The server's configuration: two public keys and no credential.
fn server_conf(
    listen: &str,
    account: &str,
    store: &Path,
    issuer: &str,
    user: &str,
    xkey: &str,
) -> String {
    let (listen, account) = (quoted(listen), quoted(account));
    let store = quoted(&store.to_string_lossy());
    format!(
        r#"# NATS for Helios. It holds public keys only.
server_name: helios
listen: {listen}

jetstream {{
  store_dir: {store}
  # A write that was confirmed must not be undone by a loss of power: the fence stands on it.
  sync_interval: always
}}

# Beyond one machine, let nobody read along:
# tls {{ cert_file: "server.crt", key_file: "server.key" }}

# Every connection but the callout's own is put before `helios nats-auth`.
authorization {{
  # Seconds that an answer may take. From two on, a client that gets none thinks for a moment that it is in.
  timeout: 1.8
  auth_callout {{
    issuer: {issuer}
    account: AUTH
    auth_users: [ {user} ]
    xkey: {xkey}
  }}
}}

accounts {{
  # One for each account of Helios: HELIOS_ and its name, with / written =2F. Another one is another line and a reload.
  {account} {{ jetstream: enabled }}
  AUTH {{
    users: [ {{
      nkey: {user}
      permissions: {{
        subscribe: "$SYS.REQ.USER.AUTH helios-nats-auth"
        publish: {{ deny: ">" }}
        allow_responses: {{ max: 1, expires: "5s" }}
      }}
    }} ]
  }}
  SYS {{ }}
}}
system_account: SYS
"#
    )
}
