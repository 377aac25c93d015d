//! The admin port of a running `helios up` or `helios coordinator`: loopback only, JSON over HTTP, and the subcommands that use it.

use anyhow::{Context, Result, bail};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::{Args as ClapArgs, Subcommand};
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Where `helios up` listens and the subcommands ask, unless told otherwise.
pub const DEFAULT_ADDR: &str = "127.0.0.1:9180";

/// What can be asked of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Kill a worker task as a crash would.
    KillWorker {
        /// Its symbol.
        symbol: String,
        /// Pause before the next one starts.
        #[serde(default)]
        hold_ms: u64,
    },
    /// Set or release a latch of every account.
    Latch {
        /// Name.
        name: String,
        /// Set or release.
        set: bool,
    },
    /// What is going on.
    Status,
}

/// A request with the way back: text on success, words on failure.
pub type Asked = (Request, oneshot::Sender<Result<serde_json::Value, String>>);

/// Listens and hands requests to the run.
///
/// # Errors
/// The port is in use, or the address is not loopback.
pub async fn serve(addr: SocketAddr, to: mpsc::Sender<Asked>) -> Result<SocketAddr> {
    if !addr.ip().is_loopback() {
        bail!(
            "the admin port has no password, so it must be on loopback: write 127.0.0.1:{}",
            addr.port()
        );
    }
    let listener = match tokio::net::TcpListener::bind(addr).await {
        Ok(l) => l,
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            bail!(
                "admin port {addr} is in use (another `helios up`?): write --admin 127.0.0.1:0 for any free port"
            )
        }
        Err(e) => return Err(e).with_context(|| format!("admin port {addr} can't be opened")),
    };
    let bound = listener.local_addr().context("admin port has no address")?;
    let app = Router::new()
        .route("/ask", post(ask))
        .route("/status", get(status))
        .with_state(to);
    tokio::spawn(async move {
        if let Err(e) = axum::serve(listener, app).await {
            tracing::error!(error = %e, "admin port ended");
        }
    });
    Ok(bound)
}

async fn ask(
    State(to): State<mpsc::Sender<Asked>>,
    Json(request): Json<Request>,
) -> (StatusCode, Json<serde_json::Value>) {
    let (answer, wait) = oneshot::channel();
    if to.send((request, answer)).await.is_err() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            Json("the run is ending".into()),
        );
    }
    match wait.await {
        Ok(Ok(v)) => (StatusCode::OK, Json(v)),
        Ok(Err(words)) => (StatusCode::CONFLICT, Json(words.into())),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json("the run is ending".into()),
        ),
    }
}

async fn status(state: State<mpsc::Sender<Asked>>) -> (StatusCode, Json<serde_json::Value>) {
    ask(state, Json(Request::Status)).await
}

/// Longest that an answer is waited for: longer than a standby waits for the leader that it passes a latch on to.
const ANSWERED: Duration = Duration::from_secs(15);

/// Asks a running `helios up`.
///
/// # Errors
/// Nobody answers, or the run refuses, in words.
pub(crate) async fn send(addr: SocketAddr, request: &Request) -> Result<serde_json::Value> {
    let client = reqwest::Client::builder().timeout(ANSWERED).build()?;
    let body = serde_json::to_string(request)?;
    let answer = client
        .post(format!("http://{addr}/ask"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .map_err(|e| {
            let why = if e.is_timeout() {
                format!("no answer from {addr} in {ANSWERED:?}: it may have been heard; ask again, or look at its log")
            } else {
                format!("nobody answers at {addr}: is `helios up` (or `helios coordinator`) running on this host, with that --admin address?")
            };
            anyhow::Error::new(e).context(why)
        })?;
    let ok = answer.status().is_success();
    let text = answer.text().await?;
    let value: serde_json::Value =
        serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
    if !ok {
        bail!(
            "{}",
            value
                .as_str()
                .map_or_else(|| value.to_string(), ToString::to_string)
        );
    }
    Ok(value)
}

/// Where a running `helios up` or coordinator listens.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub struct At {
    /// Admin address of the running `helios up`, or of a coordinator started with --admin
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADDR)]
    pub admin: SocketAddr,
}

/// Arguments of `helios debug`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DebugArgs {
    #[command(subcommand)]
    what: DebugWhat,
}

#[derive(Clone, Debug, Subcommand)]
enum DebugWhat {
    /// Kill one worker as a crash would: its stops stay at the venue, the next one reconciles.
    KillWorker {
        /// Contract, e.g. BTCUSDT
        symbol: String,
        /// Pause before the next worker starts
        #[arg(long, value_name = "TIME", value_parser = crate::up::duration, default_value = "0s")]
        hold: Duration,
        #[command(flatten)]
        at: At,
    },
    /// Print what is going on as JSON.
    Status {
        #[command(flatten)]
        at: At,
    },
}

pub(crate) fn block_on<T>(f: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(f)
}

/// Runs `helios debug`.
///
/// # Errors
/// Nobody answers, or the run refuses, in words.
pub fn run_debug(args: DebugArgs) -> Result<ExitCode> {
    let (addr, request) = match args.what {
        DebugWhat::KillWorker { symbol, hold, at } => (
            at.admin,
            Request::KillWorker {
                symbol,
                hold_ms: u64::try_from(hold.as_millis())?,
            },
        ),
        DebugWhat::Status { at } => (at.admin, Request::Status),
    };
    let answer = block_on(send(addr, &request))?;
    // For people by lines, for programs in one.
    let text = match answer.as_str() {
        Some(words) => words.to_owned(),
        None if std::io::stdout().is_terminal() => serde_json::to_string_pretty(&answer)?,
        None => answer.to_string(),
    };
    crate::printed::print_all(&text);
    Ok(ExitCode::SUCCESS)
}
