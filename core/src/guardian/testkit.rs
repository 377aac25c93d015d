//! Parameters, contracts and a scripted driver for the guardian's tests.
#![allow(clippy::unwrap_used, dead_code)]

use super::*;
use crate::fixed::{Price, Qty, Side};
use crate::market::MarkPrice;
use crate::messages::{DenyReason, Grant, GrantReply, GrantRequest};
use crate::order::{
    AlgoOrder, AlgoStatus, AlgoUpdate, ExecType, NewOrder, NewStop, OpenOrder, OrderStatus,
    OrderUpdate, PositionUpdate, VenuePosition, VenueState,
};
use crate::time::NS_PER_S;

mod params;

pub(super) use params::{account, config, strategy};

pub(super) const ACCOUNT: &str = "ns/paper";

pub(super) fn d(s: &str) -> Decimal {
    Decimal::from_str_exact(s).unwrap()
}

/// Drives a guardian: a clock, the venue's truth, and what came out.
pub(super) struct Rig {
    pub g: Guardian,
    pub now: Now,
    pub wallet: Decimal,
    pub venue: BTreeMap<Symbol, VenueState>,
    pub marks: BTreeMap<Symbol, Decimal>,
    pub out: Vec<GuardianEffect>,
    pub seq: u64,
    /// What the exchange knows of transfers.
    pub transfers: Vec<Transfer>,
    /// Index prices that are not the mark.
    pub index: BTreeMap<Symbol, Decimal>,
    /// The exchange's maintenance margin over what the brackets known here make.
    pub dearer: Decimal,
    /// Contracts of the exchange that the guardian does not know.
    pub strange: Vec<String>,
    /// Reads of transfers are answered at once, when reads are.
    pub histories: bool,
    /// Reads are answered at once.
    pub reads: bool,
    /// A read can tell which orders made a position.
    pub ids: bool,
    /// Frames and marks keep coming as time passes.
    pub frames: bool,
    /// Writes are acknowledged at once.
    pub writes: bool,
}

impl Rig {
    pub fn new(symbols: &[&str]) -> Self {
        Self::with(config(symbols), GuardianState::default())
    }

    pub fn with(config: GuardianConfig, state: GuardianState) -> Self {
        let marks = config
            .symbols
            .keys()
            .map(|s| (s.clone(), d("100")))
            .collect();
        Self {
            g: Guardian::new(config, state),
            now: Now::new(1_700_000_000_000, NS_PER_S),
            wallet: d("10000"),
            venue: BTreeMap::new(),
            marks,
            out: vec![],
            seq: 0,
            transfers: vec![],
            index: BTreeMap::new(),
            dearer: Decimal::ONE,
            strange: vec![],
            histories: true,
            reads: true,
            ids: true,
            frames: true,
            writes: true,
        }
    }

    /// Started and read, not leading.
    pub fn standby(mut self) -> Self {
        self.send(&GuardianEvent::Start);
        self.pass(100);
        self
    }

    /// Leads under a lock until `millis` from now.
    pub fn lead(&mut self, epoch: u64, millis: u64) -> Vec<GuardianEffect> {
        let until_ns = Some(self.now.mono_ns + ms(millis));
        self.send(&GuardianEvent::Lead { epoch, until_ns })
    }

    pub fn renew(&mut self, millis: u64) -> Vec<GuardianEffect> {
        let until_ns = self.now.mono_ns + ms(millis);
        self.send(&GuardianEvent::Renewed { until_ns })
    }

    /// Time passes without anything being heard, as in a stopped process.
    pub fn stop(&mut self, millis: u64) {
        self.now = Now::new(
            self.now.market_ms + millis as i64,
            self.now.mono_ns + ms(millis),
        );
    }

    /// Started, leading, read, known.
    pub fn ready(mut self) -> Self {
        self.send(&GuardianEvent::Start);
        self.send(&GuardianEvent::Lead {
            epoch: 1,
            until_ns: None,
        });
        self.pass(100);
        self
    }

    /// One event; reads and writes it asks for are answered as the switches say.
    pub fn send(&mut self, event: &GuardianEvent) -> Vec<GuardianEffect> {
        let mut fresh = Vec::new();
        self.g.on_event(self.now, event, &mut fresh);
        let mut i = 0;
        while i < fresh.len() {
            let answer = match &fresh[i] {
                GuardianEffect::Persist(_) if self.writes => Some(GuardianEvent::Persisted),
                GuardianEffect::Reconcile { .. } if self.reads => Some(self.read()),
                GuardianEffect::ReadTransfers { .. } if self.reads && self.histories => {
                    Some(GuardianEvent::Transfers(self.transfers.clone()))
                }
                _ => None,
            };
            if let Some(a) = answer {
                self.g.on_event(self.now, &a, &mut fresh);
            }
            i += 1;
        }
        self.out.extend(fresh.iter().cloned());
        fresh
    }

    /// Liveness and market time pass in steps of 100 ms.
    pub fn pass(&mut self, millis: u64) -> Vec<GuardianEffect> {
        let mut all = Vec::new();
        for _ in 0..millis / 100 {
            self.now = Now::new(self.now.market_ms + 100, self.now.mono_ns + ms(100));
            if self.frames {
                all.extend(self.send(&GuardianEvent::AccountAlive));
                let marks: Vec<_> = self.marks.clone().into_iter().collect();
                for (s, m) in marks {
                    all.extend(self.mark(&s, m));
                }
            }
            all.extend(self.send(&GuardianEvent::Tick));
        }
        all
    }

    pub fn mark(&mut self, symbol: &str, mark: Decimal) -> Vec<GuardianEffect> {
        self.marks.insert(symbol.into(), mark);
        let m = MarkPrice {
            event_ms: self.now.market_ms,
            mark,
            index: self.index.get(symbol).copied().unwrap_or(mark),
            funding_rate: Decimal::ZERO,
            next_funding_ms: 0,
        };
        self.send(&GuardianEvent::Mark(symbol.into(), m))
    }

    /// The read that is under way fails.
    pub fn fail_read(&mut self) {
        if let Some(asked_at) = self.g.picture.asked_at {
            self.send(&GuardianEvent::ReconcileFailed { asked_at });
        }
    }

    /// What a read asked for at this instant, or the one under way, shows.
    pub fn read(&self) -> GuardianEvent {
        let mut maint = Decimal::ZERO;
        for (s, v) in &self.venue {
            if let Some(i) = self.g.config.symbols.get(s) {
                let n = i.instrument.qty_dec(v.position.qty.abs())
                    * self.marks.get(s).copied().unwrap_or(v.position.entry_price);
                maint += crate::risk::brackets::maintenance_margin(&i.brackets, n).unwrap();
            }
        }
        let held = |s: &Symbol| self.venue.get(s).is_some_and(|v| !v.position.qty.is_zero());
        let marks = self.marks.iter().filter(|(s, _)| held(s));
        GuardianEvent::Reconciled {
            asked_at: self.g.picture.asked_at.unwrap_or(self.now.mono_ns),
            venue_ms: self.now.market_ms,
            wallet: self.wallet,
            available: self.wallet,
            maint_margin: maint * self.dearer,
            marks: marks.map(|(s, m)| (s.clone(), *m)).collect(),
            symbols: self
                .venue
                .iter()
                .map(|(s, v)| (s.clone(), self.told(v)))
                .collect(),
            unknown_symbols: self.strange.clone(),
        }
    }

    /// A symbol as the shell reads it: the ids of past orders only for a position that nothing open of ours names.
    fn told(&self, v: &VenueState) -> VenueState {
        let open = v.orders.iter().map(|o| &o.client_id);
        let mut open = open.chain(v.stops.iter().map(|s| &s.client_id));
        let named = open.any(|id| crate::order::client_id::is_ours(ACCOUNT, id));
        let mut told = v.clone();
        told.ids_read = self.ids && !named && !v.position.qty.is_zero();
        if !told.ids_read {
            told.recent_ids.clear();
        }
        told
    }

    pub fn ask(&mut self, symbol: &str, task: &str, wish: &str) -> GrantReply {
        self.ask_as(symbol, "ns/nobi", task, wish, "0")
    }

    pub fn ask_as(
        &mut self,
        symbol: &str,
        strategy: &str,
        task: &str,
        wish: &str,
        risk: &str,
    ) -> GrantReply {
        let r = self.question(symbol, strategy, task, wish, risk);
        self.answer(r)
    }

    pub fn question(
        &mut self,
        symbol: &str,
        strategy: &str,
        task: &str,
        wish: &str,
        risk: &str,
    ) -> GrantRequest {
        self.seq += 1;
        GrantRequest {
            symbol: symbol.into(),
            strategy: strategy.into(),
            task_uid: task.into(),
            seq: self.seq,
            epoch_seen: 0,
            wish_notional: d(wish),
            position_notional: Decimal::ZERO,
            open_entry_notional: Decimal::ZERO,
            wish_risk: d(risk),
            fence_lost: false,
        }
    }

    pub fn answer(&mut self, r: GrantRequest) -> GrantReply {
        let out = self.send(&GuardianEvent::GrantRequested(r));
        out.into_iter()
            .find_map(|e| match e {
                GuardianEffect::Reply { reply, .. } => Some(reply),
                _ => None,
            })
            .unwrap()
    }

    /// The position at the venue changes, and its frame comes.
    pub fn position(&mut self, symbol: &str, lots: i64, entry: &str) -> Vec<GuardianEffect> {
        let v = self.venue.entry(symbol.into()).or_default();
        v.position = VenuePosition {
            qty: Qty(lots),
            entry_price: if lots == 0 { Decimal::ZERO } else { d(entry) },
            isolated: false,
            update_ms: self.now.market_ms,
        };
        let u = PositionUpdate {
            event_ms: self.now.market_ms,
            transact_ms: self.now.market_ms,
            qty: Qty(lots),
            entry_price: v.position.entry_price,
        };
        self.send(&GuardianEvent::Position(symbol.into(), u))
    }

    /// An anchor of the worker's is seen working.
    pub fn anchor(&mut self, symbol: &str, side: Side, trigger_ticks: i64) -> ClientId {
        let mut m = IdMaker::new(
            ACCOUNT,
            Role::Worker,
            "uid-ns/nobi",
            symbol,
            self.now.market_ms as u64,
        );
        let id = m.next_id();
        self.venue
            .entry(symbol.into())
            .or_default()
            .stops
            .push(AlgoOrder {
                client_id: id.clone(),
                algo_id: 1,
                side,
                status: AlgoStatus::New,
                trigger: Price(trigger_ticks),
                qty: None,
                update_ms: self.now.market_ms,
            });
        self.algo(symbol, &id, side, trigger_ticks, AlgoStatus::New);
        id
    }

    pub fn algo(
        &mut self,
        symbol: &str,
        id: &ClientId,
        side: Side,
        ticks: i64,
        status: AlgoStatus,
    ) -> Vec<GuardianEffect> {
        if status.is_final()
            && let Some(v) = self.venue.get_mut(symbol)
        {
            v.stops.retain(|s| s.client_id != *id);
        }
        let u = AlgoUpdate {
            event_ms: self.now.market_ms,
            transact_ms: self.now.market_ms,
            client_id: id.clone(),
            algo_id: 1,
            status,
            side,
            trigger: Price(ticks),
            qty: None,
            order_id: None,
            reason: None,
        };
        self.send(&GuardianEvent::Algo(symbol.into(), u))
    }

    /// A long or short with its anchor far away, as a worker leaves it.
    pub fn protected(&mut self, symbol: &str, lots: i64, entry: &str) {
        let side = Qty(lots).position_side().unwrap().opposite();
        self.position(symbol, lots, entry);
        self.anchor(symbol, side, if lots > 0 { 1 } else { 1_000_000 });
    }

    /// The venue fills an order of the guardian's in full at the mark, and the frames come.
    pub fn fill(&mut self, symbol: &Symbol, o: &NewOrder) -> Vec<GuardianEffect> {
        let v = self.venue.get(symbol).unwrap().position.clone();
        let inst = self.g.config.symbols[symbol].instrument.clone();
        let mark = self.marks[symbol];
        assert!(o.reduce_only && o.side == v.qty.position_side().unwrap().opposite());
        let q = o.qty.min(v.qty.abs());
        let left = Qty(v.qty.0 - q.0 * v.qty.0.signum());
        let pnl = inst.qty_dec(q) * (mark - v.entry_price) * Decimal::from(v.qty.0.signum());
        self.wallet += pnl - inst.qty_dec(q) * mark * d("0.0005");
        let mut all = self.send(&GuardianEvent::Balance {
            event_ms: self.now.market_ms,
            wallet: self.wallet,
            transfer: None,
        });
        let entry = v.entry_price.to_string();
        all.extend(self.position(symbol, left.0, &entry));
        all.extend(self.order_update(
            symbol,
            &o.client_id,
            o.side,
            OrderStatus::Filled,
            o.qty.0,
            q.0,
        ));
        all
    }

    pub fn order_update(
        &mut self,
        symbol: &str,
        id: &ClientId,
        side: Side,
        status: OrderStatus,
        qty: i64,
        filled: i64,
    ) -> Vec<GuardianEffect> {
        let u = OrderUpdate {
            event_ms: self.now.market_ms,
            transact_ms: self.now.market_ms,
            client_id: id.clone(),
            order_id: 1,
            side,
            exec: if filled > 0 {
                ExecType::Trade
            } else {
                ExecType::New
            },
            status,
            qty: Qty(qty),
            filled: Qty(filled),
            reduce_only: false,
            fill: None,
        };
        self.send(&GuardianEvent::Order(symbol.into(), u))
    }

    pub fn resting(&mut self, symbol: &str, id: &ClientId, lots: i64, ticks: i64) {
        self.venue
            .entry(symbol.into())
            .or_default()
            .orders
            .push(OpenOrder {
                client_id: id.clone(),
                order_id: 9,
                side: Side::Buy,
                status: OrderStatus::New,
                qty: Qty(lots),
                filled: Qty(0),
                price: Some(Price(ticks)),
                reduce_only: false,
                update_ms: self.now.market_ms,
            });
    }
}

/// The last state that was written.
pub(super) fn written(out: &[GuardianEffect]) -> GuardianState {
    let state = out.iter().rev().find_map(|e| match e {
        GuardianEffect::Persist(s) => Some((**s).clone()),
        _ => None,
    });
    state.unwrap()
}

pub(super) fn alerts(out: &[GuardianEffect], code: &str) -> Vec<String> {
    out.iter()
        .filter_map(|e| match e {
            GuardianEffect::Alert(a) if a.code == code => Some(a.text.clone()),
            _ => None,
        })
        .collect()
}

pub(super) fn granted(r: &GrantReply) -> &Grant {
    match r {
        GrantReply::Granted(g) => g,
        GrantReply::Denied { reason, .. } => panic!("denied: {reason:?}"),
    }
}

pub(super) fn denied(r: &GrantReply) -> DenyReason {
    match r {
        GrantReply::Denied { reason, .. } => *reason,
        GrantReply::Granted(g) => panic!("granted {g:?}"),
    }
}

pub(super) fn orders(out: &[GuardianEffect]) -> Vec<(Symbol, NewOrder)> {
    out.iter()
        .filter_map(|e| match e {
            GuardianEffect::Place { symbol, order, .. } => Some((symbol.clone(), order.clone())),
            _ => None,
        })
        .collect()
}

pub(super) fn stops(out: &[GuardianEffect]) -> Vec<(Symbol, NewStop)> {
    out.iter()
        .filter_map(|e| match e {
            GuardianEffect::PlaceStop(s, o) => Some((s.clone(), o.clone())),
            _ => None,
        })
        .collect()
}
