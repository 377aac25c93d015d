//! What goes into a guardian and what comes out.

use crate::fixed::Money;
use crate::instrument::{Symbol, SymbolInfo};
use crate::market::MarkPrice;
use crate::messages::{
    AccountSnapshot, Alert, Command, GrantReply, GrantRequest, LadderLevel, RateShare, WorkerReport,
};
use crate::order::{
    AlgoUpdate, CancelTarget, NewOrder, NewStop, OrderUpdate, PositionUpdate, ReplyTo, VenueReply,
    VenueState,
};
use crate::params::{AccountParams, StrategyParams, WatchlistParams};
use crate::watchlist::Candidate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a guardian is told at birth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardianConfig {
    /// Account parameters.
    pub account: AccountParams,
    /// Strategies that share it.
    pub strategies: Vec<StrategyInfo>,
    /// All tradable symbols of the venue by name.
    pub symbols: BTreeMap<Symbol, SymbolInfo>,
    /// What the exchange allows.
    #[serde(default)]
    pub rate_limits: RateLimits,
}

/// The exchange's limits: request weight for each IP, orders for the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RateLimits {
    /// Request weight a minute on one IP.
    pub weight_1m: u32,
    /// Orders in 10 s.
    pub orders_10s: u32,
    /// Orders a minute.
    pub orders_1m: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            weight_1m: 2400,
            orders_10s: 300,
            orders_1m: 1200,
        }
    }
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

/// What must outlive the process; written by compare-and-swap before it counts. A field that a later version has added is
/// passed over: an older one can still read everything it knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardianState {
    /// Highest epoch ever granted under.
    pub epoch: u64,
    /// Peak equity.
    pub peak_equity: Option<Money>,
    /// UTC day (days since the Unix epoch) that `day_start_equity` belongs to.
    pub day: i64,
    /// Equity at 00:00 UTC, net of transfers.
    pub day_start_equity: Option<Money>,
    /// Venue ms at which `day_start_equity` was taken: what was transferred before is in it. 0: at 00:00.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub day_start_ms: i64,
    /// Venue ms at which `peak_equity` was last reached. 0: not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub peak_ms: i64,
    /// Latches by name, with the venue ms they were set at.
    pub latches: BTreeMap<String, i64>,
    /// The margin ladder's level, Critical at least, or Normal: a reduction that was begun goes on after a restart.
    #[serde(default, skip_serializing_if = "is_normal")]
    pub level: LadderLevel,
    /// W, R, n by strategy.
    pub kelly: BTreeMap<String, crate::messages::KellyStats>,
    /// Transfers before this venue time, ms, are in the marks already. `None` before the first marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfers_since_ms: Option<i64>,
    /// Transfers since then that the marks have been adjusted by, as venue ms and id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub transfers: BTreeSet<(i64, u64)>,
    /// Transfers that frames have named, with which the marks have been adjusted, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<NamedTransfer>,
    /// What the last leader had promised when it went in peace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
}

fn is_normal(level: &LadderLevel) -> bool {
    *level == LadderLevel::Normal
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// The promises of a leader that has stopped granting, for the next one: it starts with them instead of waiting blind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handover {
    /// Epoch they were given under. One that is not the state's own epoch is worth nothing.
    pub epoch: u64,
    /// Every promise not yet known to be dead.
    pub promises: Vec<HandedPromise>,
    /// Shares of the rate limits in force, by symbol.
    #[serde(default)]
    pub shares: BTreeMap<String, HandedShare>,
}

/// One promise. It has no deadline: clocks differ between hosts, so the next leader counts it from its own beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandedPromise {
    /// Symbol.
    pub symbol: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// Task it was given to.
    pub task_uid: String,
    /// Ceiling on |position + open entries|, quote asset.
    pub ceiling: Money,
    /// Loss at the stop it may lead to, quote asset.
    pub risk: Money,
}

/// A share of the rate limits as last given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandedShare {
    /// Way out to the exchange, empty when not told.
    pub egress: String,
    /// The most that may be in force.
    pub share: RateShare,
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

/// A transfer as a frame of the account's stream named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedTransfer {
    /// `E` of the frame, ms.
    pub event_ms: i64,
    /// Amount of the margin asset.
    pub amount: Money,
    /// Its row of the income history has been read: another such row is another transfer.
    pub read: bool,
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
    /// The private socket is up, for the first time or again: what happened while it was away is read.
    AccountUp,
    /// The private socket is lost.
    AccountDown,
    /// Wallet balance of the margin asset, from ACCOUNT_UPDATE or REST.
    Balance {
        /// `E`, ms.
        event_ms: i64,
        /// Cross wallet balance.
        wallet: Money,
        /// What was paid in (positive) or taken out, when the frame says that this is why it changed.
        #[serde(default)]
        transfer: Option<Money>,
    },
    /// Position from ACCOUNT_UPDATE.
    Position(Symbol, PositionUpdate),
    /// ORDER_TRADE_UPDATE of any symbol.
    Order(Symbol, OrderUpdate),
    /// ALGO_UPDATE of any symbol.
    Algo(Symbol, AlgoUpdate),
    /// The user stream told of something that only a read makes clear, or that a person must see.
    Doubt {
        /// Contract, if it is about one.
        symbol: Option<Symbol>,
        /// Stable name, e.g. `MarginCall`, and words for people; `None` when the read will tell.
        alert: Option<(std::sync::Arc<str>, std::sync::Arc<str>)>,
    },
    /// Modes of the account and rights of its key were read: what is in the way of new risk, in words, or nothing.
    Fitness {
        /// Why the account is unfit, and what to do about it.
        unfit: Option<std::sync::Arc<str>>,
    },
    /// Mark price of a symbol with a position or a grant.
    Mark(Symbol, MarkPrice),
    /// REST read of the account: wallet, and every symbol with a position or open orders.
    Reconciled {
        /// As [`GuardianEffect::Reconcile`] gave it: the read shows at least what happened before.
        asked_at: u64,
        /// Venue time, ms.
        venue_ms: i64,
        /// Cross wallet balance.
        wallet: Money,
        /// Available balance.
        available: Money,
        /// The exchange's own total maintenance margin.
        maint_margin: Money,
        /// Mark prices of positions, where told.
        marks: BTreeMap<Symbol, Decimal>,
        /// By symbol; absent means flat and no orders.
        symbols: BTreeMap<Symbol, VenueState>,
        /// Symbols with a position or orders in contracts that are not known here: the account can't be measured.
        unknown_symbols: Vec<String>,
    },
    /// The read failed.
    ReconcileFailed {
        /// As [`GuardianEffect::Reconcile`] gave it.
        asked_at: u64,
    },
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
    /// The state as read after the leader lock was taken, before [`GuardianEvent::Lead`]: another leader may have written
    /// since this process read it last. Ignored while leading.
    State(Box<GuardianState>),
    /// Before [`GuardianEvent::Lead`]: the lock was taken because it ran out by time, so whatever its former holder granted
    /// ended at least 2 s ago (grants end with the renew deadline, the lock 3 s later). A read replaces the wait.
    LockRanOut,
    /// Nothing was found where the guardian's state should be: before [`GuardianEvent::Lead`], if at all.
    StateMissing {
        /// Times the leader lock has changed hands: more than none means that there must have been a state.
        transitions: u64,
    },
    /// The guardian's state could not be read: before [`GuardianEvent::Lead`], if at all. Nothing is granted and nothing
    /// written over it until [`GuardianEvent::State`] or [`GuardianEvent::StateMissing`] comes; the account is guarded.
    StateUnread {
        /// What happened, in words.
        why: String,
    },
    /// Transfers to and from the account, as the income history tells them, in any order, known ones too.
    Transfers(Vec<Transfer>),
    /// The transfers asked for could not be read.
    TransfersFailed,
    /// Leadership, with the epoch to write before the first grant. Between two processes [`GuardianEvent::State`] goes before.
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
    /// The message store has acknowledged no fence for some beats in a row, so a rollback or a rival would not be noticed:
    /// nothing is granted before [`GuardianEvent::FenceHeard`].
    FenceUnheard,
    /// It acknowledges the fence again.
    FenceHeard,
    /// Leadership is lost, or shall be handed over: grant nothing. While the lead still stands the promises are written for
    /// the next leader; release the lock when [`super::Guardian::handed_over`] says so, or after a second at most.
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
    Place {
        /// Contract.
        symbol: Symbol,
        /// The order.
        order: NewOrder,
        /// One slice of several, measured anew after each; else the whole position, as far as the largest order goes.
        slice: bool,
    },
    /// Send a stop (last resort, role `c`).
    PlaceStop(Symbol, NewStop),
    /// Cancel, anybody's order.
    Cancel(Symbol, CancelTarget),
    /// Query by id.
    Query(Symbol, CancelTarget),
    /// Read the whole account.
    Reconcile {
        /// Liveness time of the question, ns: handed back with the answer.
        asked_at: u64,
    },
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
