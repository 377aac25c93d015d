//! The networked transport: NATS, with one JetStream key-value bucket.
//!
//! Same promises as the in-process one, kept by means of our own where the client library's are others:
//! - A connection of the library is used once. When it ends, what it had queued ends with it, and `link` makes a new one:
//!   a command or a grant written before an outage is never sent after it. What needs the connection fails at once
//!   ([`BusError::Disconnected`]) while there is none; what listens goes on by itself on the next.
//! - Queues are bounded in messages and bytes, lose the oldest and count it (`queue`).
//! - A watch is a core subscription whose messages are only hints, with reads for the truth (`watch`): no JetStream consumer,
//!   which would go deaf when old data is restored and would need permissions on the whole bucket.
//! - A revision that goes back is noticed and counted (`seen`).
//!
//! # Subjects each operation uses
//! `B` is the bucket (default `helios`), `K` a key, `I` the inbox prefix ([`NatsConfig::inbox_prefix`]).
//! Whoever waits for an answer (request, get, put, compare-and-swap, watch) subscribes to `I.>`.
//!
//! | operation | publishes to | subscribes to |
//! |---|---|---|
//! | `publish(s)` | `s` | |
//! | `subscribe(p)` | | `p` |
//! | `request(s)` | `s` | `I.*` |
//! | `serve(p)` | the asker's `I.*` (bind it with `allow_responses`) | `p` |
//! | `get(K)` | `$JS.API.DIRECT.GET.KV_B.$KV.B.K` | `I.*` |
//! | `get(K)`, a read older than one seen before, with [`NatsConfig::leader_reads`] | `$JS.API.STREAM.MSG.GET.KV_B` | `I.*` |
//! | `put(K)`, `compare_and_swap(K)` | `$KV.B.K`, and what `get(K)` uses | `I.*` |
//! | `watch("a.b")` (one key) | what `get(a.b)` uses | `$KV.B.a.b`, `I.*` |
//! | `watch("a.")` (prefix) | `$JS.API.STREAM.INFO.KV_B`, and what `get` uses for each key | `$KV.B.a.>`, `I.*` |
//! | connect with [`NatsConfig::create_bucket`] | `$JS.API.STREAM.INFO.KV_B`, `$JS.API.STREAM.CREATE.KV_B` | `I.*` |
//! | connect, else | | |
//!
//! `$JS.API.STREAM.MSG.GET.KV_B` reads every key of the bucket (the key is in the payload), so only the coordinator's side has
//! it. `$KV.B.K` is also the subject on which values travel: subscribing to it reads the key, publishing to it writes the key.
//!
//! # What is not noticed
//! A message handed to the kernel for a server that hangs may still reach it until the silence is found out
//! ([`config::PING`], three of them): messages carry their own times. Old data restored is not noticed by a client that
//! saw nothing before, or whose keys had all outgrown what it saw when it looked again.

mod bucket;
pub mod config;
mod kv;
mod link;
mod listen;
mod queue;
mod seen;
mod watch;

pub use config::{NatsAuth, NatsConfig, NatsError, NatsTls, Secret};

use crate::{Bus, BusError, BusState, Entry, Server, Subscription, Watch};
use async_trait::async_trait;
use bytes::Bytes;
use link::{Line, Link};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest that handing a message to the connection may take.
const SEND: Duration = Duration::from_secs(1);

/// What the bus's tasks share.
#[derive(Debug)]
struct Shared {
    config: NatsConfig,
    line: tokio::sync::watch::Sender<Line>,
    state: tokio::sync::watch::Sender<BusState>,
    seen: Mutex<seen::Seen>,
    says: link::Says,
    /// Attempts that failed, with why the last one did.
    failed: tokio::sync::watch::Sender<(u64, Option<NatsError>)>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, seen::Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, e: &NatsError) {
        self.failed.send_modify(|f| *f = (f.0 + 1, Some(e.clone())));
    }

    /// A connection stands; false when the bus is closed.
    fn begin(&self, link: Arc<Link>) -> bool {
        self.line.send_if_modified(|l| {
            let open = !matches!(l, Line::Closed);
            if open {
                *l = Line::Up(link);
            }
            open
        })
    }

    /// And what came back with it is known; false when the bus is closed.
    fn ready(&self) -> bool {
        let line = self.line.borrow();
        let open = !matches!(*line, Line::Closed);
        self.state.send_modify(|s| s.connected = open);
        open
    }

    /// It ended; false when the bus is closed.
    fn end(&self) -> bool {
        self.line.send_if_modified(|l| {
            self.state.send_modify(|s| s.connected = false);
            let open = !matches!(l, Line::Closed);
            if open {
                *l = Line::Down;
            }
            open
        })
    }

    fn rolled_back(&self, key: &str, found: seen::Found) {
        let revision = found.map_or(0, |f| f.0);
        tracing::error!(
            key,
            revision,
            "bus: the bucket went back to an earlier state"
        );
        self.state.send_modify(|s| s.rollbacks += 1);
    }
}

/// Closes the bus when its last clone goes.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.line.send_replace(Line::Closed);
    }
}

/// The networked bus; clones share one connection, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct NatsBus {
    shared: Arc<Shared>,
    _open: Arc<Open>,
}

impl NatsBus {
    /// Starts without waiting for a connection; attempts go on for as long as the bus lives. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn start(config: NatsConfig) -> Result<Self, NatsError> {
        config.check()?;
        // The library builds its TLS from the process's provider; programs install theirs first.
        if config.tls.is_some() && rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let shared = Arc::new(Shared {
            config,
            line: tokio::sync::watch::Sender::new(Line::Down),
            state: tokio::sync::watch::Sender::new(BusState::default()),
            seen: Mutex::default(),
            says: link::Says::default(),
            failed: tokio::sync::watch::Sender::new((0, None)),
        });
        tokio::spawn(link::keep(shared.clone()));
        Ok(Self {
            _open: Arc::new(Open(shared.clone())),
            shared,
        })
    }

    /// Starts, and waits for the first attempt.
    ///
    /// # Errors
    /// The configuration cannot work, or the first attempt failed.
    pub async fn connect(config: NatsConfig) -> Result<Self, NatsError> {
        let bus = Self::start(config)?;
        let mut state = bus.state();
        let mut failed = bus.shared.failed.subscribe();
        let mut first = tokio::select! {
            biased;
            f = failed.wait_for(|f| f.0 > 0) => f.ok().and_then(|f| f.1.clone()),
            _ = state.wait_for(|s| s.connected) => None,
        };
        match first.take() {
            Some(e) => Err(e),
            None => Ok(bus),
        }
    }

    /// Why the last attempt failed, if one did since the start.
    pub fn last_failure(&self) -> Option<NatsError> {
        self.shared.failed.borrow().1.clone()
    }
}

#[async_trait]
impl Bus for NatsBus {
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        let link = link::up(&self.shared.line.subscribe())?;
        let sent = link.client.publish(subject.to_owned(), payload);
        match tokio::time::timeout(SEND, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) if e.kind() == async_nats::PublishErrorKind::Send => {
                Err(BusError::Disconnected)
            }
            Ok(Err(e)) => Err(BusError::Malformed {
                subject: subject.into(),
                why: e.to_string(),
            }),
            // The server takes nothing more.
            Err(_) => Err(BusError::Disconnected),
        }
    }

    async fn subscribe(&self, pattern: &str) -> Result<Box<dyn Subscription>, BusError> {
        let s = listen::messages(self.shared.clone(), pattern).await?;
        Ok(Box::new(s))
    }

    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        // Not before it is known whether old data came back: an answer must not overtake that.
        if !self.shared.state.borrow().connected {
            return Err(BusError::Disconnected);
        }
        let answer = self.shared.ask(subject, None, payload, timeout).await?;
        Ok(answer.payload)
    }

    async fn serve(&self, pattern: &str) -> Result<Box<dyn Server>, BusError> {
        let s = listen::questions(self.shared.clone(), pattern).await?;
        Ok(Box::new(s))
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, BusError> {
        self.shared.get(key).await
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<u64, BusError> {
        self.shared.put(key, value).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<u64, BusError> {
        self.shared.swap(key, expected, value).await
    }

    async fn watch(&self, pattern: &str) -> Result<Box<dyn Watch>, BusError> {
        Ok(Box::new(watch::NatsWatch::start(
            self.shared.clone(),
            pattern,
        )?))
    }

    fn state(&self) -> tokio::sync::watch::Receiver<BusState> {
        self.shared.state.subscribe()
    }
}
