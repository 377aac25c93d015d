//! Whose a position is, where nothing open tells: the ids of the orders that made it.
//!
//! An order or stop of ours that stands names the owner for nothing. A position without one is a stranger's, or our own whose
//! stop is gone; the two must not be taken for each other, so the symbol's past orders are read (weight 5). The answer holds
//! for as long as the position is the same: a stranger's costs one read, not one each time.

use super::{RestClient, wire};
use crate::instruments::Instruments;
use futures_util::future::join_all;
use helios_core::instrument::Symbol;
use helios_core::order::{ClientId, VenuePosition, VenueState, client_id};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Past orders looked at. The exchange forgets those of more than a week.
const ORDERS: u32 = 200;
/// What they may take: the rest of the account's picture waits for them.
const WITHIN: Duration = Duration::from_secs(2);

/// What is known of positions that nothing open names, over the reads of one account.
#[derive(Debug, Default)]
pub struct Owners {
    account: String,
    /// By symbol: the position, and the ids that made it. Its `updateTime` alone may be that of the one before.
    known: Mutex<BTreeMap<Symbol, (VenuePosition, Vec<ClientId>)>>,
}

impl Owners {
    /// For the account `namespace/name`, whose ids are ours.
    pub fn new(account: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            known: Mutex::default(),
        }
    }

    /// Fills `recent_ids` of the positions that nothing open of ours names. One whose orders can't be read stays as it is.
    pub(super) async fn fill(
        &self,
        rest: &RestClient,
        instruments: &Instruments,
        symbols: &mut BTreeMap<Symbol, VenueState>,
    ) {
        let unnamed: Vec<(Symbol, VenuePosition)> = symbols
            .iter()
            .filter(|(_, s)| !s.position.qty.is_zero() && !self.named(s))
            .map(|(name, s)| (name.clone(), s.position.clone()))
            .collect();
        let missing = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|name, _| symbols.get(name).is_some_and(|s| !s.position.qty.is_zero()));
            let new =
                |(name, at): &&(Symbol, VenuePosition)| known.get(name).is_none_or(|k| k.0 != *at);
            unnamed.iter().filter(new).cloned().collect::<Vec<_>>()
        };
        let reads = missing.iter().map(|(name, at)| async move {
            let rows = tokio::time::timeout(WITHIN, rest.all_orders_raw(name, ORDERS)).await;
            (name, at, rows)
        });
        let answers = join_all(reads).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, at, rows) in answers {
            match rows {
                Ok(Ok(rows)) => {
                    let lots = symbols.get(name).map(|s| s.position.qty);
                    if let (Some(i), Some(lots)) = (instruments.get(name), lots) {
                        known.insert(name.clone(), (at.clone(), made(i.qty_dec(lots), &rows)));
                    }
                }
                Ok(Err(e)) => {
                    tracing::warn!(symbol = %name, error = %e, "orders of a position not read")
                }
                Err(_) => tracing::warn!(symbol = %name, "orders of a position not read in time"),
            }
        }
        for (name, at) in &unnamed {
            let ids = known.get(name).filter(|k| k.0 == *at);
            if let (Some((_, ids)), Some(s)) = (ids, symbols.get_mut(name)) {
                s.recent_ids.clone_from(ids);
                s.ids_read = true;
            }
        }
    }

    fn named(&self, s: &VenueState) -> bool {
        let orders = s.orders.iter().map(|o| &o.client_id);
        let mut ids = orders.chain(s.stops.iter().map(|o| &o.client_id));
        ids.any(|id| client_id::is_ours(&self.account, id))
    }
}

/// Ids of the orders that made a position of `held` (signed, base asset), newest first: back to the one that opened it, or
/// all that are remembered. `rows` are oldest first. What was filled for an earlier position says nothing of this one.
fn made(held: Decimal, rows: &[wire::Order]) -> Vec<ClientId> {
    let mut ids = Vec::new();
    let mut left = held;
    for o in rows
        .iter()
        .rev()
        .filter(|o| o.executed_qty.0 > Decimal::ZERO)
    {
        ids.push(ClientId::from(o.client_order_id.as_str()));
        left -= match o.side.as_str() {
            "BUY" => o.executed_qty.0,
            _ => -o.executed_qty.0,
        };
        if left.is_zero() || left.is_sign_positive() != held.is_sign_positive() {
            break;
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Orders as id and quantity filled, negative when sold.
    fn made_by(held: &str, orders: &[(&str, i64)]) -> Vec<String> {
        let rows: Vec<wire::Order> = orders
            .iter()
            .map(|(id, filled)| {
                serde_json::from_value(serde_json::json!({
                    "symbol": "BTCUSDT", "orderId": 1, "clientOrderId": id, "status": "EXPIRED",
                    "side": if *filled < 0 { "SELL" } else { "BUY" }, "type": "LIMIT", "price": "1",
                    "origQty": "100", "executedQty": filled.abs().to_string(),
                }))
                .unwrap()
            })
            .collect();
        let ids = made(held.parse().unwrap(), &rows);
        ids.iter().map(|i| i.as_str().to_owned()).collect()
    }

    #[test]
    fn a_position_is_made_by_the_orders_since_it_was_last_flat() {
        let past = [
            ("a", 3),
            ("b", -3),
            ("none", 0),
            ("c", 2),
            ("d", 2),
            ("e", -1),
        ];
        assert_eq!(made_by("3", &past), ["e", "d", "c"]);
        // Two sold out of one turned it: the seller opened the short.
        assert_eq!(made_by("-1", &[("a", 1), ("b", -2)]), ["b"]);
        assert!(made_by("3", &[("none", 0)]).is_empty());
    }

    #[test]
    fn a_position_older_than_what_is_remembered_counts_all_that_is() {
        assert_eq!(made_by("9", &[("a", 1), ("b", 1)]), ["b", "a"]);
    }
}
