//! The one snapshot per account that the rest of the system reads.

use super::{RateReport, Versioned};
use crate::fixed::Money;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Wanted symbols by strategy `namespace/name`, best first. A strategy that is missing has not been scanned for yet: what it
    /// wants is not known, which is another thing than an empty list.
    pub wanted: BTreeMap<String, Vec<String>>,
    /// Symbols with a position that are not among the wanted ones, by the strategy that owns it: a worker stays. The position is
    /// to be left, unless what the strategy wants is not known.
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
    /// Identity of the leader that wrote it. Since schema 2, like all that follows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub holder: String,
    /// Why the account counts as unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Why the account takes no new risk whatever its margin: a mode or a right of its key that Helios refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
    /// Margin, exposure and their ages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<AccountNumbers>,
    /// Workers and budgets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl AccountSnapshot {
    /// It lists symbols that somebody wants or holds, so that it says something although the account is not known yet.
    pub fn lists_something(&self) -> bool {
        !self.wanted.is_empty() || !self.drained.is_empty()
    }
}

impl Versioned for AccountSnapshot {
    fn lower(&mut self, schema: u32) {
        self.schema = self.schema.min(schema);
        if schema < 2 {
            self.holder.clear();
            (self.unknown, self.unfit) = (None, None);
            (self.numbers, self.health) = (None, None);
        }
    }
}

/// The account in numbers, on mark prices. Ages are liveness ms at the moment of writing; `None` where nothing came yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountNumbers {
    /// Wallet balance, quote asset.
    pub wallet: Money,
    /// Margin balance less initial margins.
    pub available: Money,
    /// Maintenance margin of all cross positions.
    pub maintenance: Money,
    /// Σ|notional| / equity.
    pub gross_leverage: Decimal,
    /// Σ over symbols of what is held or may still be opened under promises.
    pub promised: Money,
    /// Highest equity known, which the drawdown counts from.
    pub peak_equity: Option<Money>,
    /// Equity at 00:00 UTC, net of transfers since.
    pub day_start_equity: Option<Money>,
    /// Age of the private socket's last frame or pong.
    pub input_age_ms: Option<u64>,
    /// Age of the last good read of the account.
    pub read_age_ms: Option<u64>,
    /// Positions by symbol.
    pub symbols: BTreeMap<String, SymbolNumbers>,
}

/// One position in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolNumbers {
    /// Signed notional at mark, quote asset.
    pub notional: Money,
    /// |notional| / equity.
    pub leverage: Decimal,
    /// Maintenance margin.
    pub maintenance: Money,
    /// Mark price.
    pub mark: Option<Decimal>,
    /// Its age.
    pub mark_age_ms: Option<u64>,
    /// Trigger of the stop that would close first.
    pub stop: Option<Decimal>,
    /// Adverse move of this symbol alone, in percent of its mark, that would liquidate the account.
    pub liquidation_distance_percent: Option<Decimal>,
}

/// Who is there and how they do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Workers by symbol.
    pub workers: BTreeMap<String, WorkerHealth>,
    /// Rate limits by egress, summed over its processes.
    pub rates: BTreeMap<String, RateReport>,
}

/// One worker as last heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerHealth {
    /// Pod uid or task id.
    pub task_uid: String,
    /// `namespace/name` of its strategy.
    pub strategy: String,
    /// Book synced, reconciled, warm.
    pub ready: bool,
    /// Age of its last report, liveness ms.
    pub heard_ms: u64,
    /// Highest epoch it honours.
    pub epoch: u64,
    /// Schema it speaks.
    pub schema: u32,
    /// Its position has a confirmed anchor, or it is flat.
    pub protected: bool,
    /// [`ParamsDocument::order`](super::ParamsDocument::order) of the parameters in force.
    #[serde(default)]
    pub params: (u64, u64, u32),
    /// It does not understand the newest document, and adds no exposure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Realised since it started, net of fees.
    #[serde(default)]
    pub realised_net: Money,
    /// Critical alerts since it started.
    #[serde(default)]
    pub alarms: u32,
    /// [`WorkerReport::life`](super::WorkerReport::life): both counts begin anew with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub life: String,
}
