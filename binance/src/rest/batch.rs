//! Changes of orders in place, several orders in one request, whole sweeps, and the exchange's own rehearsal.
//!
//! None of the machines needs them to trade: a protective stop is replaced by a second one before the first goes, never
//! changed in place. They serve tools (`helios live-check`, sweeps of orphans) and whoever builds on the adapter.

use super::trade::{ORDER, failed, not_sent, order_query, reply, side};
use super::{Auth, Call, Lane, RestClient, decode, wire};
use crate::convert;
use crate::error::{ApiError, Heard, classify};
use crate::sign::Query;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::Instrument;
use helios_core::order::{ClientId, EntryKind, NewOrder, VenueReply};
use reqwest::Method;

/// Most orders of one `POST /fapi/v1/batchOrders`.
pub const MOST_PLACED: usize = 5;
/// Most orders of one `DELETE /fapi/v1/batchOrders`.
pub const MOST_CANCELLED: usize = 10;

/// A change of a resting limit order: it loses its place in the queue, and is cancelled when no more than what is filled is
/// asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amend {
    /// Which order.
    pub client_id: ClientId,
    /// Its direction, which can't change.
    pub side: Side,
    /// New whole quantity.
    pub qty: Qty,
    /// New limit price.
    pub price: Price,
}

impl RestClient {
    /// Changes quantity and price of a resting order (`PUT /fapi/v1/order`).
    pub async fn amend_order(&self, i: &Instrument, a: &Amend) -> VenueReply {
        let query = Query::new()
            .with("symbol", &i.symbol)
            .with("side", side(a.side))
            .with("quantity", i.qty_dec(a.qty).normalize())
            .with("price", i.price_dec(a.price).normalize())
            .with("origClientOrderId", &a.client_id);
        let call = Call::get("order", ORDER, 1)
            .method(Method::PUT)
            .query(query)
            .auth(Auth::Signed(self.0.config.exit_recv_window_ms))
            .lane(Lane::Entry)
            .orders(1);
        reply(self.act(&call).await, |a: wire::OrderAck| {
            Ok(VenueReply::Accepted { id: a.order_id })
        })
    }

    /// Has an order checked by the exchange without sending it (`POST /fapi/v1/order/test`).
    ///
    /// # Errors
    /// [`ApiError`] when it would be refused, or there is no answer.
    pub async fn test_order(&self, i: &Instrument, o: &NewOrder) -> Result<(), ApiError> {
        let call = Call::get("order/test", "/fapi/v1/order/test", 0)
            .method(Method::POST)
            .query(order_query(i, o))
            .auth(Auth::Signed(o.recv_window_ms))
            .lane(Lane::Entry);
        self.act(&call).await.body.map(|_| ())
    }

    /// Sends up to [`MOST_PLACED`] orders in one request; each has its own reply, in their order.
    pub async fn place_batch(&self, i: &Instrument, orders: &[NewOrder]) -> Vec<VenueReply> {
        let all = |r: VenueReply| vec![r; orders.len()];
        let (Some(first), ..=MOST_PLACED) = (orders.first(), orders.len()) else {
            return all(not_sent("one to five orders go in one request"));
        };
        let exits = orders.iter().all(|o| o.purpose == EntryKind::Exit);
        if orders
            .iter()
            .any(|o| o.purpose == EntryKind::Exit && !o.reduce_only)
        {
            return all(not_sent("an exit that is not reduce-only"));
        }
        let list: Vec<_> = orders.iter().map(|o| order_query(i, o).to_json()).collect();
        let Ok(list) = serde_json::to_string(&list) else {
            return all(not_sent("orders that are no JSON"));
        };
        let call = Call::get("batchOrders", "/fapi/v1/batchOrders", 5)
            .method(Method::POST)
            .query(Query::new().with("batchOrders", list))
            .auth(Auth::Signed(first.recv_window_ms))
            .lane(if exits { Lane::Exit } else { Lane::Entry })
            .orders(u32::try_from(orders.len()).unwrap_or(u32::MAX));
        self.each(&call, orders.len(), |row| {
            let a: wire::OrderAck = from_row(row)?;
            Ok(VenueReply::Accepted { id: a.order_id })
        })
        .await
    }

    /// Cancels up to [`MOST_CANCELLED`] orders of a symbol in one request; each has its own reply, in their order.
    pub async fn cancel_batch(&self, i: &Instrument, ids: &[ClientId]) -> Vec<VenueReply> {
        if ids.is_empty() || ids.len() > MOST_CANCELLED {
            return vec![not_sent("one to ten orders are cancelled in one request"); ids.len()];
        }
        let names: Vec<&str> = ids.iter().map(ClientId::as_str).collect();
        let Ok(names) = serde_json::to_string(&names) else {
            return vec![not_sent("ids that are no JSON"); ids.len()];
        };
        let query = Query::new()
            .with("symbol", &i.symbol)
            .with("origClientOrderIdList", names);
        let call = self.exit_call(Method::DELETE, "/fapi/v1/batchOrders", query);
        let bad = super::bad("batchOrders");
        self.each(&call, ids.len(), |row| {
            let o: wire::Order = from_row(row)?;
            Ok(VenueReply::Order(convert::open_order(i, &o).map_err(&bad)?))
        })
        .await
    }

    /// Cancels all plain orders of a symbol, anybody's.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no certain answer.
    pub async fn cancel_all_orders(&self, symbol: &str) -> Result<(), ApiError> {
        self.sweep("/fapi/v1/allOpenOrders", symbol).await
    }

    /// Cancels all conditional orders of a symbol, anybody's: the other book, which [`RestClient::cancel_all_orders`] spares.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no certain answer.
    pub async fn cancel_all_algo_orders(&self, symbol: &str) -> Result<(), ApiError> {
        self.sweep("/fapi/v1/algoOpenOrders", symbol).await
    }

    async fn sweep(&self, path: &'static str, symbol: &str) -> Result<(), ApiError> {
        let query = Query::new().with("symbol", symbol);
        let call = self.exit_call(Method::DELETE, path, query);
        self.act(&call).await.body.map(|_| ())
    }

    /// The replies of a request about `n` orders. A list of another length says nothing certain about any of them.
    async fn each(
        &self,
        call: &Call,
        n: usize,
        accepted: impl Fn(serde_json::Value) -> Result<VenueReply, ApiError>,
    ) -> Vec<VenueReply> {
        let answer = self.act(call).await;
        let dead = answer.dead_after_ms;
        let heard = Heard {
            retry_after_ms: None,
            now_ms: self.0.clock.market_ms(),
        };
        let rows: Result<Vec<serde_json::Value>, _> =
            answer.body.and_then(|b| decode(call.what, &b));
        match rows {
            Ok(rows) if rows.len() == n => rows
                .into_iter()
                .map(|row| one(row, heard, &accepted).unwrap_or_else(|e| failed(e, dead)))
                .collect(),
            Ok(rows) => {
                let why = format!("{} answers to {n} orders", rows.len());
                vec![failed(ApiError::Unknown(why.into()), dead); n]
            }
            Err(e) => vec![failed(e, dead); n],
        }
    }
}

/// One element: an error of its own, or what a single request would answer.
fn one(
    row: serde_json::Value,
    heard: Heard,
    accepted: impl Fn(serde_json::Value) -> Result<VenueReply, ApiError>,
) -> Result<VenueReply, ApiError> {
    let refused = row.get("code").and_then(serde_json::Value::as_i64);
    match refused {
        Some(code) if code < 0 => {
            let msg = row.get("msg").and_then(serde_json::Value::as_str);
            Err(classify(400, Some(code), msg.unwrap_or(""), heard))
        }
        _ => accepted(row),
    }
}

fn from_row<T: serde::de::DeserializeOwned>(row: serde_json::Value) -> Result<T, ApiError> {
    serde_json::from_value(row).map_err(|e| ApiError::Decode {
        what: "batchOrders",
        why: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use helios_core::order::Refusal;

    fn of(row: &str) -> VenueReply {
        let row = serde_json::from_str(row).unwrap_or_default();
        one(row, Heard::default(), |row| {
            let a: wire::OrderAck = from_row(row)?;
            Ok(VenueReply::Accepted { id: a.order_id })
        })
        .unwrap_or_else(|e| failed(e, 7))
    }

    #[test]
    fn each_element_of_a_batch_has_its_own_outcome() {
        assert_eq!(
            of(r#"{"orderId":5,"status":"NEW"}"#),
            VenueReply::Accepted { id: 5 }
        );
        assert_eq!(
            of(r#"{"code":-2022,"msg":"ReduceOnly Order is rejected."}"#),
            VenueReply::Refused(Refusal::ReduceOnly)
        );
        assert!(matches!(
            of(r#"{"code":-1007,"msg":"Timeout"}"#),
            VenueReply::Unknown {
                dead_after_ms: 7,
                ..
            }
        ));
        assert!(matches!(of("{}"), VenueReply::Unknown { .. }));
    }
}
