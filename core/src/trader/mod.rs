//! One symbol: book to decision to order to stop, as one machine.
//!
//! The shell (worker, simulator, backtest) feeds [`TraderEvent`]s and carries out [`TraderEffect`]s in order. The machine
//! never blocks and never assumes that an effect worked: what is true comes back as an event. It composes the market
//! picture (`feed`), permission, the order tracker, the stop keeper and the ledger; `entry` and `exit` decide, `venue`
//! believes, `control` obeys.

mod control;
mod decide;
mod entry;
mod event;
mod exit;
mod feed;
mod gates;
mod hint;
mod ledger;
mod permission;
mod reads;
mod recon;
mod shadow;
#[cfg(test)]
mod tests;
mod venue;
mod view;
mod wish;

pub use event::{StreamKind, TraderConfig, TraderEffect, TraderEvent};

use crate::fixed::{Qty, Side};
use crate::market::MarkPrice;
use crate::messages::{ExitReason, ParamsDocument, WorkerView};
use crate::order::{ClientId, IdMaker, Orders, OrdersOut};
use crate::params::{OnDelete, StrategyParams};
use crate::risk::costs::Slippage;
use crate::risk::protections::Protections;
use crate::risk::stops::{StopKeeper, StopOut, StopPlan};
use crate::signal::{ModelOutput, Trigger};
use crate::time::Now;
use decide::Decisions;
use entry::Entry;
use exit::{ExitOrder, Leaving};
use feed::Feed;
use hint::Hint;
use ledger::Ledger;
use permission::Permission;
use recon::{Recon, Situation};
use shadow::Shadow;

/// The machine of one (account, symbol).
#[derive(Debug)]
pub struct Trader {
    config: TraderConfig,
    /// Parameters of this symbol in force.
    params: StrategyParams,
    pending: Option<Box<ParamsDocument>>,
    /// A document of an unknown schema came: reduce-only until one that is understood (I27).
    schema_unknown: bool,
    feed: Feed,
    trigger: Trigger,
    /// Side asked for by the newest book, persistence included.
    signal: Option<Side>,
    model: Option<ModelOutput>,
    permission: Permission,
    ids: Option<IdMaker>,
    orders: Orders,
    stops: StopKeeper,
    ledger: Ledger,
    recon: Recon,
    hint: Hint,
    decisions: Decisions,
    protections: Protections,
    slippage: Slippage,
    shadow: Shadow,
    entry: Option<Entry>,
    leaving: Option<Leaving>,
    exit_order: Option<ExitOrder>,
    /// Stop plan of the running position or of the entry under way.
    plan: Option<StopPlan>,
    /// Since when a found position waits for ATR.
    atr_awaited_ns: Option<u64>,
    cooldown_until_ms: i64,
    entry_not_before_ns: u64,
    user_up: bool,
    user_up_ns: u64,
    /// A read asked for after the user stream came up has been taken in.
    user_reconciled: bool,
    /// Position the venue claimed last on the stream, with its time, and since when it differs from the fills.
    claim: Option<(Qty, i64)>,
    claim_differs_ns: Option<u64>,
    /// Since when the position is in doubt: no entries until a read asked for later settles it.
    doubt_ns: Option<u64>,
    foreign: bool,
    isolated: bool,
    /// Sequence of the newest grant question when the drain was ordered.
    draining: Option<u64>,
    shutting: Option<OnDelete>,
    superseded: bool,
    done: bool,
    last_now: Now,
    order_outs: Vec<OrdersOut>,
    stop_outs: Vec<StopOut>,
}

impl Trader {
    /// A machine that knows nothing yet: it trades only after a reconcile, a synced book, warm ATR and a grant.
    pub fn new(config: TraderConfig) -> Self {
        let inst = config.info.instrument.clone();
        let symbol = inst.symbol.to_string();
        let params = config.params.for_symbol(&symbol).clone();
        Self {
            feed: Feed::new(inst.clone(), &params.risk.atr, params.signals.nobi_depth),
            trigger: Trigger::default(),
            signal: None,
            model: None,
            permission: Permission::new(&config.task_uid, &symbol, &config.strategy),
            ids: None,
            orders: Orders::new(&config.account, &symbol),
            stops: StopKeeper::new(inst.clone()),
            ledger: Ledger::new(inst, &config.strategy),
            recon: Recon::default(),
            hint: Hint::default(),
            decisions: Decisions::default(),
            protections: Protections::default(),
            slippage: Slippage::default(),
            shadow: Shadow::default(),
            entry: None,
            leaving: None,
            exit_order: None,
            plan: None,
            atr_awaited_ns: None,
            cooldown_until_ms: i64::MIN,
            entry_not_before_ns: 0,
            user_up: false,
            user_up_ns: 0,
            user_reconciled: false,
            claim: None,
            claim_differs_ns: None,
            doubt_ns: None,
            foreign: false,
            isolated: false,
            draining: None,
            shutting: None,
            superseded: false,
            done: false,
            last_now: Now::default(),
            order_outs: Vec::new(),
            stop_outs: Vec::new(),
            schema_unknown: false,
            pending: None,
            params,
            config,
        }
    }

    /// Handles one event; effects are appended to `out` in the order they must be carried out.
    pub fn on_event(&mut self, now: Now, event: &TraderEvent, out: &mut Vec<TraderEffect>) {
        self.last_now = now;
        if self.superseded || self.done {
            if self.superseded && !self.done && matches!(event, TraderEvent::Shutdown(_)) {
                self.done = true;
                out.push(TraderEffect::Done);
            }
            return;
        }
        match event {
            TraderEvent::Depth(d) => {
                if self.feed.on_depth(now, d) {
                    self.on_book(now, out);
                }
            }
            TraderEvent::BookTicker(t) => self.feed.on_ticker(t.update_id, t.bid.0, t.ask.0),
            TraderEvent::Trade(t) => self.feed.on_trade(t),
            TraderEvent::Mark(m) => self.on_mark(now, m, out),
            TraderEvent::Model {
                last_id,
                probability,
            } => {
                self.model = Some(ModelOutput {
                    last_id: *last_id,
                    probability: *probability,
                });
                if self.feed.last_id() == Some(*last_id) {
                    self.consider(now, out);
                }
            }
            TraderEvent::Tick => self.on_tick(now, out),
            TraderEvent::Start => {
                self.recon.want();
                out.push(TraderEffect::Acknowledge {
                    generation: self.config.params.generation,
                });
            }
            TraderEvent::Snapshot(s) => {
                if self.feed.on_snapshot(now, s) {
                    self.on_book(now, out);
                }
            }
            TraderEvent::SnapshotFailed => self.feed.snapshot_failed(now),
            TraderEvent::History(bars) => {
                self.feed.on_history(now, bars);
                self.arm_adopted(now, out);
            }
            TraderEvent::StreamUp(k) => self.on_stream_up(now, *k),
            TraderEvent::StreamDown(k) => self.on_stream_down(now, *k, out),
            TraderEvent::Order(u) => self.on_order(now, u, out),
            TraderEvent::Algo(u) => self.on_algo(now, u, out),
            TraderEvent::Position(p) => self.on_position(now, p, out),
            TraderEvent::Hint { trade_id } => self.hint.told(now, *trade_id),
            TraderEvent::Doubt { why } => self.on_doubt(now, why, out),
            TraderEvent::Reply(to, reply) => self.on_reply(now, to, reply, out),
            TraderEvent::Reconciled { asked_at, state } => {
                self.on_reconciled(now, *asked_at, state, out);
            }
            TraderEvent::ReconcileFailed { asked_at } => self.recon.failed(now, *asked_at),
            TraderEvent::Grant(g) => self.on_grant(now, g),
            TraderEvent::FenceLost => {
                self.permission.lose_fence();
                self.cancel_entries(now, out);
                let text = "the message store went back: reduce-only until a higher epoch".into();
                out.push(self.alert(crate::messages::Severity::Warning, "FenceLost", text));
            }
            TraderEvent::Command(c) => self.on_command(now, c, out),
            TraderEvent::Params(p) => self.on_params(p, out),
            TraderEvent::ParamsUnknown { schema } => self.on_params_unknown(*schema, out),
            TraderEvent::Shutdown(mode) => self.on_shutdown(now, *mode, out),
        }
        self.after(now, out);
    }

    /// What every event may have made due. Cheap when nothing is.
    fn after(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if self.superseded {
            return;
        }
        self.check_claim(now);
        self.drive_exit(now, out);
        self.feed.drive(now, out);
        let situation = Situation {
            in_position: !self.ledger.qty().is_zero() || !self.orders.is_idle(),
            user_up: self.user_up,
        };
        if self.recon.send(now, situation) {
            out.push(TraderEffect::Reconcile {
                asked_at: now.mono_ns,
            });
        }
        if self.pending.is_some() {
            self.apply_params(now, out);
        }
        if self.shutting.is_some() {
            self.drive_shutdown(now, out);
        }
    }

    fn on_book(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        self.consider(now, out);
        self.step_shadow(now, out);
    }

    fn on_mark(&mut self, now: Now, m: &MarkPrice, out: &mut Vec<TraderEffect>) {
        if !self.feed.on_mark(now, m) {
            return;
        }
        self.with_stops(now, out, |s, ids, o| s.on_mark(now, m.mark, ids, o));
        self.check_exits(now, out);
        self.step_shadow(now, out);
    }

    fn on_tick(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        self.feed.on_time(now);
        if self.hint.overdue(now) {
            self.recon.want();
        }
        if self.permission.due(now) && self.shutting.is_none() {
            let wish = self.wish(now);
            let ask = self.permission.ask(now, &wish);
            out.push(TraderEffect::AskGrant(ask));
        }
        let trailing = !self.permission.coordinator_lost(now);
        self.stops.set_trailing(trailing);
        self.with_orders(now, out, |o, outs| o.on_tick(now, outs));
        self.with_stops(now, out, |s, ids, o| s.on_tick(now, ids, o));
        self.arm_adopted(now, out);
        self.check_exits(now, out);
        self.mind_resting_entry(now, out);
    }

    fn on_stream_up(&mut self, now: Now, kind: StreamKind) {
        match kind {
            StreamKind::Depth => self.feed.depth_up(),
            StreamKind::Market => {}
            StreamKind::User => {
                self.user_up = true;
                self.user_up_ns = now.mono_ns;
                self.user_reconciled = false;
                self.recon.want();
            }
        }
    }

    fn on_stream_down(&mut self, now: Now, kind: StreamKind, out: &mut Vec<TraderEffect>) {
        match kind {
            StreamKind::Depth => {
                self.feed.depth_down();
                self.trigger.reset();
                self.signal = None;
                self.cancel_entries(now, out);
            }
            StreamKind::Market => self.feed.market_down(),
            StreamKind::User => {
                self.user_up = false;
                self.user_reconciled = false;
                self.cancel_entries(now, out);
            }
        }
    }

    /// Signed position as fills and reads of the venue make it.
    pub fn position(&self) -> Qty {
        self.ledger.qty()
    }

    /// Book in sequence, user stream up and read since, ATR warm.
    pub fn is_ready(&self) -> bool {
        !self.superseded
            && self.user_reconciled
            && self.feed.book().is_some()
            && self.feed.atr().is_some()
    }

    /// Something is under way at the venue: an order, an exit, a stop not yet cleared.
    pub fn pending(&self) -> bool {
        !self.orders.is_idle()
            || self.leaving.is_some()
            || (self.ledger.qty().is_zero() && !self.stops.clear_for_entry())
    }

    /// A later incarnation was seen: this machine is silent for good.
    pub fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// Shutdown is complete.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The venue's incarnation of this machine; `None` before the first reconcile.
    pub fn incarnation(&self) -> Option<u64> {
        self.ids.as_ref().map(IdMaker::incarnation)
    }

    /// An anchor was seen working at the venue and nothing ended it since.
    pub fn anchor_confirmed(&self) -> bool {
        self.stops.anchor_confirmed()
    }

    /// Order of the parameters in force ([`ParamsDocument::order`]).
    pub fn params_order(&self) -> (u64, u64, u32) {
        self.config.params.order()
    }

    /// Highest epoch honoured.
    pub fn epoch(&self) -> u64 {
        self.permission.epoch()
    }

    /// The newest parameters are of a schema that is not understood here.
    pub fn refuses_params(&self) -> bool {
        self.schema_unknown
    }

    /// The exit under way and why, if one is.
    pub fn exit_pending(&self) -> Option<(ExitReason, Option<&ClientId>)> {
        self.leaving
            .as_ref()
            .map(|l| (l.reason, self.orders.in_flight_exit()))
    }

    /// What is shown of it.
    pub fn view(&self) -> WorkerView {
        view::view(self)
    }
}
