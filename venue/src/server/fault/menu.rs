//! The menu: every fault that may be ordered, as it is written in JSON (`POST /fault`) and in a schedule's file.
//!
//! A fault is data. What it does is done where the thing happens: at the connection (`requests`), at the subscribers' queues
//! (`frames`), in the engine (`engine::faults`), all told by [`super::Faults`].

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const fn once() -> u64 {
    1
}

/// Something that goes wrong. Times are wall milliseconds, but for `after_ms` of a stop that vanishes (market time).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// A request is not answered as it should be.
    Answer(Answer),
    /// A request takes long on its way there, or its answer on the way back.
    Delay(Delay),
    /// Frames of a stream are lost, come twice, or in another order.
    Frames(Frames),
    /// Sockets that stay connected and on which nothing moves, pings included; what they would have got is lost.
    Stall(Sockets),
    /// Sockets are cut without a close frame.
    Drop(Sockets),
    /// A conditional order that was accepted is gone.
    Vanish(Vanish),
    /// The next market or IOC order finds less in the book than stands there.
    Partial(Partial),
    /// The clock of REST is wrong.
    Clock(Clock),
    /// A contract's filters change.
    Filters(Filters),
    /// Nothing is served: REST answers 503, sockets are cut and can't be opened.
    Maintenance(Maintenance),
    /// The exchange liquidates a position, whatever its margin.
    Liquidation(Liquidation),
    /// An account's listen key ends before its time.
    ListenKey(ListenKey),
    /// Rules are others from now on: what the real exchange has been seen to do both ways.
    Rules(Rules),
}

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Method and path, `POST /fapi/v1/order`; any request without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Parameters as they are sent, `{"symbol": "BTCUSDT", "type": "MARKET"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// What the client hears instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Say {
    /// Nothing for a minute, then the connection is cut.
    Silence,
    /// The connection is cut at once.
    Cut,
    /// 503 with the words that leave it open whether the request was carried out.
    Unavailable,
    /// −1007: the backend did not answer in time.
    Timeout,
    /// −1006: an unexpected answer of the backend.
    Unexpected,
    /// −1008: thrown away for load, certainly not carried out.
    Throttled,
    /// 429 with `Retry-After`.
    TooMany {
        /// Seconds.
        retry_after: u64,
    },
    /// 418 with `Retry-After`.
    Banned {
        /// Seconds.
        retry_after: u64,
    },
    /// An empty list, as where nothing is remembered.
    Nothing,
    /// Any refusal.
    Code {
        /// HTTP status.
        status: u16,
        /// The exchange's code.
        code: i64,
        /// Its words.
        msg: String,
    },
}

/// A request is not answered as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Which requests.
    #[serde(default)]
    pub on: Which,
    /// What the client hears.
    pub say: Say,
    /// The request is carried out nevertheless.
    #[serde(default)]
    pub effect: bool,
    /// How many requests.
    #[serde(default = "once")]
    pub times: u64,
}

/// A request takes long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Which requests.
    #[serde(default)]
    pub on: Which,
    /// Before it is carried out: what happens meanwhile, happens first (a cancel that comes too late).
    #[serde(default)]
    pub before_ms: u64,
    /// Before its answer leaves: the user stream tells of it first.
    #[serde(default)]
    pub after_ms: u64,
    /// How many requests.
    #[serde(default = "once")]
    pub times: u64,
}

/// What happens to frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disorder {
    /// They never come.
    Lose,
    /// Each comes twice.
    Duplicate,
    /// Each comes after the one that follows it.
    Reorder,
}

/// Frames of a stream go wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frames {
    /// A stream's name, or `user` for the account's.
    pub stream: String,
    /// The account of `user`; the first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only user events of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What happens to them.
    pub to: Disorder,
    /// How many frames.
    #[serde(default = "once")]
    pub times: u64,
}

/// Which sockets: of a route, or those that follow a contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sockets {
    /// `public`, `market`, `private`, `unrouted`, `api` (the WebSocket API), `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Those that follow this contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// How long, for a stall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// A conditional order is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vanish {
    /// Of this contract.
    pub symbol: String,
    /// Of this account; the first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Those that stand, instead of the next one that is placed.
    #[serde(default)]
    pub standing: bool,
    /// Market time between its being accepted and its being gone.
    #[serde(default)]
    pub after_ms: i64,
    /// It ends as EXPIRED and the user stream says so; else the venue knows nothing of it any more.
    #[serde(default)]
    pub told: bool,
    /// How many placed orders.
    #[serde(default = "once")]
    pub times: u64,
}

/// An order finds less in the book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Of this contract.
    pub symbol: String,
    /// Of its quantity, rounded down; 0 to 100.
    pub percent: u8,
    /// How many orders.
    #[serde(default = "once")]
    pub times: u64,
}

/// The clock of REST is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// `GET v1/time` and the check of timestamps go by the market's time and this much.
    pub ms: i64,
}

/// A contract's filters change. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// The contract.
    pub symbol: String,
    /// MIN_NOTIONAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_notional: Option<Decimal>,
    /// Least quantity, limit and market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_qty: Option<Decimal>,
    /// Largest quantity, limit and market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_qty: Option<Decimal>,
    /// Trading stands: new orders are refused, and `exchangeInfo` says SETTLING. False ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<bool>,
}

/// A listen key ends before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenKey {
    /// The account; the first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How often the user stream says so: once, twice, or not at all.
    #[serde(default = "once")]
    pub told: u64,
}

/// Rules are others from now on. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The conditional orders that would close a position end by themselves when it goes flat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_cancel_orphan_stops: Option<bool>,
    /// They end as CANCELED then, instead of EXPIRED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphan_stops_canceled: Option<bool>,
    /// `countdownCancelAll` takes conditional orders too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countdown_cancels_algo: Option<bool>,
    /// Untriggered reduce-only stops hold position quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops_hold_reduce_only: Option<bool>,
    /// CONDITIONAL_ORDER_TRIGGER_REJECT is sent, as until 2025-12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_reject_event: Option<bool>,
}

/// Nothing is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// How long.
    pub ms: u64,
}

/// The exchange liquidates a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liquidation {
    /// The contract.
    pub symbol: String,
    /// The account; the first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}
