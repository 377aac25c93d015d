//! A trader, a clock and a venue small enough to read: market and IOC orders fill at the touch, stops trigger on the mark,
//! requests can be refused, lost or swallowed. The rig answers every effect as a shell would and keeps a record.

mod exchange;

use crate::fixed::{Price, Qty, Side};
use crate::instrument::{FeeRates, Instrument, SymbolInfo};
use crate::market::{BookLevels, DepthUpdate, MarkPrice};
use crate::messages::{ClosedTrade, ParamsDocument};
use crate::order::{AlgoOrder, ClientId, NewOrder, NewStop, OrderKind, Refusal, TradeFill};
use crate::params::*;
use crate::time::{NS_PER_MS, Now};
use crate::trader::{StreamKind, Trader, TraderConfig, TraderEffect, TraderEvent};
use rust_decimal::Decimal;
use std::collections::{BTreeSet, VecDeque};

pub fn d(s: &str) -> Decimal {
    s.parse().unwrap()
}

pub fn params() -> StrategyParams {
    let mut p = testkit::plain();
    p.signals.cooldown_seconds = 30;
    p.risk.sizing = Sizing::FixedNotional;
    p.risk.fixed_notional = Some(d("1000"));
    p.risk.prior.win_loss_ratio = 1.5;
    p.risk.prior.weight = 30.0;
    p.risk.protections.max_mark_deviation_bps = d("100");
    p.exits.max_hold_seconds = 60;
    p
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
        self.start();
        self.settle();
    }

    fn start(&mut self) {
        self.send(TraderEvent::Start);
        for k in [StreamKind::Depth, StreamKind::Market, StreamKind::User] {
            self.send(TraderEvent::StreamUp(k));
        }
        self.mark_frame();
    }

    /// The process dies and a new one starts; what was on its way to the old one is lost.
    pub fn restart(&mut self) {
        self.restart_while(|_| {});
    }

    /// The same, and this happens between the new one's first read and its answer.
    pub fn restart_while(&mut self, meanwhile: impl FnOnce(&mut Self)) {
        self.queue.clear();
        self.granted = None;
        self.trader = Trader::new(config());
        self.now.market_ms += 50;
        self.now.mono_ns += 50 * NS_PER_MS;
        self.start();
        meanwhile(self);
        self.settle();
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
