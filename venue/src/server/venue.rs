//! The venue as the actor owns it: engine, market source, clock, subscribers, log; and how market time passes in it.

use super::accounts::Accounts;
use super::audit::At;
use super::clock::Clock;
use super::config::{MarketState, VenueStats};
use super::day::Days;
use super::fault::{Faults, Schedule};
use super::frames::SymbolText;
use super::hub::Hub;
use super::klines::Klines;
use super::limits::Limits;
use super::outbox::Gate;
use super::path::PathSource;
use super::public::Public;
use super::stream::Topic;
use super::{frames, user};
use crate::engine::{AccountId, Engine, EngineEvent, Switches, SymbolId};
use crate::market::MarketSource as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::time::{Duration, Instant};

/// How long a listen key lives, market ms.
pub(super) const LISTEN_KEY_MS: i64 = 3_600_000;
/// Processing behind by this much wall time slows an accelerated market instead of being caught up.
const BEHIND_AT_MOST: Duration = Duration::from_millis(25);
/// Everything the actor owns.
pub(super) struct Venue {
    pub(super) engine: Engine,
    /// Whose request is being served.
    pub(super) account: AccountId,
    /// The first of the accounts that were asked for: the one that is meant when none is named.
    pub(super) first: AccountId,
    pub(super) accounts: Accounts,
    pub(super) source: PathSource,
    pub(super) clock: Clock,
    pub(super) hub: Hub,
    /// What goes wrong on order, and by plan.
    pub(super) faults: Arc<Faults>,
    pub(super) plan: Option<Schedule>,
    /// The rules of the start.
    pub(super) rules: Switches,
    /// CONDITIONAL_ORDER_TRIGGER_REJECT is sent, as until 2025-12.
    pub(super) trigger_rejects: bool,
    pub(super) limits: Limits,
    pub(super) klines: Klines,
    /// How to print each contract, in `SymbolId` order.
    pub(super) symbols: Vec<SymbolText>,
    /// Contracts by name, and by the lower-case name that streams use.
    pub(super) upper: BTreeMap<String, SymbolId>,
    pub(super) lower: BTreeMap<String, SymbolId>,
    /// What the public streams remember.
    pub(super) public: Public,
    pub(super) days: Days,
    pub(super) state_dir: Option<std::path::PathBuf>,
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) started: Instant,
    pub(super) gate: Arc<Gate>,
    pub(super) delay_ns: Arc<AtomicU64>,
    pub(super) latency_ms: u64,
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
                self.send_due(i64::MAX);
                self.clock.end(wall);
                return false;
            };
            let engine_ms = self.engine.next_due_ms().filter(|ms| *ms < source_ms);
            let happens = engine_ms.unwrap_or(source_ms);
            // What happens in the very moment of a frame belongs into it.
            let frame_ms = self.next_frame_ms().filter(|ms| *ms < happens);
            let next = frame_ms.unwrap_or(happens);
            if next > target {
                self.clock.reached(target);
                self.flush_marks();
                self.expire();
                self.fail_by_plan();
                return false;
            }
            self.clock.reached(next);
            if frame_ms.is_some() {
                self.hub.said(Instant::now());
                self.send_due(next);
                continue;
            }
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
        let next = [
            self.source.peek_ms(),
            self.engine.next_due_ms(),
            self.next_frame_ms(),
        ];
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
            self.tell_expired(&key);
        }
        self.hub.end_old(now);
    }

    /// Tells the sockets of a listen key that it has ended.
    pub(super) fn tell_expired(&mut self, key: &str) {
        let json = user::listen_key_expired(self.clock.now_ms(), key);
        let (topic, due) = (Topic::User(key.to_owned()), self.due());
        self.hub
            .publish_user(&topic, None, "listenKeyExpired", json, due);
    }

    /// Sends one event to every socket of a listen key.
    pub(super) fn publish_user(
        &mut self,
        account: AccountId,
        key: &str,
        event: &str,
        json: Vec<u8>,
    ) {
        let due = self.due();
        let topic = Topic::User(key.to_owned());
        self.hub
            .publish_user(&topic, Some(account), event, json, due);
    }

    /// Sends out what the engine said.
    pub(super) fn absorb(&mut self, events: &mut Vec<EngineEvent>) {
        self.hub.said(Instant::now());
        for i in 0..events.len() {
            match &events[i] {
                EngineEvent::Depth(s, u) => self.on_depth(*s, u),
                EngineEvent::Trade(s, t) => self.on_trade(*s, t),
                EngineEvent::Mark(s, m) => self.on_mark(*s, m),
                EngineEvent::Lost(account, s, u) => self.log_algo(*account, *s, u, u.qty.is_none()),
                EngineEvent::User(account, s, e) => {
                    let next = events.get(i + 1);
                    self.on_user(*account, *s, e, next);
                }
            }
        }
        events.clear();
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
            queue_peak_bytes: self.gate.peak_bytes(),
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
