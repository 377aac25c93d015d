//! The loop: one event at a time into the trader, its effects out.

use crate::effects::Effects;
use crate::feeds::Feeds;
use crate::setup::{SetupError, load_symbol};
use crate::{WorkerConfig, WorkerLinks};
use helios_binance::clock::VenueClock;
use helios_bus::typed::ParamsNews;
use helios_core::messages::{
    Alert, ClosedTrade, GrantReply, RateReport, SCHEMA, Severity, WorkerReport,
};
use helios_core::params::OnDelete;
use helios_core::trader::{Trader, TraderConfig, TraderEffect, TraderEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Liveness time between ticks of the machine.
const TICK: Duration = Duration::from_millis(50);
/// Liveness time between reports.
const REPORT: Duration = Duration::from_secs(1);
/// Reports are also sent on change, at most this often.
const REPORT_AT_LEAST: Duration = Duration::from_millis(200);
/// Longest that a word to the bus may hold up the machine.
const BUS_WAITS: Duration = Duration::from_millis(20);
/// Frames that may wait for the machine; then the sockets wait, and an accelerated venue's time with them.
pub(crate) const FEED_QUEUE: usize = 1024;

/// What the actuator says to a running worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Parameters that came another way than over the bus; the newest of all is what counts.
    Params(ParamsNews),
    /// Leave: flatten, or make sure of the stops; then end.
    Shutdown(OnDelete),
}

/// How a worker ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerExit {
    /// As asked.
    Done,
    /// A later incarnation trades the symbol.
    Superseded,
}

/// Why a worker failed: the actuator starts the next one after a pause.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The symbol can't be traded now.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The bus is closed.
    #[error(transparent)]
    Bus(#[from] helios_bus::BusError),
    /// A feed's task is gone for good: what the venue says is not heard any more.
    #[error("the {0} feed ended")]
    FeedEnded(&'static str),
    /// The actuator is gone.
    #[error("the actuator is gone: stops stay at the venue")]
    Abandoned,
}

/// Runs one worker until it is told to leave, is superseded, or fails.
///
/// # Errors
/// [`WorkerError`]; whatever it is, confirmed stops stay at the venue.
pub async fn run(
    config: WorkerConfig,
    links: WorkerLinks,
    mut control: mpsc::Receiver<Control>,
) -> Result<WorkerExit, WorkerError> {
    let clock = links.rest.clock().clone();
    let leverage = config.params.for_symbol(&config.symbol).risk.leverage;
    let info = load_symbol(&links.rest, &config.symbol, leverage).await?;
    let instrument = info.instrument.clone();
    // Subscribed before anything is sent, so that no answer and no command can fall in between.
    let mut commands = links.bus.commands(&config.symbol).await?;
    let mut params = links.bus.params(&config.strategy).await?;
    // The fence is watched for its revisions alone: the transport notices one that goes back.
    let mut fences = links.bus.fences().await?;
    let mut bus = links.bus.transport().state();
    let mut rollbacks = bus.borrow_and_update().rollbacks;
    let mut bus_open = true;
    let mut feeds = Feeds::open(&links.rest, &instrument, &config.depth_cadence);
    let (market, user, symbol) = feeds.split();
    let (effects, mut answers) = Effects::new(links.rest.clone(), links.bus.clone(), instrument);
    let trader = Trader::new(TraderConfig {
        account: config.account.clone(),
        strategy: config.strategy.clone(),
        strategy_uid: config.strategy_uid.clone(),
        task_uid: config.task_uid.clone(),
        info,
        params: config.params.clone(),
        environment: config.environment,
    });
    let mut shell = Shell::new(config, links, clock, trader, effects);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut exit = shell.handle(&TraderEvent::Start).await?;
    while exit.is_none() {
        // Answers and the user stream first: fills and stops matter more than the next depth frame.
        exit = tokio::select! {
            biased;
            c = control.recv() => match c {
                Some(Control::Shutdown(how)) => shell.handle(&TraderEvent::Shutdown(how)).await?,
                Some(Control::Params(news)) => shell.handle(&told(news)).await?,
                None => return Err(WorkerError::Abandoned),
            },
            Some(e) = answers.recv() => shell.handle(&e).await?,
            e = user.recv() => match e.ok_or(WorkerError::FeedEnded("user"))?.for_trader(symbol) {
                Some(e) => shell.handle(&e).await?,
                None => None,
            },
            Some((fence, _)) = fences.next() => {
                tracing::trace!(epoch = fence.epoch, "fence");
                None
            }
            changed = bus.changed(), if bus_open => match changed {
                Ok(()) => {
                    let lost = bus.borrow_and_update().rollbacks;
                    if lost == rollbacks {
                        None
                    } else {
                        rollbacks = lost;
                        shell.handle(&TraderEvent::FenceLost).await?
                    }
                }
                Err(_) => {
                    bus_open = false;
                    None
                }
            },
            Some(c) = commands.next() => shell.handle(&TraderEvent::Command(c)).await?,
            Some(news) = params.next() => shell.handle(&told(news)).await?,
            _ = tick.tick() => shell.tick().await?,
            m = market.recv() => {
                let m = m.ok_or(WorkerError::FeedEnded("market"))?;
                shell.handle(&m.event).await?
            },
        };
    }
    shell.report().await;
    exit.ok_or(WorkerError::Abandoned)
}

fn told(news: ParamsNews) -> TraderEvent {
    match news {
        ParamsNews::Document(document) => TraderEvent::Params(document),
        ParamsNews::Unknown { schema } => TraderEvent::ParamsUnknown { schema },
    }
}

/// The machine with its way out.
struct Shell {
    config: WorkerConfig,
    links: WorkerLinks,
    clock: Arc<VenueClock>,
    trader: Trader,
    effects: Effects,
    out: Vec<TraderEffect>,
    generation: u64,
    /// Critical alerts so far.
    alarms: u32,
    closed: Vec<ClosedTrade>,
    reported: Instant,
    changed: bool,
}

impl Shell {
    fn new(
        config: WorkerConfig,
        links: WorkerLinks,
        clock: Arc<VenueClock>,
        trader: Trader,
        effects: Effects,
    ) -> Self {
        let generation = config.params.generation;
        Self {
            config,
            links,
            clock,
            trader,
            effects,
            out: Vec::new(),
            generation,
            alarms: 0,
            closed: Vec::new(),
            reported: Instant::now(),
            changed: true,
        }
    }

    async fn handle(&mut self, event: &TraderEvent) -> Result<Option<WorkerExit>, WorkerError> {
        self.trader.on_event(self.clock.now(), event, &mut self.out);
        if let (TraderEvent::Grant(GrantReply::Granted(g)), true) =
            (event, self.config.egress.is_some())
            && g.task_uid == self.config.task_uid
            && g.epoch == self.trader.epoch()
            && g.share.is_some()
        {
            self.links.rest.budget().set_share(g.share);
        }
        if self.out.is_empty() {
            return Ok(None);
        }
        let (mut exit, mut closed) = (None, false);
        for effect in self.effects.carry_out(&mut self.out) {
            match effect {
                TraderEffect::Acknowledge { generation } if generation == self.generation => {}
                TraderEffect::Acknowledge { generation } => {
                    tracing::info!(
                        symbol = self.config.symbol,
                        strategy = self.config.strategy,
                        "parameters in force: generation {} → {generation}",
                        self.generation
                    );
                    self.generation = generation;
                    self.changed = true;
                }
                TraderEffect::Closed(trade) => {
                    if !trade.shadow {
                        tracing::info!(symbol = trade.symbol, side = ?trade.side, gross = %trade.gross, fees = %trade.fees, exit = ?trade.exit, "round trip");
                    }
                    closed = true;
                    self.closed.push(*trade);
                    self.changed = true;
                }
                TraderEffect::Alert(alert) => self.alert(alert).await,
                TraderEffect::Decision { reason, text, sent } => {
                    tracing::debug!(symbol = self.config.symbol, %reason, text, sent = sent.as_ref().map(|c| c.as_str()), "decision");
                }
                TraderEffect::Superseded => exit = Some(WorkerExit::Superseded),
                TraderEffect::Done => exit = exit.or(Some(WorkerExit::Done)),
                other => tracing::error!(?other, "effect without a hand to carry it out"),
            }
        }
        // A round trip is told at once: a crash right after it must not lose it.
        if closed {
            self.report().await;
        }
        Ok(exit)
    }

    async fn alert(&mut self, alert: Alert) {
        match alert.severity {
            Severity::Critical => {
                self.alarms = self.alarms.saturating_add(1);
                tracing::error!(code = alert.code, symbol = alert.symbol, "{}", alert.text)
            }
            Severity::Warning => {
                tracing::warn!(code = alert.code, symbol = alert.symbol, "{}", alert.text)
            }
            Severity::Info => {
                tracing::info!(code = alert.code, symbol = alert.symbol, "{}", alert.text)
            }
        }
        // A bus that hangs must not hold back an exit.
        let sent = timeout(BUS_WAITS, self.links.bus.alert(&alert)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!(code = alert.code, "alert not published");
        }
    }

    async fn tick(&mut self) -> Result<Option<WorkerExit>, WorkerError> {
        let exit = self.handle(&TraderEvent::Tick).await?;
        let age = self.reported.elapsed();
        if age >= REPORT || (self.changed && age >= REPORT_AT_LEAST) {
            self.report().await;
        }
        Ok(exit)
    }

    /// Use of the exchange's rate limits, where this process has a budget of its own.
    fn rates(&self) -> Option<RateReport> {
        let egress = self.config.egress.clone()?;
        let used = self.links.rest.budget().usage();
        Some(RateReport {
            egress,
            weight_1m: used.own_weight_1m,
            weight_seen_1m: used.weight_1m,
            orders_1m: used.own_orders_1m,
            held_back: used.held_back,
            limited: used.limited,
        })
    }

    async fn report(&mut self) {
        self.reported = Instant::now();
        self.changed = false;
        let report = WorkerReport {
            schema: SCHEMA,
            symbol: self.config.symbol.clone(),
            strategy: self.config.strategy.clone(),
            task_uid: self.config.task_uid.clone(),
            epoch: self.trader.epoch(),
            generation: self.generation,
            ready: self.trader.is_ready(),
            view: self.trader.view(),
            closed: std::mem::take(&mut self.closed),
            rates: self.rates(),
            params: self.trader.params_order(),
            refused: self.trader.refuses_params(),
            alarms: self.alarms,
            life: self.config.life.clone(),
        };
        // Round trips count in W, R and n and in the books: what could not be told is told with the next report.
        let sent = timeout(BUS_WAITS, self.links.bus.report(&report)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("report not published");
            self.closed = report.closed;
            self.changed = true;
        }
    }
}
