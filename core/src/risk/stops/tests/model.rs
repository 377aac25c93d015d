//! A small venue with a bad network: its state, and the lives of positions in it.
//!
//! Written apart from `helios-venue` on purpose: it knows stops and one position, nothing else, and judges what it sees.

use super::super::{StopKeeper, StopPlan};
use super::network::Msg;
use crate::fixed::{Qty, Side};
use crate::instrument::Instrument;
use crate::order::*;
use crate::time::Now;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

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
