//! What the parts tell each other: grants, reports, the account snapshot, parameters. serde only; `bus` carries the bytes.
//!
//! Nothing here is authority by itself: the venue is the truth, a grant dies by its deadline.

use crate::fixed::Money;
use crate::params::StrategyParams;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this vocabulary; readers accept this and the one before.
pub const SCHEMA: u32 = 1;

/// A worker's question, each 0.5 s of liveness time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantRequest {
    /// Symbol.
    pub symbol: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// Pod uid, or the task id of the run.
    pub task_uid: String,
    /// Counts up; the answer echoes it. The worker keeps its own t0 for it.
    pub seq: u64,
    /// Highest epoch the worker has honoured.
    pub epoch_seen: u64,
    /// |position + open entries| wanted at most, quote asset.
    pub wish_notional: Money,
    /// Signed position notional at mark.
    pub position_notional: Money,
    /// Σ|notional| of entries sent and not known to be over.
    pub open_entry_notional: Money,
    /// Loss at the stop of the position wanted, quote asset (risk clusters count it).
    pub wish_risk: Money,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GrantReply {
    /// Permission until t0 + `length_ms`.
    Granted(Grant),
    /// None; the running one (if any) still holds until its deadline. Exits never need one.
    Denied {
        /// Echo.
        seq: u64,
        /// Epoch of the coordinator that answers.
        epoch: u64,
        /// Why, in words and as a code.
        reason: DenyReason,
    },
}

/// Permission to add exposure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Echo of [`GrantRequest::seq`].
    pub seq: u64,
    /// Fence; a lower one than seen is refused.
    pub epoch: u64,
    /// Whom it binds.
    pub task_uid: String,
    /// For which symbol.
    pub symbol: String,
    /// Absolute ceiling on |position + open entries|, quote asset.
    pub ceiling: Money,
    /// Account equity, for sizing.
    pub equity: Money,
    /// Available balance, for the seed's formula.
    pub available: Money,
    /// W, R, n of the strategy.
    pub kelly: KellyStats,
    /// Liveness ms it holds from the worker's own t0, at most 2000.
    pub length_ms: u64,
}

/// Closed trades of a strategy, pooled over symbols (venue trades plus shadow trades).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KellyStats {
    /// Trades.
    pub n: u32,
    /// Of them won net of costs.
    pub wins: u32,
    /// Σ net return of winners, fraction of notional.
    pub sum_win: f64,
    /// Σ |net return| of losers.
    pub sum_loss: f64,
    /// Σ gross return mid to mid.
    pub sum_gross: f64,
}

/// Why no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DenyReason {
    /// Symbol is not on the watchlist of this strategy (any more).
    NotWanted,
    /// Account picture unknown or stale.
    AccountUnknown,
    /// Margin ladder above Normal.
    Ladder,
    /// Manifest or latch says halt.
    Halted,
    /// No room under a limit.
    Limit,
    /// Room is reserved by a grant not yet dead.
    Reserved,
    /// An orphaned or foreign order or position is in the way.
    External,
    /// This task is not the one that holds the symbol.
    NotOwner,
    /// Not ready: starting, or not the leader.
    NotReady,
}

/// The margin ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LadderLevel {
    /// All well.
    #[default]
    Normal,
    /// No new risk, stops tightened one symbol at a time.
    Warning,
    /// Reduced in slices.
    Critical,
    /// Flattened without slicing.
    Emergency,
}

/// Coordinator to one worker, at once; each also rides the snapshot, so a lost one is only late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Command {
    /// Cancel resting entries, send none.
    CancelEntries {
        /// Fence.
        epoch: u64,
    },
    /// Tighten the trail to 1 ATR (never nearer than 3 spreads or 0.5 ATR).
    TightenStop {
        /// Fence.
        epoch: u64,
    },
    /// Leave the position, then send no entries: the symbol is drained.
    Drain {
        /// Fence.
        epoch: u64,
        /// Close now instead of waiting for the normal exit.
        now: bool,
    },
    /// Read the venue again.
    Reconcile {
        /// Fence.
        epoch: u64,
    },
}

/// A worker's word each second and on change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerReport {
    /// Vocabulary version.
    pub schema: u32,
    /// Symbol.
    pub symbol: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// Pod uid or task id.
    pub task_uid: String,
    /// Highest epoch honoured.
    pub epoch: u64,
    /// Generation of the parameters in force.
    pub generation: u64,
    /// Book synced, reconciled, warm.
    pub ready: bool,
    /// What the terminal and the dashboard show.
    pub view: WorkerView,
    /// Trades closed since the report before (real and shadow).
    pub closed: Vec<ClosedTrade>,
}

/// What is shown of a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// Venue time of the view, ms.
    pub market_ms: i64,
    /// Book in sequence.
    pub book_synced: bool,
    /// Mid price, quote asset.
    pub mid: Option<Decimal>,
    /// NOBI now.
    pub nobi: Option<f64>,
    /// ATR, quote asset.
    pub atr: Option<f64>,
    /// Regime, when classified.
    pub regime: Option<crate::params::Regime>,
    /// Signed position.
    pub position: Decimal,
    /// Average entry.
    pub entry_price: Option<Decimal>,
    /// The better of the confirmed stops.
    pub stop: Option<Decimal>,
    /// Anchor confirmed at the venue.
    pub anchor_confirmed: bool,
    /// Unrealised at mark.
    pub unrealised: Money,
    /// Realised since start, net of fees.
    pub realised_net: Money,
    /// Fees since start.
    pub fees: Money,
    /// Round trips since start.
    pub round_trips: u32,
    /// Depth resyncs since start.
    pub resyncs: u32,
    /// Latest reason for not trading, in words.
    pub reason: Option<String>,
    /// Grant in force.
    pub granted: bool,
}

/// One round trip, flat to flat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedTrade {
    /// Symbol.
    pub symbol: String,
    /// Strategy.
    pub strategy: String,
    /// Incarnation and sequence of the entry's client id.
    pub entry_id: String,
    /// Long or short.
    pub side: crate::fixed::Side,
    /// First fill, venue ms.
    pub opened_ms: i64,
    /// Last fill, venue ms.
    pub closed_ms: i64,
    /// Largest size, base asset.
    pub qty: Decimal,
    /// Average entry fill.
    pub entry_price: Decimal,
    /// Average exit fill.
    pub exit_price: Decimal,
    /// Mid when the entry was decided.
    pub entry_mid: Decimal,
    /// Mid when the exit was decided or its fill was seen (stop).
    pub exit_mid: Decimal,
    /// Fees paid.
    pub fees: Money,
    /// Realised by the venue before fees.
    pub gross: Money,
    /// Gross from mid to mid: what the signal earned before any cost.
    pub gross_mid: Money,
    /// Why it was left.
    pub exit: ExitReason,
    /// Never sent: at full cost, for the estimate alone.
    pub shadow: bool,
}

/// Why a position was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ExitReason {
    /// Anchor or trail triggered at the venue.
    Stop,
    /// Maximum holding time.
    MaxHold,
    /// Take profit.
    TakeProfit,
    /// Opposite signal.
    OppositeSignal,
    /// No stop could be confirmed: left at market.
    Unprotected,
    /// Drained, deleted or shut down.
    Drain,
    /// The coordinator reduced it.
    Coordinator,
    /// The exchange liquidated or deleveraged it.
    Liquidation,
    /// Closed by somebody else.
    External,
}

/// One per account: what the rest of the system reads. Last writer is the leader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountSnapshot {
    /// Vocabulary version.
    pub schema: u32,
    /// Leader's epoch.
    pub epoch: u64,
    /// Counts up within an epoch.
    pub seq: u64,
    /// Venue ms.
    pub market_ms: i64,
    /// Account picture complete and fresh.
    pub known: bool,
    /// Ladder.
    pub level: LadderLevel,
    /// Effective halt: manifest or latch.
    pub halted: bool,
    /// Margin ratio by the design, percent; 100 when flat.
    pub margin_ratio: Decimal,
    /// The exchange's own MM/MB, percent.
    pub exchange_margin_ratio: Decimal,
    /// Wallet + unrealised.
    pub equity: Money,
    /// Σ|notional|.
    pub gross_notional: Money,
    /// Wanted symbols by strategy `namespace/name`, best first.
    pub wanted: BTreeMap<String, Vec<String>>,
    /// Symbols not wanted (any more) whose position is still to be left, by the strategy that owns it: a worker stays.
    #[serde(default)]
    pub drained: BTreeMap<String, Vec<String>>,
    /// Symbols a strategy wished and another strategy holds: symbol and holder, by the strategy that lost (`SymbolTaken`).
    #[serde(default)]
    pub taken: BTreeMap<String, Vec<(String, String)>>,
    /// Symbols with a position: signed quantity, base asset.
    pub positions: BTreeMap<String, Decimal>,
    /// Parameter generation acknowledged by strategy/symbol.
    pub acknowledged: BTreeMap<String, u64>,
    /// Latches in force, by name.
    pub latches: Vec<String>,
}

/// Parameters as published, whole: the same bytes in file or ConfigMap and over the bus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParamsDocument {
    /// Vocabulary version.
    pub schema: u32,
    /// Identity of the strategy object.
    pub strategy_uid: String,
    /// Its generation.
    pub generation: u64,
    /// Generation of the account object.
    pub account_generation: u64,
    /// Step of a running rollout, 0 outside one.
    pub rollout_step: u32,
    /// Over the rest of the document, hex.
    pub sha256: String,
    /// For every symbol that is no canary.
    pub stable: StrategyParams,
    /// For some.
    pub canary: Option<Canary>,
}

impl ParamsDocument {
    /// Order of documents within one strategy uid; newer is greater.
    pub fn order(&self) -> (u64, u64, u32) {
        (self.generation, self.account_generation, self.rollout_step)
    }

    /// The parameters for a symbol.
    pub fn for_symbol(&self, symbol: &str) -> &StrategyParams {
        match &self.canary {
            Some(c) if c.symbols.iter().any(|s| s == symbol) => &c.params,
            _ => &self.stable,
        }
    }
}

/// Parameters of canary symbols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// Which.
    pub symbols: Vec<String>,
    /// What they run.
    pub params: StrategyParams,
}

/// How loud an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// For the record.
    Info,
    /// Look when you can.
    Warning,
    /// Look now.
    Critical,
}

/// What goes to `logs/alerts.log` and later to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// How loud.
    pub severity: Severity,
    /// Stable name, e.g. `UnprotectedPosition`.
    pub code: String,
    /// Symbol, when it is about one.
    pub symbol: Option<String>,
    /// In words: what happened and what was done.
    pub text: String,
}
