//! The loop: one event at a time into the guardian, its effects out.

use crate::account::{Contracts, symbols_that_matter};
use crate::asked::{Asked, Question};
use crate::control::{Control, CoordinatorError, told};
use crate::effects::{Answer, Effects};
use crate::fitness::{Fitness, judge, unread};
use crate::inputs::{Input, Inputs};
use crate::lead::{Lead, News};
use crate::peers::Peers;
use crate::renew::Renew;
use crate::said::Said;
use crate::saves::Saved;
use crate::unread::{Means, Unread};
use crate::{CoordinatorConfig, CoordinatorLinks};
use helios_binance::clock::VenueClock;
use helios_binance::rest::RestClient;
use helios_binance::user::{UserStream, UserStreamConfig};
use helios_binance::ws::{Feed, MarketStreams, StreamConfig, Subscription};
use helios_bus::typed::AdminQuestion;
use helios_core::guardian::{
    Guardian, GuardianConfig, GuardianEffect, GuardianEvent, GuardianState, MARGIN_CONTRADICTION,
};
use helios_core::instrument::Symbol;
use helios_core::messages::{AdminReply, AdminRequest, WorkerReport};
use helios_core::trader::TraderEvent;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Liveness time between ticks of the machine.
const TICK: Duration = Duration::from_millis(50);
/// Frames that may wait for the machine; then the sockets wait.
const FEED_QUEUE: usize = 1024;
/// What writing down the promises for the next leader may take.
const HAND_OVER: Duration = Duration::from_secs(1);

/// Runs the coordinator of one account until it is told to end, or fails.
///
/// # Errors
/// [`CoordinatorError`]; workers are reduce-only when their grants have run out, and stops stay at the venue.
pub async fn run(
    mut config: CoordinatorConfig,
    links: CoordinatorLinks,
    control: mpsc::Receiver<Control>,
) -> Result<(), CoordinatorError> {
    let clock = links.rest.clock().clone();
    let mut contracts = Contracts::load(&links.rest.urgent()).await?;
    let reports = links.bus.reports().await?;
    let (user_tx, user) = mpsc::channel(FEED_QUEUE);
    let _user = UserStream::spawn(
        &links.rest,
        &contracts.instruments,
        UserStreamConfig::default(),
        user_tx,
    );
    let (marks_tx, marks) = mpsc::channel(FEED_QUEUE);
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
    let guardian = Guardian::new(
        guardian_config(&config, &contracts, &links.rest),
        GuardianState::default(),
    );
    let (effects, answers) = Effects::new(links.clone(), contracts.clone());
    let mut lead = Lead::start(&links)?;
    let mut shell = Shell {
        clock,
        guardian,
        effects,
        feeds,
        links: links.clone(),
        out: Vec::new(),
        marked: BTreeSet::new(),
        said: Said::default(),
        unread: Unread::default(),
        renew: Renew::new(),
        peers: Peers::default(),
        asked: Asked::default(),
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut inputs = Inputs {
        control,
        user,
        answers,
        tick,
        marks,
        reports,
        marked: false,
    };
    shell.handle(&GuardianEvent::Start);
    shell.tell_fitness(&unread(config.account.environment));
    shell.effects.read_modes();
    loop {
        match inputs.next(&mut lead.news, &mut shell.asked).await {
            Input::Control(c) => match c {
                Some(Control::Config(c)) => {
                    config = *c;
                    let config = guardian_config(&config, &contracts, &links.rest);
                    shell.handle(&GuardianEvent::Config(Box::new(config)));
                }
                Some(Control::Latch { name, set, done }) => shell.latch(name, set, done),
                Some(Control::Release(symbol)) => shell.handle(&GuardianEvent::Release(symbol)),
                Some(Control::Shutdown) => break,
                None => return Err(CoordinatorError::Abandoned),
            },
            Input::Lead(n) => {
                let n = n.ok_or(CoordinatorError::LeadEnded)?;
                let renewed = matches!(n, News::Renewed(_));
                shell.lead(n).await;
                // The lock is still ours, but the guardian's lead ran out before it heard so: the term begins anew, or the
                // account would have no leader for as long as the lock is renewed.
                if renewed && shell.guardian.leads().is_none() {
                    tracing::warn!("the lead lapsed while the lock was held: it begins anew");
                    lead.begin_anew();
                }
            }
            Input::User(e) => {
                let e = e.ok_or(CoordinatorError::FeedEnded)?;
                if let Some(e) = e.for_guardian(&links.rest.config().margin_asset) {
                    shell.handle(&e);
                }
            }
            Input::Answer(Answer::Modes(modes)) => {
                shell.tell_fitness(&judge(config.account.environment, &modes));
            }
            Input::Answer(Answer::Contracts(fresh)) => {
                if let Some(all) = shell.effects.renew(*fresh) {
                    contracts = all.clone();
                    let config = guardian_config(&config, &contracts, &links.rest);
                    shell.handle(&GuardianEvent::Config(Box::new(config)));
                }
            }
            Input::Answer(a) => {
                if shell.answer(&a) == Some(Saved::Conflict) {
                    shell.lost("another coordinator has written the guardian's state");
                    lead.begin_anew();
                }
            }
            Input::Tick => {
                shell.asked.keep(&links.bus).await;
                if shell.guardian.leads().is_some() && shell.unread.due() {
                    lead.begin_anew();
                }
                if shell.renew.due() {
                    shell.effects.read_contracts();
                    shell.effects.read_modes();
                }
                shell.handle(&GuardianEvent::Tick);
            }
            Input::Mark(m) => {
                if let TraderEvent::Mark(mark) = m.event {
                    shell.handle(&GuardianEvent::Mark(m.symbol, mark));
                }
            }
            Input::Question(Question::Grant(q)) => {
                let event = shell.effects.hold(q);
                shell.handle(&event);
            }
            Input::Question(Question::Person(q)) => shell.person(q),
            Input::Report(r) => shell.report(r),
        }
        lead.set_epoch(shell.guardian.leads());
    }
    lead.set_epoch(None);
    shell.asked.close();
    shell.handle(&GuardianEvent::Follow);
    // What was promised is written for the next leader, so that it need not wait for it to die.
    let handover = async {
        while !shell.guardian.handed_over() {
            tokio::select! {
                Some(a) = inputs.answers.recv() => if shell.answer(&a) == Some(Saved::Conflict) {
                    break;
                },
                _ = inputs.tick.tick() => shell.handle(&GuardianEvent::Tick),
            }
        }
    };
    if timeout(HAND_OVER, handover).await.is_err() {
        tracing::warn!("what was promised is not written: the next leader waits until it is dead");
    }
    // The next leader waits for the lock alone: exits under way are reduce-only, and it reads the venue before it acts.
    tokio::join!(shell.effects.finish(), lead.release());
    Ok(())
}

fn guardian_config(
    c: &CoordinatorConfig,
    contracts: &Contracts,
    rest: &RestClient,
) -> GuardianConfig {
    GuardianConfig {
        account: c.account.clone(),
        strategies: c.strategies.clone(),
        symbols: contracts.infos.clone(),
        // As the exchange states them: the contracts were read with them.
        rate_limits: rest.budget().limits(),
    }
}

struct Shell {
    clock: Arc<VenueClock>,
    guardian: Guardian,
    effects: Effects,
    feeds: MarketStreams,
    links: CoordinatorLinks,
    out: Vec<GuardianEffect>,
    marked: BTreeSet<Symbol>,
    said: Said,
    unread: Unread,
    renew: Renew,
    peers: Peers,
    asked: Asked,
}

impl Shell {
    /// Sets or releases a latch; whoever asked hears when it is written.
    fn latch(&mut self, name: String, set: bool, done: oneshot::Sender<Result<(), String>>) {
        if self.guardian.leads().is_none() {
            let _ = done.send(Err(
                "this coordinator does not lead: ask again, the leader answers".into(),
            ));
            return;
        }
        let before = self.guardian.latches().contains(&name);
        let saves = self.effects.saves().newest();
        self.handle(&GuardianEvent::Latch {
            name: name.clone(),
            set,
        });
        // What is in force and not written yet has to be waited for all the same.
        if before == set && !self.said.unwritten(&name, set) {
            let words = if set {
                "was set already"
            } else {
                "was not set"
            };
            let _ = done.send(Err(format!("latch {name} {words}")));
        } else {
            // Of this very moment, or the next one if another is under way: that one was begun without it.
            let carried_by = saves + 1;
            self.said.wait(name, set, carried_by, done);
            if self.unread.is_so() {
                let why = "it is in force, but the guardian's state can't be read: it is written when it can, or ends with \
                           this process";
                self.said.failed(u64::MAX, why);
            }
        }
    }

    /// A person's word over the bus; who may send it is the bus's permissions.
    fn person(&mut self, q: AdminQuestion) {
        let AdminRequest::Latch { name, set, by } = q.request.clone();
        tracing::warn!(latch = name, set, by, "asked by a person");
        let (done, written) = oneshot::channel();
        self.latch(name.clone(), set, done);
        tokio::spawn(async move {
            let reply = match told(&name, set, written).await {
                Ok(text) => AdminReply::Done { text },
                Err(why) => AdminReply::Refused { why },
            };
            if let Err(e) = q.answer(&reply) {
                tracing::warn!(error = %e, "a person was not answered");
            }
        });
    }

    /// An answer of the exchange or the store; what became of a save is handed on.
    fn answer(&mut self, answer: &Answer) -> Option<Saved> {
        let (number, saved) = match answer {
            Answer::Event(e) => {
                self.handle(e);
                return None;
            }
            Answer::Saved(number, saved) => (*number, *saved),
            // At the end they matter no more.
            Answer::Contracts(_) | Answer::Modes(_) => return None,
        };
        match saved {
            Saved::Written => self.said.written(number),
            Saved::Failed => self.said.failed(
                number,
                "it is in force, but could not be written: it ends with this process",
            ),
            // The state is read anew, and what was set is set again: then there will be an answer.
            Saved::Conflict | Saved::Unread => {}
        }
        // The guardian has one write under way: a late answer to one that it gave up is not that one's.
        if number == self.effects.saves().newest() {
            self.handle(&match saved {
                Saved::Written => GuardianEvent::Persisted,
                _ => GuardianEvent::PersistFailed,
            });
        }
        Some(saved)
    }

    /// The guardian hears what is in the way, people what is not as it should be.
    fn tell_fitness(&mut self, f: &Fitness) {
        for words in &f.warnings {
            tracing::warn!("{words}");
        }
        let unfit = (!f.unfit.is_empty()).then(|| f.unfit.join("; ").into());
        self.handle(&GuardianEvent::Fitness { unfit });
    }

    /// A worker's report, which also says what language it speaks and which epoch it has heard of.
    fn report(&mut self, r: WorkerReport) {
        self.links
            .bus
            .speak(self.peers.heard(&r, self.guardian.epoch()));
        self.handle(&GuardianEvent::Report(Box::new(r)));
    }

    async fn lead(&mut self, news: News) {
        match news {
            News::Gained {
                stored,
                transitions,
                epoch,
                until_ns,
                waited_out,
            } => {
                let was_unread = self.unread.is_so();
                let (means, known) = self.unread.heard(stored.as_ref().err());
                if self.guardian.leads().is_some() && (was_unread || means != Means::Read) {
                    if known {
                        return;
                    }
                    self.lost("the guardian's state was read anew");
                }
                self.effects.forget_questions();
                match stored {
                    Ok(Some(s)) => {
                        self.effects.saves().from(Some(s.revision));
                        self.handle(&GuardianEvent::State(Box::new(s.state)));
                    }
                    Ok(None) => {
                        self.effects.saves().from(Some(0));
                        // The first term of a lock is no change of hands.
                        self.handle(&GuardianEvent::StateMissing {
                            transitions: transitions.saturating_sub(1),
                        });
                    }
                    // Nothing can be written over what can't be read: it stays without a grant, guards, and reads again.
                    Err(e) => {
                        tracing::error!(error = %e, "guardian state not read: no new risk");
                        self.effects.saves().from(None);
                        if means == Means::Damaged {
                            self.handle(&GuardianEvent::StateMissing {
                                transitions: transitions.max(1),
                            });
                        }
                        let why = e.to_string();
                        self.handle(&GuardianEvent::StateUnread { why });
                    }
                }
                for name in self.said.again(self.effects.saves().newest() + 1) {
                    self.handle(&GuardianEvent::Latch { name, set: true });
                }
                if waited_out {
                    self.handle(&GuardianEvent::LockRanOut);
                }
                let heard = self.peers.epoch.max(self.guardian.epoch());
                let epoch = epoch.max(heard).saturating_add(1);
                self.handle(&GuardianEvent::Lead { epoch, until_ns });
                self.asked.open(&self.links.bus).await;
                tracing::info!(epoch = self.guardian.leads(), "this coordinator leads");
            }
            News::Renewed(until_ns) => self.handle(&GuardianEvent::Renewed { until_ns }),
            News::Lost(why) => {
                self.lost(&why);
                self.said.forget();
                self.unread = Unread::default();
            }
            News::FenceLost => self.handle(&GuardianEvent::FenceLost),
            News::FenceHeard(false) => self.handle(&GuardianEvent::FenceUnheard),
            News::FenceHeard(true) => self.handle(&GuardianEvent::FenceHeard),
        }
    }

    fn lost(&mut self, why: &str) {
        tracing::warn!("this coordinator does not lead: {why}");
        self.asked.close();
        self.effects.forget_questions();
        self.handle(&GuardianEvent::Follow);
    }

    fn handle(&mut self, event: &GuardianEvent) {
        let led = self.guardian.leads();
        self.guardian
            .on_event(self.clock.now(), event, &mut self.out);
        let leads = self.guardian.leads();
        if led != leads {
            let epoch = leads.or(led).unwrap_or(0);
            self.links.observer.leadership(leads.is_some(), epoch);
        }
        if self.out.is_empty() {
            return;
        }
        let apart = |e: &GuardianEffect| matches!(e, GuardianEffect::Alert(a) if a.code == MARGIN_CONTRADICTION);
        if self.out.iter().any(apart) {
            self.renew.doubt();
        }
        if let Some(snapshot) = self
            .effects
            .carry_out(&mut self.out, led.or(leads).is_some())
        {
            self.follow_marks(symbols_that_matter(&snapshot));
        } else if leads.is_none() {
            // A standby publishes nothing and still needs the marks of what is open.
            self.follow_marks(symbols_that_matter(&self.guardian.snapshot()));
        }
    }

    fn follow_marks(&mut self, matter: BTreeSet<Symbol>) {
        if matter != self.marked {
            self.feeds.set(matter.iter().map(|s| Subscription {
                symbol: s.clone(),
                feed: Feed::MarkPrice,
            }));
            self.marked = matter;
        }
    }
}
