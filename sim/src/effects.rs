//! What machines want done, and what arrives: every effect goes its way through virtual time to its real counterpart.

use crate::crash::Note;
use crate::driver::{Item, Party, Sim};
use crate::link;
use helios_core::guardian::{GuardianEffect, GuardianEvent};
use helios_core::messages::AccountSnapshot;
use helios_core::order::{EntryKind, NewOrder, Refusal, ReplyTo, VenueReply};
use helios_core::trader::{TraderEffect, TraderEvent};
use helios_venue::engine::{Request, SymbolId};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

impl Sim {
    /// Hands on what has arrived.
    pub(crate) fn handle(&mut self, item: Item) {
        let back = self.now_ms + self.config.latency.order_ms;
        match item {
            Item::Trader(i, e) => self.trader_event(i, &e),
            Item::Guardian(e) => self.guardian_event(&e),
            Item::Send(party, symbol, to, request, dead_after_ms) => {
                let reply = if self.now_ms > dead_after_ms {
                    VenueReply::Refused(Refusal::Clock)
                } else {
                    link::reply(self.request(request))
                };
                if let Some(to) = to {
                    self.answer(party, symbol, to, reply);
                }
            }
            Item::Query(party, symbol, target) => {
                let reply = link::query(&self.engine, self.account, symbol, &target);
                self.answer(party, symbol, ReplyTo::Query(target), reply);
            }
            Item::Read(i, asked_at) => {
                let s = &self.slots[i];
                let fresh = s.trader.incarnation().is_none();
                let state = link::venue_state(&self.engine, self.account, s.symbol, fresh);
                let e = TraderEvent::Reconciled { asked_at, state };
                self.queue.push(back, Item::Trader(i, e));
            }
            Item::ReadAccount(asked_at) => {
                let e = self.read_account(asked_at);
                self.tell_guardian(back, e);
            }
            Item::ReadDepth(s) => {
                let i = usize::from(s.0);
                let inst = &self.specs[i].instrument;
                let (bids, asks) = link::depth_20bp(&self.engine, s);
                let money = |v: i128| {
                    Decimal::try_from_i128_with_scale(v, 0).unwrap_or(Decimal::ZERO)
                        * inst.tick
                        * inst.step
                };
                let name = self.names[i].clone();
                let (bids, asks) = (money(bids), money(asks));
                self.note(|_| Note::Depth {
                    told_ms: back,
                    symbol: s,
                    bids,
                    asks,
                });
                let e = GuardianEvent::VisibleDepth(name, bids, asks);
                self.tell_guardian(back, e);
            }
            Item::Scan => {
                let candidates = self.specs.iter().enumerate().map(|(i, spec)| {
                    let s = SymbolId(i as u16);
                    link::candidate(&self.engine, &*self.source, spec, s, self.now_ms)
                });
                let e = GuardianEvent::Scanned {
                    candidates: candidates.collect(),
                    correlations: Vec::new(),
                };
                self.tell_guardian(back, e);
            }
            Item::Snapshot(i) => {
                let d = self.engine.depth(self.slots[i].symbol, 1_000);
                let e = if d.bids.is_empty() || d.asks.is_empty() {
                    TraderEvent::SnapshotFailed
                } else {
                    TraderEvent::Snapshot(d)
                };
                self.queue.push(back, Item::Trader(i, e));
            }
            Item::History(i, bar_ms, n) => {
                let s = self.slots[i].symbol;
                let bars = link::bars(&*self.source, s, self.now_ms, bar_ms, n);
                self.queue
                    .push(back, Item::Trader(i, TraderEvent::History(bars)));
            }
            Item::Tick => self.tick(),
        }
    }

    fn answer(&mut self, party: Party, symbol: SymbolId, to: ReplyTo, reply: VenueReply) {
        if let VenueReply::Refused(r) = &reply {
            let text = format!("{r:?}");
            let class = text.split([' ', '{', '(']).next().unwrap_or_default();
            *self.refusals.entry(class.to_owned()).or_default() += 1;
            if let (Party::Guardian, ReplyTo::Place(_)) = (&party, &to) {
                self.note(|s| Note::Refused {
                    ms: s.now_ms,
                    symbol,
                });
            }
        }
        let back = self.now_ms + self.config.latency.order_ms;
        let item = match party {
            Party::Trader(i) => Item::Trader(i, TraderEvent::Reply(to, reply)),
            Party::Guardian => {
                let name = self.names[usize::from(symbol.0)].clone();
                Item::Guardian(Box::new(GuardianEvent::Reply(name, to, reply)))
            }
        };
        self.queue.push(back, item);
    }

    fn read_account(&self, asked_at: u64) -> GuardianEvent {
        let Ok(view) = self.engine.account(self.account) else {
            return GuardianEvent::ReconcileFailed { asked_at };
        };
        let mut symbols = BTreeMap::new();
        for (i, name) in self.names.iter().enumerate() {
            let s = SymbolId(i as u16);
            let state = link::venue_state(&self.engine, self.account, s, false);
            if !state.position.qty.is_zero() || !state.orders.is_empty() || !state.stops.is_empty()
            {
                symbols.insert(name.clone(), state);
            }
        }
        GuardianEvent::Reconciled {
            asked_at,
            venue_ms: self.now_ms,
            wallet: view.wallet,
            available: view.available,
            maint_margin: view.maint_margin,
            marks: BTreeMap::new(),
            symbols,
            unknown_symbols: Vec::new(),
        }
    }

    fn send_order(&mut self, party: Party, symbol: SymbolId, o: &NewOrder) {
        let at = self.now_ms + self.config.latency.order_ms;
        let to = ReplyTo::Place(o.client_id.clone());
        // Exits carry the longest window; an entry's is its fence.
        let window = match o.purpose {
            EntryKind::Entry => i64::from(o.recv_window_ms),
            EntryKind::Exit => i64::from(o.recv_window_ms).max(5_000),
        };
        let dead = self.now_ms + window;
        self.queue.push(
            at,
            Item::Send(party, symbol, Some(to), link::place(symbol, o), dead),
        );
    }

    fn send(&mut self, party: Party, symbol: SymbolId, to: Option<ReplyTo>, request: Request) {
        let at = self.now_ms + self.config.latency.order_ms;
        let item = Item::Send(party, symbol, to, request, i64::MAX);
        self.queue.push(at, item);
    }

    pub(crate) fn trader_effect(&mut self, i: usize, e: TraderEffect) {
        let l = self.config.latency;
        let (venue, bus) = (self.now_ms + l.order_ms, self.now_ms + l.bus_ms);
        let symbol = self.slots[i].symbol;
        let party = Party::Trader(i);
        match e {
            TraderEffect::FetchSnapshot => self.queue.push(venue, Item::Snapshot(i)),
            TraderEffect::FetchHistory { bar_ms, bars } => {
                self.queue.push(venue, Item::History(i, bar_ms, bars));
            }
            TraderEffect::Reconcile { asked_at } => {
                self.queue.push(venue, Item::Read(i, asked_at));
            }
            TraderEffect::Place(o) => self.send_order(party, symbol, &o),
            TraderEffect::PlaceStop(s) => {
                let to = Some(ReplyTo::PlaceStop(s.client_id.clone()));
                self.send(party, symbol, to, link::place_stop(symbol, &s));
            }
            TraderEffect::Cancel(t) => {
                let request = link::cancel(symbol, &t);
                self.send(party, symbol, Some(ReplyTo::Cancel(t)), request);
            }
            TraderEffect::Query(t) => self.queue.push(venue, Item::Query(party, symbol, t)),
            TraderEffect::Countdown { ms } => {
                self.send(party, symbol, None, Request::Countdown(symbol, ms));
            }
            TraderEffect::AskGrant(r) => {
                let e = GuardianEvent::GrantRequested(r);
                self.tell_guardian(bus, e);
            }
            TraderEffect::Acknowledge { .. } => {}
            TraderEffect::Closed(t) => {
                self.slots[i].closed.push((*t).clone());
                if t.shadow {
                    self.shadow.push(*t);
                } else {
                    self.trades.push(*t);
                }
            }
            TraderEffect::Alert(a) => self.alerts.push((self.now_ms, a)),
            TraderEffect::Decision { reason, .. } => {
                *self.decisions.entry(reason.into_owned()).or_default() += 1;
            }
            TraderEffect::Superseded | TraderEffect::Done => self.slots[i].gone = true,
        }
    }

    pub(crate) fn guardian_effect(&mut self, e: GuardianEffect) {
        self.note_effect(&e);
        let l = self.config.latency;
        let (venue, bus) = (self.now_ms + l.order_ms, self.now_ms + l.bus_ms);
        match e {
            GuardianEffect::Reply { task_uid, reply } => {
                if let Some(i) = self.slots.iter().position(|s| s.task_uid == task_uid) {
                    self.queue
                        .push(bus, Item::Trader(i, TraderEvent::Grant(reply)));
                }
            }
            GuardianEffect::Command(name, c) => {
                let slot = self
                    .id(&name)
                    .and_then(|s| self.by_symbol[usize::from(s.0)]);
                if let Some(i) = slot {
                    self.queue
                        .push(bus, Item::Trader(i, TraderEvent::Command(c)));
                }
            }
            GuardianEffect::Place { symbol, order, .. } => {
                if let Some(s) = self.id(&symbol) {
                    self.send_order(Party::Guardian, s, &order);
                }
            }
            GuardianEffect::PlaceStop(name, stop) => {
                if let Some(s) = self.id(&name) {
                    let to = Some(ReplyTo::PlaceStop(stop.client_id.clone()));
                    self.send(Party::Guardian, s, to, link::place_stop(s, &stop));
                }
            }
            GuardianEffect::Cancel(name, t) => {
                if let Some(s) = self.id(&name) {
                    let request = link::cancel(s, &t);
                    self.send(Party::Guardian, s, Some(ReplyTo::Cancel(t)), request);
                }
            }
            GuardianEffect::Query(name, t) => {
                if let Some(s) = self.id(&name) {
                    self.queue.push(venue, Item::Query(Party::Guardian, s, t));
                }
            }
            GuardianEffect::Reconcile { asked_at } => {
                self.queue.push(venue, Item::ReadAccount(asked_at));
            }
            GuardianEffect::ReadDepth(name) => {
                if let Some(s) = self.id(&name) {
                    self.queue.push(venue, Item::ReadDepth(s));
                }
            }
            GuardianEffect::Scan => self.queue.push(venue, Item::Scan),
            // Nobody moves money in a simulation.
            GuardianEffect::ReadTransfers { .. } => {
                self.tell_guardian(venue, GuardianEvent::Transfers(Vec::new()));
            }
            GuardianEffect::Publish(snapshot) => self.start_wanted(&snapshot),
            GuardianEffect::Persist(_) => {
                self.tell_guardian(self.now_ms, GuardianEvent::Persisted);
            }
            GuardianEffect::Alert(a) => self.alerts.push((self.now_ms, a)),
            GuardianEffect::Ladder { level, .. } => {
                let reason = format!("Ladder{level:?}");
                *self.decisions.entry(reason).or_default() += 1;
            }
        }
    }

    /// Starts traders for symbols the guardian wants and nobody trades; those not wanted any more are drained by it.
    fn start_wanted(&mut self, snapshot: &AccountSnapshot) {
        for (strategy, symbols) in &snapshot.wanted {
            let Some(k) = self
                .config
                .strategies
                .iter()
                .position(|s| s.name == *strategy)
            else {
                continue;
            };
            for name in symbols {
                if let Some(s) = self.id(name)
                    && self.by_symbol[usize::from(s.0)].is_none()
                    && !self.deserted[usize::from(s.0)]
                {
                    self.start_trader(k, s);
                }
            }
        }
    }

    pub(crate) fn id(&self, name: &str) -> Option<SymbolId> {
        self.engine.symbol_id(name)
    }
}
