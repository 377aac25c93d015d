//! What is known of a run right now: filled from the bus, read by the views, the admin port and the summary.

use helios_core::messages::{AccountSnapshot, Alert, ClosedTrade, Severity, WorkerReport};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Alerts kept for the views.
const ALERTS: usize = 200;

/// Everything known of one account.
#[derive(Clone, Debug, Default)]
pub struct AccountBoard {
    /// Words about its market.
    pub label: String,
    /// Newest snapshot.
    pub snapshot: Option<AccountSnapshot>,
    /// When it was heard.
    pub heard: Option<Instant>,
    /// Newest report of each symbol.
    pub reports: BTreeMap<String, WorkerReport>,
    /// Real round trips, in order of closing.
    pub closed: Vec<ClosedTrade>,
    /// Resyncs of workers that are gone (a new one counts from 0), by symbol.
    pub resyncs_before: BTreeMap<String, u32>,
    /// Smallest margin ratio seen, percent.
    pub min_margin_ratio: Option<Decimal>,
    /// Market ms since the start of market time, and speed reached.
    pub market: Option<helios_venue::server::VenueStats>,
}

impl AccountBoard {
    /// Depth resyncs of all workers of the run.
    pub fn resyncs(&self) -> u32 {
        self.resyncs_before.values().sum::<u32>()
            + self.reports.values().map(|r| r.view.resyncs).sum::<u32>()
    }
}

/// Everything known of the run.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// By account `namespace/name`.
    pub accounts: BTreeMap<String, AccountBoard>,
    /// Newest last.
    pub alerts: VecDeque<Alert>,
    /// Critical alerts since the start.
    pub critical: u64,
    /// Latest complaint about the manifests, in words; empty when they are fine.
    pub manifest_problem: String,
    /// Worker and coordinator tasks that failed since the start.
    pub failures: u64,
}

/// A shared board; clones see the same.
#[derive(Clone, Debug, Default)]
pub struct SharedBoard {
    board: Arc<Mutex<Board>>,
    changed: Arc<Notify>,
}

impl SharedBoard {
    /// Reads or changes it; short, never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves after the next change that the planner should look at.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes the planner.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Takes in a snapshot.
    pub fn snapshot(&self, account: &str, s: AccountSnapshot) {
        let mut b = self.lock();
        let a = b.accounts.entry(account.into()).or_default();
        // Without an account picture the ratio is not a number anybody measured.
        if s.known {
            a.min_margin_ratio = Some(
                a.min_margin_ratio
                    .map_or(s.margin_ratio, |m| m.min(s.margin_ratio)),
            );
        }
        let moved = a.snapshot.as_ref().is_none_or(|o| {
            (
                &o.wanted,
                &o.drained,
                o.known,
                o.positions.keys().collect::<Vec<_>>(),
            ) != (&s.wanted, &s.drained, s.known, s.positions.keys().collect())
        });
        a.snapshot = Some(s);
        a.heard = Some(Instant::now());
        drop(b);
        if moved {
            self.wake();
        }
    }

    /// Takes in a worker's report.
    pub fn report(&self, account: &str, mut r: WorkerReport) {
        let mut b = self.lock();
        let a = b.accounts.entry(account.into()).or_default();
        a.closed.extend(
            std::mem::take(&mut r.closed)
                .into_iter()
                .filter(|c| !c.shadow),
        );
        if let Some(old) = a.reports.get(&r.symbol)
            && old.task_uid != r.task_uid
        {
            *a.resyncs_before.entry(r.symbol.clone()).or_default() += old.view.resyncs;
        }
        a.reports.insert(r.symbol.clone(), r);
    }

    /// Takes in an alert.
    pub fn alert(&self, alert: Alert) {
        let mut b = self.lock();
        b.critical += u64::from(alert.severity == Severity::Critical);
        b.alerts.push_back(alert);
        while b.alerts.len() > ALERTS {
            b.alerts.pop_front();
        }
    }
}
