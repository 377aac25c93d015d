//! Whole reads of the truth: one symbol for a trader, the account for the guardian.
//!
//! The venue's time is read first, so whatever stood then is listed or is gone; orders before the position: an order filled in
//! between is then seen twice (open and in the position), never not at all.

use super::owners::Owners;
use super::{RestClient, wire};
use crate::convert;
use crate::error::ApiError;
use crate::instruments::Instruments;
use helios_core::fixed::Money;
use helios_core::guardian::GuardianEvent;
use helios_core::instrument::{Instrument, Symbol};
use helios_core::order::{VenuePosition, VenueState};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Newest orders and fills read by a reconcile.
const HISTORY: u32 = 200;

/// The account as read in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Venue time of the read, ms.
    pub venue_ms: i64,
    /// Cross wallet balance.
    pub wallet: Money,
    /// Available balance.
    pub available: Money,
    /// The exchange's own total maintenance margin.
    pub maint_margin: Money,
    /// Mark prices of positions.
    pub marks: BTreeMap<Symbol, Decimal>,
    /// Every known symbol with a position or open orders. Fills aren't read here; recent ids (of the orders that made the
    /// position, newest first) only where nothing open tells whose a position is.
    pub symbols: BTreeMap<Symbol, VenueState>,
    /// Symbols with a position or open orders whose instrument is unknown here: to be loaded, or alerted.
    pub unknown_symbols: Vec<String>,
}

impl AccountState {
    /// As the guardian hears it: what it asked for at `asked_at`.
    pub fn event(self, asked_at: u64) -> GuardianEvent {
        GuardianEvent::Reconciled {
            asked_at,
            venue_ms: self.venue_ms,
            wallet: self.wallet,
            available: self.available,
            maint_margin: self.maint_margin,
            marks: self.marks,
            symbols: self.symbols,
            unknown_symbols: self.unknown_symbols,
        }
    }
}

fn missing(what: &'static str, why: &str) -> ApiError {
    ApiError::Decode {
        what,
        why: why.into(),
    }
}

impl RestClient {
    /// Everything a trader must know of its symbol at the venue (weight 23).
    ///
    /// # Errors
    /// [`ApiError`] of the first read that failed: half a truth is none.
    pub async fn venue_state(&self, i: &Instrument) -> Result<VenueState, ApiError> {
        let venue_ms = self.server_time().await?;
        let (orders, stops) = tokio::try_join!(self.open_orders(i), self.open_algo_orders(i))?;
        let (positions, account, ids, fills) = tokio::try_join!(
            self.positions(Some(&i.symbol)),
            self.account(),
            self.all_orders(&i.symbol, HISTORY),
            self.user_trades(i, HISTORY)
        )?;
        let position = match positions.iter().find(|p| p.symbol == i.symbol) {
            Some(p) => convert::position(i, &p.row).map_err(super::bad("positionRisk"))?,
            None => VenuePosition::default(),
        };
        let names: BTreeMap<u64, _> = ids.iter().cloned().collect();
        Ok(VenueState {
            venue_ms,
            position,
            orders,
            stops,
            trades: fills
                .into_iter()
                .map(|(order, fill)| (names.get(&order).cloned(), fill))
                .collect(),
            recent_ids: ids.into_iter().map(|(_, id)| id).collect(),
            ids_read: true,
            available: account.available,
        })
    }

    /// The whole account for the guardian (weight 91, and 5 once for each position whose owner nothing open tells).
    ///
    /// # Errors
    /// [`ApiError`] of the first read that failed, or when the margin asset's balances are missing: unknown, never zero. That
    /// the owner of a position could not be read is no error: `ids_read` of its symbol says so.
    pub async fn account_state(
        &self,
        known: &Instruments,
        owners: &Owners,
    ) -> Result<AccountState, ApiError> {
        let venue_ms = self.server_time().await?;
        let (orders, stops) =
            tokio::try_join!(self.open_orders_raw(None), self.open_algo_orders_raw(None))?;
        let (positions, account) = tokio::try_join!(self.positions(None), self.account())?;
        let asset = &self.0.config.margin_asset;
        let (Some(wallet), Some(available)) = (account.cross_wallet, account.available) else {
            return Err(missing("account", &format!("no balance of {asset}")));
        };
        let mut read = Collect {
            known,
            venue_ms,
            symbols: BTreeMap::new(),
            unknown: Vec::new(),
        };
        let mut marks = BTreeMap::new();
        for p in &positions {
            if let Some((i, s)) = read.at(&p.symbol, !p.amount.is_zero()) {
                marks.extend(p.mark_price.map(|m| (i.symbol.clone(), m)));
                s.position = convert::position(&i, &p.row).map_err(super::bad("positionRisk"))?;
            }
        }
        for o in &orders {
            read.order(o)?;
        }
        for o in &stops {
            if let Some((i, s)) = read.at(&o.symbol, true) {
                s.stops
                    .push(convert::listed_algo(&i, o).map_err(super::bad("openAlgoOrders"))?);
            }
        }
        // Symbols that are flat and have no orders are left out, as the guardian expects.
        read.symbols.retain(|_, s| {
            !s.position.qty.is_zero() || !s.orders.is_empty() || !s.stops.is_empty()
        });
        owners.fill(self, known, &mut read.symbols).await;
        Ok(AccountState {
            venue_ms,
            wallet,
            available,
            maint_margin: account.maint_margin,
            marks,
            symbols: read.symbols,
            unknown_symbols: read.unknown,
        })
    }
}

struct Collect<'a> {
    known: &'a Instruments,
    venue_ms: i64,
    symbols: BTreeMap<Symbol, VenueState>,
    unknown: Vec<String>,
}

impl Collect<'_> {
    fn at(
        &mut self,
        symbol: &str,
        matters: bool,
    ) -> Option<(std::sync::Arc<Instrument>, &mut VenueState)> {
        let Some(i) = self.known.get(symbol) else {
            if matters && !self.unknown.iter().any(|s| s == symbol) {
                self.unknown.push(symbol.to_owned());
            }
            return None;
        };
        let venue_ms = self.venue_ms;
        let s = self
            .symbols
            .entry(i.symbol.clone())
            .or_insert_with(|| VenueState {
                venue_ms,
                ..VenueState::default()
            });
        Some((i, s))
    }

    fn order(&mut self, o: &wire::Order) -> Result<(), ApiError> {
        if let Some((i, s)) = self.at(&o.symbol, true) {
            s.orders
                .push(convert::listed_order(&i, o).map_err(super::bad("openOrders"))?);
        }
        Ok(())
    }
}
