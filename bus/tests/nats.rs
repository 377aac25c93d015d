//! The NATS transport against a real server.

#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use helios_bus::Bus;
use helios_bus::conformance::{self, Rig};
use helios_bus::nats::{NatsBus, NatsConfig};
use helios_bus::testing::{NatsOptions, NatsServer};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

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
