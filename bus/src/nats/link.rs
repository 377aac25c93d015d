//! The connection: made, watched, ended, and made again.
//!
//! Each connection of the library serves once: as soon as it stands, its pool of servers is replaced by an address where nobody
//! is, so that it ends for good when it breaks, with all that waited in it. What the library would otherwise keep and send
//! after an outage is what must not be sent then.

use super::config::{NatsAuth, NatsConfig, NatsError, PING};
use super::listen::Task;
use super::{Shared, bucket};
use crate::BusError;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Longest that making a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How often the state of a connection is looked at, should its event be lost.
const LOOK: Duration = Duration::from_millis(100);
/// Waits between attempts: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// An address where nobody is.
const NOWHERE: &str = "nats://127.0.0.1:1";
/// One line of a kind in this time, with how many were left out.
const QUIET: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) number: u64,
}

/// What there is.
#[derive(Clone, Debug)]
pub(super) enum Line {
    Down,
    Up(Arc<Link>),
    Closed,
}

/// The connection that stands, if one does.
pub(super) fn up(line: &watch::Receiver<Line>) -> Result<Arc<Link>, BusError> {
    match &*line.borrow() {
        Line::Up(l) if l.client.connection_state() == State::Connected => Ok(l.clone()),
        Line::Closed => Err(BusError::Closed),
        _ => Err(BusError::Disconnected),
    }
}

/// The next connection after number `after`; `None` when the bus is closed.
pub(super) async fn next(line: &mut watch::Receiver<Line>, after: u64) -> Option<Arc<Link>> {
    let l = line
        .wait_for(|l| match l {
            Line::Up(l) => l.number > after,
            Line::Down => false,
            Line::Closed => true,
        })
        .await
        .ok()?;
    match &*l {
        Line::Up(l) => Some(l.clone()),
        _ => None,
    }
}

/// Returns when connection `number` has ended.
pub(super) async fn ended(line: &mut watch::Receiver<Line>, number: u64) {
    let _ = line
        .wait_for(|l| !matches!(l, Line::Up(l) if l.number == number))
        .await;
}

/// A duration between `of` and 1.5 times it, so that many clients do not act as one.
pub(super) fn jittered(of: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish() % 1000;
    of + of.mul_f64(random as f64 / 2000.0)
}

/// Lets one line through in [`QUIET`].
#[derive(Debug, Default)]
pub(super) struct Seldom {
    last: Mutex<Option<Instant>>,
    left_out: AtomicU64,
}

impl Seldom {
    /// How many were left out, when this one may be said.
    pub(super) fn now(&self) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|l| l.elapsed() < QUIET) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *last = Some(Instant::now());
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}

/// Lines about the connection.
#[derive(Debug, Default)]
pub(super) struct Says {
    connected: Seldom,
    disconnected: Seldom,
    failed: Seldom,
    slow: Seldom,
    server: Seldom,
}

impl Says {
    /// A subscriber lost messages.
    pub(super) fn slow(&self, pattern: &str) {
        if let Some(left_out) = self.slow.now() {
            tracing::warn!(pattern, left_out, "bus: a slow subscriber loses messages");
        }
    }

    fn event(&self, event: &Event) {
        match event {
            Event::SlowConsumer(_) => self.slow("unknown"),
            Event::ServerError(e) => {
                if let Some(left_out) = self.server.now() {
                    tracing::warn!(error = %e, left_out, "bus: the server objects");
                }
            }
            Event::LameDuckMode => tracing::info!("bus: the server is about to stop"),
            _ => {}
        }
    }
}

fn token(file: &std::path::Path) -> Result<String, NatsError> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| NatsError::Connect(format!("{}: {e}", file.display())))?;
    let text = zeroize::Zeroizing::new(text);
    Ok(text.trim().to_owned())
}

fn options(
    config: &NatsConfig,
    shared: &Arc<Shared>,
    broken: Arc<Notify>,
) -> Result<ConnectOptions, NatsError> {
    let seen = shared.clone();
    let mut o = ConnectOptions::new()
        .name(&config.name)
        .custom_inbox_prefix(&config.inbox_prefix)
        .ping_interval(PING)
        .connection_timeout(CONNECT)
        .request_timeout(None)
        .ignore_discovered_servers()
        .max_reconnects(config.urls.len())
        .reconnect_delay_callback(|_| Duration::ZERO)
        .event_callback(move |event| {
            seen.says.event(&event);
            if matches!(event, Event::Disconnected | Event::Closed) {
                broken.notify_one();
            }
            async {}
        });
    o = match &config.auth {
        NatsAuth::None => o,
        NatsAuth::Token(t) => o.token(t.text()),
        NatsAuth::UserPassword { user, password } => {
            o.user_and_password(user.clone(), password.text())
        }
        NatsAuth::TokenFile(file) => o.token(token(file)?),
        // The token is the token, not the password: a server without an auth callout takes it too.
        NatsAuth::UserTokenFile { user, file } => o
            .user_and_password(user.clone(), String::new())
            .token(token(file)?),
    };
    if let Some(tls) = &config.tls {
        o = o.require_tls(true);
        if let Some(ca) = &tls.ca {
            o = o.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = &tls.client {
            o = o.add_client_certificate(cert.clone(), key.clone());
        }
    }
    Ok(o)
}

async fn attempt(shared: &Arc<Shared>, broken: Arc<Notify>) -> Result<Client, NatsError> {
    let config = &shared.config;
    let servers: Vec<async_nats::ServerAddr> = config
        .urls
        .iter()
        .map(|u| u.parse())
        .collect::<Result<_, _>>()
        .map_err(|e: std::io::Error| NatsError::Config(e.to_string()))?;
    let fail = |e: &dyn std::error::Error| {
        let mut why = e.to_string();
        if let Some(source) = e.source() {
            let more = source.to_string();
            if !why.contains(&more) {
                why = format!("{why}: {more}");
            }
        }
        NatsError::Connect(why)
    };
    let client = options(config, shared, broken)?
        .connect(servers)
        .await
        .map_err(|e| fail(&e))?;
    let nowhere = client.set_server_pool(NOWHERE);
    match tokio::time::timeout(CONNECT, nowhere).await {
        Ok(Ok(())) => Ok(client),
        Ok(Err(e)) => Err(fail(&e)),
        Err(_) => Err(NatsError::Connect("the connection hangs".into())),
    }
}

/// Keeps a connection until the bus is closed.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut line = shared.line.subscribe();
    let closed = async |line: &mut watch::Receiver<Line>| {
        let _ = line.wait_for(|l| matches!(l, Line::Closed)).await;
    };
    let mut wait = RETRY.0;
    let mut number = 0;
    loop {
        let broken = Arc::new(Notify::new());
        let made = tokio::select! {
            made = attempt(&shared, broken.clone()) => made,
            () = closed(&mut line) => return,
        };
        match made {
            Ok(client) => {
                wait = RETRY.0;
                number += 1;
                let link = Arc::new(Link { client, number });
                let made = !shared.config.create_bucket || make_bucket(&shared, &link).await;
                if !shared.begin(link.clone()) {
                    return;
                }
                if let Some(left_out) = shared.says.connected.now() {
                    let server = link.client.server_info().server_name;
                    tracing::info!(server, left_out, "bus: connected");
                }
                // Whoever sees the bus connected sees a rollback of the meantime counted.
                reread(&shared).await;
                if !shared.ready() {
                    return;
                }
                let (of, on) = (shared.clone(), link.clone());
                let makes = Task::of(async move {
                    let mut made = made;
                    while !made {
                        tokio::time::sleep(jittered(RETRY.1)).await;
                        made = make_bucket(&of, &on).await;
                    }
                });
                watch_over(&link.client, &broken, &mut line).await;
                drop(makes);
                if !shared.end() {
                    // What was published last still leaves.
                    let _ = tokio::time::timeout(PING, link.client.flush()).await;
                    return;
                }
                if let Some(left_out) = shared.says.disconnected.now() {
                    tracing::warn!(left_out, "bus: disconnected");
                }
            }
            Err(e) => {
                if let Some(left_out) = shared.says.failed.now() {
                    tracing::warn!(error = %e, left_out, "bus: no connection");
                }
                shared.failed(&e);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(jittered(wait)) => {}
            () = closed(&mut line) => return,
        }
        wait = (wait * 2).min(RETRY.1);
    }
}

async fn make_bucket(shared: &Shared, link: &Link) -> bool {
    match bucket::ensure(&shared.config, link).await {
        Ok(()) => true,
        Err(e) => {
            if let Some(left_out) = shared.says.failed.now() {
                tracing::warn!(error = %e, left_out, "bus: the bucket cannot be made");
            }
            false
        }
    }
}

async fn watch_over(client: &Client, broken: &Notify, line: &mut watch::Receiver<Line>) {
    loop {
        tokio::select! {
            () = broken.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            _ = line.wait_for(|l| matches!(l, Line::Closed)) => return,
        }
        if client.connection_state() != State::Connected {
            return;
        }
    }
}

/// Reads all known keys again: old data may have come back meanwhile.
async fn reread(shared: &Shared) {
    let keys = shared.seen().keys();
    let reads = keys.iter().map(|key| async move {
        // A server that has just started may not have its bucket yet.
        while let Err(e) = shared.get(key).await
            && e != BusError::Disconnected
        {
            tracing::debug!(key, error = %e, "bus: a known key cannot be read again");
            tokio::time::sleep(RETRY.0).await;
        }
    });
    let within = shared.config.bucket_timeout + shared.config.old_for;
    let _ = tokio::time::timeout(within, futures_util::future::join_all(reads)).await;
}
