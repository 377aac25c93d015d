//! The way to the API server, for every command that needs one.
//!
//! Which server that is, and how it is spoken to, is `helios-lease`'s; here it is only said what to do where there is none.

use anyhow::{Context, Result};
use kube::Client;
use std::time::Duration;

/// A client of the API server this process finds; `within` as in [`helios_lease::kubernetes::connect`].
///
/// # Errors
/// There is none.
pub async fn client(within: Duration) -> Result<Client> {
    let client = helios_lease::kubernetes::connect(within).await;
    client.context("no API server: not in a pod with a service account, and KUBECONFIG names none")
}
