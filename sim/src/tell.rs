//! Who hears what of what the engine said, and the measures taken on the way: position and cash as told, time without an
//! anchor.

use crate::driver::{Item, Sim};
use helios_core::fixed::Qty;
use helios_core::guardian::GuardianEvent;
use helios_core::order::PositionUpdate;
use helios_core::trader::TraderEvent;
use helios_venue::engine::{EngineEvent, SymbolId, UserEvent};

impl Sim {
    /// Gives what the engine said to those who listen.
    pub(crate) fn tell(&mut self) {
        let mut out = std::mem::take(&mut self.engine_out);
        let l = self.config.latency;
        let (market, user) = (self.now_ms + l.market_ms, self.now_ms + l.user_ms);
        for e in out.drain(..) {
            match e {
                EngineEvent::Depth(s, d) => self.pass_on(market, s, |_| TraderEvent::Depth(d)),
                EngineEvent::Trade(s, t) => self.pass_on(market, s, |_| TraderEvent::Trade(t)),
                EngineEvent::Mark(s, m) => {
                    let i = usize::from(s.0);
                    if self.by_symbol[i].is_some() || !self.told[i].qty.is_zero() {
                        let name = self.names[usize::from(s.0)].clone();
                        self.tell_guardian(market, GuardianEvent::Mark(name, m));
                        self.pass_on(market, s, |_| TraderEvent::Mark(m));
                    }
                }
                EngineEvent::User(_, s, e) => self.tell_user(user, s, e),
                EngineEvent::Lost(..) => {}
            }
        }
        self.engine_out = out;
    }

    fn pass_on(&mut self, ms: i64, s: SymbolId, make: impl FnOnce(usize) -> TraderEvent) {
        if let Some(i) = self.by_symbol[usize::from(s.0)] {
            self.queue.push(ms, Item::Trader(i, make(i)));
        }
    }

    fn tell_user(&mut self, ms: i64, s: SymbolId, e: UserEvent) {
        let index = usize::from(s.0);
        let name = self.names[index].clone();
        match e {
            UserEvent::Order { update, .. } => {
                let before = self.told[index].qty;
                self.told[index].on_order(&update);
                self.note_position(index, before);
                let g = GuardianEvent::Order(name, update.clone());
                self.tell_guardian(ms, g);
                self.pass_on(ms, s, |_| TraderEvent::Order(update));
            }
            UserEvent::Algo(u, _) => {
                if u.qty.is_none() && u.status.is_working() {
                    self.note_anchor(index);
                }
                self.tell_guardian(ms, GuardianEvent::Algo(name, u.clone()));
                self.pass_on(ms, s, |_| TraderEvent::Algo(u));
            }
            UserEvent::Account {
                wallet, position, ..
            } => {
                let event_ms = self.now_ms;
                let g = GuardianEvent::Balance {
                    event_ms,
                    wallet,
                    transfer: None,
                };
                self.tell_guardian(ms, g);
                if let Some((ps, qty, entry_price)) = position {
                    let u = PositionUpdate {
                        event_ms,
                        transact_ms: event_ms,
                        qty,
                        entry_price,
                    };
                    let name = self.names[usize::from(ps.0)].clone();
                    let g = GuardianEvent::Position(name, u.clone());
                    self.tell_guardian(ms, g);
                    self.pass_on(ms, ps, |_| TraderEvent::Position(u));
                }
            }
            UserEvent::MarginCall { .. }
            | UserEvent::Fill { .. }
            | UserEvent::TriggerRejected { .. } => {}
        }
    }

    /// A fill opened or closed a position: the time without an anchor starts or ends.
    fn note_position(&mut self, index: usize, before: Qty) {
        let after = self.told[index].qty;
        if after.is_zero() {
            self.note_anchor(index);
        } else if before.is_zero() || before.0.signum() != after.0.signum() {
            self.open_since[index] = Some(self.now_ms);
        }
    }

    fn note_anchor(&mut self, index: usize) {
        if let Some(since) = self.open_since[index].take() {
            self.max_unprotected_ms = self.max_unprotected_ms.max(self.now_ms - since);
        }
    }

    pub(crate) fn tell_guardian(&mut self, ms: i64, e: GuardianEvent) {
        if !self.coordinated {
            return;
        }
        self.queue.push(ms, Item::Guardian(Box::new(e)));
    }
}
