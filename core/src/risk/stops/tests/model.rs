//! A small venue with a bad network: delays that reorder, duplicates, replies that tell nothing, lost requests and events.
//!
//! Written apart from `helios-venue` on purpose: it knows stops and one position, nothing else, and judges what it sees.

use super::super::{StopKeeper, StopOut, StopPlan};
use crate::fixed::{Price, Qty, Side};
use crate::instrument::Instrument;
use crate::order::*;
use crate::time::Now;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const ACCOUNT: &str = "trading/paper";
pub const STEP_MS: i64 = 10;
pub const ATR: i64 = 50;
pub const DISTANCE: i64 = 100;

/// SplitMix64.
pub struct Rng(pub u64);
impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: i64) -> i64 {
        (self.next() % n.max(1) as u64) as i64
    }
    pub fn chance(&mut self, per_mille: i64) -> bool {
        self.below(1000) < per_mille
    }
}

/// What the network and the venue do wrong, per mille.
#[derive(Clone, Copy, Default, Debug)]
pub struct Chaos {
    pub delay_ms: i64,
    pub duplicate: i64,
    /// A reply is Unknown, half of the time with effect.
    pub unknown: i64,
    /// An ALGO_UPDATE is lost.
    pub lose_algo: i64,
    /// Accepted, and never seen again.
    pub vanish: i64,
    /// The worker is killed, each 10 ms.
    pub restart: i64,
    /// The coordinator places the anchor first.
    pub coordinator: i64,
    /// A person cancels a stop, each 10 ms.
    pub meddle: i64,
    /// A full-size exit is refused while a trail rests.
    pub refuse_exit: bool,
    /// The rest of an entry may fill after the position was closed.
    pub reopen: bool,
    /// The venue cancels orphans by itself.
    pub auto_cancel: bool,
}

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

pub struct World {
    pub rng: Rng,
    pub t: i64,
    pub chaos: Chaos,
    pub inst: Instrument,
    pub keeper: StopKeeper,
    pub ids: IdMaker,
    pub(super) incarnation: u64,
    pub(super) net: BTreeMap<(i64, u64), (u64, Msg)>,
    pub(super) seq: u64,
    // Venue.
    pub pos: i64,
    pub entry: i64,
    pub mark: i64,
    pub(super) last_ms: i64,
    pub stops: BTreeMap<ClientId, AlgoOrder>,
    pub(super) next_id: u64,
    pub reading: bool,
    /// Another is wanted after the one under way.
    pub(super) read_again: bool,
    pub exiting: bool,
    pub(super) entering: bool,
    // Judgement.
    pub used: BTreeSet<ClientId>,
    pub(super) unprotected_since: Option<i64>,
    pub(super) flat_since: i64,
    pub(super) two_trails_since: Option<i64>,
    pub(super) resized_since: i64,
    pub(super) best_trail: Option<i64>,
    /// Triggers of all anchors the venue took for this position, and whether the worker sent them.
    pub(super) anchors_at: Vec<(i64, bool)>,
    pub(super) unresolved: BTreeSet<ClientId>,
    pub(super) restarted: i64,
    /// The dead worker's last cancels were still on their way.
    pub(super) cancels_left: bool,
    /// When a query was last answered with nothing.
    pub(super) unanswered: i64,
    pub(super) settling: i64,
    /// Longest delay of the network so far, ms.
    pub(super) slowest: i64,
    pub(super) opened: i64,
    /// When a stop was sent, and the venue time of the position it was sent for.
    pub(super) sent_at: BTreeMap<ClientId, (i64, i64)>,
    pub(super) keeper_flat_at: i64,
    pub(super) last_exit_asked: i64,
    pub count: Counts,
}

#[derive(Default, Debug, Clone, Copy)]
pub struct Counts {
    pub positions: u32,
    pub anchors: u32,
    pub trails: u32,
    pub replaced: u32,
    pub fired: u32,
    pub exits: u32,
    pub restarts: u32,
    pub max_unprotected_ms: i64,
}

pub fn instrument() -> Instrument {
    Instrument::with_grid("BTCUSDT", Decimal::ONE, Decimal::ONE).unwrap()
}

impl World {
    pub fn new(seed: u64, chaos: Chaos) -> Self {
        let inst = instrument();
        let mut w = Self {
            rng: Rng(seed),
            t: 1_000_000,
            chaos,
            keeper: StopKeeper::new(inst.clone()),
            ids: IdMaker::new(ACCOUNT, Role::Worker, "uid", "BTCUSDT", 1_000_000),
            inst,
            incarnation: 1_000_000,
            net: BTreeMap::new(),
            seq: 0,
            pos: 0,
            entry: 0,
            mark: 10_000,
            last_ms: 0,
            stops: BTreeMap::new(),
            next_id: 1,
            reading: false,
            read_again: false,
            exiting: false,
            entering: false,
            used: BTreeSet::new(),
            unprotected_since: None,
            flat_since: 1_000_000,
            two_trails_since: None,
            resized_since: 0,
            best_trail: None,
            anchors_at: Vec::new(),
            unresolved: BTreeSet::new(),
            restarted: 0,
            cancels_left: false,
            unanswered: 0,
            settling: 0,
            slowest: chaos.delay_ms,
            opened: 0,
            sent_at: BTreeMap::new(),
            keeper_flat_at: 0,
            last_exit_asked: 0,
            count: Counts::default(),
        };
        w.send(Msg::Read);
        w
    }

    pub fn now(&self) -> Now {
        Now::new(self.t, self.t as u64 * 1_000_000)
    }

    pub(super) fn side(&self) -> Option<Side> {
        Qty(self.pos).position_side()
    }

    pub fn open(&self, anchor: bool) -> impl Iterator<Item = &AlgoOrder> {
        self.stops
            .values()
            .filter(move |s| s.status == AlgoStatus::New && s.qty.is_none() == anchor)
    }

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

    /// A venue time of its own for each change of the position.
    pub(super) fn stamp(&mut self) -> i64 {
        self.last_ms = self.t.max(self.last_ms + 1);
        self.last_ms
    }

    pub(super) fn algo(&mut self, id: &ClientId, order_id: Option<u64>) {
        if self.rng.chance(self.chaos.lose_algo) {
            return;
        }
        let s = &self.stops[id];
        let u = AlgoUpdate {
            event_ms: self.t,
            transact_ms: self.t,
            client_id: id.clone(),
            algo_id: s.algo_id,
            status: s.status,
            side: s.side,
            trigger: s.trigger,
            qty: s.qty,
            order_id,
            reason: None,
        };
        self.send(Msg::Algo(u));
    }

    pub(super) fn set_status(&mut self, id: &ClientId, status: AlgoStatus, order_id: Option<u64>) {
        let s = self.stops.get_mut(id).unwrap();
        (s.status, s.update_ms) = (status, self.t);
        self.algo(id, order_id);
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

    fn deliver(&mut self, to: u64, m: Msg) {
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

    /// An entry of `size` lots, filled in up to three parts.
    pub fn enter(&mut self, side: Side, size: i64) {
        self.keeper.arm(StopPlan {
            atr: Decimal::from(ATR),
            distance: Decimal::from(DISTANCE),
        });
        self.entering = true;
        let mut left = size;
        let mut t = self.t;
        while left > 0 {
            let part = (1 + self.rng.below(left)).min(left);
            t += 1 + self.rng.below(400);
            self.at(t, Msg::EntryFill(side.sign() * part, left == size));
            left -= part;
        }
    }

    pub fn leave(&mut self) {
        if !self.exiting {
            self.exiting = true;
            self.send(Msg::Exit);
        }
    }

    pub fn restart(&mut self) {
        self.count.restarts += 1;
        self.restarted = self.t;
        self.resized_since = self.t; // And for two seconds the new worker moves no trail.
        let seen: Vec<ClientId> = self.stops.keys().cloned().collect();
        self.incarnation = client_id::next_incarnation(ACCOUNT, self.t, &seen);
        self.ids = IdMaker::new(ACCOUNT, Role::Worker, "uid", "BTCUSDT", self.incarnation);
        self.keeper = StopKeeper::new(self.inst.clone());
        self.keeper.arm(StopPlan {
            atr: Decimal::from(ATR),
            distance: Decimal::from(DISTANCE),
        });
        self.unprotected_since = None;
        self.unresolved.clear();
        // Where a lost stop of the dead worker stood, nobody knows.
        for (_, own) in &mut self.anchors_at {
            *own = false;
        }
        self.best_trail = None;
        self.exiting = false;
        self.flat_since = self.flat_since.max(self.t);
        self.reading = true;
        self.read_again = false;
        self.cancels_left = self.net.values().any(|(_, m)| matches!(m, Msg::Cancel(_)));
        self.send(Msg::Read);
    }

    /// Ten milliseconds.
    pub fn tick(&mut self) {
        self.t += STEP_MS;
        while let Some(((due, seq), _)) = self.net.first_key_value() {
            let key = (*due, *seq);
            if key.0 > self.t {
                break;
            }
            let (to, m) = self.net.remove(&key).unwrap();
            self.deliver(to, m);
        }
        if self.t % 50 == 0 {
            let mut out = Vec::new();
            let now = self.now();
            self.keeper.on_tick(now, &mut self.ids, &mut out);
            self.carry_out(out);
        }
        self.judge();
    }

    /// No more faults from now on.
    pub fn calm(&mut self) {
        self.chaos = Chaos {
            delay_ms: 20,
            auto_cancel: self.chaos.auto_cancel,
            ..Chaos::default()
        };
        self.settling = self.t + 8_000;
    }

    pub fn can_enter(&self) -> bool {
        self.keeper.clear_for_entry() && !self.entering
    }

    pub fn meddle(&mut self) {
        let open: Vec<ClientId> = self
            .open(true)
            .chain(self.open(false))
            .map(|s| s.client_id.clone())
            .collect();
        if let Some(id) = open.first() {
            let id = id.clone();
            // Nobody could know of it if this event were lost: a gap of the stream calls for a read.
            let lose = std::mem::take(&mut self.chaos.lose_algo);
            self.set_status(&id, AlgoStatus::Canceled, None);
            self.chaos.lose_algo = lose;
        }
    }
}
