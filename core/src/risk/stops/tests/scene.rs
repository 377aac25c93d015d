//! What the named scenes are told with.

use super::super::{ExitCause, StopKeeper, StopOut, StopPlan};
use super::model::{ACCOUNT, ATR, DISTANCE, instrument};
use crate::fixed::{Price, Qty, Side};
use crate::order::*;
use crate::time::Now;
use rust_decimal::Decimal;

/// A keeper, its clock and what it asked for.
pub struct Scene {
    pub keeper: StopKeeper,
    pub ids: IdMaker,
    pub ms: i64,
    pub out: Vec<StopOut>,
}

impl Scene {
    /// A keeper that has just started and knows nothing of the venue.
    pub fn started() -> Self {
        let mut s = Self {
            keeper: StopKeeper::new(instrument()),
            ids: IdMaker::new(ACCOUNT, Role::Worker, "uid", "BTCUSDT", 1),
            ms: 1_000,
            out: Vec::new(),
        };
        s.keeper.arm(StopPlan {
            atr: Decimal::from(ATR),
            distance: Decimal::from(DISTANCE),
        });
        s
    }

    /// A keeper past its start: flat, read twice, clear.
    pub fn flat() -> Self {
        let mut s = Self::started();
        s.read(0, Vec::new());
        s.pass(2_100);
        s.read(0, Vec::new());
        assert!(s.keeper.clear_for_entry());
        s.out.clear();
        s
    }

    /// Long ten lots at 10000 with a confirmed anchor.
    pub fn long() -> (Self, ClientId) {
        let mut s = Self::flat();
        s.position(10);
        let id = s.placed(true).pop().unwrap().client_id;
        s.algo(&id, AlgoStatus::New, 9_900, None);
        assert!(s.keeper.anchor_confirmed());
        s.out.clear();
        (s, id)
    }

    pub fn now(&self) -> Now {
        Now::new(self.ms, self.ms as u64 * 1_000_000)
    }

    pub fn pass(&mut self, ms: i64) {
        let until = self.ms + ms;
        while self.ms < until {
            self.ms = (self.ms + 50).min(until);
            let now = self.now();
            self.keeper.on_tick(now, &mut self.ids, &mut self.out);
        }
    }

    pub fn mark(&mut self, mark: i64) {
        let now = self.now();
        self.keeper
            .on_mark(now, Decimal::from(mark), &mut self.ids, &mut self.out);
    }

    pub fn position(&mut self, qty: i64) {
        self.position_at(qty, self.ms);
    }

    pub fn position_at(&mut self, qty: i64, transact_ms: i64) {
        let entry = if qty == 0 { 0 } else { 10_000 };
        let p = PositionUpdate {
            event_ms: transact_ms,
            transact_ms,
            qty: Qty(qty),
            entry_price: Decimal::from(entry),
        };
        let now = self.now();
        self.keeper
            .on_position(now, &p, &mut self.ids, &mut self.out);
    }

    pub fn algo(&mut self, id: &ClientId, status: AlgoStatus, trigger: i64, qty: Option<i64>) {
        self.algo_at(id, status, trigger, qty, self.ms);
    }

    /// News that the venue sent at `venue_ms` and that comes now.
    pub fn algo_at(
        &mut self,
        id: &ClientId,
        status: AlgoStatus,
        trigger: i64,
        qty: Option<i64>,
        venue_ms: i64,
    ) {
        let u = AlgoUpdate {
            event_ms: venue_ms,
            transact_ms: venue_ms,
            client_id: id.clone(),
            algo_id: 1,
            status,
            side: Side::Sell,
            trigger: Price(trigger),
            qty: qty.map(Qty),
            order_id: None,
            reason: None,
        };
        let now = self.now();
        self.keeper.on_algo(now, &u, &mut self.ids, &mut self.out);
    }

    pub fn reply(&mut self, to: ReplyTo, reply: VenueReply) {
        let now = self.now();
        self.keeper
            .on_reply(now, &to, &reply, &mut self.ids, &mut self.out);
    }

    pub fn refuse(&mut self, id: &ClientId, r: Refusal) {
        self.reply(ReplyTo::PlaceStop(id.clone()), VenueReply::Refused(r));
    }

    pub fn read(&mut self, qty: i64, stops: Vec<AlgoOrder>) {
        self.read_at(qty, stops, self.ms);
    }

    pub fn read_at(&mut self, qty: i64, stops: Vec<AlgoOrder>, venue_ms: i64) {
        let state = VenueState {
            venue_ms,
            position: VenuePosition {
                qty: Qty(qty),
                entry_price: Decimal::from(if qty == 0 { 0 } else { 10_000 }),
                isolated: false,
                update_ms: venue_ms,
            },
            stops,
            ..VenueState::default()
        };
        let now = self.now();
        self.keeper
            .on_reconciled(now, &state, &mut self.ids, &mut self.out);
    }

    /// Stops asked for so far: anchors or trails.
    pub fn placed(&self, anchor: bool) -> Vec<NewStop> {
        self.out
            .iter()
            .filter_map(|o| match o {
                StopOut::Place(s) if s.qty.is_none() == anchor => Some(s.clone()),
                _ => None,
            })
            .collect()
    }

    pub fn exits(&self) -> Vec<ExitCause> {
        self.out
            .iter()
            .filter_map(|o| match o {
                StopOut::MarketExit(c) => Some(*c),
                _ => None,
            })
            .collect()
    }

    pub fn cancels(&self, id: &ClientId) -> usize {
        self.count(&StopOut::Cancel(id.clone()))
    }

    pub fn count(&self, what: &StopOut) -> usize {
        self.out.iter().filter(|o| *o == what).count()
    }

    pub fn exit_refused(&mut self) {
        let now = self.now();
        self.keeper
            .on_exit_refused(now, &mut self.ids, &mut self.out);
    }
}

pub fn stop(id: &ClientId, trigger: i64, qty: Option<i64>) -> AlgoOrder {
    AlgoOrder {
        client_id: id.clone(),
        algo_id: 7,
        side: Side::Sell,
        status: AlgoStatus::New,
        trigger: Price(trigger),
        qty: qty.map(Qty),
        update_ms: 0,
    }
}

pub fn other(role: Role, uid: &str) -> ClientId {
    IdMaker::new(ACCOUNT, role, uid, "BTCUSDT", 0).next_id()
}
