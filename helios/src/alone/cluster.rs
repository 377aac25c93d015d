//! `helios coordinator --kubernetes`: account and strategies from an API server, state and lock there too.
//!
//! The account is one object, the strategies all of its namespace that name it; [`watch`] keeps them as last seen and
//! [`accept`] says what of that can be used. The API server is needed to begin and to learn of changes. While it is
//! away, or says nonsense, the account is guarded with what was last good.

mod accept;
mod watch;

use super::coordinator::Kept;
use crate::api_server;
use crate::manifests::Objects;
use accept::Told;
use anyhow::{Result, bail};
use helios_coordinator::store::ConfigMapStore;
use helios_lease::Times;
use helios_lease::kubernetes::KubeLease;
use helios_operator::names;
use kube::Client;
use std::sync::Arc;
use watch::Seen;

/// The objects of one account, watched.
pub(super) struct Cluster {
    account: String,
    seen: Seen,
    told: Told,
}

impl Cluster {
    /// Waits until the account and its strategies have been read and the account can be used.
    pub(super) async fn open(client: Client, account: &str) -> Result<(Self, Objects)> {
        let (namespace, name) = split(account)?;
        let mut cluster = Self {
            account: account.into(),
            seen: Seen::start(client, namespace, name),
            told: Told::default(),
        };
        let mut objects = Objects::default();
        loop {
            cluster.changed().await;
            cluster.accept(&mut objects);
            if objects.accounts.contains_key(account) {
                return Ok((cluster, objects));
            }
            tracing::warn!(account, "waits for an account that can be used");
        }
    }

    /// Waits until something is another than it was.
    pub(super) async fn changed(&mut self) {
        self.seen.changed().await;
    }

    /// Takes in what can be used of what is seen now; what changed, and what is left out and why, is logged.
    pub(super) fn accept(&mut self, objects: &mut Objects) {
        for words in accept::accept(objects, &self.account, &self.seen.now(), &mut self.told) {
            tracing::info!("{words}");
        }
    }
}

/// Lease and ConfigMap of an account, as the operator names them.
pub(super) fn kept(client: &Client, account: &str) -> Result<Kept> {
    let (namespace, name) = split(account)?;
    let lease = KubeLease::new(client.clone(), namespace, &names::coordinator(name));
    Ok(Kept {
        store: Arc::new(ConfigMapStore::new(client.clone(), namespace, name)),
        lock: Some(Arc::new(lease)),
    })
}

fn split(account: &str) -> Result<(&str, &str)> {
    match account.split_once('/') {
        Some((ns, name)) if !ns.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((ns, name))
        }
        _ => bail!("--account {account}: write namespace/name"),
    }
}

/// A client of the API server, for whoever leads or answers within a second.
pub(super) async fn client() -> Result<Client> {
    api_server::client(Times::default().call()).await
}

/// Name of a pod's coordinator in lock, fence and snapshot: `<pod>_<uid>_<life>`, since a pod outlives its containers.
pub(super) fn identity(given: Option<&str>) -> String {
    let of_pod = || match (std::env::var("POD_NAME"), std::env::var("POD_UID")) {
        (Ok(name), Ok(uid)) if !name.is_empty() && !uid.is_empty() => Some(format!("{name}_{uid}")),
        _ => None,
    };
    let name = given.map(str::to_string).or_else(of_pod);
    match name {
        Some(n) => format!("{n}_{}", super::own::life()),
        None => super::own::identity(None),
    }
}
