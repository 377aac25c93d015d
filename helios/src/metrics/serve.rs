//! The port that a role's numbers are read from: three addresses, nothing to write to, no password.

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a role shows.
pub trait Shown: Send + Sync {
    /// Its numbers, in Prometheus' text format.
    ///
    /// # Errors
    /// They can't be written.
    fn text(&self) -> Result<String>;

    /// Its loop lives.
    fn lives(&self) -> bool;

    /// It does its work, or why not.
    ///
    /// # Errors
    /// In words.
    fn ready(&self) -> Result<(), String>;
}

/// Listens until the process ends; returns the address it got.
///
/// # Errors
/// The port can't be opened.
pub async fn serve(addr: SocketAddr, role: Arc<dyn Shown>) -> Result<SocketAddr> {
    let listener = match tokio::net::TcpListener::bind(addr).await {
        Ok(l) => l,
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("metrics port {addr} is in use: write --metrics with another one")
        }
        Err(e) => {
            return Err(e).with_context(|| format!("metrics port {addr} can't be opened"));
        }
    };
    let bound = listener
        .local_addr()
        .context("metrics port has no address")?;
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(role);
    tokio::spawn(async move {
        if let Err(e) = axum::serve(listener, app).await {
            tracing::error!(error = %e, "metrics port ended");
        }
    });
    tracing::info!("metrics at http://{bound}/metrics");
    Ok(bound)
}

async fn metrics(State(role): State<Arc<dyn Shown>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)];
    match role.text() {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(e) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            kind,
            format!("# {e:#}\n"),
        ),
    }
}

async fn healthz(State(role): State<Arc<dyn Shown>>) -> (StatusCode, &'static str) {
    if role.lives() {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "its loop is stuck\n")
    }
}

async fn readyz(State(role): State<Arc<dyn Shown>>) -> (StatusCode, String) {
    match role.ready() {
        Ok(()) => (StatusCode::OK, "ready\n".into()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Default)]
    struct Role(AtomicBool);

    impl Shown for Role {
        fn text(&self) -> Result<String> {
            Ok("helios_leader 1\n".into())
        }
        fn lives(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
        fn ready(&self) -> Result<(), String> {
            if self.lives() {
                Ok(())
            } else {
                Err("no book".into())
            }
        }
    }

    #[tokio::test]
    async fn a_role_shows_its_numbers_its_life_and_its_readiness() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let role = Arc::new(Role::default());
        let at = serve("127.0.0.1:0".parse().unwrap(), role.clone())
            .await
            .unwrap();
        let ask = async |path: &str| {
            let r = reqwest::get(format!("http://{at}{path}")).await.unwrap();
            (r.status().as_u16(), r.text().await.unwrap())
        };
        assert_eq!(ask("/metrics").await, (200, "helios_leader 1\n".into()));
        assert_eq!(ask("/healthz").await.0, 503);
        assert_eq!(ask("/readyz").await, (503, "no book\n".into()));
        role.0.store(true, Ordering::Relaxed);
        assert_eq!(ask("/healthz").await.0, 200);
        assert_eq!(ask("/readyz").await.0, 200);
        let again = serve(at, role).await.unwrap_err().to_string();
        assert!(again.contains("in use"), "{again}");
    }
}
