//! A trader, a clock and a venue small enough to read: market and IOC orders fill at the touch, stops trigger on the mark,
//! requests can be refused, lost or swallowed. The rig answers every effect as a shell would and keeps a record.

use crate::fixed::{Price, Qty, Side};
use crate::instrument::{FeeRates, Instrument, SymbolInfo};
use crate::market::{Bar, BookLevels, DepthSnapshot, DepthUpdate, MarkPrice};
use crate::messages::{ClosedTrade, Grant, GrantReply, KellyStats, ParamsDocument};
use crate::order::{
    AlgoOrder, AlgoStatus, AlgoUpdate, CancelTarget, ClientId, ExecType, NewOrder, NewStop,
    OrderKind, OrderStatus, OrderUpdate, PositionUpdate, Refusal, ReplyTo, TradeFill,
    VenuePosition, VenueReply, VenueState,
};
use crate::params::*;
use crate::time::{NS_PER_MS, Now};
use crate::trader::{StreamKind, Trader, TraderConfig, TraderEffect, TraderEvent};
use rust_decimal::Decimal;
use std::collections::{BTreeSet, VecDeque};

pub fn d(s: &str) -> Decimal {
    s.parse().unwrap()
}

pub fn params() -> StrategyParams {
    StrategyParams {
        suspend: false,
        priority: 0,
        signals: SignalParams {
            nobi_depth: 10,
            nobi_trigger_threshold: 0.4,
            persistence_ms: 0,
            cooldown_seconds: 30,
            model: ModelParams {
                mode: ModelMode::Off,
                name: String::new(),
                confidence_threshold: 0.75,
            },
        },
        regimes: vec![],
        risk: RiskParams {
            sizing: Sizing::FixedNotional,
            fixed_notional: Some(d("1000")),
            kelly_fraction: d("0.5"),
            leverage: 10,
            max_risk_per_trade_percent: d("1"),
            min_trades: 30,
            probe_risk_percent: d("0.25"),
            atr: AtrParams {
                bar_seconds: 60,
                period: 14,
                multiplier: d("2"),
            },
            prior: KellyPrior {
                win_rate: 0.5,
                win_loss_ratio: 1.5,
                weight: 30.0,
            },
            cost_gate: CostGate::Enforce,
            protections: ProtectionParams {
                max_consecutive_losses: 0,
                pause_seconds: 0,
                max_entries_per_hour: 0,
                max_mark_deviation_bps: d("100"),
                max_book_age_ms: 500,
            },
        },
        exits: ExitParams {
            max_hold_seconds: 60,
            take_profit_atr: None,
            on_opposite_signal: OnOppositeSignal::Close,
        },
        execution: ExecutionParams {
            entry: EntryStyle::Market,
            max_slippage_bps: d("10"),
        },
        on_delete: OnDelete::Flatten,
    }
}

pub fn document(generation: u64, stable: StrategyParams) -> ParamsDocument {
    ParamsDocument {
        schema: 1,
        strategy_uid: "uid".into(),
        generation,
        account_generation: 1,
        rollout_step: 0,
        sha256: String::new(),
        stable,
        canary: None,
    }
}

pub fn info() -> SymbolInfo {
    SymbolInfo {
        instrument: Instrument::with_grid("BTCUSDT", d("0.1"), d("0.001")).unwrap(),
        brackets: vec![],
        fees: FeeRates {
            maker: d("0.0002"),
            taker: d("0.0005"),
        },
        leverage: 10,
    }
}

/// What the venue does with the next request of a kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Normal,
    Refuse(Refusal),
    /// The reply is lost; the request had effect or not.
    Unknown(bool),
}

#[derive(Default)]
pub struct Venue {
    pub qty: i64,
    pub entry: Decimal,
    pub update_ms: i64,
    pub stops: Vec<AlgoOrder>,
    pub trades: Vec<(Option<ClientId>, TradeFill)>,
    pub recent_ids: Vec<ClientId>,
    pub foreign: Vec<AlgoOrder>,
    next: u64,
}

pub struct Rig {
    pub trader: Trader,
    pub now: Now,
    pub venue: Venue,
    pub bid: i64,
    pub heavy: Option<Side>,
    pub mark: Decimal,
    pub order_fate: Fate,
    pub stop_fate: Fate,
    /// User stream frames arrive.
    pub user_stream: bool,
    /// Grants are answered.
    pub granting: bool,
    pub ceiling: Decimal,
    pub grant_ms: u64,
    pub epoch: u64,
    pub reads_fail: bool,
    /// Depth frames arrive.
    pub depth_stream: bool,
    pub queue: VecDeque<TraderEvent>,
    told: Vec<TraderEvent>,
    pub log: Vec<TraderEffect>,
    pub closed: Vec<ClosedTrade>,
    pub ids: BTreeSet<String>,
    pub violations: Vec<String>,
    /// Deadline of the best grant handed out, by the asker's own t0, and its ceiling.
    granted: Option<(u64, Decimal)>,
    update_id: u64,
    steps: u64,
    out: Vec<TraderEffect>,
}

pub fn config() -> TraderConfig {
    TraderConfig {
        account: "ns/paper".into(),
        strategy: "ns/nobi".into(),
        strategy_uid: "uid".into(),
        task_uid: "task-1".into(),
        info: info(),
        params: document(1, params()),
        environment: Environment::Paper,
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: TraderConfig) -> Self {
        Self {
            trader: Trader::new(config),
            now: Now::new(1_700_000_000_000, 1_000 * NS_PER_MS),
            venue: Venue::default(),
            bid: 10_000,
            heavy: None,
            mark: d("1000"),
            order_fate: Fate::Normal,
            stop_fate: Fate::Normal,
            user_stream: true,
            granting: true,
            ceiling: d("5000"),
            grant_ms: 2000,
            epoch: 1,
            reads_fail: false,
            depth_stream: true,
            queue: VecDeque::new(),
            told: vec![],
            log: vec![],
            closed: vec![],
            ids: BTreeSet::new(),
            violations: vec![],
            granted: None,
            update_id: 100,
            steps: 0,
            out: vec![],
        }
    }

    /// Started, streams up, one second of market.
    pub fn started() -> Self {
        let mut r = Self::new();
        r.boot();
        r.run(1000);
        assert!(r.trader.is_ready());
        r
    }

    pub fn boot(&mut self) {
        self.send(TraderEvent::Start);
        for k in [StreamKind::Depth, StreamKind::Market, StreamKind::User] {
            self.send(TraderEvent::StreamUp(k));
        }
        self.mark_frame();
        self.settle();
    }

    /// The process dies and a new one starts; what was on its way to the old one is lost.
    pub fn restart(&mut self) {
        self.queue.clear();
        self.granted = None;
        self.trader = Trader::new(config());
        self.now.market_ms += 50;
        self.now.mono_ns += 50 * NS_PER_MS;
        self.boot();
    }

    /// Feeds one event and answers the effects; answers are delivered by [`Self::settle`].
    pub fn send(&mut self, e: TraderEvent) {
        let mut out = std::mem::take(&mut self.out);
        self.trader.on_event(self.now, &e, &mut out);
        for effect in out.drain(..) {
            self.check(&effect);
            self.log.push(effect.clone());
            self.answer(effect);
        }
        self.out = out;
    }

    pub fn settle(&mut self) {
        let mut n = 0;
        while let Some(e) = self.queue.pop_front() {
            n += 1;
            assert!(n < 10_000, "the rig and the trader talk forever: {e:?}");
            self.send(e);
        }
    }

    /// Time passes in steps of 50 ms: tick, depth each 100 ms, mark each second.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.now.market_ms += 50;
            self.now.mono_ns += 50 * NS_PER_MS;
            self.steps += 1;
            if self.steps.is_multiple_of(20) {
                self.mark_frame();
                self.trigger_stops();
            }
            if self.depth_stream && self.steps.is_multiple_of(2) {
                self.depth_frame();
            }
            self.send(TraderEvent::Tick);
            self.settle();
        }
    }

    /// The market moves: book and mark together.
    pub fn price(&mut self, bid: i64) {
        self.bid = bid;
        self.mark = Decimal::new(bid, 1);
        self.mark_frame();
        self.trigger_stops();
        self.settle();
    }

    pub fn sent<T>(&self, f: impl FnMut(&TraderEffect) -> Option<T>) -> Vec<T> {
        self.log.iter().filter_map(f).collect()
    }

    pub fn orders(&self) -> Vec<NewOrder> {
        self.sent(|e| match e {
            TraderEffect::Place(o) => Some(o.clone()),
            _ => None,
        })
    }

    pub fn stops_sent(&self) -> Vec<NewStop> {
        self.sent(|e| match e {
            TraderEffect::PlaceStop(s) => Some(s.clone()),
            _ => None,
        })
    }

    pub fn reasons(&self) -> Vec<String> {
        self.sent(|e| match e {
            TraderEffect::Decision { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
    }

    pub fn anchors(&self) -> Vec<&AlgoOrder> {
        self.venue
            .stops
            .iter()
            .filter(|s| s.qty.is_none())
            .collect()
    }

    /// Waits for a position of the side the heavy book asks for.
    pub fn enter(&mut self, side: Side) {
        self.heavy = Some(side);
        self.run(200);
        assert_eq!(
            Qty(self.venue.qty).position_side(),
            Some(side),
            "{:?}",
            self.reasons()
        );
        self.heavy = None;
    }

    fn levels(&self) -> (BookLevels, BookLevels) {
        let q = |s| Qty(if self.heavy == Some(s) { 4000 } else { 1000 });
        (
            (0..30)
                .map(|i| (Price(self.bid - i), q(Side::Buy)))
                .collect(),
            (0..30)
                .map(|i| (Price(self.bid + 1 + i), q(Side::Sell)))
                .collect(),
        )
    }

    pub fn depth_frame(&mut self) {
        let (bids, asks) = self.levels();
        let clear = |l: &BookLevels, worse: i64, better: i64| {
            let mut v: Vec<(Price, Qty)> = (1..400)
                .map(|i| (Price(l[0].0.0 + better * i), Qty(0)))
                .collect();
            v.extend((30..400).map(|i| (Price(l[0].0.0 + worse * i), Qty(0))));
            v.retain(|x| x.0.0 > 0);
            v.extend(l);
            v
        };
        let prev = self.update_id;
        self.update_id += 10;
        self.send(TraderEvent::Depth(DepthUpdate {
            event_ms: self.now.market_ms,
            transact_ms: self.now.market_ms,
            first_id: prev + 1,
            last_id: self.update_id,
            prev_last_id: prev,
            bids: clear(&bids, -1, 1),
            asks: clear(&asks, 1, -1),
        }));
        self.settle();
    }

    pub fn skip_depth(&mut self) {
        self.update_id += 10;
    }

    pub fn mark_frame(&mut self) {
        self.send(TraderEvent::Mark(MarkPrice {
            event_ms: self.now.market_ms,
            mark: self.mark,
            index: self.mark,
            funding_rate: Decimal::ZERO,
            next_funding_ms: 0,
        }));
    }

    fn user(&mut self, e: TraderEvent) {
        if self.user_stream {
            self.told.push(e.clone());
            self.queue.push_back(e);
        }
    }

    /// The user stream repeats an old frame.
    pub fn replay(&mut self, back: usize) {
        let i = self.told.len().checked_sub(1 + back);
        if let Some(e) = i.map(|i| self.told[i].clone()) {
            self.queue.push_back(e);
        }
    }

    pub fn id(&mut self) -> u64 {
        self.venue.next += 1;
        self.venue.next
    }

    /// A fill at the venue; position, trades and user stream follow.
    pub fn fill(
        &mut self,
        id: &ClientId,
        side: Side,
        price: i64,
        qty: i64,
        total: i64,
        reduce: bool,
    ) {
        let order_id = self.id();
        let trade_id = self.id();
        let v = &mut self.venue;
        let px = Decimal::new(price, 1);
        let signed = side.sign() * qty;
        let closing = v.qty.signum() == -signed.signum();
        let realised = if closing {
            Decimal::from(v.qty.signum()) * (px - v.entry) * Decimal::new(qty.min(v.qty.abs()), 3)
        } else {
            Decimal::ZERO
        };
        if v.qty == 0 || v.qty.signum() != (v.qty + signed).signum() {
            v.entry = px;
        }
        v.qty += signed;
        if v.qty == 0 {
            v.entry = Decimal::ZERO;
        }
        v.update_ms = self.now.market_ms;
        let fill = TradeFill {
            trade_id,
            price: Price(price),
            qty: Qty(qty),
            fee: px * Decimal::new(qty, 3) * d("0.0005"),
            fee_asset: "USDT".into(),
            realised,
            maker: false,
        };
        v.trades.push((Some(id.clone()), fill.clone()));
        v.recent_ids.push(id.clone());
        let (qty_now, entry) = (v.qty, v.entry);
        let at = self.now.market_ms;
        self.user(TraderEvent::Position(PositionUpdate {
            event_ms: at,
            transact_ms: at,
            qty: Qty(qty_now),
            entry_price: entry,
        }));
        self.user(TraderEvent::Order(OrderUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: id.clone(),
            order_id,
            side,
            exec: ExecType::Trade,
            status: if qty == total {
                OrderStatus::Filled
            } else {
                OrderStatus::PartiallyFilled
            },
            qty: Qty(total),
            filled: Qty(qty),
            reduce_only: reduce,
            fill: Some(fill),
        }));
    }

    fn order_end(&mut self, o: &NewOrder, status: OrderStatus, filled: i64) {
        let at = self.now.market_ms;
        let order_id = self.id();
        self.venue.recent_ids.push(o.client_id.clone());
        self.user(TraderEvent::Order(OrderUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: o.client_id.clone(),
            order_id,
            side: o.side,
            exec: ExecType::Expired,
            status,
            qty: o.qty,
            filled: Qty(filled),
            reduce_only: o.reduce_only,
            fill: None,
        }));
    }

    fn execute(&mut self, o: &NewOrder) -> Result<(), Refusal> {
        let mut qty = o.qty.0;
        if o.reduce_only {
            if Qty(self.venue.qty).position_side() != Some(o.side.opposite()) {
                return Err(Refusal::ReduceOnly);
            }
            qty = qty.min(self.venue.qty.abs());
        }
        let touch = if o.side == Side::Buy {
            self.bid + 1
        } else {
            self.bid
        };
        let fills = match o.kind {
            OrderKind::Market => true,
            OrderKind::Limit { price, .. } => o.side.sign() * (price.0 - touch) >= 0,
        };
        if fills {
            self.fill(&o.client_id, o.side, touch, qty, o.qty.0, o.reduce_only);
            if qty < o.qty.0 {
                self.order_end(o, OrderStatus::Expired, qty);
            }
        } else {
            self.order_end(o, OrderStatus::Expired, 0);
        }
        Ok(())
    }

    fn algo_event(&mut self, s: &AlgoOrder, status: AlgoStatus) {
        let at = self.now.market_ms;
        self.user(TraderEvent::Algo(AlgoUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: s.client_id.clone(),
            algo_id: s.algo_id,
            status,
            side: s.side,
            trigger: s.trigger,
            qty: s.qty,
            order_id: None,
            reason: None,
        }));
    }

    fn hit(&self, side: Side, trigger: Price) -> bool {
        let t = Decimal::new(trigger.0, 1);
        match side {
            Side::Sell => self.mark <= t,
            Side::Buy => self.mark >= t,
        }
    }

    fn execute_stop(&mut self, s: &NewStop) -> Result<(), Refusal> {
        if self.hit(s.side, s.trigger) {
            return Err(Refusal::WouldTrigger);
        }
        if s.qty.is_none() {
            if self.venue.qty == 0 {
                return Err(Refusal::NoPosition);
            }
            if self
                .venue
                .stops
                .iter()
                .any(|x| x.qty.is_none() && x.side == s.side)
            {
                return Err(Refusal::StopExists);
            }
        } else if Qty(self.venue.qty).position_side() != Some(s.side.opposite()) {
            return Err(Refusal::ReduceOnly);
        }
        let algo = AlgoOrder {
            client_id: s.client_id.clone(),
            algo_id: self.id(),
            side: s.side,
            status: AlgoStatus::New,
            trigger: s.trigger,
            qty: s.qty,
            update_ms: self.now.market_ms,
        };
        self.venue.stops.push(algo.clone());
        self.algo_event(&algo, AlgoStatus::New);
        Ok(())
    }

    pub fn trigger_stops(&mut self) {
        let hit: Vec<AlgoOrder> = self
            .venue
            .stops
            .iter()
            .filter(|s| self.hit(s.side, s.trigger))
            .cloned()
            .collect();
        for s in hit {
            self.venue.stops.retain(|x| x.client_id != s.client_id);
            if Qty(self.venue.qty).position_side() == Some(s.side.opposite()) {
                self.algo_event(&s, AlgoStatus::Triggered);
                let q = s.qty.map_or(i64::MAX, |q| q.0).min(self.venue.qty.abs());
                let px = if s.side == Side::Buy {
                    self.bid + 1
                } else {
                    self.bid
                };
                self.fill(&s.client_id.clone(), s.side, px, q, q, true);
                self.algo_event(&s, AlgoStatus::Finished);
            } else {
                self.algo_event(&s, AlgoStatus::Expired);
            }
        }
    }

    fn fated(
        &mut self,
        to: ReplyTo,
        fate: Fate,
        run: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) {
        let reply = match fate {
            Fate::Normal => match run(self) {
                Ok(()) => VenueReply::Accepted { id: 1 },
                Err(r) => VenueReply::Refused(r),
            },
            Fate::Refuse(r) => VenueReply::Refused(r),
            Fate::Unknown(effect) => {
                if effect {
                    let _ = run(self);
                }
                VenueReply::Unknown {
                    why: "lost".into(),
                    dead_after_ms: self.now.market_ms + 1000,
                }
            }
        };
        self.queue.push_back(TraderEvent::Reply(to, reply));
    }

    pub fn state(&self) -> VenueState {
        let v = &self.venue;
        VenueState {
            venue_ms: self.now.market_ms,
            position: VenuePosition {
                qty: Qty(v.qty),
                entry_price: v.entry,
                isolated: false,
                update_ms: if v.qty == 0 { 0 } else { v.update_ms },
            },
            orders: vec![],
            stops: v.stops.iter().chain(&v.foreign).cloned().collect(),
            trades: v.trades.iter().rev().take(50).rev().cloned().collect(),
            recent_ids: v.recent_ids.iter().rev().take(50).cloned().collect(),
            available: Some(d("10000")),
        }
    }

    fn answer(&mut self, e: TraderEffect) {
        match e {
            TraderEffect::FetchSnapshot => {
                let (bids, asks) = self.levels();
                self.queue.push_back(TraderEvent::Snapshot(DepthSnapshot {
                    last_id: self.update_id,
                    event_ms: self.now.market_ms,
                    bids,
                    asks,
                }));
            }
            TraderEffect::FetchHistory { bar_ms, bars } => {
                let start = self.now.market_ms / bar_ms - i64::from(bars);
                let history = (0..i64::from(bars))
                    .map(|i| Bar {
                        open_ms: (start + i) * bar_ms,
                        interval_ms: bar_ms,
                        open: Price(10_000),
                        high: Price(10_025),
                        low: Price(9_975),
                        close: Price(10_000),
                        volume: Qty(1),
                    })
                    .collect();
                self.queue.push_back(TraderEvent::History(history));
            }
            TraderEffect::Reconcile => {
                let e = if self.reads_fail {
                    TraderEvent::ReconcileFailed
                } else {
                    TraderEvent::Reconciled(self.state())
                };
                self.queue.push_back(e);
            }
            TraderEffect::Place(o) => {
                let fate = self.order_fate.clone();
                self.fated(ReplyTo::Place(o.client_id.clone()), fate, |r| r.execute(&o));
            }
            TraderEffect::PlaceStop(s) => {
                let fate = self.stop_fate.clone();
                self.fated(ReplyTo::PlaceStop(s.client_id.clone()), fate, |r| {
                    r.execute_stop(&s)
                });
            }
            TraderEffect::Cancel(t) => {
                let found = self
                    .venue
                    .stops
                    .iter()
                    .position(|s| s.client_id == *t.client_id());
                let reply = match (found, &t) {
                    (Some(i), CancelTarget::Stop(_)) => {
                        let s = self.venue.stops.remove(i);
                        self.algo_event(&s, AlgoStatus::Canceled);
                        VenueReply::Accepted { id: s.algo_id }
                    }
                    _ => VenueReply::Refused(Refusal::NotFound),
                };
                self.queue
                    .push_back(TraderEvent::Reply(ReplyTo::Cancel(t), reply));
            }
            TraderEffect::Query(t) => {
                let found = self
                    .venue
                    .stops
                    .iter()
                    .find(|s| s.client_id == *t.client_id());
                let reply = match (found, &t) {
                    (Some(s), CancelTarget::Stop(_)) => VenueReply::Stop(s.clone()),
                    (_, CancelTarget::Order(id)) => self.query_order(id),
                    _ => VenueReply::Refused(Refusal::NotFound),
                };
                self.queue
                    .push_back(TraderEvent::Reply(ReplyTo::Query(t), reply));
            }
            TraderEffect::AskGrant(q) if self.granting => {
                let until = self.now.mono_ns + self.grant_ms.min(2000) * NS_PER_MS;
                self.granted = Some((until, self.ceiling));
                self.queue
                    .push_back(TraderEvent::Grant(GrantReply::Granted(Grant {
                        seq: q.seq,
                        epoch: self.epoch,
                        task_uid: q.task_uid,
                        symbol: q.symbol,
                        ceiling: self.ceiling,
                        equity: d("10000"),
                        available: d("10000"),
                        kelly: KellyStats::default(),
                        length_ms: self.grant_ms,
                    })));
            }
            TraderEffect::Closed(t) => self.closed.push(*t),
            _ => {}
        }
    }

    fn query_order(&self, id: &ClientId) -> VenueReply {
        let filled: i64 = self
            .venue
            .trades
            .iter()
            .filter(|(c, _)| c.as_ref() == Some(id))
            .map(|(_, f)| f.qty.0)
            .sum();
        if !self.venue.recent_ids.contains(id) {
            return VenueReply::Refused(Refusal::NotFound);
        }
        VenueReply::Order(crate::order::OpenOrder {
            client_id: id.clone(),
            order_id: 1,
            side: Side::Buy,
            status: OrderStatus::Expired,
            qty: Qty(filled),
            filled: Qty(filled),
            price: None,
            reduce_only: false,
            update_ms: self.now.market_ms,
        })
    }

    /// What must never happen, checked on every effect by what the rig itself knows.
    fn check(&mut self, e: &TraderEffect) {
        let mut bad = |s: String| self.violations.push(s);
        match e {
            TraderEffect::Place(o) => {
                if !self.ids.insert(o.client_id.to_string()) {
                    bad(format!("id used twice: {}", o.client_id));
                }
                if o.qty.0 <= 0 {
                    bad(format!("quantity {:?}", o.qty));
                }
                match o.purpose {
                    crate::order::EntryKind::Exit => {
                        if !o.reduce_only {
                            bad("exit without reduce-only".into());
                        }
                    }
                    crate::order::EntryKind::Entry => {
                        let OrderKind::Limit { price, .. } = o.kind else {
                            return bad("entry at market".into());
                        };
                        let notional = Decimal::new(price.0, 1) * Decimal::new(o.qty.0, 3);
                        let held = Decimal::new(self.venue.qty.abs(), 3) * self.mark;
                        match self.granted {
                            Some((until, ceiling))
                                if self.now.mono_ns + 300 * NS_PER_MS <= until =>
                            {
                                if held + notional > ceiling {
                                    bad(format!("{held} + {notional} over ceiling {ceiling}"));
                                }
                                let left = (until - self.now.mono_ns) / NS_PER_MS;
                                if u64::from(o.recv_window_ms) > left.min(1000) {
                                    bad(format!("recvWindow {} of {left}", o.recv_window_ms));
                                }
                            }
                            _ => bad("entry without a grant".into()),
                        }
                        if self.venue.qty != 0 {
                            bad("entry on top of a position".into());
                        }
                    }
                }
            }
            TraderEffect::PlaceStop(s) if !self.ids.insert(s.client_id.to_string()) => {
                bad(format!("id used twice: {}", s.client_id));
            }
            _ => {}
        }
    }
}
