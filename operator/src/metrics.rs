//! What an engineer on call looks at: how reconciles and API calls go, who leads, what waits.

use crate::time::now_ms;
use crate::writer::Refusal;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The operator's metrics, in a registry of their own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    seconds: Histogram,
    calls: IntCounterVec,
    leader: IntGauge,
    backoff: IntGauge,
    accounts: IntGauge,
    workers: IntGauge,
    /// Liveness ms of the loop's last turn.
    turned: AtomicU64,
    synced: AtomicBool,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let c = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(c.clone()))?;
            Ok::<_, prometheus::Error>(c)
        };
        let gauge = |name: &str, help: &str| {
            let g = IntGauge::new(name, help)?;
            registry.register(Box::new(g.clone()))?;
            Ok::<_, prometheus::Error>(g)
        };
        let buckets = vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];
        let opts = HistogramOpts::new(
            "helios_operator_reconcile_seconds",
            "Time of one look at an account, with its writes.",
        );
        let seconds = Histogram::with_opts(opts.buckets(buckets))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            reconciles: counter(
                "helios_operator_reconciles_total",
                "Looks at accounts, by outcome: settled, or something failed or waits.",
                &["outcome"],
            )?,
            calls: counter(
                "helios_operator_api_calls_total",
                "Calls to the API server, by what they do and how they ended.",
                &["call", "result"],
            )?,
            leader: gauge("helios_operator_leader", "1 while this operator leads.")?,
            backoff: gauge(
                "helios_operator_backoff_objects",
                "Objects that failed and are not tried yet.",
            )?,
            accounts: gauge("helios_operator_accounts", "Accounts known.")?,
            workers: gauge(
                "helios_operator_workers",
                "Worker and coordinator pods known.",
            )?,
            turned: AtomicU64::new(now_ms()),
            synced: AtomicBool::new(false),
            seconds,
            registry,
        })
    }

    /// A call to the API server ended.
    pub fn call(&self, what: &str, refusal: Option<Refusal>) {
        let result = refusal.map_or("ok", Refusal::name);
        self.calls.with_label_values(&[what, result]).inc();
    }

    /// A look ended.
    pub fn reconciled(&self, well: bool, took: Duration) {
        let outcome = if well { "settled" } else { "failed" };
        self.reconciles.with_label_values(&[outcome]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Whether this operator leads.
    pub fn leads(&self, yes: bool) {
        self.leader.set(yes.into());
    }

    /// How much there is.
    pub fn sizes(&self, accounts: usize, pods: usize, in_backoff: usize) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.accounts.set(number(accounts));
        self.workers.set(number(pods));
        self.backoff.set(number(in_backoff));
    }

    /// The loop turned; everything that is watched is known, or not.
    pub fn turn(&self, synced: bool) {
        self.turned.store(now_ms(), Ordering::Relaxed);
        self.synced.store(synced, Ordering::Relaxed);
    }

    /// The loop turns.
    pub fn lives(&self) -> bool {
        now_ms().saturating_sub(self.turned.load(Ordering::Relaxed)) < 30_000
    }

    /// It leads or could take over at once: everything that is watched is known.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        if self.synced.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(
                "the first lists are not in: are the kinds installed, and may the operator read?"
                    .into(),
            )
        }
    }

    /// This operator leads.
    pub fn is_leader(&self) -> bool {
        self.leader.get() == 1
    }

    /// Name and help of every metric, whether it has a value yet or not.
    pub fn names(&self) -> Vec<(String, String)> {
        let gauges = [&self.leader, &self.backoff, &self.accounts, &self.workers];
        let all = [&self.reconciles, &self.calls].map(Collector::desc);
        let all = all.into_iter().chain([self.seconds.desc()]);
        let all = all.chain(gauges.map(Collector::desc)).flatten();
        all.map(|d| (d.fq_name.clone(), d.help.clone())).collect()
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self) -> String {
        // Families of one registry always encode.
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../docs/metrics.md");

    #[test]
    fn the_page_lists_every_metric_of_the_operator_and_no_other() {
        let registered: BTreeSet<String> = Metrics::new()
            .unwrap()
            .names()
            .into_iter()
            .map(|(n, _)| n)
            .collect();
        let listed: BTreeSet<String> = PAGE
            .lines()
            .filter_map(|l| {
                l.strip_prefix("| `helios_operator_")?
                    .split(['`', '{'])
                    .next()
            })
            .filter(|n| !n.contains(' '))
            .map(|n| format!("helios_operator_{n}"))
            .collect();
        assert_eq!(registered, listed);
    }

    #[test]
    fn names_say_their_unit_and_helps_are_sentences() {
        let m = Metrics::new().unwrap();
        m.call("apply", None);
        m.reconciled(true, Duration::from_millis(3));
        let text = m.text();
        for (name, help) in m.names() {
            let snake = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(snake && name.starts_with("helios_operator_"), "{name}");
            assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
            let is = |kind: &str| text.contains(&format!("# TYPE {name} {kind}\n"));
            assert_eq!(is("counter"), name.ends_with("_total"), "{name}");
            assert_eq!(is("histogram"), name.ends_with("_seconds"), "{name}");
            assert!(
                is("counter") || is("histogram") || is("gauge"),
                "{name} is served"
            );
        }
    }

    #[test]
    fn what_is_counted_is_served() {
        let m = Metrics::new().unwrap();
        m.call("create_pod", Some(Refusal::QuotaExceeded));
        m.reconciled(false, Duration::from_millis(3));
        m.sizes(2, 7, 5);
        m.leads(true);
        let text = m.text();
        for line in [
            "helios_operator_api_calls_total{call=\"create_pod\",result=\"QuotaExceeded\"} 1",
            "helios_operator_reconciles_total{outcome=\"failed\"} 1",
            "helios_operator_accounts 2",
            "helios_operator_workers 7",
            "helios_operator_backoff_objects 5",
            "helios_operator_leader 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(m.is_leader() && m.lives() && m.ready().is_err());
        m.turn(true);
        assert_eq!(m.ready(), Ok(()));
    }
}
