//! Market sockets: subscribed streams in, core's events out, through reconnects.
//!
//! Two routes are used: books on one, trades and mark prices on another, each with as many sockets as its streams need. A
//! stream that is acknowledged but silent, or goes stale, is subscribed again; a socket that is silent as a whole or
//! answers no ping is replaced. Each such loss is told as `StreamDown` and then `StreamUp` before the first frame, so that the
//! book resyncs. Before its 24 hours are over a socket's successor is opened and both are read as one: nobody hears of it. Depth
//! diffs are never conflated: a full channel stops the sockets from being read.

mod backoff;
mod frame;
mod market;
mod shards;
pub(crate) mod socket;
mod stats;

pub use backoff::BackoffConfig;
pub use stats::SocketStats;

pub(crate) use backoff::Backoff;
pub(crate) use stats::Counters;

use crate::clock::VenueClock;
use crate::endpoints::{Endpoints, Route};
use crate::instruments::Instruments;
use helios_core::instrument::Symbol;
use helios_core::trader::{StreamKind, TraderEvent};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What can be subscribed for a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feed {
    /// Diff depth.
    Depth,
    /// Best bid and ask.
    BookTicker,
    /// Aggregate trades.
    AggTrade,
    /// Mark price.
    MarkPrice,
}

impl Feed {
    /// The route that serves it; on any other it is acknowledged and silent.
    pub const fn route(self) -> Route {
        match self {
            Self::Depth | Self::BookTicker => Route::Public,
            Self::AggTrade | Self::MarkPrice => Route::Market,
        }
    }

    /// The stream whose going up and down it shares.
    pub const fn kind(self) -> StreamKind {
        match self {
            Self::Depth | Self::BookTicker => StreamKind::Depth,
            Self::AggTrade | Self::MarkPrice => StreamKind::Market,
        }
    }
}

/// One stream of one symbol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// Contract, as the exchange spells it.
    pub symbol: Symbol,
    /// What of it.
    pub feed: Feed,
}

/// What a worker needs of its symbol: diff depth, aggregate trades, mark price.
pub fn worker_feeds(symbol: &Symbol) -> Vec<Subscription> {
    [Feed::Depth, Feed::AggTrade, Feed::MarkPrice]
        .map(|feed| Subscription {
            symbol: symbol.clone(),
            feed,
        })
        .into()
}

/// How long a stream may be silent: both the wall clock and the venue's own clock must have moved that far, so a venue whose
/// time stands still is not taken for a dead one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Until its first frame.
    pub first: Duration,
    /// Between frames.
    pub later: Duration,
}

impl Silence {
    pub(crate) const fn secs(first: u64, later: u64) -> Self {
        Self {
            first: Duration::from_secs(first),
            later: Duration::from_secs(later),
        }
    }
}

/// Names and times of market sockets.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// After `<symbol>@`, e.g. `depth@100ms`.
    pub depth_stream: String,
    /// After `<symbol>@`, e.g. `markPrice@1s`.
    pub mark_stream: String,
    /// Streams that one socket carries at most; the exchange allows 1024.
    pub streams_per_socket: usize,
    /// Subscribe the local venue's time samples (`helios@time`): for a venue faster than real time.
    pub time_samples: bool,
    /// Silence of depth.
    pub depth: Silence,
    /// Silence of book tickers.
    pub book_ticker: Silence,
    /// Silence of trades; quiet contracts trade seldom.
    pub trades: Silence,
    /// Silence of mark prices.
    pub mark: Silence,
    /// Our pings.
    pub ping_every: Duration,
    /// Without a frame or pong for this long after a ping was due the socket is lost.
    pub pong_within: Duration,
    /// TCP, TLS and handshake.
    pub connect_timeout: Duration,
    /// Age of a connection, wall or market time, at which it is replaced (the exchange cuts it at 24 h).
    pub rollover: Duration,
    /// Both sockets are read for a twentieth of this at least, and for all of it when a stream has nothing to say.
    pub overlap: Duration,
    /// Pauses between reconnects.
    pub backoff: BackoffConfig,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            depth_stream: "depth@100ms".into(),
            mark_stream: "markPrice@1s".into(),
            streams_per_socket: 200,
            time_samples: false,
            depth: Silence::secs(10, 30),
            book_ticker: Silence::secs(30, 120),
            trades: Silence::secs(300, 600),
            mark: Silence::secs(10, 10),
            ping_every: Duration::from_secs(5),
            pong_within: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            rollover: Duration::from_secs(23 * 3_600 + 50 * 60),
            overlap: Duration::from_secs(20),
            backoff: BackoffConfig::default(),
        }
    }
}

impl StreamConfig {
    pub(crate) fn name(&self, s: &Subscription) -> String {
        let what = match s.feed {
            Feed::Depth => &self.depth_stream,
            Feed::BookTicker => "bookTicker",
            Feed::AggTrade => "aggTrade",
            Feed::MarkPrice => &self.mark_stream,
        };
        format!("{}@{what}", s.symbol.to_lowercase())
    }

    pub(crate) const fn silence(&self, feed: Feed) -> Silence {
        match feed {
            Feed::Depth => self.depth,
            Feed::BookTicker => self.book_ticker,
            Feed::AggTrade => self.trades,
            Feed::MarkPrice => self.mark,
        }
    }
}

/// An event for the machine of a symbol: `Depth`, `BookTicker`, `Trade`, `Mark`, `StreamUp` or `StreamDown`.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketMessage {
    /// For which symbol.
    pub symbol: Symbol,
    /// What its machine hears.
    pub event: TraderEvent,
    /// When the frame was received, this host's monotonic ns.
    pub received_ns: u64,
}

/// The market sockets of one consumer. Dropping it closes them.
#[derive(Debug)]
pub struct MarketStreams {
    base: Base,
    routes: [Mutex<Vec<Shard>>; 2],
    counters: [Arc<Counters>; 2],
}

const ROUTES: [Route; 2] = [Route::Public, Route::Market];

/// What every socket task is made of.
#[derive(Debug)]
struct Base {
    endpoints: Endpoints,
    instruments: Instruments,
    clock: Arc<VenueClock>,
    config: StreamConfig,
    tx: mpsc::Sender<MarketMessage>,
}

/// One socket task and what it shall carry.
#[derive(Debug)]
struct Shard {
    wanted: watch::Sender<BTreeSet<Subscription>>,
    task: JoinHandle<()>,
}

impl Base {
    fn shard(
        &self,
        route: Route,
        first: bool,
        wanted: BTreeSet<Subscription>,
        counters: &Arc<Counters>,
    ) -> Shard {
        let (wanted, watched) = watch::channel(wanted);
        let task = market::Task {
            route,
            time_samples: first && route == Route::Market && self.config.time_samples,
            endpoints: self.endpoints.clone(),
            instruments: self.instruments.clone(),
            clock: self.clock.clone(),
            config: self.config.clone(),
            wanted: watched,
            tx: self.tx.clone(),
            counters: counters.clone(),
        };
        Shard {
            wanted,
            task: tokio::spawn(task.run()),
        }
    }
}

impl MarketStreams {
    /// Starts the socket tasks; a route without subscriptions stays unconnected.
    ///
    /// `tx` must be bounded: when it is full the sockets are not read. The tasks end when its receiver is dropped.
    /// Symbols must be in `instruments` before they are subscribed.
    pub fn spawn(
        endpoints: &Endpoints,
        instruments: &Instruments,
        clock: &Arc<VenueClock>,
        config: &StreamConfig,
        subscriptions: impl IntoIterator<Item = Subscription>,
        tx: &mpsc::Sender<MarketMessage>,
    ) -> Self {
        crate::install_crypto();
        let streams = Self {
            base: Base {
                endpoints: endpoints.clone(),
                instruments: instruments.clone(),
                clock: clock.clone(),
                config: config.clone(),
                tx: tx.clone(),
            },
            routes: Default::default(),
            counters: Default::default(),
        };
        streams.set(subscriptions);
        streams
    }

    /// Replaces the subscriptions; running streams that stay are not disturbed.
    pub fn set(&self, subscriptions: impl IntoIterator<Item = Subscription>) {
        let all: BTreeSet<Subscription> = subscriptions.into_iter().collect();
        for ((route, shards), counters) in ROUTES.into_iter().zip(&self.routes).zip(&self.counters)
        {
            let wanted = all.iter().filter(|s| s.feed.route() == route).cloned();
            let wanted: BTreeSet<Subscription> = wanted.collect();
            let mut shards = shards.lock().unwrap_or_else(PoisonError::into_inner);
            let now: Vec<_> = shards.iter().map(|s| s.wanted.borrow().clone()).collect();
            let most = shards::most(&self.base.config);
            // There is always a first one: it may have time samples to listen to.
            let mut spread = shards::spread(&wanted, &now, most);
            spread.resize(spread.len().max(1), BTreeSet::new());
            for (n, new) in spread.into_iter().enumerate() {
                match shards.get(n) {
                    Some(shard) => {
                        shard.wanted.send_if_modified(|old| {
                            let changed = *old != new;
                            *old = new;
                            changed
                        });
                    }
                    None => shards.push(self.base.shard(route, n == 0, new, counters)),
                }
            }
        }
    }

    /// Counters of the public sockets and of the market sockets.
    pub fn stats(&self) -> (SocketStats, SocketStats) {
        (self.counters[0].read(), self.counters[1].read())
    }
}

impl Drop for MarketStreams {
    fn drop(&mut self) {
        for shards in &mut self.routes {
            let shards = shards.get_mut().unwrap_or_else(PoisonError::into_inner);
            for s in shards {
                s.task.abort();
            }
        }
    }
}
