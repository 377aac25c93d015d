//! Everything a deployment without Kubernetes has, as processes of this machine: a venue, a nats-server, two coordinators
//! of one account and a worker for each symbol. Each test has its own, so that tests run side by side.
#![allow(dead_code)]

pub mod audit;
pub mod check;
pub mod clock;
pub mod more;
pub mod nats;
pub mod role;
pub mod start;
pub mod venue;

use crate::common::tail;
use clock::{Ns, S, now, secs};
use nats::Nats;
use role::{Role, Seen, helios};
use serde_json::Value;
pub use start::Setup;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use venue::Venue;

/// The account, `namespace/name`.
pub const ACCOUNT: &str = "default/paper";
/// The strategy.
pub const STRATEGY: &str = "default/nobi";
/// Longest from the end of a fault until every wanted worker may take risk again.
pub const RECOVERY: Ns = 10 * S;

/// Counts and times are the long ones of `make soak`.
pub fn soak() -> bool {
    std::env::var_os("HELIOS_SOAK").is_some()
}

/// The short value in `make test`, the long one in `make soak`.
pub fn by_mode<T>(test: T, soaking: T) -> T {
    if soak() { soaking } else { test }
}

/// Draws of a seed (SplitMix64): the same in each run.
pub struct Draw(pub u64);

impl Draw {
    /// From `low` to below `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (z ^ (z >> 31)) % (high - low)
    }
}

/// Looks until it is there; `None` after the limit.
pub fn wait<T>(what: &str, limit: Duration, mut f: impl FnMut() -> Option<T>) -> Option<T> {
    let t0 = Instant::now();
    loop {
        if let Some(v) = f() {
            return Some(v);
        }
        if t0.elapsed() > limit {
            eprintln!("no {what} in {limit:?}");
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running deployment; all of it ends with this value.
pub struct Rig {
    pub workers: BTreeMap<String, Role>,
    pub coordinators: Vec<Role>,
    pub nats: Nats,
    pub venue: Venue,
    pub setup: Setup,
    metrics: Vec<String>,
    manifest: PathBuf,
    pub dir: tempfile::TempDir,
}

impl Rig {
    /// A path in the rig's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `helios` to its end with this rig's NATS and account: `kill`, `release`.
    pub fn admin(&self, args: &[&str]) -> std::process::Output {
        let more = ["--nats", &self.nats.url(), "--account", ACCOUNT];
        helios().args(args).args(more).output().unwrap()
    }

    /// The newest account snapshot of all that says who wrote it (to a peer of before schema 2 it does not).
    pub fn snapshot(&self) -> Option<Seen> {
        let signed = |v: &Value| v["holder"].is_string();
        let all = self.coordinators.iter().filter_map(|c| c.newest(signed));
        all.max_by_key(|s| order(&s.value))
    }

    /// The coordinator that leads, as its newest snapshot says.
    pub fn leader(&self) -> &Role {
        let s = self.snapshot().expect("nobody has led yet");
        self.coordinators
            .iter()
            .find(|c| holds(&s.value, c.name()))
            .expect("a holder nobody knows")
    }

    /// The other coordinators.
    pub fn standby(&self) -> &Role {
        let leader = self.leader().name();
        let other = self.coordinators.iter().find(|c| c.name() != leader);
        other.expect("there is one coordinator only")
    }

    /// The newest report of a symbol's worker.
    pub fn report(&self, symbol: &str) -> Option<Seen> {
        self.workers[symbol].newest(|_| true)
    }

    /// Waits until every worker reports a grant in a line read after `since`; returns when the last did.
    ///
    /// # Errors
    /// Who has none after the limit, and why as it says.
    pub fn all_granted(&self, since: Ns, limit: Duration) -> Result<Ns, String> {
        let granted = |w: &Role| {
            let seen = w.history(since);
            seen.into_iter()
                .find(|s| s.value["view"]["granted"] == true)
                .map(|s| s.at)
        };
        let all = || {
            let each: Option<Vec<Ns>> = self.workers.values().map(granted).collect();
            each?.into_iter().max()
        };
        wait("grant for all", limit, all).ok_or_else(|| {
            let without: Vec<String> = self
                .workers
                .values()
                .filter(|w| granted(w).is_none())
                .map(|w| {
                    let last = w.newest(|_| true);
                    let said = last
                        .as_ref()
                        .map_or(String::new(), |s| s.value["view"].to_string());
                    let age = last.map_or(f64::NAN, |s| secs(s.at, now()));
                    format!("{} ({age:.1} s ago: {said})", w.name())
                })
                .collect();
            format!(
                "not granted within {limit:?}: {}; snapshot {}",
                without.join(", "),
                self.snapshot()
                    .map_or(String::new(), |s| s.value.to_string())
            )
        })
    }

    /// The text of a coordinator's `/metrics`.
    pub fn metrics(&self, coordinator: &str) -> String {
        let i = self
            .coordinators
            .iter()
            .position(|c| c.name() == coordinator);
        let addr = &self.metrics[i.unwrap()];
        text(addr, "/metrics").unwrap_or_default()
    }

    /// Lines of a role's alerts.log.
    pub fn alerts(&self, role: &str) -> Vec<Value> {
        let file = self.path(&format!("logs-{role}")).join("alerts.log");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    fn roles(&self) -> impl Iterator<Item = &Role> {
        std::iter::once(&self.venue.role)
            .chain(&self.coordinators)
            .chain(self.workers.values())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for r in self.roles() {
                let said: Vec<String> = r
                    .history(0)
                    .iter()
                    .map(|s| format!("{} {}\n", s.at, s.value))
                    .collect();
                let _ = std::fs::write(self.path(&format!("{}.said", r.name())), said.concat());
                let mut told = tail(&r.log(), 25);
                told.truncate(6000);
                eprintln!("--- {} {:?}\n{told}", r.name(), r.lives());
            }
            eprintln!("--- nats-server\n{}", tail(&self.nats.log(), 10));
            keep(self.dir.path());
        }
    }
}

/// With `HELIOS_KEEP=DIR`, what a failed test left is copied there.
fn keep(dir: &Path) {
    let Some(to) = std::env::var_os("HELIOS_KEEP") else {
        return;
    };
    let _ = Command::new("cp").arg("-r").arg(dir).arg(to).status();
}

/// Order of snapshots.
pub fn order(snapshot: &Value) -> (u64, u64) {
    let n = |k: &str| snapshot[k].as_u64().unwrap_or(0);
    (n("epoch"), n("seq"))
}

/// Whether the snapshot is of this coordinator: its identity is its name and its life.
pub fn holds(snapshot: &Value, name: &str) -> bool {
    let holder = snapshot["holder"].as_str().unwrap_or("");
    holder
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// A page as text.
fn text(addr: &str, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut s = std::net::TcpStream::connect(addr).ok()?;
    s.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    s.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    s.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|x| x.1.to_string())
}

/// The sum of a metric's samples whose line holds all of `labels`.
pub fn sample(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let of_it = metrics
        .lines()
        .filter(|l| l.starts_with(name) && labels.iter().all(|x| l.contains(x)));
    of_it
        .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
