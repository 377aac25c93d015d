//! What every role on a bus shows: the bus, alerts, and whether its loop lives.

use super::{Book, Bounded, bit, catch_up};
use anyhow::Result;
use helios_bus::typed::AccountBus;
use helios_core::messages::{Alert, Severity};
use prometheus::{Gauge, IntCounter, IntCounterVec};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A loop that has not beaten for this long counts as stuck.
const STUCK: Duration = Duration::from_secs(5);
/// Codes of alerts that are told apart; there are some forty.
const CODES: usize = 64;

/// The pulse of a loop.
#[derive(Debug)]
pub struct Beat {
    origin: Instant,
    last_ms: AtomicU64,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }
}

impl Beat {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The loop came round.
    pub fn beat(&self) {
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// It did so lately.
    pub fn lives(&self) -> bool {
        let silent = self
            .now_ms()
            .saturating_sub(self.last_ms.load(Ordering::Relaxed));
        Duration::from_millis(silent) < STUCK
    }
}

/// What a start waits for, in words; told once.
#[derive(Debug, Default)]
pub struct Waits(Mutex<Option<String>>);

impl Waits {
    /// It waits for this now, or for nothing any more.
    pub fn set(&self, why: Option<&str>) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.as_deref() == why {
            return;
        }
        match why {
            Some(why) => tracing::warn!("waits: {why}"),
            None => tracing::info!("waits no longer"),
        }
        *now = why.map(str::to_string);
    }

    /// What it waits for.
    pub fn get(&self) -> Option<String> {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }
}

/// Bus and alerts.
#[derive(Debug)]
pub(super) struct BusMetrics {
    bus: AccountBus,
    connected: Gauge,
    rollbacks: IntCounter,
    refused: IntCounterVec,
    alerts: IntCounterVec,
    codes: Bounded,
}

impl BusMetrics {
    pub(super) fn new(book: &Book, bus: AccountBus) -> Result<Self> {
        Ok(Self {
            bus,
            connected: book.gauge(
                "helios_bus_connected",
                "1 while the message bus is connected; always 1 in process",
            )?,
            rollbacks: book.counter(
                "helios_bus_rollbacks_total",
                "Times the message store was seen at an earlier state than before",
            )?,
            refused: book.counters(
                "helios_bus_refused_total",
                "Messages dropped because they were none, by kind",
                &["kind"],
            )?,
            alerts: book.counters(
                "helios_alerts_total",
                "Alerts of the account that this process sent or heard",
                &["code", "severity"],
            )?,
            codes: Bounded::new(CODES),
        })
    }

    pub(super) fn alert(&self, a: &Alert) {
        let severity = match a.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        self.alerts
            .with_label_values(&[self.codes.of(&a.code), severity])
            .inc();
    }

    pub(super) fn connected(&self) -> bool {
        self.bus.transport().state().borrow().connected
    }

    /// Takes over what is counted elsewhere.
    pub(super) fn collect(&self) {
        let rollbacks = self.bus.transport().state().borrow().rollbacks;
        self.connected.set(bit(self.connected()));
        catch_up(&self.rollbacks, rollbacks);
        let refused = self.bus.refused();
        for (kind, count) in [
            ("malformed", refused.malformed),
            ("huge", refused.huge),
            ("wrongVersion", refused.wrong_version),
        ] {
            catch_up(&self.refused.with_label_values(&[kind]), count);
        }
    }
}
