//! One contract as a market scan sees it.
//!
//! Statistics only (`f64`): nothing here enters an order. Everything the scan could not learn is `None` or not finite,
//! and then the contract is skipped, never guessed at.

use crate::instrument::Symbol;
use serde::{Deserialize, Serialize};

/// `status` of a contract in `exchangeInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContractStatus {
    /// `TRADING`.
    Trading,
    /// `PENDING_TRADING`: announced.
    Pending,
    /// `PRE_DELIVERING`, `DELIVERING`, `DELIVERED`, `PRE_SETTLE`, `SETTLING`, `CLOSE`: going or gone.
    Ending,
    /// Anything else, halts among it.
    Other,
}

impl ContractStatus {
    /// From the exchange's word.
    pub fn from_exchange(word: &str) -> Self {
        match word {
            "TRADING" => Self::Trading,
            "PENDING_TRADING" => Self::Pending,
            "PRE_DELIVERING" | "DELIVERING" | "DELIVERED" | "PRE_SETTLE" | "SETTLING" | "CLOSE" => {
                Self::Ending
            }
            _ => Self::Other,
        }
    }
}

/// `contractType` of a contract in `exchangeInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContractKind {
    /// `PERPETUAL`.
    Perpetual,
    /// `TRADIFI_PERPETUAL`: has sessions.
    TradFi,
    /// Dated and anything else.
    Other,
}

impl ContractKind {
    /// From the exchange's word.
    pub fn from_exchange(word: &str) -> Self {
        match word {
            "PERPETUAL" => Self::Perpetual,
            "TRADIFI_PERPETUAL" => Self::TradFi,
            _ => Self::Other,
        }
    }
}

/// One contract as a scan sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Name.
    pub symbol: Symbol,
    /// State.
    pub status: ContractStatus,
    /// Kind.
    pub kind: ContractKind,
    /// `quoteAsset`.
    pub quote_asset: String,
    /// How far the price moves in an hour: ATR or mean true range of one hour, bp of price.
    pub volatility_bp: f64,
    /// Best ask − best bid, bp of mid.
    pub spread_bp: f64,
    /// Own taker fee of one side, bp.
    pub taker_fee_bp: f64,
    /// Volume of 24 h, quote asset.
    pub quote_volume: f64,
    /// The thinner side's depth within 20 bp of mid, quote asset; `None` where the scan has read no book of it (only
    /// the best by volume are worth the request weight): such a contract ranks by volume alone.
    pub depth_20bp: Option<f64>,
    /// `onboardDate`, venue ms.
    pub onboard_ms: Option<i64>,
    /// `deliveryDate`, venue ms; a perpetual that will be delisted gets a near one. `None` where there is none.
    pub delivery_ms: Option<i64>,
}
