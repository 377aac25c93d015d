//! The venue as the actor owns it: engine, market source, clock, subscribers, log; and how market time passes in it.

use super::accounts::Accounts;
use super::audit::At;
use super::clock::Clock;
use super::config::{MarketState, VenueStats};
use super::frames::SymbolText;
use super::hub::Hub;
use super::klines::Klines;
use super::limits::Limits;
use super::outbox::Gate;
use super::path::PathSource;
use super::stream::Topic;
use super::{frames, user};
use crate::engine::{AccountId, Engine, EngineEvent, SymbolId};
use crate::market::MarketSource as _;
use helios_core::fixed::{Price, Qty};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::time::{Duration, Instant};

/// How long a listen key lives, market ms.
pub(super) const LISTEN_KEY_MS: i64 = 3_600_000;
/// Processing behind by this much wall time slows an accelerated market instead of being caught up.
const BEHIND_AT_MOST: Duration = Duration::from_millis(25);
/// Trades kept for `GET /aggTrades`.
const KEPT_TRADES: usize = 1000;

/// Best bid and ask as last sent.
type Top = ((Price, Qty), (Price, Qty));

/// Everything the actor owns.
pub(super) struct Venue {
    pub(super) engine: Engine,
    /// Whose request is being served.
    pub(super) account: AccountId,
    pub(super) accounts: Accounts,
    pub(super) source: PathSource,
    pub(super) clock: Clock,
    pub(super) hub: Hub,
    pub(super) limits: Limits,
    pub(super) klines: Klines,
    /// How to print each contract, in `SymbolId` order.
    pub(super) symbols: Vec<SymbolText>,
    /// Contracts by name, and by the lower-case name that streams use.
    pub(super) upper: BTreeMap<String, SymbolId>,
    pub(super) lower: BTreeMap<String, SymbolId>,
    /// Latest public trades, oldest first.
    pub(super) trades: Vec<VecDeque<helios_core::market::AggTrade>>,
    pub(super) state_dir: Option<std::path::PathBuf>,
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) started: Instant,
    pub(super) gate: Arc<Gate>,
    pub(super) delay_ns: Arc<AtomicU64>,
    pub(super) latency_ms: u64,
    pub(super) tops: Vec<Option<Top>>,
    /// `!markPrice@arr` being gathered: its time and the objects so far.
    pub(super) marks: (i64, Vec<u8>),
    pub(super) scratch: Vec<EngineEvent>,
}

impl Venue {
    /// Shared with the sockets.
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Market time waits for a subscriber.
    pub(super) fn held(&self) -> bool {
        self.clock.state == MarketState::Running && self.gate.held()
    }

    /// Now, on both clocks.
    pub(super) fn at(&self) -> At {
        At {
            market_ms: self.clock.now_ms(),
            wall_ns: self.started.elapsed().as_nanos() as u64,
        }
    }

    /// When a frame made now may leave.
    pub(super) fn due(&self) -> Option<Instant> {
        let ns = self.delay_ns.load(Relaxed);
        (ns > 0).then(|| Instant::now() + Duration::from_nanos(ns))
    }

    /// A contract's way of printing.
    pub(super) fn text(&self, s: SymbolId) -> Option<&SymbolText> {
        self.symbols.get(usize::from(s.0))
    }

    /// Processes what is due, at most `budget` market events. True when more is due already.
    pub(super) fn advance(&mut self, wall: Instant, budget: usize) -> bool {
        if self.clock.state != MarketState::Running {
            return false;
        }
        let target = self.clock.target(wall);
        for _ in 0..budget {
            if self.gate.held() {
                return false;
            }
            let Some(source_ms) = self.source.peek_ms() else {
                self.flush_marks();
                self.clock.end(wall);
                return false;
            };
            let engine_ms = self.engine.next_due_ms().filter(|ms| *ms < source_ms);
            let next = engine_ms.unwrap_or(source_ms);
            if next > target {
                self.clock.reached(target);
                self.flush_marks();
                self.expire();
                return false;
            }
            self.clock.reached(next);
            let mut events = std::mem::take(&mut self.scratch);
            if engine_ms.is_some() {
                self.engine.advance(next, &mut events);
            } else if let Some((ms, symbol, input)) = self.source.next_event() {
                self.engine.on_market(ms, symbol, input, &mut events);
            }
            self.absorb(&mut events);
            self.scratch = events;
        }
        let behind = (target - self.clock.now_ms()) as f64 / self.clock.speed();
        if self.gate.accelerated() && behind > BEHIND_AT_MOST.as_secs_f64() * 1000.0 {
            self.clock.rebase(wall);
        }
        true
    }

    /// When something is due next.
    pub(super) fn wake_at(&self) -> Instant {
        let idle = Instant::now() + Duration::from_millis(100);
        if self.clock.state != MarketState::Running {
            return idle;
        }
        let next = [self.source.peek_ms(), self.engine.next_due_ms()];
        let next = next.into_iter().flatten().min();
        next.map_or(idle, |ms| self.clock.wall_of(ms).min(idle))
    }

    /// Somebody wants `helios@time` and it means something.
    pub(super) fn samples_time(&self) -> bool {
        self.gate.accelerated() && self.hub.wanted(&Topic::Time)
    }

    /// Sends `helios@time`.
    pub(super) fn sample_time(&mut self) {
        if self.samples_time() && !self.gate.held() {
            let due = self.due();
            let frame = frames::time(self.clock.now_ms());
            self.hub.publish(&Topic::Time, frame, due);
        }
    }

    /// Ends listen keys and sockets whose time is over.
    fn expire(&mut self) {
        let now = self.clock.now_ms();
        let accounts = self.accounts.iter_mut();
        let over: Vec<String> = accounts
            .filter_map(|a| a.listen_key.take_if(|k| k.until_ms <= now))
            .map(|k| k.key)
            .collect();
        for key in over {
            self.publish_user(
                &key,
                "listenKeyExpired",
                user::listen_key_expired(now, &key),
            );
        }
        self.hub.end_old(now);
    }

    /// Sends one event to every socket of a listen key.
    pub(super) fn publish_user(&mut self, key: &str, event: &str, json: Vec<u8>) {
        let due = self.due();
        let topic = Topic::User(key.to_owned());
        self.hub.publish_user(&topic, event, json, due);
    }

    /// Sends out what the engine said.
    pub(super) fn absorb(&mut self, events: &mut Vec<EngineEvent>) {
        for i in 0..events.len() {
            match &events[i] {
                EngineEvent::Depth(s, u) => self.on_depth(*s, u),
                EngineEvent::Trade(s, t) => self.on_trade(*s, t),
                EngineEvent::Mark(s, m) => self.on_mark(*s, m),
                EngineEvent::User(account, s, e) => {
                    let next = events.get(i + 1);
                    self.on_user(*account, *s, e, next);
                }
            }
        }
        events.clear();
    }

    fn on_depth(&mut self, id: SymbolId, u: &helios_core::market::DepthUpdate) {
        let due = self.due();
        let Some(text) = self.symbols.get(usize::from(id.0)) else {
            return;
        };
        let topic = Topic::Depth(id);
        if self.hub.wanted(&topic) {
            self.hub.publish(&topic, frames::depth(text, u), due);
        }
        for n in [5_u8, 10, 20] {
            let topic = Topic::Partial(id, n);
            if self.hub.wanted(&topic) {
                let book = self.engine.depth(id, usize::from(n));
                let frame = frames::depth_of(text, u, &book.bids, &book.asks);
                self.hub.publish(&topic, frame, due);
            }
        }
        let one = Topic::BookTicker(id);
        if !self.hub.wanted(&one) && !self.hub.wanted(&Topic::AllBookTickers) {
            return;
        }
        let (Some(bid), Some(ask)) = self.engine.best(id) else {
            return;
        };
        let last = &mut self.tops[usize::from(id.0)];
        if last.replace((bid, ask)) == Some((bid, ask)) {
            return;
        }
        let ticker = helios_core::market::BookTicker {
            update_id: u.last_id,
            event_ms: u.event_ms,
            transact_ms: u.transact_ms,
            bid,
            ask,
        };
        let frame = frames::book_ticker(text, &ticker);
        if self.hub.wanted(&Topic::AllBookTickers) {
            self.hub.publish(&Topic::AllBookTickers, frame.clone(), due);
        }
        self.hub.publish(&one, frame, due);
    }

    fn on_trade(&mut self, id: SymbolId, t: &helios_core::market::AggTrade) {
        let due = self.due();
        let i = usize::from(id.0);
        let Some(text) = self.symbols.get(i) else {
            return;
        };
        let kept = &mut self.trades[i];
        if kept.len() == KEPT_TRADES {
            kept.pop_front();
        }
        kept.push_back(*t);
        let topic = Topic::AggTrade(id);
        if self.hub.wanted(&topic) {
            self.hub.publish(&topic, frames::agg_trade(text, t), due);
        }
        let closed = self.klines.on_trade(id, t);
        self.klines
            .publish(id, t, closed, text, &self.source, &mut self.hub, due);
    }

    fn on_mark(&mut self, id: SymbolId, m: &helios_core::market::MarkPrice) {
        let (one, all) = (Topic::Mark(id), Topic::AllMarks);
        let (one_wanted, all_wanted) = (self.hub.wanted(&one), self.hub.wanted(&all));
        let Some(text) = self.symbols.get(usize::from(id.0)) else {
            return;
        };
        if !one_wanted && !all_wanted {
            return;
        }
        let frame = frames::mark(text, m);
        if all_wanted {
            if self.marks.0 != m.event_ms {
                self.flush_marks();
            }
            self.marks.0 = m.event_ms;
            self.marks
                .1
                .push(if self.marks.1.is_empty() { b'[' } else { b',' });
            self.marks.1.extend_from_slice(&frame);
        }
        if one_wanted {
            let due = self.due();
            self.hub.publish(&one, frame, due);
        }
    }

    /// Sends the array of mark prices of one moment.
    fn flush_marks(&mut self) {
        if !self.marks.1.is_empty() {
            let mut frame = std::mem::take(&mut self.marks.1);
            frame.push(b']');
            let due = self.due();
            self.hub.publish(&Topic::AllMarks, frame, due);
        }
    }

    /// Account of the venue's own work.
    pub(super) fn stats(&self) -> VenueStats {
        let wall = Instant::now();
        VenueStats {
            label: self.source.label(),
            state: self.clock.state,
            market_ms: self.clock.now_ms(),
            market_elapsed_ms: self.clock.elapsed_ms(),
            wall_elapsed_ms: self.clock.wall_elapsed(wall).as_millis() as u64,
            speed: self.clock.speed(),
            achieved_speed: self.clock.achieved(wall),
            held_ms: self.clock.held.as_millis() as u64,
            sockets: self.hub.len(),
            dropped_slow: self.hub.dropped_slow,
            frames: self.hub.frames,
            requests: self.requests,
            refused: self.refused,
        }
    }

    /// Changes the speed, and with it the wall time of the latency.
    pub(super) fn set_speed(&mut self, speed: f64) {
        self.clock.set_speed(speed, Instant::now());
        self.gate.set_speed(speed);
        let ns = self.latency_ms as f64 / 2.0 / speed * 1e6;
        self.delay_ns.store(ns as u64, Relaxed);
    }
}
