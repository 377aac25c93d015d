//! Orders, stops, cancels and queries: always an answer as a class, never an error to be swallowed.

use super::{Answer, Auth, Call, Lane, RestClient, decode, wire};
use crate::convert;
use crate::error::ApiError;
use crate::sign::Query;
use helios_core::fixed::Side;
use helios_core::instrument::Instrument;
use helios_core::order::{
    CancelTarget, EntryKind, NewOrder, NewStop, OrderKind, Refusal, TimeInForce, VenueReply,
};
use reqwest::Method;
use serde::de::DeserializeOwned;
use std::sync::Arc;

pub(super) const ORDER: &str = "/fapi/v1/order";
const ALGO: &str = "/fapi/v1/algoOrder";

/// An order that would meet an own resting one expires that one: an exit always goes through. Said with each order,
/// because the default differs by endpoint.
const SELF_TRADE: &str = "EXPIRE_MAKER";

pub(super) const fn side(s: Side) -> &'static str {
    match s {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

const fn tif(t: TimeInForce) -> &'static str {
    match t {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::Gtx => "GTX",
    }
}

/// The parameters of `POST /fapi/v1/order`.
pub(super) fn order_query(i: &Instrument, o: &NewOrder) -> Query {
    let q = Query::new()
        .with("symbol", &i.symbol)
        .with("side", side(o.side));
    let q = match o.kind {
        OrderKind::Market => q.with("type", "MARKET"),
        OrderKind::Limit { price, tif: t } => q
            .with("type", "LIMIT")
            .with("timeInForce", tif(t))
            .with("price", i.price_dec(price).normalize()),
    };
    let q = q.with("quantity", i.qty_dec(o.qty).normalize());
    let q = if o.reduce_only {
        q.with("reduceOnly", "true")
    } else {
        q
    };
    q.with("newClientOrderId", &o.client_id)
        .with("selfTradePreventionMode", SELF_TRADE)
        .with("newOrderRespType", "ACK")
}

/// The parameters of `POST /fapi/v1/algoOrder`. `reduceOnly` must not be sent with `closePosition` (−1106).
fn stop_query(i: &Instrument, s: &NewStop) -> Query {
    let q = Query::new()
        .with("algoType", "CONDITIONAL")
        .with("symbol", &i.symbol)
        .with("side", side(s.side))
        .with("type", "STOP_MARKET")
        .with("triggerPrice", i.price_dec(s.trigger).normalize())
        .with("workingType", "MARK_PRICE")
        .with("priceProtect", "FALSE");
    let q = match s.qty {
        None => q.with("closePosition", "true"),
        Some(qty) => q
            .with("quantity", i.qty_dec(qty).normalize())
            .with("reduceOnly", "true"),
    };
    q.with("clientAlgoId", &s.client_id)
        .with("selfTradePreventionMode", SELF_TRADE)
}

fn target_query(i: &Instrument, t: &CancelTarget) -> (&'static str, Query) {
    let q = Query::new().with("symbol", &i.symbol);
    match t {
        CancelTarget::Order(id) => (ORDER, q.with("origClientOrderId", id)),
        CancelTarget::Stop(id) => (ALGO, q.with("clientAlgoId", id)),
    }
}

/// A failed call as a reply.
pub(super) fn failed(e: ApiError, dead_after_ms: i64) -> VenueReply {
    match e {
        ApiError::Refused(r) => VenueReply::Refused(r),
        ApiError::Unknown(why) => VenueReply::Unknown { why, dead_after_ms },
        // Accepted, but what it said can't be read: most likely it had effect.
        ApiError::Decode { why, .. } => VenueReply::Unknown {
            why: format!("unreadable answer: {why}").into(),
            dead_after_ms,
        },
    }
}

pub(super) fn reply<T: DeserializeOwned>(
    answer: Answer,
    f: impl FnOnce(T) -> Result<VenueReply, ApiError>,
) -> VenueReply {
    let read = answer
        .body
        .and_then(|b| decode::<T>("order", &b))
        .and_then(f);
    read.unwrap_or_else(|e| failed(e, answer.dead_after_ms))
}

impl RestClient {
    /// Sends a plain order, once. Entries need room in the budget; exits come first.
    pub async fn place_order(&self, i: &Instrument, o: &NewOrder) -> VenueReply {
        let lane = match o.purpose {
            EntryKind::Entry => Lane::Entry,
            EntryKind::Exit => Lane::Exit,
        };
        if o.purpose == EntryKind::Exit && !o.reduce_only {
            return not_sent("an exit that is not reduce-only");
        }
        let call = Call::get("order", ORDER, 0)
            .method(Method::POST)
            .query(order_query(i, o))
            .auth(Auth::Signed(o.recv_window_ms))
            .lane(lane)
            .orders(1);
        reply(self.act(&call).await, |a: wire::OrderAck| {
            Ok(VenueReply::Accepted { id: a.order_id })
        })
    }

    /// Sends a STOP_MARKET, once. Accepted is no proof that it works: that is NEW in the stream or a query.
    pub async fn place_stop(&self, i: &Instrument, s: &NewStop) -> VenueReply {
        let call = self
            .exit_call(Method::POST, ALGO, stop_query(i, s))
            .orders(1);
        reply(self.act(&call).await, |a: wire::AlgoAck| {
            Ok(VenueReply::Accepted { id: a.algo_id })
        })
    }

    /// Cancels by client id.
    pub async fn cancel(&self, i: &Instrument, t: &CancelTarget) -> VenueReply {
        let (path, query) = target_query(i, t);
        let call = self.exit_call(Method::DELETE, path, query);
        let answer = self.act(&call).await;
        match t {
            CancelTarget::Order(_) => reply(answer, |a: wire::OrderAck| {
                Ok(VenueReply::Accepted { id: a.order_id })
            }),
            CancelTarget::Stop(_) => reply(answer, |a: wire::AlgoAck| {
                Ok(VenueReply::Accepted { id: a.algo_id })
            }),
        }
    }

    /// Queries by client id.
    pub async fn query(&self, i: &Instrument, t: &CancelTarget) -> VenueReply {
        let (path, query) = target_query(i, t);
        let answer = self.act(&self.exit_call(Method::GET, path, query)).await;
        let bad = super::bad("order");
        match t {
            CancelTarget::Order(_) => reply(answer, |o: wire::Order| {
                Ok(VenueReply::Order(convert::open_order(i, &o).map_err(bad)?))
            }),
            CancelTarget::Stop(_) => reply(answer, |o: wire::AlgoOrder| {
                Ok(VenueReply::Stop(convert::algo_order(i, &o).map_err(bad)?))
            }),
        }
    }

    pub(super) fn exit_call(&self, method: Method, path: &'static str, query: Query) -> Call {
        Call::get("order", path, 1)
            .method(method)
            .query(query)
            .auth(Auth::Signed(self.0.config.exit_recv_window_ms))
            .lane(Lane::Exit)
    }

    /// Arms (or with 0 disarms) the symbol's dead-man switch: its plain orders are cancelled unless re-armed within `ms`.
    ///
    /// # Errors
    /// [`ApiError`] when it was refused or there is no answer.
    pub async fn countdown_cancel_all(&self, symbol: &str, ms: u64) -> Result<(), ApiError> {
        let call = Call::get("countdownCancelAll", "/fapi/v1/countdownCancelAll", 10)
            .method(Method::POST)
            .query(
                Query::new()
                    .with("symbol", symbol)
                    .with("countdownTime", ms),
            )
            .auth(Auth::Signed(self.0.config.exit_recv_window_ms))
            .lane(Lane::Exit);
        self.act(&call).await.body.map(|_| ())
    }
}

pub(super) fn not_sent(why: &str) -> VenueReply {
    VenueReply::Refused(Refusal::NotSent {
        why: Arc::from(why),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::fixed::{Price, Qty};
    use rust_decimal::Decimal;

    fn btc() -> Instrument {
        Instrument::with_grid("BTCUSDT", Decimal::new(10, 2), Decimal::new(1, 3)).unwrap()
    }

    #[test]
    fn an_ioc_entry_is_spelt_as_the_exchange_wants_it() {
        let o = NewOrder {
            client_id: "h-1".into(),
            side: Side::Buy,
            kind: OrderKind::Limit {
                price: Price(600_001),
                tif: TimeInForce::Ioc,
            },
            qty: Qty(25),
            reduce_only: false,
            purpose: EntryKind::Entry,
            recv_window_ms: 1_000,
        };
        assert_eq!(
            order_query(&btc(), &o).as_str(),
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&price=60000.1&quantity=0.025&newClientOrderId=h-1&selfTradePreventionMode=EXPIRE_MAKER&newOrderRespType=ACK"
        );
    }

    #[test]
    fn an_anchor_closes_the_position_and_a_trail_reduces_by_its_quantity() {
        let mut s = NewStop {
            client_id: "h-2".into(),
            side: Side::Sell,
            trigger: Price(590_000),
            qty: None,
        };
        assert_eq!(
            stop_query(&btc(), &s).as_str(),
            "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&triggerPrice=59000&workingType=MARK_PRICE&priceProtect=FALSE&closePosition=true&clientAlgoId=h-2&selfTradePreventionMode=EXPIRE_MAKER"
        );
        s.qty = Some(Qty(1_000));
        assert!(
            stop_query(&btc(), &s)
                .as_str()
                .contains("quantity=1&reduceOnly=true")
        );
    }
}
