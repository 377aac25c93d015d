//! A worker's numbers: what its own reports say.

use super::serve::Shown;
use super::shared::{Beat, BusMetrics, Waits};
use super::{Book, bit};
use anyhow::Result;
use helios_bus::typed::AccountBus;
use helios_core::messages::{Alert, WorkerReport};
use prometheus::Gauge;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker reports each second; older than this and it does not run.
const FRESH: Duration = Duration::from_secs(5);

/// A worker's metrics.
#[derive(Debug)]
pub struct WorkerMetrics {
    book: Book,
    bus: BusMetrics,
    ready: Gauge,
    granted: Gauge,
    synced: Gauge,
    protected: Gauge,
    notional: Gauge,
    unrealised: Gauge,
    net: Gauge,
    fees: Gauge,
    trips: Gauge,
    resyncs: Gauge,
    generation: Gauge,
    epoch: Gauge,
    age: Gauge,
    /// The loop that feeds this.
    pub beat: Beat,
    /// What the start waits for.
    pub waits: Waits,
    newest: Mutex<Option<(bool, Instant)>>,
}

impl WorkerMetrics {
    /// For the account of this bus; strategy and symbol are labels of every metric.
    ///
    /// # Errors
    /// A name is taken twice.
    pub fn new(bus: AccountBus, strategy: &str, symbol: &str) -> Result<Self> {
        let book = Book::new(&[
            ("account", bus.account()),
            ("strategy", strategy),
            ("symbol", symbol),
        ])?;
        let g = |name, help| book.gauge(name, help);
        Ok(Self {
            bus: BusMetrics::new(&book, bus)?,
            ready: g(
                "helios_worker_ready",
                "1 while the book is in sequence and the machine is warm",
            )?,
            granted: g(
                "helios_worker_granted",
                "1 while a grant is in force; 0: exits only",
            )?,
            synced: g(
                "helios_worker_book_synced",
                "1 while the book is in sequence",
            )?,
            protected: g(
                "helios_worker_protected",
                "1 while flat, or while the exchange has confirmed the position's stop",
            )?,
            notional: g(
                "helios_worker_notional",
                "Signed position at mid, quote asset",
            )?,
            unrealised: g("helios_worker_unrealised", "Unrealised profit, quote asset")?,
            net: g(
                "helios_worker_realised_net",
                "Realised since start net of fees, quote asset",
            )?,
            fees: g("helios_worker_fees", "Fees since start, quote asset")?,
            trips: g("helios_worker_round_trips", "Round trips since start")?,
            resyncs: g("helios_worker_resyncs", "Resyncs of the book since start")?,
            generation: g(
                "helios_worker_params_generation",
                "Generation of the parameters in force; 0: the file's",
            )?,
            epoch: g(
                "helios_worker_epoch",
                "Highest epoch of a leader that is honoured",
            )?,
            age: g(
                "helios_worker_report_age_seconds",
                "Age of the last report; +Inf before the first",
            )?,
            beat: Beat::default(),
            waits: Waits::default(),
            newest: Mutex::default(),
            book,
        })
    }

    #[cfg(test)]
    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    fn newest(&self) -> MutexGuard<'_, Option<(bool, Instant)>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker's report.
    pub fn report(&self, r: &WorkerReport) {
        let v = &r.view;
        let number = |d: Decimal| d.to_f64().unwrap_or(f64::NAN);
        self.ready.set(bit(r.ready));
        self.granted.set(bit(v.granted));
        self.synced.set(bit(v.book_synced));
        self.protected
            .set(bit(v.position.is_zero() || v.anchor_confirmed));
        self.notional
            .set(v.mid.map_or(f64::NAN, |m| number(m) * number(v.position)));
        self.unrealised.set(number(v.unrealised));
        self.net.set(number(v.realised_net));
        self.fees.set(number(v.fees));
        self.trips.set(f64::from(v.round_trips));
        self.resyncs.set(f64::from(v.resyncs));
        self.generation.set(r.generation as f64);
        self.epoch.set(r.epoch as f64);
        *self.newest() = Some((r.ready, Instant::now()));
    }

    /// The worker's alert.
    pub fn alert(&self, a: &Alert) {
        self.bus.alert(a);
    }
}

impl Shown for WorkerMetrics {
    fn text(&self) -> Result<String> {
        let age = self
            .newest()
            .map_or(f64::INFINITY, |(_, at)| at.elapsed().as_secs_f64());
        self.age.set(age);
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
        match *self.newest() {
            None => Err("starting".into()),
            Some((_, at)) if at.elapsed() > FRESH => Err("it does not report".into()),
            Some((false, _)) => Err("not ready: no book yet, or not warm".into()),
            Some((true, _)) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_core::messages::{SCHEMA, WorkerView};
    use std::sync::Arc;

    #[test]
    fn a_report_is_shown_and_makes_it_ready() {
        let bus = AccountBus::new(Arc::new(MemoryBus::new()), "default/a");
        let m = WorkerMetrics::new(bus, "default/s", "BTCUSDT").unwrap();
        assert_eq!(m.ready(), Err("starting".into()));
        let mut r = WorkerReport {
            schema: SCHEMA,
            symbol: "BTCUSDT".into(),
            strategy: "default/s".into(),
            task_uid: "t".into(),
            epoch: 5,
            generation: 2,
            ready: false,
            view: WorkerView {
                mid: Some(Decimal::TEN),
                position: Decimal::NEGATIVE_ONE,
                granted: true,
                ..WorkerView::default()
            },
            closed: Vec::new(),
            rates: None,
            params: (0, 0, 0),
            refused: false,
            alarms: 0,
            life: String::new(),
        };
        m.report(&r);
        assert!(m.ready().unwrap_err().contains("not warm"));
        r.ready = true;
        m.report(&r);
        assert_eq!(m.ready(), Ok(()));
        let text = m.text().unwrap();
        for (name, value) in [
            ("helios_worker_protected", "0"),
            ("helios_worker_notional", "-10"),
            ("helios_worker_granted", "1"),
            ("helios_worker_params_generation", "2"),
        ] {
            let line = text
                .lines()
                .find(|l| l.strip_prefix(name).is_some_and(|r| r.starts_with('{')));
            let line = line.unwrap();
            assert!(line.ends_with(&format!("}} {value}")), "{line}");
            assert!(line.contains("strategy=\"default/s\""), "{line}");
        }
    }
}
