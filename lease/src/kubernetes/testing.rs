//! Leases of a real API server as places for [`crate::conformance`].
//!
//! The server's own rules are part of what is checked: what it says to a replace of what is gone, and to a hundred at once.
//! Each place is a Lease of another name in a namespace that the caller removes afterwards.

use super::KubeLease;
use crate::conformance::Place;
use crate::store::LeaseStore;
use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;

static PLACES: AtomicU64 = AtomicU64::new(0);

/// One Lease in a namespace of an API server.
pub struct KubePlace {
    client: Client,
    namespace: String,
    name: String,
    /// Made before the first client opens it, with nothing in its spec.
    ahead: bool,
    made: OnceCell<()>,
}

impl KubePlace {
    /// A Lease that is not there yet. `ahead`: an empty one is, as an operator makes it.
    pub fn fresh(client: Client, namespace: &str, ahead: bool) -> Self {
        let n = PLACES.fetch_add(1, Ordering::Relaxed);
        let life = helios_clock::wall().as_millis();
        Self {
            client,
            namespace: namespace.into(),
            name: format!("conformance-{}-{life}-{n}", std::process::id()),
            ahead,
            made: OnceCell::new(),
        }
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn make(&self) {
        if !self.ahead {
            return;
        }
        let mut lease = Lease::default();
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.labels = Some([("helios.trading/kept".into(), "yes".into())].into());
        let made = self.api().create(&PostParams::default(), &lease).await;
        assert!(made.is_ok(), "no place for the check: {made:?}");
    }
}

#[async_trait]
impl Place for KubePlace {
    async fn client(&self) -> Arc<dyn LeaseStore> {
        self.made.get_or_init(|| self.make()).await;
        let (client, namespace) = (self.client.clone(), &self.namespace);
        Arc::new(KubeLease::new(client, namespace, &self.name))
    }

    async fn delete(&self) {
        let how = DeleteParams::default();
        let gone = self.api().delete(&self.name, &how).await;
        assert!(gone.is_ok(), "the place is not deleted: {gone:?}");
    }

    async fn damage(&self) -> bool {
        let found = self.api().get(&self.name).await;
        let Ok(mut lease) = found else {
            return false;
        };
        // A holder without a duration: the server takes it, and it is no record.
        lease.spec = Some(LeaseSpec {
            holder_identity: Some("somebody".into()),
            ..LeaseSpec::default()
        });
        let how = PostParams::default();
        self.api().replace(&self.name, &how, &lease).await.is_ok()
    }
}
