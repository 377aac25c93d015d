//! Signed reads of orders and fills: what is open, and what there has been.

use super::{Call, RestClient, wire};
use crate::convert;
use crate::error::ApiError;
use crate::sign::Query;
use helios_core::instrument::Instrument;
use helios_core::order::{AlgoOrder, ClientId, OpenOrder, TradeFill};

impl RestClient {
    /// Open plain orders of a symbol, anybody's (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn open_orders(&self, i: &Instrument) -> Result<Vec<OpenOrder>, ApiError> {
        let rows = self.open_orders_raw(Some(&i.symbol)).await?;
        let all: Result<_, _> = rows.iter().map(|o| convert::listed_order(i, o)).collect();
        all.map_err(super::bad("openOrders"))
    }

    pub(super) async fn open_orders_raw(
        &self,
        symbol: Option<&str>,
    ) -> Result<Vec<wire::Order>, ApiError> {
        let weight = if symbol.is_some() { 1 } else { 40 };
        let call = Call::get("openOrders", "/fapi/v1/openOrders", weight)
            .query(Query::new().with_opt("symbol", symbol))
            .auth(self.read_auth());
        self.read(call).await
    }

    /// Open conditional orders of a symbol, anybody's (weight 1).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn open_algo_orders(&self, i: &Instrument) -> Result<Vec<AlgoOrder>, ApiError> {
        let rows = self.open_algo_orders_raw(Some(&i.symbol)).await?;
        let all: Result<_, _> = rows.iter().map(|o| convert::listed_algo(i, o)).collect();
        all.map_err(super::bad("openAlgoOrders"))
    }

    pub(super) async fn open_algo_orders_raw(
        &self,
        symbol: Option<&str>,
    ) -> Result<Vec<wire::AlgoOrder>, ApiError> {
        let weight = if symbol.is_some() { 1 } else { 40 };
        let call = Call::get("openAlgoOrders", "/fapi/v1/openAlgoOrders", weight)
            .query(Query::new().with_opt("symbol", symbol))
            .auth(self.read_auth());
        self.read(call).await
    }

    /// Conditional orders of a symbol, whatever became of them, oldest first (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn all_algo_orders(
        &self,
        i: &Instrument,
        limit: u32,
    ) -> Result<Vec<AlgoOrder>, ApiError> {
        let call = Call::get("allAlgoOrders", "/fapi/v1/allAlgoOrders", 5)
            .query(Query::new().with("symbol", &i.symbol).with("limit", limit))
            .auth(self.read_auth());
        let rows: Vec<wire::AlgoOrder> = self.read(call).await?;
        let all: Result<_, _> = rows.iter().map(|o| convert::algo_order(i, o)).collect();
        all.map_err(super::bad("allAlgoOrders"))
    }

    /// Ids of the symbol's newest plain orders, `(orderId, client id)`, oldest first (weight 5).
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn all_orders(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<(u64, ClientId)>, ApiError> {
        let rows = self.all_orders_raw(symbol, limit).await?;
        Ok(rows
            .into_iter()
            .map(|o| (o.order_id, ClientId::from(o.client_order_id.as_str())))
            .collect())
    }

    pub(super) async fn all_orders_raw(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<wire::Order>, ApiError> {
        let call = Call::get("allOrders", "/fapi/v1/allOrders", 5)
            .query(Query::new().with("symbol", symbol).with("limit", limit))
            .auth(self.read_auth());
        self.read(call).await
    }

    /// The symbol's newest own fills, `(orderId, fill)`, oldest first (weight 5). A fill off today's quantity grid is left out
    /// with a warning: it predates a change of the step.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn user_trades(
        &self,
        i: &Instrument,
        limit: u32,
    ) -> Result<Vec<(u64, TradeFill)>, ApiError> {
        let call = Call::get("userTrades", "/fapi/v1/userTrades", 5)
            .query(Query::new().with("symbol", &i.symbol).with("limit", limit))
            .auth(self.read_auth());
        let mut rows: Vec<wire::UserTrade> = self.read(call).await?;
        rows.sort_by_key(|t| (t.time, t.id));
        let mut trades = Vec::with_capacity(rows.len());
        for t in &rows {
            match convert::fill(i, t) {
                Ok(f) => trades.push((t.order_id, f)),
                Err(e) => {
                    tracing::warn!(symbol = %i.symbol, trade = t.id, error = %e, "old fill left out")
                }
            }
        }
        Ok(trades)
    }
}
