//! The loop: one event at a time into the guardian, its effects out.

use crate::account::{Contracts, symbols_that_matter};
use crate::effects::Effects;
use crate::store::StoreError;
use crate::{CoordinatorConfig, CoordinatorLinks};
use helios_binance::clock::VenueClock;
use helios_binance::error::ApiError;
use helios_binance::user::{UserStream, UserStreamConfig, UserStreamEvent};
use helios_binance::ws::{Feed, MarketStreams, StreamConfig, Subscription};
use helios_core::guardian::{Guardian, GuardianConfig, GuardianEffect, GuardianEvent};
use helios_core::instrument::Symbol;
use helios_core::trader::TraderEvent;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

/// Liveness time between ticks of the machine.
const TICK: Duration = Duration::from_millis(50);
/// Frames that may wait for the machine; then the sockets wait.
const FEED_QUEUE: usize = 1024;

/// What the actuator or a person says to a running coordinator.
#[derive(Debug)]
pub enum Control {
    /// Manifests changed.
    Config(Box<CoordinatorConfig>),
    /// Set or release a latch.
    Latch {
        /// Name, e.g. `kill`.
        name: String,
        /// Set or release.
        set: bool,
        /// Answered once it is written, or with why it is not: only then it outlives this process.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Close the symbol's position whole, worker or not.
    Release(Symbol),
    /// End; workers are reduce-only when their grants run out.
    Shutdown,
}

/// Why a coordinator failed: the actuator starts the next one after a pause.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The exchange could not be read.
    #[error("{0}")]
    Api(#[from] ApiError),
    /// The guardian state could not be read: no new risk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus is closed.
    #[error(transparent)]
    Bus(#[from] helios_bus::BusError),
    /// The user stream's task is gone for good.
    #[error("the user feed ended")]
    FeedEnded,
    /// The actuator is gone.
    #[error("the actuator is gone")]
    Abandoned,
}

/// Runs the coordinator of one account until it is told to end, or fails.
///
/// # Errors
/// [`CoordinatorError`]; workers are reduce-only when their grants have run out, and stops stay at the venue.
pub async fn run(
    config: CoordinatorConfig,
    links: CoordinatorLinks,
    mut control: mpsc::Receiver<Control>,
) -> Result<(), CoordinatorError> {
    let clock = links.rest.clock().clone();
    // Read before the first grant. A state that is missing starts empty here: without Kubernetes it lives and dies with the venue.
    let stored = links.store.load().await?.unwrap_or_default();
    let contracts = Contracts::load(&links.rest).await?;
    let mut grants = links.bus.serve_grants().await?;
    let mut reports = links.bus.reports().await?;
    let (user_tx, mut user) = mpsc::channel(FEED_QUEUE);
    let _user = UserStream::spawn(
        &links.rest,
        &contracts.instruments,
        UserStreamConfig::default(),
        user_tx,
    );
    let (marks_tx, mut marks) = mpsc::channel(FEED_QUEUE);
    let streams = StreamConfig {
        // A local venue may run fast or stand still, so its time is never guessed.
        time_samples: links.rest.endpoints().is_local(),
        ..StreamConfig::default()
    };
    let endpoints = links.rest.endpoints().clone();
    let feeds = MarketStreams::spawn(
        &endpoints,
        &contracts.instruments,
        &clock,
        &streams,
        [],
        &marks_tx,
    );
    let epoch = stored.state.epoch + 1;
    let guardian = Guardian::new(guardian_config(&config, &contracts), stored.state);
    let (effects, mut answers) = Effects::new(links.clone(), contracts.clone(), stored.revision);
    let mut shell = Shell {
        clock,
        guardian,
        effects,
        feeds,
        out: Vec::new(),
        marked: BTreeSet::new(),
        waiting: Vec::new(),
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    shell.handle(&GuardianEvent::Start).await;
    shell
        .handle(&GuardianEvent::Lead {
            epoch,
            until_ns: None,
        })
        .await;
    loop {
        tokio::select! {
            biased;
            c = control.recv() => match c {
                Some(Control::Config(c)) => {
                    let config = guardian_config(&c, &contracts);
                    shell.handle(&GuardianEvent::Config(Box::new(config))).await;
                }
                Some(Control::Latch { name, set, done }) => shell.latch(name, set, done).await,
                Some(Control::Release(symbol)) => shell.handle(&GuardianEvent::Release(symbol)).await,
                Some(Control::Shutdown) => break,
                None => return Err(CoordinatorError::Abandoned),
            },
            e = user.recv() => {
                let e = e.ok_or(CoordinatorError::FeedEnded)?;
                // What happened while the stream was away is read from the venue.
                if e == UserStreamEvent::Up {
                    shell.effects.reconcile();
                }
                if let Some(e) = e.for_guardian(&links.rest.config().margin_asset) {
                    shell.handle(&e).await;
                }
            }
            Some(e) = answers.recv() => {
                shell.written(&e);
                shell.handle(&e).await;
            }
            Some(q) = grants.next() => {
                let event = shell.effects.hold(q);
                shell.handle(&event).await;
            }
            Some(r) = reports.next() => shell.handle(&GuardianEvent::Report(Box::new(r))).await,
            _ = tick.tick() => shell.handle(&GuardianEvent::Tick).await,
            Some(m) = marks.recv() => {
                if let TraderEvent::Mark(mark) = m.event {
                    shell.handle(&GuardianEvent::Mark(m.symbol, mark)).await;
                }
            }
        }
    }
    shell.effects.finish().await;
    Ok(())
}

fn guardian_config(c: &CoordinatorConfig, contracts: &Contracts) -> GuardianConfig {
    GuardianConfig {
        account: c.account.clone(),
        strategies: c.strategies.clone(),
        symbols: contracts.infos.clone(),
        rate_limits: helios_core::guardian::RateLimits::default(),
    }
}

struct Shell {
    clock: Arc<VenueClock>,
    guardian: Guardian,
    effects: Effects,
    feeds: MarketStreams,
    out: Vec<GuardianEffect>,
    marked: BTreeSet<Symbol>,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

impl Shell {
    /// Sets or releases a latch; whoever asked hears when it is written.
    async fn latch(&mut self, name: String, set: bool, done: oneshot::Sender<Result<(), String>>) {
        let before = self.guardian.latches().contains(&name);
        self.handle(&GuardianEvent::Latch {
            name: name.clone(),
            set,
        })
        .await;
        if before == set {
            let words = if set {
                "was set already"
            } else {
                "was not set"
            };
            let _ = done.send(Err(format!("latch {name} {words}")));
        } else {
            self.waiting.push(done);
        }
    }

    fn written(&mut self, event: &GuardianEvent) {
        let result = match event {
            GuardianEvent::Persisted => Ok(()),
            GuardianEvent::PersistFailed => Err(
                "it is in force, but could not be written: it ends with this process".to_string(),
            ),
            _ => return,
        };
        for done in self.waiting.drain(..) {
            let _ = done.send(result.clone());
        }
    }

    async fn handle(&mut self, event: &GuardianEvent) {
        self.guardian
            .on_event(self.clock.now(), event, &mut self.out);
        if self.out.is_empty() {
            return;
        }
        if let Some(snapshot) = self.effects.carry_out(&mut self.out).await {
            let matter = symbols_that_matter(&snapshot);
            if matter != self.marked {
                self.feeds.set(matter.iter().map(|s| Subscription {
                    symbol: s.clone(),
                    feed: Feed::MarkPrice,
                }));
                self.marked = matter;
            }
        }
    }
}
