//! What the engine says about the account: to the log, and to the user stream.

use super::audit::{Filled, Named, Stop};
use super::user;
use super::venue::Venue;
use crate::engine::{
    AccountId, AccountView, EngineEvent, OrderOrigin, OrderRef, PositionView, SymbolId, UserEvent,
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
        if account != self.account {
            return;
        }
        match event {
            UserEvent::Order {
                update,
                kind,
                avg_price,
            } => self.on_order(symbol, update, kind, *avg_price),
            UserEvent::Algo(u) => self.on_algo(symbol, u),
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
                    *self.realised.entry(symbol).or_default() += f.realised;
                }
                let before = std::mem::replace(&mut self.seen_wallet, *wallet);
                let change = match &**reason {
                    "ORDER" => Money::ZERO,
                    _ => *wallet - before,
                };
                let Some(key) = self.active_key() else {
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
                    let realised = self.realised.get(&p.symbol).copied().unwrap_or_default();
                    Some((self.text(p.symbol)?, p, realised))
                });
                let now = self.clock.now_ms();
                let json = user::account(now, reason, *wallet, change, position);
                self.publish_user(&key, "ACCOUNT_UPDATE", json);
            }
            UserEvent::MarginCall { .. } => self.on_margin_call(),
            UserEvent::Fill { .. } => {}
        }
    }

    /// The listen key that has not expired.
    pub(super) fn active_key(&self) -> Option<String> {
        self.listen_key.as_ref().map(|(k, _)| k.clone())
    }

    fn on_order(&mut self, symbol: SymbolId, u: &OrderUpdate, kind: &OrderKind, avg: Decimal) {
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
            let (equity, gross) = self.worth();
            let filled = Filled {
                qty: f.qty,
                price: spec.map_or(Decimal::ZERO, |s| s.instrument.price_dec(f.price)),
                equity,
                gross,
            };
            self.audit.fill(&who, u.side, filled, at);
        }
        let Some(key) = self.active_key() else {
            return;
        };
        let open = self
            .engine
            .position(self.account, symbol)
            .map_or((Money::ZERO, Money::ZERO), |p| {
                (p.bid_notional, p.ask_notional)
            });
        let origin = self
            .engine
            .order(self.account, symbol, &OrderRef::Id(u.order_id))
            .map(|o| o.origin);
        let closes = match origin {
            Ok(OrderOrigin::Stop(id)) => self
                .engine
                .stop(self.account, &OrderRef::Id(id))
                .is_ok_and(|s| s.stop.qty.is_none()),
            _ => false,
        };
        let json = user::order(text, u, kind, avg, open, closes);
        let lite = u.fill.as_ref().map(|f| user::trade_lite(text, u, kind, f));
        // The light event is the faster one at the exchange too.
        if let Some(lite) = lite {
            self.publish_user(&key, "TRADE_LITE", lite);
        }
        self.publish_user(&key, "ORDER_TRADE_UPDATE", json);
    }

    /// Equity and gross notional of the account on marks.
    fn worth(&self) -> (Money, Money) {
        self.engine
            .account(self.account)
            .map_or((Money::ZERO, Money::ZERO), |a| {
                let gross = a.positions.iter().map(|p| p.notional.abs()).sum();
                (a.margin_balance, gross)
            })
    }

    fn on_algo(&mut self, symbol: SymbolId, u: &AlgoUpdate) {
        let at = self.at();
        let Some(text) = self.symbols.get(usize::from(symbol.0)) else {
            return;
        };
        let view = self.engine.stop(self.account, &OrderRef::Id(u.algo_id));
        let take_profit = view.as_ref().is_ok_and(|s| s.take_profit);
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
            anchor: u.qty.is_none() && !take_profit,
            trigger: spec.map_or(Decimal::ZERO, |s| s.instrument.price_dec(u.trigger)),
        };
        self.audit.algo(&who, &stop, at);
        let Some(key) = self.active_key() else {
            return;
        };
        let more = user::AlgoMore {
            take_profit,
            reduce_only: view.as_ref().is_ok_and(|s| s.reduce_only),
            actual_price: view.as_ref().map_or(Decimal::ZERO, |s| s.actual_price),
            actual_qty: view
                .as_ref()
                .map_or_else(|_| "0".to_owned(), |s| text.q(s.actual_qty)),
            trigger_ms: view.as_ref().map_or(0, |s| s.trigger_ms),
        };
        let json = user::algo(text, u, &more);
        self.publish_user(&key, "ALGO_UPDATE", json);
    }

    fn on_margin_call(&mut self) {
        let (Some(key), Ok(a)) = (self.active_key(), self.engine.account(self.account)) else {
            return;
        };
        let json = user::margin_call(self.clock.now_ms(), a.wallet, &self.open_positions(&a));
        self.publish_user(&key, "MARGIN_CALL", json);
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
