//! The NATS transport against a real server.

#![allow(clippy::unwrap_used)]

mod access;
mod faults;

use async_trait::async_trait;
use bytes::Bytes;
use helios_bus::Bus;
use helios_bus::conformance::{self, Rig};
use helios_bus::nats::{NatsBus, NatsConfig};
use helios_bus::testing::{NatsOptions, NatsServer};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, f: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, f)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

fn b(s: &str) -> Bytes {
    Bytes::copy_from_slice(s.as_bytes())
}

async fn connected(bus: &NatsBus, is: bool) {
    let mut state = bus.state();
    let what = if is { "connected" } else { "disconnected" };
    soon(what, state.wait_for(|s| s.connected == is))
        .await
        .unwrap();
}

struct NatsRig {
    server: Mutex<NatsServer>,
    bus: Arc<NatsBus>,
    backup: Mutex<Option<TempDir>>,
}

impl NatsRig {
    async fn new() -> Self {
        let server = NatsServer::start(NatsOptions::default());
        let bus = NatsBus::connect(NatsConfig::coordinator(server.url()))
            .await
            .unwrap();
        Self {
            server: Mutex::new(server),
            bus: Arc::new(bus),
            backup: Mutex::default(),
        }
    }
}

#[async_trait]
impl Rig for NatsRig {
    fn bus(&self) -> Arc<dyn Bus> {
        self.bus.clone()
    }
    /// One that neither makes the bucket nor asks its leader, as a worker.
    async fn second(&self) -> Arc<dyn Bus> {
        let url = self.server.lock().unwrap().url();
        Arc::new(NatsBus::connect(NatsConfig::new(url)).await.unwrap())
    }
    async fn down(&self) {
        self.server.lock().unwrap().kill();
    }
    async fn up(&self) {
        self.server.lock().unwrap().restart();
    }
    async fn backup(&self) {
        let copy = self.server.lock().unwrap().backup_store();
        *self.backup.lock().unwrap() = Some(copy);
    }
    async fn roll_back(&self) {
        let backup = self.backup.lock().unwrap();
        let path = backup.as_ref().unwrap().path();
        self.server.lock().unwrap().restore_store(path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_passes_the_conformance_suite() {
    conformance::all(NatsRig::new).await.unwrap();
}

#[test]
fn the_sample_configuration_is_one_the_server_takes() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/nats/nats-server.conf"
    );
    let out = std::process::Command::new(helios_bus::testing::nats_binary())
        .args(["-c", file, "-t"])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
