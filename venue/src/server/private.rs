//! What the engine says about the account: to the log, and to the user stream.

use super::audit::{Filled, Named, Stop};
use super::forced::forced;
use super::user;
use super::venue::Venue;
use crate::engine::{
    AccountId, AccountView, EngineEvent, OrderOrigin, OrderRef, OrderTerms, PositionView, StopView,
    SymbolId, UserEvent,
};
use helios_core::fixed::Money;
use helios_core::order::{AlgoUpdate, OrderKind, OrderUpdate};
use rust_decimal::Decimal;

impl Venue {
    /// Logs an event of the account and sends it to the sockets of the active listen key. `next` is the engine's event
    /// after it: an ACCOUNT_UPDATE comes before the fill that it counts in.
    pub(super) fn on_user(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        event: &UserEvent,
        next: Option<&EngineEvent>,
    ) {
        match event {
            UserEvent::Order {
                update,
                kind,
                avg_price,
                terms,
            } => self.on_order(account, symbol, update, (kind, terms), *avg_price),
            UserEvent::Algo(u, view) => self.on_algo(account, symbol, u, view),
            // An event of its own until 2025-12; ALGO_UPDATE tells the reason since.
            UserEvent::TriggerRejected {
                algo_id, reason, ..
            } if self.trigger_rejects => {
                let now = self.clock.now_ms();
                if let (Some(key), Some(text)) = (self.active_key(account), self.text(symbol)) {
                    let json = user::trigger_rejected(now, text, *algo_id, reason);
                    self.publish_user(account, &key, "CONDITIONAL_ORDER_TRIGGER_REJECT", json);
                }
            }
            UserEvent::Account {
                reason,
                wallet,
                position,
            } => {
                let fill = match next {
                    Some(EngineEvent::User(_, s, UserEvent::Order { update, .. }))
                        if *s == symbol =>
                    {
                        update.fill.as_ref()
                    }
                    _ => None,
                };
                if let Some(f) = fill {
                    *self
                        .accounts
                        .of_mut(account)
                        .realised
                        .entry(symbol)
                        .or_default() += f.realised;
                }
                let before =
                    std::mem::replace(&mut self.accounts.of_mut(account).seen_wallet, *wallet);
                let change = match &**reason {
                    "ORDER" => Money::ZERO,
                    _ => *wallet - before,
                };
                let Some(key) = self.active_key(account) else {
                    return;
                };
                let view = position.and_then(|(s, qty, entry_price)| {
                    let now = self.engine.position(account, s).ok()?;
                    // Several fills of one request: the profit is the latest known, the size is this event's.
                    Some(PositionView {
                        qty,
                        entry_price,
                        ..now
                    })
                });
                let position = view.as_ref().and_then(|p| {
                    let realised = self
                        .accounts
                        .of(account)
                        .realised
                        .get(&p.symbol)
                        .copied()
                        .unwrap_or_default();
                    Some((self.text(p.symbol)?, p, realised))
                });
                let now = self.clock.now_ms();
                let json = user::account(now, reason, *wallet, change, position);
                self.publish_user(account, &key, "ACCOUNT_UPDATE", json);
            }
            UserEvent::MarginCall { .. } => self.on_margin_call(account),
            UserEvent::TriggerRejected { .. } | UserEvent::Fill { .. } => {}
        }
    }

    /// The account's listen key that has not expired.
    pub(super) fn active_key(&self, account: AccountId) -> Option<String> {
        let key = self.accounts.of(account).listen_key.as_ref();
        key.map(|k| k.key.clone())
    }

    fn on_order(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        u: &OrderUpdate,
        what: (&OrderKind, &OrderTerms),
        avg: Decimal,
    ) {
        let at = self.at();
        let Some(text) = self.symbols.get(usize::from(symbol.0)) else {
            return;
        };
        if let Some(f) = &u.fill {
            let who = Named {
                symbol,
                name: &text.name,
                client_id: u.client_id.as_str(),
            };
            let spec = self.engine.config().symbols.get(usize::from(symbol.0));
            let (equity, gross) = self.worth(account);
            let filled = Filled {
                qty: f.qty,
                price: spec.map_or(Decimal::ZERO, |s| s.instrument.price_dec(f.price)),
                equity,
                gross,
            };
            self.accounts
                .of_mut(account)
                .audit
                .fill(&who, u.side, filled, at);
        }
        let origin = self
            .engine
            .order(account, symbol, &OrderRef::Id(u.order_id))
            .map(|o| o.origin);
        if origin == Ok(OrderOrigin::Liquidation) && u.status.is_final() {
            self.public.forced(symbol, forced(text, u, what, avg));
        }
        let Some(key) = self.active_key(account) else {
            return;
        };
        let open = self
            .engine
            .position(account, symbol)
            .map_or((Money::ZERO, Money::ZERO), |p| {
                (p.bid_notional, p.ask_notional)
            });
        let closes = match origin {
            Ok(OrderOrigin::Stop(id)) => self
                .engine
                .stop(account, &OrderRef::Id(id))
                .is_ok_and(|s| s.stop.qty.is_none()),
            _ => false,
        };
        let json = user::order(text, u, what, avg, open, closes);
        let lite = u
            .fill
            .as_ref()
            .map(|f| user::trade_lite(text, u, what.0, f));
        // The light event is the faster one at the exchange too.
        if let Some(lite) = lite {
            self.publish_user(account, &key, "TRADE_LITE", lite);
        }
        self.publish_user(account, &key, "ORDER_TRADE_UPDATE", json);
    }

    /// Equity and gross notional of the account on marks.
    fn worth(&self, account: AccountId) -> (Money, Money) {
        self.engine
            .account(account)
            .map_or((Money::ZERO, Money::ZERO), |a| {
                let gross = a.positions.iter().map(|p| p.notional.abs()).sum();
                (a.margin_balance, gross)
            })
    }

    /// Tells the log of a conditional order.
    pub(super) fn log_algo(
        &mut self,
        account: AccountId,
        symbol: SymbolId,
        u: &AlgoUpdate,
        anchor: bool,
    ) {
        let at = self.at();
        let Some(text) = self.symbols.get(usize::from(symbol.0)) else {
            return;
        };
        let who = Named {
            symbol,
            name: &text.name,
            client_id: u.client_id.as_str(),
        };
        let spec = self.engine.config().symbols.get(usize::from(symbol.0));
        let stop = Stop {
            id: u.algo_id,
            side: u.side,
            status: u.status,
            anchor,
            trigger: spec.map_or(Decimal::ZERO, |s| s.instrument.price_dec(u.trigger)),
        };
        self.accounts.of_mut(account).audit.algo(&who, &stop, at);
    }

    fn on_algo(&mut self, account: AccountId, symbol: SymbolId, u: &AlgoUpdate, view: &StopView) {
        self.log_algo(account, symbol, u, u.qty.is_none() && !view.take_profit);
        let (Some(key), Some(text)) = (self.active_key(account), self.text(symbol)) else {
            return;
        };
        let json = user::algo(text, u, view);
        self.publish_user(account, &key, "ALGO_UPDATE", json);
    }

    fn on_margin_call(&mut self, account: AccountId) {
        let (Some(key), Ok(a)) = (self.active_key(account), self.engine.account(account)) else {
            return;
        };
        let json = user::margin_call(self.clock.now_ms(), a.wallet, &self.open_positions(&a));
        self.publish_user(account, &key, "MARGIN_CALL", json);
    }

    fn open_positions<'a>(
        &'a self,
        a: &'a AccountView,
    ) -> Vec<(&'a super::frames::SymbolText, &'a PositionView)> {
        let open = a.positions.iter().filter(|p| !p.qty.is_zero());
        open.filter_map(|p| Some((self.text(p.symbol)?, p)))
            .collect()
    }
}
