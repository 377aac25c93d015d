//! The sockets of one worker: market data and its own private socket on the account's listenKey.

use crate::shell::FEED_QUEUE;
use helios_binance::instruments::Instruments;
use helios_binance::rest::RestClient;
use helios_binance::user::{UserStream, UserStreamConfig, UserStreamEvent};
use helios_binance::ws::{MarketMessage, MarketStreams, StreamConfig, worker_feeds};
use helios_core::instrument::{Instrument, Symbol};
use tokio::sync::mpsc;

/// Open feeds; dropping them closes the sockets.
pub(crate) struct Feeds {
    market: mpsc::Receiver<MarketMessage>,
    user: mpsc::Receiver<UserStreamEvent>,
    symbol: Symbol,
    _market: MarketStreams,
    _user: UserStream,
}

impl Feeds {
    /// Starts the sockets; they connect, and reconnect, by themselves.
    pub(crate) fn open(rest: &RestClient, instrument: &Instrument, depth_cadence: &str) -> Self {
        let symbol = instrument.symbol.clone();
        let instruments: Instruments = [instrument.clone()].into_iter().collect();
        let clock = rest.clock();
        let config = StreamConfig {
            depth_stream: format!("depth@{depth_cadence}"),
            // A local venue may run fast or stand still, so its time is never guessed.
            time_samples: rest.endpoints().is_local(),
            ..StreamConfig::default()
        };
        let (tx, market) = mpsc::channel(FEED_QUEUE);
        let streams = MarketStreams::spawn(
            rest.endpoints(),
            &instruments,
            clock,
            &config,
            worker_feeds(&symbol),
            &tx,
        );
        let (tx, user) = mpsc::channel(FEED_QUEUE);
        let private = UserStream::spawn(rest, &instruments, UserStreamConfig::default(), tx);
        Self {
            market,
            user,
            symbol,
            _market: streams,
            _user: private,
        }
    }

    /// Both receivers, to be selected over.
    pub(crate) fn split(
        &mut self,
    ) -> (
        &mut mpsc::Receiver<MarketMessage>,
        &mut mpsc::Receiver<UserStreamEvent>,
        &Symbol,
    ) {
        (&mut self.market, &mut self.user, &self.symbol)
    }
}
