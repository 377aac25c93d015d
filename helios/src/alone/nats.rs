//! The flags of every role that talks over NATS, and the bus they name.
//!
//! A binary built without the feature `nats` has none of them, and says so where somebody asks for it.

/// Whose connection it is: it decides what may be created, and where answers arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
pub enum Side<'a> {
    /// A coordinator: makes the bucket.
    Coordinator,
    /// A worker.
    Worker {
        /// Its symbol.
        symbol: &'a str,
        /// Full name of its strategy.
        strategy: &'a str,
    },
    /// A person.
    Admin,
    /// The operator, for one account.
    #[cfg(feature = "kubernetes")]
    Operator,
}

/// What the help says of it.
#[cfg(feature = "nats")]
pub const HELP: &str = "Over NATS (2.15 or newer, with JetStream and `sync_interval: always`) the roles are processes that may run on different\nmachines:\n  helios coordinator config/samples/quickstart.yaml --nats nats://127.0.0.1:4222 --state state/ &\n  helios worker config/samples/quickstart.yaml --symbol BTCUSDT --nats nats://127.0.0.1:4222 &\n  helios kill --nats nats://127.0.0.1:4222 --account paper";
/// What the help says of it.
#[cfg(not(feature = "nats"))]
pub const HELP: &str = "This binary was built without NATS, so its processes can't reach each other: build it with\n  cargo build --release --locked -p helios --features nats";

/// Where NATS is, and as whom.
#[cfg(feature = "nats")]
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "NATS")]
pub struct NatsArgs {
    /// Servers, e.g. nats://127.0.0.1:4222, or several of one cluster with commas; without it the process is on its own
    #[arg(
        long,
        value_name = "URL[,URL]",
        env = "HELIOS_NATS_URL",
        value_delimiter = ','
    )]
    pub nats: Vec<String>,
    /// File with the token that says who this is; mode 0600 or in a pod's volume, read anew for each connection
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub nats_token_file: Option<std::path::PathBuf>,
    /// Certificate authority of the servers (PEM); then nothing is sent unencrypted
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub nats_ca: Option<std::path::PathBuf>,
    /// Own certificate (PEM), where the servers want one
    #[arg(long, value_name = "FILE", requires_all = ["nats", "nats_key"])]
    pub nats_cert: Option<std::path::PathBuf>,
    /// Its key (PEM); mode 0600
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<std::path::PathBuf>,
    /// Copies of the bucket when a coordinator creates it: 3 on a cluster
    #[arg(long, value_name = "1|3", requires = "nats", default_value = "1", value_parser = ["1", "3"])]
    pub nats_replicas: String,
}

/// Nothing: this binary was built without NATS.
#[cfg(not(feature = "nats"))]
#[derive(Clone, Debug, Default, clap::Args)]
pub struct NatsArgs {}

#[cfg(not(feature = "nats"))]
impl NatsArgs {
    /// No bus; a start that counts on one is refused.
    ///
    /// # Errors
    /// The environment names a server.
    pub fn start(
        &self,
        _: Side<'_>,
        _: &str,
        _: &str,
    ) -> anyhow::Result<Option<std::sync::Arc<dyn helios_bus::Bus>>> {
        if std::env::var_os("HELIOS_NATS_URL").is_some() {
            anyhow::bail!(
                "HELIOS_NATS_URL is set, but this binary was built without NATS: cargo build --release --locked -p helios --features nats"
            );
        }
        Ok(None)
    }
}

#[cfg(feature = "nats")]
mod on {
    use super::{NatsArgs, Side};
    use crate::alone::own::kubelet_keeps;
    use anyhow::{Context, Result, bail};
    use helios_bus::Bus;
    #[cfg(feature = "kubernetes")]
    use helios_bus::auth::validator::operator_user;
    use helios_bus::auth::validator::worker_user_of;
    use helios_bus::nats::{NatsAuth, NatsBus, NatsConfig, NatsTls};
    use helios_bus::subject;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::sync::Arc;

    impl NatsArgs {
        /// A bus that connects by itself, now or when a server is there; `None` when no server is named.
        ///
        /// # Errors
        /// The arguments can't work, in words. A server that does not answer is no error.
        pub fn start(
            &self,
            side: Side<'_>,
            account: &str,
            name: &str,
        ) -> Result<Option<Arc<dyn Bus>>> {
            let Some(config) = self.config(side, account, name)? else {
                return Ok(None);
            };
            tracing::info!(
                servers = self.nats.join(" "),
                "connects to NATS; it goes on by itself until it does"
            );
            Ok(Some(Arc::new(NatsBus::start(config)?)))
        }

        /// A bus that is connected; `None` when no server is named.
        ///
        /// # Errors
        /// The arguments can't work, or no server answers.
        pub async fn connect(
            &self,
            side: Side<'_>,
            account: &str,
            name: &str,
        ) -> Result<Option<NatsBus>> {
            let Some(config) = self.config(side, account, name)? else {
                return Ok(None);
            };
            let bus = NatsBus::connect(config).await;
            Ok(Some(bus.with_context(|| {
                format!("{} can't be reached", self.nats.join(" "))
            })?))
        }

        fn config(&self, side: Side<'_>, account: &str, name: &str) -> Result<Option<NatsConfig>> {
            let Some(first) = self.nats.first() else {
                return Ok(None);
            };
            let base = match side {
                Side::Coordinator => NatsConfig::coordinator(first),
                Side::Worker { .. } | Side::Admin => NatsConfig::new(first),
                #[cfg(feature = "kubernetes")]
                Side::Operator => NatsConfig::new(first),
            };
            let auth = match &self.nats_token_file {
                Some(file) => {
                    private(file, "--nats-token-file")?;
                    let file = file.clone();
                    match side {
                        // One token may serve the workers of several symbols: the user says which this is. A token of
                        // Kubernetes does not say account and strategy either; they are checked against it.
                        Side::Worker { symbol, strategy } => NatsAuth::UserTokenFile {
                            user: worker_user_of(symbol, account, strategy),
                            file,
                        },
                        Side::Coordinator | Side::Admin => NatsAuth::TokenFile(file),
                        #[cfg(feature = "kubernetes")]
                        Side::Operator => NatsAuth::UserTokenFile {
                            user: operator_user(account),
                            file,
                        },
                    }
                }
                None => NatsAuth::None,
            };
            let client = match (&self.nats_cert, &self.nats_key) {
                (Some(cert), Some(key)) => {
                    readable(cert, "--nats-cert")?;
                    private(key, "--nats-key")?;
                    Some((cert.clone(), key.clone()))
                }
                _ => None,
            };
            if let Some(ca) = &self.nats_ca {
                readable(ca, "--nats-ca")?;
            }
            let tls = (self.nats_ca.is_some() || client.is_some()).then(|| NatsTls {
                ca: self.nats_ca.clone(),
                client,
            });
            let config = NatsConfig {
                // The permissions of a token do not hold it.
                leader_reads: base.leader_reads && self.nats_token_file.is_none(),
                urls: self.nats.clone(),
                auth,
                tls,
                name: name.into(),
                inbox_prefix: inbox(side, account),
                replicas: self.nats_replicas.parse().context("--nats-replicas")?,
                ..base
            };
            config.check().context("--nats")?;
            Ok(Some(config))
        }
    }

    /// Where this client's answers arrive: of one shape for each role, so that permissions can bind it.
    fn inbox(side: Side<'_>, account: &str) -> String {
        match side {
            Side::Coordinator => subject::coordinator_inbox(account),
            Side::Worker { symbol, .. } => subject::worker_inbox(account, symbol),
            Side::Admin => subject::admin_inbox(account),
            #[cfg(feature = "kubernetes")]
            Side::Operator => subject::operator_inbox(account),
        }
    }

    fn readable(file: &Path, flag: &str) -> Result<std::fs::File> {
        std::fs::File::open(file)
            .with_context(|| format!("{flag}: {} can't be read", file.display()))
    }

    fn private(file: &Path, flag: &str) -> Result<()> {
        let shown = file.display();
        let opened = readable(file, flag)?;
        let mode = opened
            .metadata()
            .with_context(|| format!("{flag}: {shown}"))?
            .mode();
        if mode & 0o077 != 0 && !kubelet_keeps(file) {
            bail!(
                "{flag}: {shown} may be read by others (mode {:o}): chmod 600 {shown}",
                mode & 0o777
            );
        }
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]
        use super::*;
        use clap::Parser;
        use std::os::unix::fs::PermissionsExt;

        #[derive(Debug, Parser)]
        struct Cli {
            #[command(flatten)]
            nats: NatsArgs,
        }

        fn args(line: &[&str]) -> Result<NatsArgs, clap::Error> {
            Cli::try_parse_from([&["x"], line].concat()).map(|c| c.nats)
        }

        #[test]
        fn servers_and_copies_come_from_the_flags_and_only_coordinators_make_the_bucket() {
            let a = args(&["--nats", "nats://h1,nats://h2:5", "--nats-replicas", "3"]).unwrap();
            let c = a.config(Side::Coordinator, "ns/a", "n").unwrap().unwrap();
            assert_eq!((c.urls.len(), c.replicas, c.create_bucket), (2, 3, true));
            let worker = Side::Worker {
                symbol: "BTCUSDT",
                strategy: "ns/s",
            };
            let w = a.config(worker, "ns/a", "n").unwrap().unwrap();
            assert!(!w.create_bucket && !w.leader_reads && w.inbox_prefix != c.inbox_prefix);
            assert!(
                args(&[])
                    .unwrap()
                    .config(Side::Admin, "ns/a", "n")
                    .unwrap()
                    .is_none()
            );
        }

        #[test]
        fn what_cannot_work_is_refused_in_words() {
            for wrong in [
                &["--nats-ca", "f"][..],
                &["--nats", "nats://h", "--nats-cert", "f"],
                &["--nats", "nats://h", "--nats-replicas", "2"],
            ] {
                assert!(args(wrong).is_err(), "{wrong:?}");
            }
            let refused = |line: &[&str]| {
                let e = args(line)
                    .unwrap()
                    .config(Side::Admin, "a", "n")
                    .unwrap_err();
                format!("{e:#}")
            };
            let why = refused(&["--nats", "nats://me:secret@h"]);
            assert!(!why.contains("secret"), "{why}");
            let why = refused(&["--nats", "nats://h", "--nats-token-file", "/gone"]);
            assert!(why.contains("--nats-token-file"), "{why}");
        }

        #[test]
        fn a_token_that_others_may_read_is_refused() {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("token");
            std::fs::write(&file, "hidden").unwrap();
            let set = |mode| {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap()
            };
            let a = args(&[
                "--nats",
                "nats://h",
                "--nats-token-file",
                file.to_str().unwrap(),
            ])
            .unwrap();
            set(0o640);
            let why = a.config(Side::Admin, "a", "n").unwrap_err().to_string();
            assert!(why.contains("chmod 600"), "{why}");
            set(0o600);
            let c = a.config(Side::Admin, "a", "n").unwrap().unwrap();
            assert!(!format!("{c:?}").contains("hidden"));
        }
    }
}
