//! Outages of the control plane itself: a part that is dead, one that hangs, and their return.
//!
//! Everybody on the cluster is hit, so a scenario of this kind starts a control plane of its own.

use crate::cluster::ControlPlane;
use crate::process::Program;
use crate::wait::wait_for;
use anyhow::{Context, Result, ensure};
use kube::Client;
use rustix::process::Signal;
use std::time::Duration;

/// Longest until the API server serves again, on a busy machine.
const BACK: Duration = Duration::from_secs(60);

impl ControlPlane {
    /// Kills a part: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler` or `kwok`. Connections are refused.
    pub fn stop_part(&self, name: &str) -> Result<()> {
        self.part(name, |part| {
            part.kill();
            Ok(())
        })
    }

    /// Starts a part again; returns when the API server serves.
    pub async fn start_part(&self, name: &str) -> Result<()> {
        self.part(name, |part| part.again(&self.home))?;
        self.served().await
    }

    /// Makes a part hang: connections are accepted and nothing is answered.
    pub fn hang_part(&self, name: &str) -> Result<()> {
        self.part(name, |part| {
            part.signal(Signal::STOP);
            Ok(())
        })
    }

    /// Lets a part that hangs go on; returns when the API server serves.
    pub async fn resume_part(&self, name: &str) -> Result<()> {
        self.part(name, |part| {
            part.signal(Signal::CONT);
            Ok(())
        })?;
        self.served().await
    }

    fn part(&self, name: &str, act: impl FnOnce(&mut Program) -> Result<()>) -> Result<()> {
        let mut parts = self.parts()?;
        let part = parts.iter_mut().find(|p| p.name() == name);
        act(part.with_context(|| format!("the control plane has no part {name}"))?)
    }

    async fn served(&self) -> Result<()> {
        wait_for("the API server to serve again", BACK, async || {
            // A client of its own each time: a connection from before may be dead and not know it.
            serves(&self.harness_once().await?).await
        })
        .await
    }
}

/// Fails while the API server is not ready.
pub(crate) async fn serves(client: &Client) -> Result<()> {
    let request = http::Request::get("/readyz").body(Vec::new())?;
    ensure!(client.request_text(request).await? == "ok", "not yet");
    Ok(())
}
