//! The model's network: delays that reorder, duplicates, replies that tell nothing, lost requests and events.

use super::super::StopOut;
use super::model::{ACCOUNT, DISTANCE, World};
use crate::fixed::Price;
use crate::order::*;
use std::sync::Arc;

#[derive(Clone)]
pub(super) enum Msg {
    Place(NewStop, bool),
    Cancel(ClientId),
    Query(ClientId),
    Read,
    /// The venue's time is known; now the rest.
    List(i64),
    Exit,
    EntryFill(i64, bool),
    Algo(AlgoUpdate),
    Position(PositionUpdate),
    Order(OrderUpdate),
    Reply(ReplyTo, VenueReply),
    State(VenueState),
    ExitRefused,
}

impl World {
    pub(super) fn delay(&mut self) -> i64 {
        5 + self.rng.below(self.chaos.delay_ms)
    }

    pub(super) fn at(&mut self, t: i64, m: Msg) {
        self.seq += 1;
        self.net.insert((t, self.seq), (self.incarnation, m));
    }

    pub(super) fn send(&mut self, m: Msg) {
        let t = self.t + self.delay();
        if self.rng.chance(self.chaos.duplicate)
            && matches!(m, Msg::Algo(_) | Msg::Position(_) | Msg::Order(_))
        {
            let again = t + self.delay();
            self.at(again, m.clone());
        }
        self.at(t, m);
    }

    pub(super) fn carry_out(&mut self, out: Vec<StopOut>) {
        for o in out {
            match o {
                StopOut::Place(s) => {
                    assert!(
                        self.used.insert(s.client_id.clone()),
                        "I6: {} used twice",
                        s.client_id
                    );
                    assert!(
                        s.qty.is_none() || self.unresolved.is_empty(),
                        "I7: a trail is sent while {:?} are unknown",
                        self.unresolved
                    );
                    let known = self.keeper.held.stamp.0;
                    self.sent_at.insert(s.client_id.clone(), (self.t, known));
                    let unknown = self.rng.chance(self.chaos.unknown);
                    let effect = !unknown || self.rng.chance(500);
                    if effect {
                        self.send(Msg::Place(s.clone(), unknown));
                    }
                    if unknown {
                        let why: Arc<str> = "timeout".into();
                        let dead_after_ms = self.t + 1_000;
                        if s.qty.is_some() {
                            self.unresolved.insert(s.client_id.clone());
                        }
                        self.send(Msg::Reply(
                            ReplyTo::PlaceStop(s.client_id),
                            VenueReply::Unknown { why, dead_after_ms },
                        ));
                    }
                }
                StopOut::Cancel(id) => {
                    self.judge_cancel(&id);
                    self.send(Msg::Cancel(id));
                }
                StopOut::Query(id) => self.send(Msg::Query(id)),
                StopOut::Reconcile if !self.reading => {
                    self.reading = true;
                    self.send(Msg::Read);
                }
                StopOut::Reconcile => self.read_again = true,
                StopOut::MarketExit(_) => {
                    self.last_exit_asked = self.t;
                    if !self.exiting {
                        self.exiting = true;
                        self.send(Msg::Exit);
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn deliver(&mut self, to: u64, m: Msg) {
        let mut out = Vec::new();
        let now = self.now();
        match m {
            Msg::Place(s, silent) => {
                let reply = self.venue_place(&s);
                if !silent {
                    self.send(Msg::Reply(ReplyTo::PlaceStop(s.client_id), reply));
                }
            }
            Msg::Cancel(id) => {
                let there = self
                    .stops
                    .get(&id)
                    .is_some_and(|s| s.status == AlgoStatus::New);
                let mut reply = VenueReply::Refused(Refusal::NotFound);
                let unknown = self.rng.chance(self.chaos.unknown);
                let lost = unknown && self.rng.chance(500);
                if there && !lost {
                    self.set_status(&id, AlgoStatus::Canceled, None);
                    reply = VenueReply::Accepted { id: 0 };
                }
                if unknown {
                    reply = VenueReply::Unknown {
                        why: "timeout".into(),
                        dead_after_ms: self.t + 1_000,
                    };
                }
                self.send(Msg::Reply(ReplyTo::Cancel(CancelTarget::Stop(id)), reply));
            }
            Msg::Query(id) => {
                let reply = match self.stops.get(&id) {
                    _ if self.rng.chance(self.chaos.unknown) => VenueReply::Unknown {
                        why: "timeout".into(),
                        dead_after_ms: self.t + 1_000,
                    },
                    Some(s) => VenueReply::Stop(s.clone()),
                    None => VenueReply::Refused(Refusal::NotFound),
                };
                self.send(Msg::Reply(ReplyTo::Query(CancelTarget::Stop(id)), reply));
            }
            Msg::Read => self.send(Msg::List(self.t)),
            Msg::List(venue_ms) => {
                let s = self.state(venue_ms);
                self.send(Msg::State(s));
            }
            Msg::Exit => {
                if self.chaos.refuse_exit && self.open(false).next().is_some() && self.pos != 0 {
                    self.send(Msg::ExitRefused);
                } else {
                    self.exiting = false;
                    if self.pos != 0 {
                        self.count.exits += 1;
                        let id = ClientId::from("exit");
                        self.change_position(-self.pos, &id, true, true);
                    }
                }
            }
            Msg::EntryFill(by, first) => {
                self.entering = false;
                if by * self.pos > 0 || (self.pos == 0 && (first || self.chaos.reopen)) {
                    let id = ClientId::from(
                        IdMaker::new(ACCOUNT, Role::Worker, "uid", "BTCUSDT", 1)
                            .next_id()
                            .as_str(),
                    );
                    self.change_position(by, &id, false, true);
                    if self.rng.chance(self.chaos.coordinator) && self.pos == by {
                        let mut c =
                            IdMaker::new(ACCOUNT, Role::Coordinator, "", "BTCUSDT", self.t as u64);
                        let side = self.side().unwrap();
                        let stop = NewStop {
                            client_id: c.next_id(),
                            side: side.opposite(),
                            trigger: Price(self.mark - side.sign() * (DISTANCE + 7)),
                            qty: None,
                        };
                        self.send(Msg::Place(stop, true));
                    }
                }
            }
            Msg::Algo(u) => {
                self.unresolved.remove(&u.client_id);
                self.keeper.on_algo(now, &u, &mut self.ids, &mut out);
            }
            Msg::Position(p) => self.keeper.on_position(now, &p, &mut self.ids, &mut out),
            Msg::Order(u) => self.keeper.on_order(now, &u, &mut self.ids, &mut out),
            Msg::State(s) => {
                self.reading = std::mem::take(&mut self.read_again);
                if self.reading {
                    self.send(Msg::Read);
                }
                for o in &s.stops {
                    self.unresolved.remove(&o.client_id);
                }
                self.keeper.on_reconciled(now, &s, &mut self.ids, &mut out);
            }
            Msg::Reply(to_what, reply) if to == self.incarnation => {
                if let (ReplyTo::Query(id), true) = (
                    &to_what,
                    matches!(reply, VenueReply::Stop(_) | VenueReply::Refused(_)),
                ) {
                    self.unresolved.remove(id.client_id());
                }
                if matches!(
                    (&to_what, &reply),
                    (ReplyTo::Query(_), VenueReply::Unknown { .. })
                ) {
                    self.unanswered = self.t;
                }
                self.keeper
                    .on_reply(now, &to_what, &reply, &mut self.ids, &mut out);
            }
            Msg::Reply(..) => {}
            Msg::ExitRefused => {
                self.exiting = false;
                self.keeper.on_exit_refused(now, &mut self.ids, &mut out);
            }
        }
        if self.keeper.position().is_zero() {
            self.keeper_flat_at = self.t;
        }
        self.carry_out(out);
    }
}
