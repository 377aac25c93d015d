//! Time: takes whatever is due next (the venue's own, the market, a message) and hands it on.
//!
//! At one instant the venue's own timers come first, then market data, then messages in the order they were sent. Both
//! clocks of the machines are derived from the one virtual time.

use crate::books::Told;
use crate::crash::Note;
use crate::link;
use crate::queue::Queue;
use crate::setup::{SimConfig, guardian_config};
use helios_core::guardian::{Guardian, GuardianEffect, GuardianEvent, GuardianState};
use helios_core::instrument::Symbol;
use helios_core::messages::{Alert, ClosedTrade, SCHEMA, WorkerReport};
use helios_core::order::{CancelTarget, ReplyTo};
use helios_core::time::{NS_PER_MS, Now};
use helios_core::trader::{StreamKind, Trader, TraderConfig, TraderEffect, TraderEvent};
use helios_venue::engine::{
    AccountId, Engine, EngineConfig, EngineEvent, Request, SymbolId, SymbolSpec,
};
use helios_venue::market::MarketSource;
use std::collections::BTreeMap;

/// Why a simulation can't be built or did not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// A strategy names a contract the market does not have.
    #[error("strategy {strategy}: the market has no {symbol}")]
    NoSuchSymbol {
        /// Strategy.
        strategy: String,
        /// Contract.
        symbol: String,
    },
    /// Two strategies name the same contract.
    #[error("{symbol} is listed by {first} and {second}: one of them")]
    Taken {
        /// Contract.
        symbol: String,
        /// Who has it.
        first: String,
        /// Who wants it.
        second: String,
    },
    /// The tick is outside 1 to 100 ms, or a delay is negative.
    #[error("{0}")]
    Config(String),
    /// Position or cash differ between the machines and the venue.
    #[error("the books differ: {0}")]
    Books(String),
}

/// How long to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// This much more virtual time, ms.
    Elapsed(i64),
    /// So many round trips in all, or this much more virtual time, ms, whichever comes first.
    Trades(usize, i64),
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) enum Party {
    Trader(usize),
    Guardian,
}

/// What is under way.
#[derive(Debug)]
pub(crate) enum Item {
    Trader(usize, TraderEvent),
    Guardian(Box<GuardianEvent>),
    /// A request arrives at the venue, which refuses it when it is later than this; nobody waits for the answer without a `ReplyTo`.
    Send(Party, SymbolId, Option<ReplyTo>, Request, i64),
    Query(Party, SymbolId, CancelTarget),
    /// A trader's read, asked for at this liveness time.
    Read(usize, u64),
    /// The guardian's.
    ReadAccount(u64),
    ReadDepth(SymbolId),
    Scan,
    Snapshot(usize),
    History(usize, i64, u32),
    Tick,
}

/// One trader and what the simulator keeps beside it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) symbol: SymbolId,
    pub(crate) strategy: usize,
    pub(crate) task_uid: String,
    pub(crate) trader: Trader,
    pub(crate) gone: bool,
    pub(crate) closed: Vec<ClosedTrade>,
}

/// The driver.
pub struct Sim {
    pub(crate) config: SimConfig,
    pub(crate) source: Box<dyn MarketSource>,
    pub(crate) engine: Engine,
    pub(crate) account: AccountId,
    pub(crate) specs: Vec<SymbolSpec>,
    pub(crate) names: Vec<Symbol>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) by_symbol: Vec<Option<usize>>,
    pub(crate) queue: Queue<Item>,
    pub(crate) now_ms: i64,
    pub(crate) start_ms: i64,
    guardian: Guardian,
    pub(crate) told: Vec<Told>,
    pub(crate) open_since: Vec<Option<i64>>,
    ticks: u64,
    trader_out: Vec<TraderEffect>,
    guardian_out: Vec<GuardianEffect>,
    pub(crate) engine_out: Vec<EngineEvent>,
    pub(crate) trades: Vec<ClosedTrade>,
    pub(crate) shadow: Vec<ClosedTrade>,
    pub(crate) alerts: Vec<(i64, Alert)>,
    pub(crate) decisions: BTreeMap<String, u64>,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) max_unprotected_ms: i64,
    pub(crate) events: u64,
    /// The guardian leads; off, nothing reaches it and it does nothing.
    pub(crate) coordinated: bool,
    /// Contracts whose worker is dead: none is started.
    pub(crate) deserted: Vec<bool>,
    /// What the guardian asked for and was told, kept where somebody wants to judge it.
    pub(crate) notes: Option<Vec<Note>>,
}

/// A venue taken up with what it holds, and who is there to mind it.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) engine: Engine,
    pub(crate) account: AccountId,
    pub(crate) coordinated: bool,
    pub(crate) deserted: Vec<bool>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim")
            .field("market", &self.source.label())
            .field("now_ms", &self.now_ms)
            .field("trades", &self.trades.len())
            .finish_non_exhaustive()
    }
}

impl Sim {
    /// A simulation at the first moment of its market.
    ///
    /// # Errors
    /// [`SimError`] when strategies and market do not fit each other.
    pub fn new(config: SimConfig, source: Box<dyn MarketSource>) -> Result<Self, SimError> {
        let symbols = source.symbols();
        let deserted = vec![false; symbols.len()];
        let mut engine = Engine::new(EngineConfig {
            symbols,
            auto_cancel_orphan_stops: config.auto_cancel_orphan_stops,
            countdown_cancels_algo: false,
        });
        engine.advance(source.start_ms(), &mut Vec::new());
        let account = engine.open_account(config.initial_balance);
        let venue = Resumed {
            engine,
            account,
            coordinated: true,
            deserted,
        };
        Self::resume(config, source, venue)
    }

    /// A simulation over a venue that has lived before, at the first moment of its market.
    pub(crate) fn resume(
        config: SimConfig,
        source: Box<dyn MarketSource>,
        venue: Resumed,
    ) -> Result<Self, SimError> {
        let l = config.latency;
        if !(1..=100).contains(&config.tick_ms)
            || [l.market_ms, l.order_ms, l.user_ms, l.bus_ms]
                .iter()
                .any(|d| *d < 0)
        {
            return Err(SimError::Config(
                "the tick must be 1 to 100 ms and no delay negative".into(),
            ));
        }
        let specs = source.symbols();
        let names: Vec<Symbol> = specs.iter().map(|s| s.instrument.symbol.clone()).collect();
        let Resumed {
            mut engine,
            account,
            coordinated,
            deserted,
        } = venue;
        let start_ms = source.start_ms();
        engine.advance(start_ms, &mut Vec::new());
        let guardian = Guardian::new(
            guardian_config(&config, &specs, start_ms),
            GuardianState::default(),
        );
        let n = specs.len();
        let told = (0..n).map(|i| Told::found(&engine, account, SymbolId(i as u16)));
        let mut sim = Self {
            told: told.collect(),
            source,
            engine,
            account,
            names,
            slots: Vec::new(),
            by_symbol: vec![None; n],
            queue: Queue::new(),
            now_ms: start_ms,
            start_ms,
            guardian,
            open_since: vec![None; n],
            ticks: 0,
            trader_out: Vec::new(),
            guardian_out: Vec::new(),
            engine_out: Vec::new(),
            trades: Vec::new(),
            shadow: Vec::new(),
            alerts: Vec::new(),
            decisions: BTreeMap::new(),
            refusals: BTreeMap::new(),
            max_unprotected_ms: 0,
            events: 0,
            coordinated,
            deserted,
            notes: None,
            specs,
            config,
        };
        for e in [
            GuardianEvent::Start,
            GuardianEvent::AccountAlive,
            GuardianEvent::Lead {
                epoch: 1,
                until_ns: None,
            },
        ] {
            sim.tell_guardian(start_ms, e);
        }
        sim.start_fixed()?;
        sim.queue.push(start_ms + sim.config.tick_ms, Item::Tick);
        Ok(sim)
    }

    fn start_fixed(&mut self) -> Result<(), SimError> {
        for k in 0..self.config.strategies.len() {
            for symbol in self.config.strategies[k].watchlist.symbols.clone() {
                let strategy = &self.config.strategies[k].name;
                let Some(id) = self.engine.symbol_id(&symbol) else {
                    return Err(SimError::NoSuchSymbol {
                        strategy: strategy.clone(),
                        symbol,
                    });
                };
                if let Some(i) = self.by_symbol[usize::from(id.0)] {
                    let first = &self.config.strategies[self.slots[i].strategy].name;
                    return Err(SimError::Taken {
                        symbol,
                        first: first.clone(),
                        second: strategy.clone(),
                    });
                }
                if !self.deserted[usize::from(id.0)] {
                    self.start_trader(k, id);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn start_trader(&mut self, strategy: usize, symbol: SymbolId) {
        let s = &self.config.strategies[strategy];
        let index = usize::from(symbol.0);
        let info = link::symbol_info(&self.specs[index], s.params.risk.leverage);
        let leverage = Request::SetLeverage(symbol, info.leverage);
        let i = self.slots.len();
        let task_uid = format!("sim-{i}");
        let trader = Trader::new(TraderConfig {
            account: self.config.account.account.clone(),
            strategy: s.name.clone(),
            strategy_uid: s.uid.clone(),
            task_uid: task_uid.clone(),
            info,
            params: s.document(),
            environment: self.config.account.environment,
        });
        let mut out = std::mem::take(&mut self.engine_out);
        // Refused leverage means the brackets forbid it: the trader sizes by the same brackets.
        let _ = self
            .engine
            .request(self.now_ms, self.account, leverage, &mut out);
        self.engine_out = out;
        self.tell();
        self.slots.push(Slot {
            symbol,
            strategy,
            task_uid,
            trader,
            gone: false,
            closed: Vec::new(),
        });
        self.by_symbol[index] = Some(i);
        for e in [
            TraderEvent::Start,
            TraderEvent::StreamUp(StreamKind::Depth),
            TraderEvent::StreamUp(StreamKind::Market),
            TraderEvent::StreamUp(StreamKind::User),
        ] {
            self.queue.push(self.now_ms, Item::Trader(i, e));
        }
    }

    /// Both clocks.
    pub(crate) fn now(&self) -> Now {
        let ms = (self.now_ms - self.start_ms).unsigned_abs() + 1_000;
        Now::new(self.now_ms, ms * NS_PER_MS)
    }

    /// Runs, then lets everything under way arrive, and holds the books against the venue's ledger.
    ///
    /// # Errors
    /// [`SimError::Books`] when position or cash differ by as much as a digit.
    pub fn run(&mut self, until: Until) -> Result<(), SimError> {
        let (end_ms, trades) = match until {
            Until::Elapsed(ms) => (self.now_ms + ms, usize::MAX),
            Until::Trades(n, ms) => (self.now_ms + ms, n),
        };
        while self.trades.len() < trades && self.step(end_ms) {}
        self.settle();
        self.check_books()
    }

    /// Handles the next thing due; false at the end of time or of the market.
    pub(crate) fn step(&mut self, end_ms: i64) -> bool {
        let Some(market) = self.source.peek_ms() else {
            return false;
        };
        let due = self.engine.next_due_ms().unwrap_or(i64::MAX);
        let message = self.queue.peek_ms().unwrap_or(i64::MAX);
        let next = market.min(due).min(message);
        if next > end_ms {
            self.now_ms = self.now_ms.max(end_ms);
            return false;
        }
        self.now_ms = self.now_ms.max(next);
        self.events += 1;
        if due <= next {
            self.advance_venue();
        } else if market <= next {
            if let Some((_, symbol, input)) = self.source.next_event() {
                let mut out = std::mem::take(&mut self.engine_out);
                self.engine.on_market(self.now_ms, symbol, input, &mut out);
                self.engine_out = out;
                self.tell();
            }
        } else if let Some((_, item)) = self.queue.pop() {
            self.handle(item);
        }
        true
    }

    fn advance_venue(&mut self) {
        let mut out = std::mem::take(&mut self.engine_out);
        self.engine.advance(self.now_ms, &mut out);
        self.engine_out = out;
        self.tell();
    }

    /// No market, no ticks: messages under way arrive, and what they cause, until nothing is left.
    pub(crate) fn settle(&mut self) {
        let mut tick = None;
        let deadline = self.now_ms + 5_000;
        loop {
            let due = self.engine.next_due_ms().filter(|d| *d <= deadline);
            let message = self.queue.peek_ms().filter(|m| *m <= deadline);
            let Some(next) = due.into_iter().chain(message).min() else {
                break;
            };
            let at = self.now_ms.max(next);
            if due.is_some_and(|d| d <= next) {
                self.now_ms = at;
                self.advance_venue();
            } else {
                match self.queue.pop() {
                    Some((ms, Item::Tick)) => tick = Some(ms),
                    Some((_, item)) => {
                        self.now_ms = at;
                        self.handle(item);
                    }
                    None => break,
                }
            }
        }
        if let Some(ms) = tick {
            self.queue.push(ms.max(self.now_ms), Item::Tick);
        }
    }

    pub(crate) fn trader_event(&mut self, i: usize, event: &TraderEvent) {
        if self.slots[i].gone {
            return;
        }
        let now = self.now();
        let mut out = std::mem::take(&mut self.trader_out);
        self.slots[i].trader.on_event(now, event, &mut out);
        for e in out.drain(..) {
            self.trader_effect(i, e);
        }
        self.trader_out = out;
    }

    pub(crate) fn guardian_event(&mut self, event: &GuardianEvent) {
        if !self.coordinated {
            return;
        }
        let now = self.now();
        let mut out = std::mem::take(&mut self.guardian_out);
        self.guardian.on_event(now, event, &mut out);
        for e in out.drain(..) {
            self.guardian_effect(e);
        }
        self.guardian_out = out;
    }

    /// Sends a request to the engine and tells its events before its answer is known to the sender.
    pub(crate) fn request(
        &mut self,
        request: Request,
    ) -> Result<helios_venue::engine::Response, helios_venue::engine::VenueError> {
        let mut out = std::mem::take(&mut self.engine_out);
        let answer = self
            .engine
            .request(self.now_ms, self.account, request, &mut out);
        self.engine_out = out;
        self.tell();
        answer
    }

    /// A tick of every machine, and once a second a report of every trader and a pong of the private socket.
    pub(crate) fn tick(&mut self) {
        self.ticks += 1;
        let per_second = (1_000 / self.config.tick_ms).max(1) as u64;
        let second = self.ticks.is_multiple_of(per_second);
        for i in 0..self.slots.len() {
            self.trader_event(i, &TraderEvent::Tick);
            if second {
                let report = self.worker_report(i);
                let at = self.now_ms + self.config.latency.bus_ms;
                self.tell_guardian(at, GuardianEvent::Report(Box::new(report)));
            }
        }
        if second {
            self.guardian_event(&GuardianEvent::AccountAlive);
        }
        self.guardian_event(&GuardianEvent::Tick);
        self.queue
            .push(self.now_ms + self.config.tick_ms, Item::Tick);
    }

    fn worker_report(&mut self, i: usize) -> WorkerReport {
        let s = &mut self.slots[i];
        WorkerReport {
            schema: SCHEMA,
            symbol: self.names[usize::from(s.symbol.0)].to_string(),
            strategy: self.config.strategies[s.strategy].name.clone(),
            task_uid: s.task_uid.clone(),
            epoch: s.trader.epoch(),
            generation: s.trader.params_order().0,
            ready: s.trader.is_ready(),
            view: s.trader.view(),
            closed: std::mem::take(&mut s.closed),
            rates: None,
            params: (0, 0, 0),
            refused: false,
            alarms: 0,
            life: String::new(),
        }
    }
}
