//! The desk of `helios coordinator`: what the process does around the role. Edited manifests go in; alerts, snapshots and
//! metrics come out. In Kubernetes it also has the positions of strategies closed that are to go.
//!
//! The role never waits for it. Its own words are heard at once, whatever the network does; the others' come over the bus,
//! and one that comes both ways counts once.

use super::alerts::Alerts;
use super::going::to_flatten;
use super::source::Source;
use super::{publish, say};
use crate::manifests::Objects;
use crate::metrics::CoordinatorMetrics;
use anyhow::Result;
use helios_bus::typed::{AccountBus, Typed, TypedWatch};
use helios_coordinator::observe::Observer;
use helios_coordinator::{Control, CoordinatorConfig};
use helios_core::guardian::GuardianEffect;
use helios_core::messages::{AccountSnapshot, Alert};
use helios_crds::HeliosStrategy;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Between signs of life of the loop.
const BEAT: Duration = Duration::from_millis(500);

/// What the role does, as it does it: to the metrics, to the desk, and to whoever waits for leadership.
#[derive(Debug)]
pub(super) struct Eyes {
    pub(super) metrics: Arc<CoordinatorMetrics>,
    pub(super) leads: watch::Sender<bool>,
    pub(super) desk: mpsc::Sender<Heard>,
}

impl Observer for Eyes {
    fn effect(&self, effect: &GuardianEffect) {
        self.metrics.effect(effect);
        let told = match effect {
            GuardianEffect::Alert(a) => Heard::Own(a.clone()),
            GuardianEffect::Publish(s) => Heard::Snapshot(s.clone()),
            _ => return,
        };
        // The role never waits for the desk; what finds no room is in the log of the role.
        let _ = self.desk.try_send(told);
    }

    fn fence_acknowledged(&self) {
        self.metrics.fence_acknowledged();
    }

    fn leadership(&self, leading: bool, epoch: u64) {
        self.metrics.leadership(leading, epoch);
        self.leads
            .send_if_modified(|l| std::mem::replace(l, leading) != leading);
    }
}

/// The strategies that share an account, by name.
pub(super) fn of_account(objects: &Objects, account: &str) -> BTreeMap<String, HeliosStrategy> {
    let all = objects.strategies.iter();
    let of_it = all.filter(|(_, c)| c.object.account_name() == account);
    of_it
        .map(|(name, c)| {
            let mut object = c.object.clone();
            // One that was taken out of the files keeps what it has until it is flat, and opens nothing.
            object.spec.suspend |= c.deleting || c.stalled;
            (name.clone(), object)
        })
        .collect()
}

/// What is heard: this process's own words at once, whatever the network does, and the others' over it.
pub(super) struct Ears {
    own: mpsc::Receiver<Heard>,
    network: Option<(TypedWatch<AccountSnapshot>, Typed<Alert>)>,
}

impl Ears {
    pub(super) async fn open(
        bus: &AccountBus,
        networked: bool,
        own: mpsc::Receiver<Heard>,
    ) -> Result<Self> {
        let network = if networked {
            Some((bus.snapshots().await?, bus.alerts().await?))
        } else {
            None
        };
        Ok(Self { own, network })
    }

    async fn next(&mut self) -> Heard {
        let (snapshots, alerts) = match &mut self.network {
            Some((s, a)) => (Some(s), Some(a)),
            None => (None, None),
        };
        tokio::select! {
            // Own words before their echo.
            biased;
            Some(own) = self.own.recv() => own,
            Some((s, _)) = maybe(snapshots.map(|s| s.next())) => Heard::Snapshot(Box::new(s)),
            Some(a) = maybe(alerts.map(|a| a.next())) => Heard::Other(a),
            else => std::future::pending().await,
        }
    }
}

async fn maybe<T>(f: Option<impl Future<Output = T>>) -> T {
    match f {
        Some(f) => f.await,
        None => std::future::pending().await,
    }
}

/// What the desk is told, and by whom.
#[derive(Debug)]
pub(super) enum Heard {
    Snapshot(Box<AccountSnapshot>),
    Own(Alert),
    Other(Alert),
}

/// The running role.
pub(super) type Role = tokio::task::JoinHandle<Result<(), helios_coordinator::CoordinatorError>>;

/// The process around the role: manifests in, words out.
pub(super) struct Desk {
    pub(super) account: String,
    pub(super) alerts: Alerts,
    pub(super) metrics: Arc<CoordinatorMetrics>,
    pub(super) objects: Objects,
    pub(super) strategies: watch::Sender<BTreeMap<String, HeliosStrategy>>,
    pub(super) acknowledged: watch::Sender<BTreeMap<String, u64>>,
    pub(super) control: mpsc::Sender<Control>,
    /// Whether this process leads.
    pub(super) leads: watch::Receiver<bool>,
    /// What the role was told last.
    pub(super) told: Option<CoordinatorConfig>,
    /// The role has yet to be told of an edit.
    pub(super) config_due: bool,
    /// Positions of strategies that are to go are closed from here.
    pub(super) flattens: bool,
    pub(super) json: bool,
    pub(super) shown: String,
    pub(super) newest: (u64, u64),
}

impl Desk {
    /// Until somebody asks it to end, or the role ends by itself (then with why).
    pub(super) async fn work(
        &mut self,
        role: &mut Role,
        source: &mut Source,
        mut ears: Ears,
        mut end: Pin<&mut impl Future<Output = &'static str>>,
    ) -> Result<Option<anyhow::Error>> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                why = &mut end => {
                    tracing::info!("leaving: {why}; stops stay at the venue");
                    return Ok(None);
                }
                ended = &mut *role => {
                    return Ok(Some(match ended {
                        Err(e) => anyhow::Error::new(e).context("the coordinator crashed"),
                        Ok(Err(e)) => anyhow::Error::new(e).context("the coordinator failed"),
                        Ok(Ok(())) => anyhow::anyhow!("the coordinator ended without being asked to"),
                    }));
                }
                heard = ears.next() => self.heard(heard),
                () = source.changed(&mut self.objects) => self.reloaded(),
                _ = beat.tick() => self.metrics.beat.beat(),
            }
            self.tell();
        }
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Snapshot(s) => {
                self.metrics.snapshot(&s);
                if (s.epoch, s.seq) <= self.newest {
                    return;
                }
                self.newest = (s.epoch, s.seq);
                let acks = publish::acknowledged(&s);
                self.acknowledged.send_if_modified(|a| {
                    *a != acks && {
                        *a = acks;
                        true
                    }
                });
                self.flatten(&s);
                show(&s, self.json, &mut self.shown);
            }
            Heard::Own(a) => {
                self.alerts.own(&a);
                self.metrics.alert(&a);
            }
            Heard::Other(a) => {
                if self.alerts.heard(&a) {
                    self.metrics.alert(&a);
                }
            }
        }
    }

    /// The objects may be others than before.
    fn reloaded(&mut self) {
        let all = of_account(&self.objects, &self.account);
        self.strategies.send_if_modified(|s| {
            *s != all && {
                *s = all;
                true
            }
        });
        self.config_due = self.objects.coordinator(&self.account) != self.told;
    }

    /// Tells the role what it has not been told; one that is busy is told next time.
    fn tell(&mut self) {
        if !self.config_due {
            return;
        }
        if let (Some(config), Ok(slot)) = (
            self.objects.coordinator(&self.account),
            self.control.try_reserve(),
        ) {
            self.told = Some(config.clone());
            slot.send(Control::Config(Box::new(config)));
            self.config_due = false;
        }
    }

    /// Has the positions closed of strategies that are to go. Each snapshot asks again until they are gone; a standby asks
    /// for nothing, so that it closes nothing on old news when it comes to lead.
    fn flatten(&self, s: &AccountSnapshot) {
        if !self.flattens || !s.known || !*self.leads.borrow() {
            return;
        }
        for symbol in to_flatten(&self.objects, s) {
            tracing::warn!(%symbol, "its strategy is to go: the position is closed");
            if self.control.try_send(Control::Release(symbol)).is_err() {
                tracing::debug!("the role is busy: asked again with the next snapshot");
            }
        }
    }
}

/// Every snapshot as JSON; in words only what changed.
fn show(s: &AccountSnapshot, json: bool, before: &mut String) {
    if json {
        if let Ok(line) = serde_json::to_string(s) {
            say(&line);
        }
        return;
    }
    let now = words(s);
    if now != *before {
        tracing::info!(equity = %s.equity, exposure = %s.gross_notional, margin_ratio = %s.margin_ratio.round_dp(1), "{now}");
        *before = now;
    }
}

/// What a person wants to be told when it changes.
fn words(s: &AccountSnapshot) -> String {
    if !s.known {
        return "account not known yet: no new risk".into();
    }
    let mut t = format!("{:?}", s.level);
    if s.halted {
        t += ", halted";
    }
    if !s.latches.is_empty() {
        t += &format!(", latches {}", s.latches.join(" "));
    }
    for (strategy, symbols) in &s.wanted {
        t += &format!("; {strategy} wants {}", symbols.join(" "));
    }
    for (symbol, qty) in &s.positions {
        t += &format!("; holds {symbol} {qty}");
    }
    t
}
