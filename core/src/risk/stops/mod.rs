//! The two-leg trailing stop as a machine of its own.

mod types;

pub use types::{ExitCause, StopOut, StopPlan};

use crate::fixed::Price;
use crate::instrument::Instrument;
use crate::order::{
    AlgoUpdate, ClientId, IdMaker, OrderUpdate, PositionUpdate, ReplyTo, VenueReply, VenueState,
};
use crate::time::Now;
use rust_decimal::Decimal;

/// Keeps the venue's stops of one symbol what they must be. Every input may answer with several [`StopOut`]s.
#[derive(Clone, Debug)]
pub struct StopKeeper {
    inst: Instrument,
    plan: Option<StopPlan>,
}

impl StopKeeper {
    /// A keeper that believes itself flat and not clear for entry until a read of the venue says so.
    pub fn new(inst: Instrument) -> Self {
        Self { inst, plan: None }
    }
    /// Sets the plan of the next position (call when an entry is decided, and once ATR is known after a start).
    pub fn arm(&mut self, plan: StopPlan) {
        self.plan = Some(plan);
    }
    /// Shrinks the trailing distance (margin ladder): the trail then stands at `to` from the present mark.
    pub fn tighten(&mut self, now: Now, to: Decimal, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let _ = (now, to, ids, out);
    }
    /// Whether the trail may be placed and moved (off when the coordinator is silent for long).
    pub fn set_trailing(&mut self, on: bool) {
        let _ = on;
    }
    /// ACCOUNT_UPDATE of the symbol, in any order.
    pub fn on_position(
        &mut self,
        now: Now,
        p: &PositionUpdate,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let _ = (now, p, ids, out);
    }
    /// Mark price.
    pub fn on_mark(&mut self, now: Now, mark: Decimal, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let _ = (now, mark, ids, out);
    }
    /// ALGO_UPDATE.
    pub fn on_algo(&mut self, now: Now, u: &AlgoUpdate, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let _ = (now, u, ids, out);
    }
    /// ORDER_TRADE_UPDATE: a first entry fill calls for the anchor before ACCOUNT_UPDATE comes.
    pub fn on_order(
        &mut self,
        now: Now,
        u: &OrderUpdate,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let _ = (now, u, ids, out);
    }
    /// A reply; those to other requests are ignored.
    pub fn on_reply(
        &mut self,
        now: Now,
        to: &ReplyTo,
        reply: &VenueReply,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let _ = (now, to, reply, ids, out);
    }
    /// A read of the venue: adopts, confirms, sweeps.
    pub fn on_reconciled(
        &mut self,
        now: Now,
        s: &VenueState,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let _ = (now, s, ids, out);
    }
    /// Time passed.
    pub fn on_tick(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let _ = (now, ids, out);
    }
    /// A reduce-only exit was refused with [`crate::order::Refusal::ReduceOnly`]: the trail goes, the anchor stays, and
    /// [`StopOut::MarketExit`] follows once it is gone and a position still stands.
    pub fn on_exit_refused(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let _ = (now, ids, out);
    }
    /// True when the fill of this plain order is that of a stop of ours that triggered.
    pub fn owns_order(&self, client_id: &ClientId, order_id: u64) -> bool {
        let _ = (client_id, order_id);
        false
    }
    /// An anchor was seen NEW and nothing ended it since.
    pub fn anchor_confirmed(&self) -> bool {
        false
    }
    /// The better trigger of the confirmed stops.
    pub fn best_stop(&self) -> Option<Price> {
        None
    }
    /// Flat, no own stop known or in doubt, and the venue was read empty of own orders since.
    pub fn clear_for_entry(&self) -> bool {
        let _ = &self.inst;
        false
    }
}
