//! Numbers of a running role for Prometheus: `/metrics`, `/healthz`, `/readyz`. docs/metrics.md lists them.
//!
//! Counted from what a role tells (reports, snapshots, alerts, effects), never asked of the machines. Label values that come
//! from messages are bounded: beyond a number of them all others are counted as `other`.

mod account;
mod coordinator;
#[cfg(feature = "nats")]
mod nats_auth;
mod serve;
mod shared;
mod worker;

pub use coordinator::CoordinatorMetrics;
#[cfg(feature = "nats")]
pub use nats_auth::CalloutMetrics;
pub use serve::{Shown, serve};
pub use shared::{Beat, Waits};
pub use worker::WorkerMetrics;

use anyhow::{Context, Result};
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// A registry that remembers which names are in it.
#[derive(Debug)]
struct Book {
    registry: Registry,
    names: Mutex<Vec<&'static str>>,
}

impl Book {
    /// With labels that every metric carries.
    fn new(labels: &[(&str, &str)]) -> Result<Self> {
        let labels: HashMap<String, String> = labels
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        Ok(Self {
            registry: Registry::new_custom(None, Some(labels)).context("metrics")?,
            names: Mutex::default(),
        })
    }

    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        name: &'static str,
        made: prometheus::Result<C>,
    ) -> Result<C> {
        let c = made.with_context(|| format!("metric {name}"))?;
        self.registry
            .register(Box::new(c.clone()))
            .with_context(|| format!("metric {name}"))?;
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name);
        Ok(c)
    }

    fn gauge(&self, name: &'static str, help: &str) -> Result<Gauge> {
        self.add(name, Gauge::new(name, help))
    }

    fn gauges(&self, name: &'static str, help: &str, label: &str) -> Result<GaugeVec> {
        self.add(name, GaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn counter(&self, name: &'static str, help: &str) -> Result<IntCounter> {
        self.add(name, IntCounter::new(name, help))
    }

    fn counters(&self, name: &'static str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(name, IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn text(&self) -> Result<String> {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .context("metrics")
    }

    #[cfg(test)]
    fn names(&self) -> Vec<&'static str> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Brings a counter up to a count that is kept elsewhere.
fn catch_up(counter: &IntCounter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

fn bit(b: bool) -> f64 {
    f64::from(u8::from(b))
}

/// Values of a label that come from messages: the first so many, then `other`.
#[derive(Debug)]
struct Bounded {
    seen: Mutex<BTreeSet<String>>,
    most: usize,
}

impl Bounded {
    fn new(most: usize) -> Self {
        Self {
            seen: Mutex::default(),
            most,
        }
    }

    fn of<'a>(&self, value: &'a str) -> &'a str {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(value) {
            value
        } else if seen.len() < self.most && value.len() <= 64 {
            seen.insert(value.into());
            value
        } else {
            "other"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_bus::typed::AccountBus;
    use std::sync::Arc;

    const PAGE: &str = include_str!("../../../docs/metrics.md");

    #[test]
    fn the_page_lists_every_metric_and_no_other() {
        let bus = AccountBus::new(Arc::new(MemoryBus::new()), "default/a");
        let c = CoordinatorMetrics::new(bus.clone(), "me").unwrap();
        let w = WorkerMetrics::new(bus, "default/s", "BTCUSDT").unwrap();
        let registered: BTreeSet<&str> = c
            .book()
            .names()
            .into_iter()
            .chain(w.book().names())
            .collect();
        #[cfg(feature = "nats")]
        let registered = {
            let n = nats_auth::tests::metrics(Arc::default());
            registered
                .into_iter()
                .chain(n.book().names())
                .collect::<BTreeSet<_>>()
        };
        let listed: BTreeSet<&str> = PAGE
            .lines()
            .filter_map(|l| l.strip_prefix("| `helios_"))
            .filter_map(|l| l.split(['`', '{']).next())
            // The operator's are compared where they are made.
            .filter(|n| !n.contains(' ') && !n.starts_with("operator_"))
            .collect();
        let registered: BTreeSet<&str> = registered
            .iter()
            .map(|n| n.strip_prefix("helios_").unwrap())
            .collect();
        assert_eq!(registered, listed);
    }

    #[test]
    fn labels_from_messages_are_bounded() {
        let b = Bounded::new(2);
        assert_eq!(
            ["a", "b", "c", "a"].map(|v| b.of(v)),
            ["a", "b", "other", "a"]
        );
        assert_eq!(Bounded::new(2).of(&"x".repeat(65)), "other");
    }

    #[test]
    fn a_count_kept_elsewhere_never_goes_back() {
        let c = IntCounter::new("n", "n").unwrap();
        catch_up(&c, 3);
        catch_up(&c, 2);
        assert_eq!(c.get(), 3);
    }
}
