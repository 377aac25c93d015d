//! What a venue is started with, and what it says about itself.

use super::accounts::AccountConfig;
use super::fault::FaultPlan;
use crate::market::MarketSource;
use rust_decimal::Decimal;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// An API key and its HMAC secret. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiCredentials {
    /// Sent in `X-MBX-APIKEY`, 64 letters and digits.
    pub key: String,
    /// Signs requests (HMAC-SHA256, hex).
    pub secret: String,
}

/// The key and the secret that a venue of [`VenueConfig::known_key`] takes. No money is behind them: who may reach such a
/// venue is the network's to say.
pub const KNOWN_KEY: &str = "simulated";

impl ApiCredentials {
    /// The known key.
    pub fn known() -> Self {
        Self {
            key: KNOWN_KEY.into(),
            secret: KNOWN_KEY.into(),
        }
    }
}

impl std::fmt::Debug for ApiCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiCredentials")
            .field("key", &self.key)
            .field("secret", &"…")
            .finish()
    }
}

/// Which sockets of one listen key receive the account's events: the real exchange has been described each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanOut {
    /// All of them.
    #[default]
    All,
    /// The one that was opened last.
    Newest,
    /// The one that was opened first, of those that are open.
    First,
}

/// How a venue runs. Build it with [`VenueConfig::new`] and change what differs.
pub struct VenueConfig {
    /// REST and WebSocket listener; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Administration listener, loopback only; port 0 takes any free one.
    pub admin: SocketAddr,
    /// Market data.
    pub source: Box<dyn MarketSource>,
    /// Market milliseconds for each wall millisecond; 1 is real time. Finite and positive.
    pub speed: f64,
    /// Round trip of an order in market milliseconds at `speed`: one half passes before a request reaches the engine, the
    /// other half before responses and stream frames leave. It passes on the wall clock (`latency_ms / speed`), so it
    /// never waits for a held market.
    pub latency_ms: u64,
    /// Wallet of the account at the start, quote asset. A loaded state overrides it.
    pub initial_balance: Decimal,
    /// The accounts; none means one, with `credentials` and `initial_balance`.
    pub accounts: Vec<AccountConfig>,
    /// Market time keeps in step with the system's clock, as outside clients expect that sign with theirs; at speed 1 only.
    /// A loaded state catches up with it.
    pub in_step: bool,
    /// Key of the one account; `None` makes one.
    pub credentials: Option<ApiCredentials>,
    /// The first account takes [`KNOWN_KEY`] too.
    pub known_key: bool,
    /// State is loaded from here at the start if it is there, and saved here by `POST /save` and at shutdown.
    pub state_dir: Option<PathBuf>,
    /// The audit log is appended here too, one JSON object a line.
    pub audit_file: Option<PathBuf>,
    /// The venue cancels orphaned stops when a position goes flat (the real one has been seen both ways).
    pub auto_cancel_orphan_stops: bool,
    /// Orphaned stops that the venue cancels end as CANCELED, instead of EXPIRED.
    pub orphan_stops_canceled: bool,
    /// `countdownCancelAll` cancels conditional orders too.
    pub countdown_cancels_algo: bool,
    /// Untriggered reduce-only stops hold position quantity: a plain reduce-only order beside them is refused with −4118.
    pub stops_hold_reduce_only: bool,
    /// Which sockets of one listen key receive.
    pub fan_out: FanOut,
    /// What goes wrong, and when.
    pub faults: Option<FaultPlan>,
    /// Request weight and order count are refused beyond the exchange's limits; counted and reported always.
    pub enforce_limits: bool,
}

impl VenueConfig {
    /// A venue on any free loopback port at real time, without latency, with 10000 USDT.
    pub fn new(source: Box<dyn MarketSource>) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: any,
            admin: any,
            source,
            speed: 1.0,
            latency_ms: 0,
            initial_balance: Decimal::from(10_000),
            accounts: Vec::new(),
            in_step: false,
            credentials: None,
            known_key: false,
            state_dir: None,
            audit_file: None,
            auto_cancel_orphan_stops: true,
            orphan_stops_canceled: false,
            countdown_cancels_algo: false,
            stops_hold_reduce_only: false,
            fan_out: FanOut::All,
            faults: None,
            enforce_limits: true,
        }
    }
}

/// Why a venue did not start or a request to its handle failed.
#[derive(Debug, thiserror::Error)]
pub enum VenueServerError {
    /// Somebody listens there already.
    #[error(
        "{addr} is in use: stop what listens there or choose another port (0 takes a free one)"
    )]
    PortInUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The address can't be bound for another reason.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The administration port has no authentication.
    #[error("the administration port must be on loopback, not {addr}")]
    AdminNotLoopback {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The speed is no positive finite number.
    #[error("market speed {speed} must be a positive number of at most 100000")]
    BadSpeed {
        /// What was asked for.
        speed: f64,
    },
    /// Market time can't keep in step with the system's clock at another speed than its own.
    #[error("market time keeps in step with the system's clock at speed 1 only, not {speed}")]
    NotInStep {
        /// What was asked for.
        speed: f64,
    },
    /// An account that can't be had.
    #[error("{why}")]
    BadAccount {
        /// What is wrong, and what to write.
        why: String,
    },
    /// The source has no symbols, or a grid the protocol can't print.
    #[error("market source: {why}")]
    BadSource {
        /// What is wrong.
        why: String,
    },
    /// Saved state or the audit log can't be read or written.
    #[error("{path}: {why}")]
    State {
        /// File or directory.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The venue has stopped.
    #[error("the venue has stopped")]
    Stopped,
}

/// Where market time stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MarketState {
    /// Not started.
    Waiting,
    /// Going.
    Running,
    /// The recording is over: time stands, requests are still answered.
    Ended,
}

/// A venue's account of its own work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VenueStats {
    /// What the market is: "simulated market (…)".
    pub label: String,
    /// Where market time stands.
    pub state: MarketState,
    /// Market time, ms.
    pub market_ms: i64,
    /// Market time passed since the start, ms.
    pub market_elapsed_ms: i64,
    /// Wall time passed since the start, ms.
    pub wall_elapsed_ms: u64,
    /// Speed asked for.
    pub speed: f64,
    /// Speed reached since the start of the market; 0 before.
    pub achieved_speed: f64,
    /// Wall ms during which market time waited for a lagging subscriber.
    pub held_ms: u64,
    /// Open WebSockets.
    pub sockets: usize,
    /// Sockets dropped because they read too slowly.
    pub dropped_slow: u64,
    /// Frames put into sockets' queues.
    pub frames: u64,
    /// The most bytes that the queue of one socket has held.
    pub queue_peak_bytes: usize,
    /// Requests answered, those over the WebSocket API among them.
    pub requests: u64,
    /// Of them refused (status ≥ 400).
    pub refused: u64,
}

/// The venue's own books of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Balance at the start, quote asset.
    pub initial_balance: Decimal,
    /// Wallet balance now.
    pub wallet: Decimal,
    /// Realised profit of all fills, before fees.
    pub realised: Decimal,
    /// Fees paid, positive is a cost.
    pub fees: Decimal,
    /// Funding and everything else that changed the wallet: `wallet = initial + realised − fees + other`.
    pub other: Decimal,
    /// Number of fills.
    pub fills: u64,
    /// Positions that are not flat.
    pub positions: Vec<LedgerPosition>,
}

/// One open position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerPosition {
    /// Contract.
    pub symbol: String,
    /// Signed quantity.
    pub qty: Decimal,
    /// Average entry price.
    pub entry_price: Decimal,
    /// Unrealised profit at the mark price.
    pub unrealised: Decimal,
}
