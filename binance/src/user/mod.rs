//! The account's user stream: orders, stops, balances and positions as the exchange tells them. Fills come from here only.
//!
//! One private socket on the account's listenKey, which is shared by every worker of the account and therefore never closed
//! at the exchange. It is pinged each second, so the age of the account's picture is known; the key is kept alive every
//! half hour. A key that expired, told once or twice, or a socket that is lost ends in `Down`, then `Up` on a new socket: the machines
//! reconcile after it, because what happened in between was not heard. Before a socket's 24 hours are over its successor is
//! opened and both are read for a while; then there is an `Up` alone.

mod decode;
#[cfg(test)]
mod samples;
mod task;
mod twice;

pub use decode::{Decoded, UserDecodeError, decode};

use crate::instruments::Instruments;
use crate::rest::RestClient;
use crate::ws::{BackoffConfig, Counters, SocketStats};
use helios_core::fixed::Money;
use helios_core::guardian::GuardianEvent;
use helios_core::instrument::Symbol;
use helios_core::order::{AlgoUpdate, OrderUpdate, PositionUpdate};
use helios_core::trader::{StreamKind, TraderEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the user stream says.
#[derive(Clone, Debug, PartialEq)]
pub enum UserStreamEvent {
    /// Connected (again), or a successor has taken over: reconcile.
    Up,
    /// Lost; a new connection is on its way.
    Down {
        /// Why.
        why: Arc<str>,
    },
    /// A frame or a pong came just now: the account's picture is alive.
    Alive,
    /// ORDER_TRADE_UPDATE.
    Order(Symbol, OrderUpdate),
    /// ALGO_UPDATE.
    Algo(Symbol, AlgoUpdate),
    /// ACCOUNT_UPDATE, one asset.
    Balance {
        /// `E`, ms.
        event_ms: i64,
        /// Asset.
        asset: Arc<str>,
        /// Cross wallet balance `cw`.
        wallet: Money,
        /// `bc`: change by transfers and the like, without PnL and commission.
        change: Money,
        /// `m`: ORDER, FUNDING_FEE, DEPOSIT, WITHDRAW, ...
        reason: Arc<str>,
    },
    /// ACCOUNT_UPDATE, one position (one-way mode).
    Position(Symbol, PositionUpdate),
    /// ACCOUNT_CONFIG_UPDATE: initial leverage changed.
    Leverage {
        /// `E`, ms.
        event_ms: i64,
        /// Contract.
        symbol: Symbol,
        /// Now in force.
        leverage: u32,
    },
    /// ACCOUNT_CONFIG_UPDATE: multi-assets mode changed (Helios refuses it on).
    MultiAssets {
        /// `E`, ms.
        event_ms: i64,
        /// Now in force.
        on: bool,
    },
    /// TRADE_LITE: a fill of a contract, without fee or order state. It says that ORDER_TRADE_UPDATE is on its way.
    Hint(Symbol, u64),
    /// CONDITIONAL_ORDER_TRIGGER_REJECT: a stop has triggered, and the order it made was refused.
    TriggerRejected {
        /// Contract.
        symbol: Symbol,
        /// `i`.
        order_id: u64,
        /// `r`.
        reason: Arc<str>,
    },
    /// MARGIN_CALL: guidance that may come late; for people, never a trigger.
    MarginCall {
        /// `E`, ms.
        event_ms: i64,
        /// Contracts it names.
        symbols: Vec<String>,
    },
    /// An event about a contract that isn't in the instruments: load it, then reconcile.
    UnknownSymbol {
        /// Contract.
        symbol: String,
    },
}

/// Reasons of an ACCOUNT_UPDATE by which money of the account comes or goes, and is neither gained nor lost.
fn is_transfer(reason: &str) -> bool {
    matches!(
        reason,
        "DEPOSIT"
            | "WITHDRAW"
            | "WITHDRAW_REJECT"
            | "ADMIN_DEPOSIT"
            | "ADMIN_WITHDRAW"
            | "ASSET_TRANSFER"
            | "COIN_SWAP_DEPOSIT"
            | "COIN_SWAP_WITHDRAW"
    )
}

fn trigger_rejected(order_id: u64, reason: &str) -> Arc<str> {
    format!("a stop has triggered and its order {order_id} was refused: {reason}").into()
}

fn doubt(symbol: Option<&Symbol>, code: &str, text: Arc<str>) -> GuardianEvent {
    GuardianEvent::Doubt {
        symbol: symbol.cloned(),
        alert: Some((code.into(), text)),
    }
}

impl UserStreamEvent {
    /// What the machine of `symbol` hears of it.
    pub fn for_trader(&self, symbol: &str) -> Option<TraderEvent> {
        match self {
            Self::Up => Some(TraderEvent::StreamUp(StreamKind::User)),
            Self::Down { .. } => Some(TraderEvent::StreamDown(StreamKind::User)),
            Self::Order(s, u) if **s == *symbol => Some(TraderEvent::Order(u.clone())),
            Self::Algo(s, u) if **s == *symbol => Some(TraderEvent::Algo(u.clone())),
            Self::Position(s, u) if **s == *symbol => Some(TraderEvent::Position(u.clone())),
            Self::Hint(s, id) if **s == *symbol => Some(TraderEvent::Hint { trade_id: *id }),
            Self::TriggerRejected {
                symbol: s,
                order_id,
                reason,
            } if **s == *symbol => Some(TraderEvent::Doubt {
                why: trigger_rejected(*order_id, reason),
            }),
            Self::Leverage {
                symbol: s,
                leverage,
                ..
            } if **s == *symbol => Some(TraderEvent::Doubt {
                why: format!("leverage is {leverage} now").into(),
            }),
            _ => None,
        }
    }

    /// What the guardian hears of it; balances of the margin asset only. A new socket is `AccountAlive`; the shell reconciles on it.
    pub fn for_guardian(&self, margin_asset: &str) -> Option<GuardianEvent> {
        match self {
            Self::Up => Some(GuardianEvent::AccountUp),
            Self::Alive => Some(GuardianEvent::AccountAlive),
            Self::Down { .. } => Some(GuardianEvent::AccountDown),
            Self::Order(s, u) => Some(GuardianEvent::Order(s.clone(), u.clone())),
            Self::Algo(s, u) => Some(GuardianEvent::Algo(s.clone(), u.clone())),
            Self::Position(s, u) => Some(GuardianEvent::Position(s.clone(), u.clone())),
            Self::Balance {
                event_ms,
                asset,
                wallet,
                change,
                reason,
            } if **asset == *margin_asset => Some(GuardianEvent::Balance {
                event_ms: *event_ms,
                wallet: *wallet,
                transfer: is_transfer(reason)
                    .then_some(*change)
                    .filter(|c| !c.is_zero()),
            }),
            Self::TriggerRejected {
                symbol,
                order_id,
                reason,
            } => Some(doubt(
                Some(symbol),
                "TriggerRejected",
                trigger_rejected(*order_id, reason),
            )),
            Self::MarginCall { symbols, .. } => Some(doubt(
                None,
                "MarginCall",
                format!("the exchange calls for margin: {}", symbols.join(", ")).into(),
            )),
            Self::MultiAssets { on: true, .. } => Some(doubt(
                None,
                "MultiAssetsMode",
                "multi-assets mode was switched on: what the account can bear is not known in it; switch it off".into(),
            )),
            // The read names it, once and for as long as it is held.
            Self::UnknownSymbol { .. } => Some(GuardianEvent::Doubt {
                symbol: None,
                alert: None,
            }),
            _ => None,
        }
    }
}

/// Times of the user stream.
#[derive(Clone, Copy, Debug)]
pub struct UserStreamConfig {
    /// Our pings.
    pub ping_every: Duration,
    /// Without a frame or pong for this long the socket is lost.
    pub dead_after: Duration,
    /// The listenKey (valid for 60 min) is extended at this age, wall or market time.
    pub keepalive_every: Duration,
    /// A listenKey that was not extended for so long has run out, wall or market time.
    pub key_life: Duration,
    /// Wall time until a failed keepalive is tried again; from the third failure in a row a new key and socket are tried too.
    pub keepalive_retry: Duration,
    /// TCP, TLS and handshake.
    pub connect_timeout: Duration,
    /// Age of a connection, wall or market time, at which it is replaced (the exchange cuts it at 24 h).
    pub rollover: Duration,
    /// How long a socket and its successor are read side by side.
    pub overlap: Duration,
    /// Pauses between reconnects.
    pub backoff: BackoffConfig,
}

impl Default for UserStreamConfig {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(1),
            dead_after: Duration::from_secs(5),
            keepalive_every: Duration::from_secs(30 * 60),
            key_life: Duration::from_secs(60 * 60),
            keepalive_retry: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            rollover: Duration::from_secs(23 * 3_600 + 45 * 60),
            overlap: Duration::from_secs(3),
            backoff: BackoffConfig {
                first: Duration::from_millis(100),
                longest: Duration::from_secs(10),
            },
        }
    }
}

/// The user stream of one consumer. Dropping it closes the socket.
#[derive(Debug)]
pub struct UserStream {
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl UserStream {
    /// Starts the task; events come over `tx`, in the exchange's order, none is dropped. It ends when the receiver is.
    ///
    /// Contracts must be in `instruments` for their events to be decoded; others come as
    /// [`UserStreamEvent::UnknownSymbol`].
    pub fn spawn(
        rest: &RestClient,
        instruments: &Instruments,
        config: UserStreamConfig,
        tx: mpsc::Sender<UserStreamEvent>,
    ) -> Self {
        crate::install_crypto();
        let counters = Arc::<Counters>::default();
        let task = task::Task {
            rest: rest.clone(),
            instruments: instruments.clone(),
            config,
            tx,
            counters: counters.clone(),
        };
        Self {
            task: tokio::spawn(task.run()),
            counters,
        }
    }

    /// Counters of the socket; `ages_ms["user"]` is the age of its last frame or pong.
    pub fn stats(&self) -> SocketStats {
        self.counters.read()
    }
}

impl Drop for UserStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}
