//! `exchangeInfo`: grids, filters and limits, read and checked. What is missing or zero is unknown, so not tradable.

use super::{Call, RateLimits, RestClient, wire};
use crate::error::ApiError;
use helios_core::fixed::Qty;
use helios_core::instrument::{Instrument, InstrumentError};
use rust_decimal::prelude::{Decimal, ToPrimitive};

/// A contract of `exchangeInfo` whose rules are complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedContract {
    /// Grid and filters.
    pub instrument: Instrument,
    /// `status`: `TRADING`, `SETTLING`, `PENDING_TRADING`, ...
    pub status: String,
    /// `contractType`: `PERPETUAL`, `CURRENT_QUARTER`, `TRADIFI_PERPETUAL`, ...
    pub contract_type: String,
    /// `underlyingType`: `COIN`, `INDEX`, ...
    pub underlying_type: String,
    /// Base asset.
    pub base_asset: String,
    /// Quote asset.
    pub quote_asset: String,
    /// Asset of its margin.
    pub margin_asset: String,
    /// `onboardDate`, venue ms.
    pub onboard_ms: i64,
    /// `deliveryDate`, venue ms; far in the future for a perpetual that is not being delisted.
    pub delivery_ms: i64,
    /// Fee of a liquidation, fraction of notional.
    pub liquidation_fee: Option<Decimal>,
}

impl ListedContract {
    /// A perpetual in normal trading, without sessions.
    pub fn is_tradable_perpetual(&self) -> bool {
        self.status == "TRADING" && self.contract_type == "PERPETUAL"
    }
}

/// `exchangeInfo`, read and checked.
#[derive(Clone, Debug)]
pub struct ExchangeInfo {
    /// Venue time of the answer, ms.
    pub server_ms: i64,
    /// Limits of this key and address.
    pub limits: RateLimits,
    /// Contracts whose rules are complete.
    pub contracts: Vec<ListedContract>,
    /// Contracts whose rules are missing or zero, and why: unknown, so never traded.
    pub refused: Vec<(String, InstrumentError)>,
}

impl RestClient {
    /// Rules of all contracts; the budget takes over the limits stated.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn exchange_info(&self) -> Result<ExchangeInfo, ApiError> {
        let call = Call::get("exchangeInfo", "/fapi/v1/exchangeInfo", 1);
        let info = exchange_info(self.read(call).await?);
        self.0.budget.set_limits(info.limits);
        Ok(info)
    }
}

pub(super) fn exchange_info(w: wire::ExchangeInfo) -> ExchangeInfo {
    let mut limits = RateLimits::default();
    for l in &w.rate_limits {
        match (
            l.rate_limit_type.as_str(),
            l.interval.as_str(),
            l.interval_num,
        ) {
            ("REQUEST_WEIGHT", "MINUTE", 1) => limits.weight_1m = l.limit,
            ("ORDERS", "SECOND", 10) => limits.orders_10s = l.limit,
            ("ORDERS", "MINUTE", 1) => limits.orders_1m = l.limit,
            _ => {}
        }
    }
    let (mut contracts, mut refused) = (Vec::new(), Vec::new());
    for s in w.symbols {
        match instrument(&s) {
            Ok(instrument) => contracts.push(ListedContract {
                instrument,
                status: s.status,
                contract_type: s.contract_type,
                underlying_type: s.underlying_type,
                base_asset: s.base_asset,
                quote_asset: s.quote_asset,
                margin_asset: s.margin_asset,
                onboard_ms: s.onboard_date,
                delivery_ms: s.delivery_date,
                liquidation_fee: s.liquidation_fee.map(|d| d.0),
            }),
            Err(e) => refused.push((s.symbol, e)),
        }
    }
    ExchangeInfo {
        server_ms: w.server_time,
        limits,
        contracts,
        refused,
    }
}

fn instrument(s: &wire::SymbolRules) -> Result<Instrument, InstrumentError> {
    let get = |filter: &str, name: &'static str, f: fn(&wire::Filter) -> Option<wire::Dec>| {
        let found = s
            .filters
            .iter()
            .filter(|x| x.filter_type == filter)
            .find_map(f);
        match found {
            Some(d) if d.0 > Decimal::ZERO => Ok(d.0),
            other => Err(InstrumentError::BadFilter {
                symbol: s.symbol.clone(),
                name,
                value: other.map_or_else(|| "missing".into(), |d| d.0.to_string()),
            }),
        }
    };
    let tick = get("PRICE_FILTER", "tickSize", |f| f.tick_size)?;
    let step = get("LOT_SIZE", "stepSize", |f| f.step_size)?;
    let grid = Instrument::with_grid(&s.symbol, tick, step)?;
    // The smallest quantity is rounded up to whole lots, the largest ones down.
    let min = get("LOT_SIZE", "minQty", |f| f.min_qty)?;
    let lots = min.checked_div(step).and_then(|l| l.ceil().to_i64());
    let min_qty = Qty(lots.unwrap_or(i64::MAX / 4));
    let max = get("LOT_SIZE", "maxQty", |f| f.max_qty)?;
    let market_max = get("MARKET_LOT_SIZE", "maxQty", |f| f.max_qty)?;
    Ok(Instrument {
        min_qty,
        max_qty: grid.qty_floor(max),
        market_max_qty: grid.qty_floor(market_max),
        min_notional: get("MIN_NOTIONAL", "notional", |f| f.notional)?,
        multiplier_up: get("PERCENT_PRICE", "multiplierUp", |f| f.multiplier_up)?,
        multiplier_down: get("PERCENT_PRICE", "multiplierDown", |f| f.multiplier_down)?,
        ..grid
    })
}
