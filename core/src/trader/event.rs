//! What goes into a trader and what comes out.

use crate::instrument::SymbolInfo;
use crate::market::{AggTrade, Bar, BookTicker, DepthSnapshot, DepthUpdate, MarkPrice};
use crate::messages::{Alert, ClosedTrade, Command, GrantReply, GrantRequest, ParamsDocument};
use crate::order::{
    AlgoUpdate, CancelTarget, ClientId, NewOrder, NewStop, OrderUpdate, PositionUpdate, ReplyTo,
    VenueReply, VenueState,
};
use crate::params::OnDelete;
use serde::{Deserialize, Serialize};

/// What a trader is told at birth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraderConfig {
    /// `namespace/name` of the account.
    pub account: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// Identity of the strategy object.
    pub strategy_uid: String,
    /// Pod uid or task id: grants bind to it.
    pub task_uid: String,
    /// Contract, brackets, fees, leverage.
    pub info: SymbolInfo,
    /// First parameters.
    pub params: ParamsDocument,
    /// Live reads probe risk as 0 and demands a model.
    pub environment: crate::params::Environment,
}

/// A stream that can be down, each with its own consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StreamKind {
    /// Depth.
    Depth,
    /// Aggregate trades and mark price.
    Market,
    /// User data.
    User,
}

/// What a trader hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TraderEvent {
    /// First event: asks for the snapshot, history and reconcile it needs.
    Start,
    /// Time passed; the shell sends one at least every 100 ms of liveness time.
    Tick,
    /// Diff-depth event.
    Depth(DepthUpdate),
    /// The snapshot asked for.
    Snapshot(DepthSnapshot),
    /// The snapshot asked for did not come; ask again after a pause.
    SnapshotFailed,
    /// Best bid and ask, where subscribed (a cross-check of the book).
    BookTicker(BookTicker),
    /// Aggregate trade.
    Trade(AggTrade),
    /// Mark price.
    Mark(MarkPrice),
    /// Closed bars for warming ATR, oldest first, any interval that divides the wanted one; empty when there are none.
    History(Vec<Bar>),
    /// A stream connected (again).
    StreamUp(StreamKind),
    /// A stream is lost or stale.
    StreamDown(StreamKind),
    /// ORDER_TRADE_UPDATE.
    Order(OrderUpdate),
    /// ALGO_UPDATE.
    Algo(AlgoUpdate),
    /// ACCOUNT_UPDATE for this symbol.
    Position(PositionUpdate),
    /// TRADE_LITE: a fill of this symbol that ORDER_TRADE_UPDATE is about to tell of. If it does not, the venue is read.
    Hint {
        /// `t`.
        trade_id: u64,
    },
    /// The user stream told of something that only a read makes clear: no entries until one has.
    Doubt {
        /// What, in words.
        why: std::sync::Arc<str>,
    },
    /// A reply to a request of this machine.
    Reply(ReplyTo, VenueReply),
    /// The read asked for by [`TraderEffect::Reconcile`].
    Reconciled {
        /// As the question gave it: the read shows at least what happened before.
        asked_at: u64,
        /// What was read.
        state: VenueState,
    },
    /// The read failed; it is asked for again after a pause.
    ReconcileFailed {
        /// As the question gave it.
        asked_at: u64,
    },
    /// Answer to a [`TraderEffect::AskGrant`]; bound to the t0 noted when it was asked.
    Grant(GrantReply),
    /// The message store has gone back: nothing is granted until an epoch above every one honoured so far.
    FenceLost,
    /// Word of the coordinator.
    Command(Command),
    /// New parameters, whole.
    Params(Box<ParamsDocument>),
    /// New parameters of a schema that is not understood: reduce-only until newer ones are.
    ParamsUnknown {
        /// Their schema.
        schema: u32,
    },
    /// Model output for the book version `last_id`: probability that the trade NOBI asks for beats its cost.
    Model {
        /// Book version it was computed from.
        last_id: u64,
        /// Calibrated probability.
        probability: f64,
    },
    /// Leave: cancel entries, then flatten or make sure of the stops, then [`TraderEffect::Done`].
    Shutdown(OnDelete),
}

/// What a trader wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TraderEffect {
    /// Fetch `depth?limit=1000`, feed [`TraderEvent::Snapshot`] or [`TraderEvent::SnapshotFailed`].
    FetchSnapshot,
    /// Fetch bars of this length (ms), newest last, feed [`TraderEvent::History`].
    FetchHistory {
        /// Wanted bar length, ms: the shell takes the largest kline interval that divides it, or feeds an empty history.
        bar_ms: i64,
        /// Wanted bars of that length.
        bars: u32,
    },
    /// Read position, both order books, recent trades: feed [`TraderEvent::Reconciled`].
    Reconcile {
        /// Liveness time of the question, ns: handed back with the answer.
        asked_at: u64,
    },
    /// Send a plain order.
    Place(NewOrder),
    /// Send a stop.
    PlaceStop(NewStop),
    /// Cancel by id.
    Cancel(CancelTarget),
    /// Query by id.
    Query(CancelTarget),
    /// `countdownCancelAll` for the symbol, ms, 0 = off.
    Countdown {
        /// Liveness ms.
        ms: u64,
    },
    /// Ask for permission.
    AskGrant(GrantRequest),
    /// Parameters of this generation are in force since this instant.
    Acknowledge {
        /// Generation.
        generation: u64,
    },
    /// A round trip is over (or a shadow one).
    Closed(Box<ClosedTrade>),
    /// Tell people.
    Alert(Alert),
    /// A decision was made: why an order was, or was not, sent. One per trigger, repeated reasons are folded.
    Decision {
        /// Stable name of the reason, e.g. `Entered`, `StopInsideCosts`, `NoGrant`.
        reason: std::borrow::Cow<'static, str>,
        /// With its numbers, in words.
        text: String,
        /// Client id of the order sent, if one was.
        sent: Option<ClientId>,
    },
    /// A later incarnation trades this symbol: send nothing more and exit.
    Superseded,
    /// Shutdown is complete: flat, or protected as asked.
    Done,
}
