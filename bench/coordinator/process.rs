//! What the bench runs against: a real nats-server, the built-in venue, and `helios coordinator` as processes of their own.

use crate::market::{Still, name};
use crate::{kernel, keys};
use anyhow::{Context, Result};
use helios_bus::nats::{NatsBus, NatsConfig};
use helios_bus::subject;
use helios_bus::testing::{NatsOptions, NatsServer};
use helios_bus::typed::AccountBus;
use helios_venue::server::{VenueConfig, VenueHandle, VenueServer};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// Symbols of one strategy: a manifest carries at most 60.
const OF_A_STRATEGY: usize = 50;

/// Market seconds a wall second: the venue tells its time only to clients of an accelerated market.
const SPEED: f64 = 1.01;

/// What stands for the whole of a part.
pub struct World {
    nats: NatsServer,
    dir: TempDir,
    helios: PathBuf,
}

impl World {
    /// Starts the server of the bus.
    pub async fn start(helios: &Path) -> Result<Self> {
        let nats = tokio::task::spawn_blocking(|| NatsServer::start(NatsOptions::default()))
            .await
            .context("no nats-server")?;
        Ok(Self {
            nats,
            dir: tempfile::tempdir()?,
            helios: helios.into(),
        })
    }

    /// The account's bus over a connection of its own; answers arrive where those of the symbol's worker must.
    pub async fn worker_bus(&self, account: &str, symbol: &str) -> Result<AccountBus> {
        let config = NatsConfig {
            inbox_prefix: subject::worker_inbox(account, symbol),
            ..NatsConfig::new(self.nats.url())
        };
        let bus = NatsBus::connect(config).await?;
        Ok(AccountBus::new(Arc::new(bus), account))
    }

    /// The same from the coordinator's side.
    pub async fn coordinator_bus(&self, account: &str) -> Result<AccountBus> {
        let config = NatsConfig {
            inbox_prefix: subject::coordinator_inbox(account),
            ..NatsConfig::new(self.nats.url())
        };
        let bus = NatsBus::connect(config).await?;
        Ok(AccountBus::new(Arc::new(bus), account))
    }

    /// An account with so many contracts at a venue of its own (so that no other's requests use up its budget), whose
    /// market goes; its coordinators share state and lock.
    pub async fn account(&self, account: &str, symbols: usize) -> Result<Account> {
        let dir = self.dir.path().join(account);
        std::fs::create_dir_all(&dir)?;
        let manifest = dir.join("bench.yaml");
        std::fs::write(&manifest, manifests(account, symbols))?;
        let mut config = VenueConfig::new(Box::new(Still::new(symbols)));
        config.speed = SPEED;
        let venue = VenueServer::start(config).await?;
        venue.start_market().await?;
        let keys = dir.join("keys.json");
        keys::write(&keys, &venue, SPEED)?;
        Ok(Account {
            name: format!("default/{account}"),
            helios: self.helios.clone(),
            nats: self.nats.url(),
            venue,
            keys,
            manifest,
            dir,
            started: 0,
        })
    }
}

/// The strategy that the n-th contract belongs to.
pub fn strategy_of(n: usize) -> String {
    format!("default/s{}", n / OF_A_STRATEGY)
}

fn manifests(account: &str, symbols: usize) -> String {
    let mut text = format!(
        "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: {account}}}\nspec:\n  venue: Simulated\n  limits: {{maxOpenPositions: 60}}\n"
    );
    let names: Vec<String> = (0..symbols).map(name).collect();
    for (i, part) in names.chunks(OF_A_STRATEGY).enumerate() {
        text += &format!(
            "---\napiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: s{i}}}\nspec:\n  accountRef: {{name: {account}}}\n  watchlist: {{symbols: [{}]}}\n",
            part.join(", ")
        );
    }
    text
}

/// One account with its files.
pub struct Account {
    pub name: String,
    helios: PathBuf,
    nats: String,
    venue: VenueHandle,
    keys: PathBuf,
    manifest: PathBuf,
    dir: PathBuf,
    started: u32,
}

impl Account {
    /// Ends its venue.
    pub async fn end(self) -> Result<()> {
        Ok(self.venue.shutdown().await?)
    }

    /// Starts a coordinator of it; the first leads.
    pub fn coordinator(&mut self) -> Result<Coordinator> {
        self.started += 1;
        let log = self.dir.join(format!("coordinator-{}.log", self.started));
        let child = Command::new(&self.helios)
            .arg("coordinator")
            .arg(&self.manifest)
            .args(["--nats", &self.nats])
            .args(["--identity", &format!("bench-{}", self.started)])
            .arg("--credentials-file")
            .arg(&self.keys)
            .arg("--state")
            .arg(self.dir.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{} can't be started", self.helios.display()))?;
        Ok(Coordinator { child, log })
    }
}

/// A coordinator's process, killed when dropped.
pub struct Coordinator {
    child: Child,
    log: PathBuf,
}

impl Coordinator {
    fn counted(&self, what: impl Fn(u32) -> Result<f64>) -> Result<f64> {
        what(self.child.id())
            .with_context(|| format!("the coordinator ended by itself:\n{}", self.said()))
    }

    /// The end of what it logged.
    pub fn said(&self) -> String {
        let all = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = all.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// CPU time used so far, s.
    pub fn cpu_s(&self) -> Result<f64> {
        self.counted(kernel::cpu_s)
    }

    /// Memory in RAM now, MiB.
    pub fn rss_mib(&self) -> Result<f64> {
        self.counted(kernel::rss_mib)
    }

    /// Dies at once, as in a crash.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Is asked to end.
    pub fn terminate(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
