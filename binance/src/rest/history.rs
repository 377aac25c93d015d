//! Public reads of the past: aggregated trades, funding paid, and each contract's funding rules.

use super::{Call, Lane, RestClient, wire};
use crate::error::ApiError;
use crate::sign::Query;
use helios_core::instrument::Symbol;
use rust_decimal::Decimal;

/// Funding rules of a contract that differ from the common ones (every 8 h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingInfo {
    /// Contract.
    pub symbol: Symbol,
    /// Hours between two payments.
    pub interval_hours: u32,
    /// Highest rate of one payment, fraction.
    pub cap: Decimal,
    /// Lowest rate, fraction.
    pub floor: Decimal,
}

/// One funding payment of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingPaid {
    /// Contract.
    pub symbol: Symbol,
    /// Rate, fraction of notional; positive is paid by longs.
    pub rate: Decimal,
    /// Venue ms.
    pub time_ms: i64,
    /// Mark price it was computed with.
    pub mark: Option<Decimal>,
}

/// One aggregated trade by REST, in decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTrade {
    /// Aggregate trade id.
    pub id: u64,
    /// Price.
    pub price: Decimal,
    /// Quantity, base asset.
    pub qty: Decimal,
    /// Venue ms.
    pub time_ms: i64,
    /// The buyer rested: the taker sold.
    pub buyer_is_maker: bool,
}

impl RestClient {
    /// True when the exchange answers at all (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when it does not.
    pub async fn ping(&self) -> Result<(), ApiError> {
        let call = Call::get("ping", "/fapi/v1/ping", 1);
        self.read_body(call).await.map(|_| ())
    }

    /// Aggregated trades from an id on, or the newest, oldest first, at most 1000 (weight 20).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn agg_trades(
        &self,
        symbol: &str,
        from_id: Option<u64>,
        limit: u32,
    ) -> Result<Vec<PastTrade>, ApiError> {
        let query = Query::new()
            .with("symbol", symbol)
            .with_opt("fromId", from_id)
            .with("limit", limit.clamp(1, 1_000));
        let call = Call::get("aggTrades", "/fapi/v1/aggTrades", 20)
            .query(query)
            .lane(Lane::Background);
        let rows: Vec<wire::AggTrade> = self.read(call).await?;
        Ok(rows.into_iter().map(past_trade).collect())
    }

    /// Contracts whose funding rules differ from the common ones (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn funding_info(&self) -> Result<Vec<FundingInfo>, ApiError> {
        let call = Call::get("fundingInfo", "/fapi/v1/fundingInfo", 1).lane(Lane::Background);
        let rows: Vec<wire::FundingInfo> = self.read(call).await?;
        Ok(rows.into_iter().map(funding_info).collect())
    }

    /// Funding paid since `start_ms`, oldest first, at most 1000 (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn funding_rates(
        &self,
        symbol: &str,
        start_ms: i64,
    ) -> Result<Vec<FundingPaid>, ApiError> {
        let query = Query::new()
            .with("symbol", symbol)
            .with("startTime", start_ms)
            .with("limit", 1_000);
        let call = Call::get("fundingRate", "/fapi/v1/fundingRate", 1)
            .query(query)
            .lane(Lane::Background);
        let rows: Vec<wire::FundingRate> = self.read(call).await?;
        Ok(rows.into_iter().map(funding_paid).collect())
    }
}

pub(super) fn past_trade(r: wire::AggTrade) -> PastTrade {
    PastTrade {
        id: r.a,
        price: r.p.0,
        qty: r.q.0,
        time_ms: r.time,
        buyer_is_maker: r.m,
    }
}

pub(super) fn funding_info(r: wire::FundingInfo) -> FundingInfo {
    FundingInfo {
        symbol: r.symbol.as_str().into(),
        interval_hours: u32::try_from(r.funding_interval_hours.0).unwrap_or(0),
        cap: r.adjusted_funding_rate_cap.0,
        floor: r.adjusted_funding_rate_floor.0,
    }
}

pub(super) fn funding_paid(r: wire::FundingRate) -> FundingPaid {
    FundingPaid {
        symbol: r.symbol.as_str().into(),
        rate: r.funding_rate.0,
        time_ms: r.funding_time,
        mark: r.mark_price.map(|d| d.0).filter(|d| *d > Decimal::ZERO),
    }
}
