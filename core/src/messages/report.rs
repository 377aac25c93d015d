//! A worker's word each second and on change: what it sees, holds, and has closed.

use super::{RateReport, Versioned};
use crate::fixed::Money;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

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
    /// Use of the exchange's rate limits. Since schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<RateReport>,
    /// [`ParamsDocument::order`](super::ParamsDocument::order) of the parameters in force. Since schema 2, like the next.
    #[serde(default)]
    pub params: (u64, u64, u32),
    /// It does not understand the newest document, and adds no exposure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Critical alerts since it started.
    #[serde(default)]
    pub alarms: u32,
    /// Another in every life of its process: counts since the start begin anew with it, though a container that is restarted in
    /// its pod keeps its task. Empty where it is not told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub life: String,
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

impl Versioned for WorkerReport {
    fn lower(&mut self, schema: u32) {
        if schema < 2 {
            self.rates = None;
        }
    }
}
