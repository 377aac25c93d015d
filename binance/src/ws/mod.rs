//! Market sockets: subscribed streams in, core's events out, through reconnects.
//!
//! Two routes are used: books on one socket, trades and mark prices on another. A socket whose subscription is acknowledged but
//! silent, whose stream goes stale, whose pong is late or whose 24 hours are nearly over is replaced; each loss is told as
//! `StreamDown` and each connection as `StreamUp` before its first frame, so that the book resyncs. Depth diffs are never
//! conflated: a full channel stops the socket from being read.

mod backoff;
mod frame;
mod market;
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
use std::sync::Arc;
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
    /// Pauses between reconnects.
    pub backoff: BackoffConfig,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            depth_stream: "depth@100ms".into(),
            mark_stream: "markPrice@1s".into(),
            time_samples: false,
            depth: Silence::secs(10, 30),
            book_ticker: Silence::secs(30, 120),
            trades: Silence::secs(300, 600),
            mark: Silence::secs(10, 10),
            ping_every: Duration::from_secs(5),
            pong_within: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            rollover: Duration::from_secs(23 * 3_600 + 50 * 60),
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
    wanted: watch::Sender<BTreeSet<Subscription>>,
    tasks: [JoinHandle<()>; 2],
    counters: [Arc<Counters>; 2],
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
        let (wanted, watched) = watch::channel(subscriptions.into_iter().collect());
        let counters: [Arc<Counters>; 2] = Default::default();
        let start = |route, counters: &Arc<Counters>| {
            let task = market::Task {
                route,
                endpoints: endpoints.clone(),
                instruments: instruments.clone(),
                clock: clock.clone(),
                config: config.clone(),
                wanted: watched.clone(),
                tx: tx.clone(),
                counters: counters.clone(),
            };
            tokio::spawn(task.run())
        };
        let tasks = [
            start(Route::Public, &counters[0]),
            start(Route::Market, &counters[1]),
        ];
        Self {
            wanted,
            tasks,
            counters,
        }
    }

    /// Replaces the subscriptions; running streams that stay are not disturbed.
    pub fn set(&self, subscriptions: impl IntoIterator<Item = Subscription>) {
        let new: BTreeSet<Subscription> = subscriptions.into_iter().collect();
        self.wanted.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }

    /// Counters of the public socket and of the market socket.
    pub fn stats(&self) -> (SocketStats, SocketStats) {
        (self.counters[0].read(), self.counters[1].read())
    }
}

impl Drop for MarketStreams {
    fn drop(&mut self) {
        for t in &self.tasks {
            t.abort();
        }
    }
}
