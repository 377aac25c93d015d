//! What goes into a guardian and what comes out.

use crate::fixed::Money;
use crate::instrument::{Symbol, SymbolInfo};
use crate::market::MarkPrice;
use crate::messages::{AccountSnapshot, Alert, Command, GrantReply, GrantRequest, WorkerReport};
use crate::order::{
    AlgoUpdate, CancelTarget, NewOrder, NewStop, OrderUpdate, PositionUpdate, ReplyTo, VenueReply,
    VenueState,
};
use crate::params::{AccountParams, StrategyParams, WatchlistParams};
use crate::watchlist::Candidate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a guardian is told at birth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardianConfig {
    /// Account parameters.
    pub account: AccountParams,
    /// Strategies that share it.
    pub strategies: Vec<StrategyInfo>,
    /// All tradable symbols of the venue by name.
    pub symbols: BTreeMap<Symbol, SymbolInfo>,
}

/// A strategy as the guardian needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyInfo {
    /// `namespace/name`.
    pub name: String,
    /// Identity of the object.
    pub uid: String,
    /// Age order: venue ms of creation.
    pub created_ms: i64,
    /// Parameters.
    pub params: StrategyParams,
    /// Watchlist parameters.
    pub watchlist: WatchlistParams,
}

/// What must outlive the process; written by compare-and-swap before it counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardianState {
    /// Highest epoch ever granted under.
    pub epoch: u64,
    /// Peak equity.
    pub peak_equity: Option<Money>,
    /// UTC day (days since the Unix epoch) that `day_start_equity` belongs to.
    pub day: i64,
    /// Equity at 00:00 UTC, net of transfers.
    pub day_start_equity: Option<Money>,
    /// Latches by name, with the venue ms they were set at.
    pub latches: BTreeMap<String, i64>,
    /// W, R, n by strategy.
    pub kelly: BTreeMap<String, crate::messages::KellyStats>,
}

/// A transfer to (positive) or from the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The exchange's id of it.
    pub id: u64,
    /// Venue time, ms.
    pub venue_ms: i64,
    /// Amount of the margin asset.
    pub amount: Money,
}

/// What a guardian hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GuardianEvent {
    /// First event.
    Start,
    /// Time passed; at least every 100 ms of liveness time.
    Tick,
    /// A frame or pong of the private socket arrived: the account input is alive.
    AccountAlive,
    /// The private socket is lost.
    AccountDown,
    /// Wallet balance of the margin asset, from ACCOUNT_UPDATE or REST.
    Balance {
        /// `E`, ms.
        event_ms: i64,
        /// Cross wallet balance.
        wallet: Money,
    },
    /// Position from ACCOUNT_UPDATE.
    Position(Symbol, PositionUpdate),
    /// ORDER_TRADE_UPDATE of any symbol.
    Order(Symbol, OrderUpdate),
    /// ALGO_UPDATE of any symbol.
    Algo(Symbol, AlgoUpdate),
    /// Mark price of a symbol with a position or a grant.
    Mark(Symbol, MarkPrice),
    /// REST read of the account: wallet, and every symbol with a position or open orders.
    Reconciled {
        /// Venue time, ms.
        venue_ms: i64,
        /// Cross wallet balance.
        wallet: Money,
        /// Available balance.
        available: Money,
        /// The exchange's own total maintenance margin.
        maint_margin: Money,
        /// By symbol; absent means flat and no orders.
        symbols: BTreeMap<Symbol, VenueState>,
        /// Symbols with a position or orders in contracts that are not known here: the account can't be measured.
        unknown_symbols: Vec<String>,
    },
    /// The read failed.
    ReconcileFailed,
    /// Depth within 20 bp of mid of a symbol (quote asset, bid side and ask side), asked for by slices.
    VisibleDepth(Symbol, Money, Money),
    /// A worker asks.
    GrantRequested(GrantRequest),
    /// A worker's report.
    Report(Box<WorkerReport>),
    /// What a scan of the market found, in any order; ranking is the guardian's. Correlations of 15-minute returns over
    /// 24 h where known.
    Scanned {
        /// Every contract of the venue, unfit ones too.
        candidates: Vec<Candidate>,
        /// Pairs with correlation, each once.
        correlations: Vec<(Symbol, Symbol, f64)>,
    },
    /// Reply to an order of the guardian's own.
    Reply(Symbol, ReplyTo, VenueReply),
    /// Manifests changed.
    Config(Box<GuardianConfig>),
    /// `state` of the last [`GuardianEffect::Persist`] is written.
    Persisted,
    /// It could not be written: no new risk.
    PersistFailed,
    /// The symbol's position shall be closed whole, worker or not: its strategy goes, or the run ends (`onDelete: Flatten`).
    Release(Symbol),
    /// A person sets or releases a latch (`helios kill|release`).
    Latch {
        /// Name, e.g. `kill`, `drawdown`.
        name: String,
        /// Set or release.
        set: bool,
    },
    /// Nothing was found where the guardian's state should be: first event, if at all.
    StateMissing {
        /// Times the leader lock has changed hands: more than none means that there must have been a state.
        transitions: u64,
    },
    /// The state as stored, before a term begins; ignored while leading.
    Restored(Box<GuardianState>),
    /// Transfers to and from the account, as the income history tells them, in any order, known ones too.
    Transfers(Vec<Transfer>),
    /// The transfers asked for could not be read.
    TransfersFailed,
    /// Leadership, with the epoch to write before the first grant.
    Lead {
        /// Epoch from the lease's transitions and what workers echo.
        epoch: u64,
        /// Liveness ns at which it ends unless renewed; `None` without a lock (one process).
        until_ns: Option<u64>,
    },
    /// Leadership was renewed.
    Renewed {
        /// Liveness ns at which it ends unless renewed again.
        until_ns: u64,
    },
    /// The message store has gone back: the epoch is raised, so that nothing said before counts any more.
    FenceLost,
    /// Leadership is lost: grant nothing.
    Follow,
}

/// What a guardian wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GuardianEffect {
    /// Answer a worker.
    Reply {
        /// Task that asked.
        task_uid: String,
        /// Answer.
        reply: GrantReply,
    },
    /// Tell a worker.
    Command(Symbol, Command),
    /// Send a plain order (reduce-only, role `c`).
    Place(Symbol, NewOrder),
    /// Send a stop (last resort, role `c`).
    PlaceStop(Symbol, NewStop),
    /// Cancel, anybody's order.
    Cancel(Symbol, CancelTarget),
    /// Query by id.
    Query(Symbol, CancelTarget),
    /// Read the whole account.
    Reconcile,
    /// Read visible depth of a symbol.
    ReadDepth(Symbol),
    /// Scan the market.
    Scan,
    /// Read transfers since this venue time, ms: feed [`GuardianEvent::Transfers`] or [`GuardianEvent::TransfersFailed`].
    ReadTransfers {
        /// Venue ms.
        since_ms: i64,
    },
    /// Publish the snapshot.
    Publish(Box<AccountSnapshot>),
    /// Write the marks, answer [`GuardianEvent::Persisted`] or [`GuardianEvent::PersistFailed`].
    Persist(Box<GuardianState>),
    /// Tell people.
    Alert(Alert),
    /// A step of the ladder, with the numbers it was decided on (metrics and `logs/alerts.log`).
    Ladder {
        /// New level.
        level: crate::messages::LadderLevel,
        /// Margin ratio, percent.
        margin_ratio: Decimal,
    },
}
