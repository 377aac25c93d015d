//! The task of one market socket: connect, read, watch, replace.
//!
//! `connection` reads, `deadlines` watches, `handover` goes from one socket to the next, `link` is one socket with what
//! is still to be sent on it, `merge` reads two sockets as one.

mod connection;
mod deadlines;
mod handover;
mod link;
mod merge;

use super::{Backoff, Counters, StreamConfig, Subscription};
use crate::clock::VenueClock;
use crate::endpoints::{Endpoints, Route};
use crate::instruments::Instruments;
use connection::Connection;
use link::Link;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// The local venue's time samples.
const TIME_STREAM: &str = "helios@time";
/// A connection that lived this long was a good one.
const GOOD: Duration = Duration::from_secs(10);

pub(super) struct Task {
    pub route: Route,
    /// Subscribe the local venue's time samples too.
    pub time_samples: bool,
    pub endpoints: Endpoints,
    pub instruments: Instruments,
    pub clock: Arc<VenueClock>,
    pub config: StreamConfig,
    pub wanted: watch::Receiver<BTreeSet<Subscription>>,
    pub tx: mpsc::Sender<super::MarketMessage>,
    pub counters: Arc<Counters>,
}

/// Why a connection is left.
enum End {
    /// Lost or late.
    Lost(String),
    /// Everything on it was silent.
    Silent(String),
    /// Nothing is wanted on this socket.
    Idle,
    /// Nobody listens any more.
    Closed,
}

/// Streams by name; `None` is the time samples.
type Plan = BTreeMap<String, Option<Subscription>>;

impl Task {
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.backoff);
        loop {
            if self.plan().is_empty() {
                if self.wanted.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let started = Instant::now();
            let end = self.connect().await;
            if started.elapsed() >= GOOD {
                backoff.reset();
            }
            match end {
                End::Closed => return,
                End::Idle => continue,
                End::Lost(why) => {
                    Counters::add(&self.counters.losses);
                    tracing::warn!(route = ?self.route, why, "market socket lost");
                }
                End::Silent(why) => {
                    Counters::add(&self.counters.losses);
                    Counters::add(&self.counters.silences);
                    tracing::warn!(route = ?self.route, why, "market socket is silent");
                }
            }
            tokio::select! {
                () = sleep(backoff.next()) => {}
                () = self.tx.closed() => return,
            }
        }
    }

    /// Streams wanted on this socket, by name.
    fn plan(&mut self) -> Plan {
        let wanted = self.wanted.borrow_and_update();
        let mut plan: Plan = wanted
            .iter()
            .map(|s| (self.config.name(s), Some(s.clone())))
            .collect();
        if self.time_samples {
            plan.insert(TIME_STREAM.into(), None);
        }
        plan
    }

    async fn connect(&mut self) -> End {
        let plan = self.plan();
        let names = plan.keys().cloned().collect();
        let link = match Link::open(self.opening(), names).await {
            Ok(link) => link,
            Err(why) => return End::Lost(why),
        };
        Counters::add(&self.counters.connects);
        Connection::new(self, link).run(plan).await
    }

    /// What it takes to open a socket, apart from the task.
    fn opening(&self) -> link::Opening {
        link::Opening {
            endpoints: self.endpoints.clone(),
            route: self.route,
            clock: self.clock.clone(),
            timeout: self.config.connect_timeout,
            ping_every: self.config.ping_every,
        }
    }
}
