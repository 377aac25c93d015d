//! A coordinator's numbers: what the guardian did, who leads, and the newest snapshot's account.
//!
//! It sees every effect before it is carried out and counts by what the effect is, never by the words of an alert.

use super::account::Account;
use super::serve::Shown;
use super::shared::{Beat, BusMetrics, Waits};
use super::{Book, Bounded, bit};
use anyhow::Result;
use helios_bus::typed::AccountBus;
use helios_coordinator::observe::Observer;
use helios_core::guardian::GuardianEffect;
use helios_core::messages::{AccountSnapshot, Alert, Command, DenyReason, GrantReply, LadderLevel};
use helios_core::order::CancelTarget;
use prometheus::{Gauge, GaugeVec, IntCounterVec};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Symbols that are told apart; an account holds far fewer positions.
const SYMBOLS: usize = 128;
/// A leader publishes each second; older than this and something is wrong.
const FRESH: Duration = Duration::from_secs(10);
/// A coordinator's metrics.
#[derive(Debug)]
pub struct CoordinatorMetrics {
    book: Book,
    bus: BusMetrics,
    account: Account,
    steps: IntCounterVec,
    reductions: IntCounterVec,
    mild: IntCounterVec,
    grants: IntCounterVec,
    fence_age: Gauge,
    fence_at: Mutex<Option<Instant>>,
    leader: Gauge,
    epoch: Gauge,
    params: GaugeVec,
    symbols: Bounded,
    /// The loop that feeds this.
    pub beat: Beat,
    /// What the start waits for.
    pub waits: Waits,
    newest: Mutex<Option<(AccountSnapshot, Instant)>>,
    leads: Mutex<Option<bool>>,
}

impl CoordinatorMetrics {
    /// For the account of this bus; `identity` is a label of every metric.
    ///
    /// # Errors
    /// A name is taken twice.
    pub fn new(bus: AccountBus, identity: &str) -> Result<Self> {
        let book = Book::new(&[("account", bus.account()), ("identity", identity)])?;
        Ok(Self {
            bus: BusMetrics::new(&book, bus)?,
            account: Account::new(&book)?,
            steps: book.counters(
                "helios_ladder_steps_total",
                "Steps of the margin ladder that this coordinator took, by the level reached",
                &["level"],
            )?,
            reductions: book.counters(
                "helios_position_reductions_total",
                "Orders of this coordinator that reduce a position",
                &["symbol", "kind"],
            )?,
            mild: book.counters(
                "helios_mild_measures_total",
                "Entries cancelled and stops told to tighten by this coordinator",
                &["symbol", "kind"],
            )?,
            grants: book.counters(
                "helios_grants_total",
                "Questions for permission that this coordinator answered",
                &["result"],
            )?,
            fence_age: book.gauge(
                "helios_fence_age_seconds",
                "Age of the last fence that the message store acknowledged to this leader; NaN on a standby",
            )?,
            fence_at: Mutex::default(),
            leader: book.gauge("helios_leader", "1 while this coordinator leads")?,
            epoch: book.gauge("helios_epoch", "Epoch of this coordinator; grows with each change of leader")?,
            params: book.gauges(
                "helios_params_generation",
                "Generation of the parameters that this coordinator published or found published last",
                "strategy",
            )?,
            symbols: Bounded::new(SYMBOLS),
            beat: Beat::default(),
            waits: Waits::default(),
            newest: Mutex::default(),
            leads: Mutex::default(),
            book,
        })
    }

    #[cfg(test)]
    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    fn newest(&self) -> MutexGuard<'_, Option<(AccountSnapshot, Instant)>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A snapshot, this coordinator's own or the leader's. True when it is newer than all before.
    pub fn snapshot(&self, s: &AccountSnapshot) -> bool {
        let mut newest = self.newest();
        let newer = newest
            .as_ref()
            .is_none_or(|(old, _)| (s.epoch, s.seq) > (old.epoch, old.seq));
        if newer {
            self.account.set(s);
            *newest = Some((s.clone(), Instant::now()));
        }
        newer
    }

    /// An alert, this process's own or heard.
    pub fn alert(&self, a: &Alert) {
        self.bus.alert(a);
    }

    /// Parameters stand published in this generation.
    pub fn params(&self, strategy: &str, generation: u64) {
        self.params
            .with_label_values(&[strategy])
            .set(generation as f64);
    }

    fn mild(&self, symbol: &str, kind: &str) {
        let labels = [self.symbols.of(symbol), kind];
        self.mild.with_label_values(&labels).inc();
    }

    /// Only who leads writes the fence, so nobody else's age of it means anything.
    fn fence_age(&self) -> f64 {
        if *self.leads() != Some(true) {
            return f64::NAN;
        }
        let at = *self.fence_at();
        at.map_or(f64::INFINITY, |t| t.elapsed().as_secs_f64())
    }

    fn fence_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.fence_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leads(&self) -> MutexGuard<'_, Option<bool>> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn result(reply: &GrantReply) -> &'static str {
    let reason = match reply {
        GrantReply::Granted(_) => return "granted",
        GrantReply::Denied { reason, .. } => reason,
    };
    match reason {
        DenyReason::NotWanted => "notWanted",
        DenyReason::AccountUnknown => "accountUnknown",
        DenyReason::Ladder => "ladder",
        DenyReason::Halted => "halted",
        DenyReason::Limit => "limit",
        DenyReason::Reserved => "reserved",
        DenyReason::External => "external",
        DenyReason::NotOwner => "notOwner",
        DenyReason::NotReady => "notReady",
    }
}

fn level(l: LadderLevel) -> &'static str {
    match l {
        LadderLevel::Normal => "normal",
        LadderLevel::Warning => "warning",
        LadderLevel::Critical => "critical",
        LadderLevel::Emergency => "emergency",
    }
}

impl Observer for CoordinatorMetrics {
    fn effect(&self, effect: &GuardianEffect) {
        // Whatever it does, it has started; on standby nobody says so.
        self.leads().get_or_insert(false);
        match effect {
            GuardianEffect::Reply { reply, .. } => {
                self.grants.with_label_values(&[result(reply)]).inc();
            }
            GuardianEffect::Ladder { level: l, .. } => {
                self.steps.with_label_values(&[level(*l)]).inc();
            }
            GuardianEffect::Place { symbol, slice, .. } => {
                let kind = if *slice { "slice" } else { "whole" };
                let symbol = self.symbols.of(symbol);
                self.reductions.with_label_values(&[symbol, kind]).inc();
            }
            GuardianEffect::Command(s, Command::TightenStop { .. }) => self.mild(s, "tighten"),
            // Plain orders that it cancels are entries, always.
            GuardianEffect::Cancel(s, CancelTarget::Order(_)) => self.mild(s, "cancel"),
            GuardianEffect::Publish(s) => drop(self.snapshot(s)),
            _ => {}
        }
    }

    fn fence_acknowledged(&self) {
        *self.fence_at() = Some(Instant::now());
    }

    fn leadership(&self, leading: bool, epoch: u64) {
        self.leader.set(bit(leading));
        self.epoch.set(epoch as f64);
        *self.leads() = Some(leading);
    }
}

impl Shown for CoordinatorMetrics {
    fn text(&self) -> Result<String> {
        self.account.age(self.newest().as_ref());
        self.fence_age.set(self.fence_age());
        self.bus.collect();
        self.book.text()
    }

    fn lives(&self) -> bool {
        self.beat.lives()
    }

    fn ready(&self) -> Result<(), String> {
        if let Some(why) = self.waits.get() {
            return Err(why);
        }
        let age = self.newest().as_ref().map(|(_, at)| at.elapsed());
        match *self.leads() {
            None => Err("starting".into()),
            Some(true) if age.is_none_or(|a| a > FRESH) => {
                Err("leads, but publishes no snapshot".into())
            }
            Some(true) => Ok(()),
            Some(false) if !self.bus.connected() => {
                Err("standby without a bus: it does not hear the leader".into())
            }
            Some(false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_core::fixed::{Qty, Side};
    use helios_core::messages::{AccountNumbers, Health, Severity, WorkerHealth};
    use helios_core::order::{EntryKind, NewOrder, OrderKind};
    use rust_decimal::Decimal;
    use std::sync::Arc;

    fn metrics() -> CoordinatorMetrics {
        let bus = AccountBus::new(Arc::new(MemoryBus::new()), "default/a");
        CoordinatorMetrics::new(bus, "me").unwrap()
    }

    /// A line of the page without the labels that every line has, in whatever order labels come.
    fn has(m: &CoordinatorMetrics, line: &str) {
        let text = m.text().unwrap();
        let (start, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = start.split_once('{').unwrap_or((start, ""));
        let found = text.lines().any(|l| {
            l.strip_prefix(name).is_some_and(|r| r.starts_with('{'))
                && l.ends_with(&format!("}} {value}"))
                && labels
                    .trim_end_matches('}')
                    .split(',')
                    .all(|w| l.contains(w))
                && l.contains("account=\"default/a\"")
                && l.contains("identity=\"me\"")
        });
        assert!(found, "{line} is not in\n{text}");
    }

    #[test]
    fn a_snapshot_is_shown_and_an_older_one_is_not() {
        let m = metrics();
        assert!(m.text().unwrap().contains("helios_snapshot_age_seconds"));
        let mut s = AccountSnapshot {
            epoch: 3,
            seq: 7,
            known: true,
            level: LadderLevel::Critical,
            margin_ratio: Decimal::new(125, 1),
            latches: vec!["kill".into()],
            numbers: Some(AccountNumbers {
                gross_leverage: Decimal::new(15, 1),
                input_age_ms: Some(60_000),
                ..AccountNumbers::default()
            }),
            ..AccountSnapshot::default()
        };
        let mut health = Health::default();
        let worker = WorkerHealth {
            ready: true,
            protected: false,
            ..WorkerHealth::default()
        };
        health.workers.insert("BTCUSDT".into(), worker);
        s.health = Some(health);
        assert!(m.snapshot(&s));
        s.seq = 6;
        s.level = LadderLevel::Normal;
        assert!(!m.snapshot(&s));
        for line in [
            "helios_margin_ratio_percent 12.5",
            "helios_ladder_level 2",
            "helios_gross_leverage 1.5",
            "helios_latch{name=\"kill\"} 1",
            "helios_latch{name=\"drawdown\"} 0",
            "helios_workers{ready=\"true\"} 1",
            "helios_workers_unprotected 1",
            "helios_account_known 1",
            "helios_peak_equity NaN",
            "helios_bus_connected 1",
        ] {
            has(&m, line);
        }
        let text = m.text().unwrap();
        let age = text
            .lines()
            .find(|l| l.starts_with("helios_account_input_age_seconds{"));
        let age: f64 = age.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!((60.0..120.0).contains(&age), "{age}");
    }

    #[test]
    fn what_the_guardian_does_is_counted() {
        let m = metrics();
        let denied = |reason| GuardianEffect::Reply {
            task_uid: "t".into(),
            reply: GrantReply::Denied {
                seq: 1,
                epoch: 1,
                reason,
            },
        };
        m.effect(&denied(DenyReason::Halted));
        m.effect(&denied(DenyReason::Halted));
        m.effect(&GuardianEffect::Ladder {
            level: LadderLevel::Warning,
            margin_ratio: Decimal::ONE,
        });
        for slice in [false, true] {
            let order = NewOrder {
                client_id: "x".into(),
                side: Side::Sell,
                kind: OrderKind::Market,
                qty: Qty(1),
                reduce_only: true,
                purpose: EntryKind::Exit,
                recv_window_ms: 1000,
            };
            m.effect(&GuardianEffect::Place {
                symbol: "BTCUSDT".into(),
                order,
                slice,
            });
        }
        m.alert(&Alert {
            severity: Severity::Warning,
            code: "PositionReduced".into(),
            symbol: Some("BTCUSDT".into()),
            text: "closed: 1 of 1 at".into(),
        });
        let eth = || "ETHUSDT".into();
        m.effect(&GuardianEffect::Command(
            eth(),
            Command::TightenStop { epoch: 1 },
        ));
        // Told to workers, or an orphan cleared away: no measure of the ladder.
        m.effect(&GuardianEffect::Command(
            eth(),
            Command::CancelEntries { epoch: 1 },
        ));
        let target = CancelTarget::Stop("s".into());
        m.effect(&GuardianEffect::Cancel(eth(), target));
        for id in ["1", "2"] {
            let target = CancelTarget::Order(id.into());
            m.effect(&GuardianEffect::Cancel(eth(), target));
        }
        for line in [
            "helios_mild_measures_total{kind=\"tighten\",symbol=\"ETHUSDT\"} 1",
            "helios_mild_measures_total{kind=\"cancel\",symbol=\"ETHUSDT\"} 2",
            "helios_grants_total{result=\"halted\"} 2",
            "helios_ladder_steps_total{level=\"warning\"} 1",
            "helios_position_reductions_total{kind=\"whole\",symbol=\"BTCUSDT\"} 1",
            "helios_position_reductions_total{kind=\"slice\",symbol=\"BTCUSDT\"} 1",
        ] {
            has(&m, line);
        }
        assert!(m.text().unwrap().contains("code=\"PositionReduced\""));
    }

    #[test]
    fn the_fences_age_is_a_leaders_and_counts_from_the_last_acknowledgement() {
        let m = metrics();
        has(&m, "helios_fence_age_seconds NaN");
        m.leadership(true, 1);
        has(&m, "helios_fence_age_seconds inf");
        m.fence_acknowledged();
        let line = |m: &CoordinatorMetrics| {
            let text = m.text().unwrap();
            let line = text
                .lines()
                .find(|l| l.starts_with("helios_fence_age_seconds{"));
            line.unwrap().to_string()
        };
        let age: f64 = line(&m).rsplit(' ').next().unwrap().parse().unwrap();
        assert!((0.0..60.0).contains(&age), "{age}");
        m.leadership(false, 1);
        has(&m, "helios_fence_age_seconds NaN");
    }

    #[test]
    fn it_is_ready_as_a_leader_that_publishes_and_as_a_standby_that_hears() {
        let m = metrics();
        assert_eq!(m.ready(), Err("starting".into()));
        m.effect(&GuardianEffect::Reconcile { asked_at: 0 });
        assert_eq!(m.ready(), Ok(()));
        m.leadership(true, 4);
        assert!(m.ready().unwrap_err().contains("publishes no snapshot"));
        m.snapshot(&AccountSnapshot::default());
        assert_eq!(m.ready(), Ok(()));
        has(&m, "helios_leader 1");
        has(&m, "helios_epoch 4");
        assert!(m.lives());
    }
}
