//! The end of a run: leave positions as `onDelete` says, close the books, print the summary.

use super::run::Run;
use super::summary::{Books, Summary};
use anyhow::{Context, Result};
use helios_core::params::OnDelete;
use helios_crds::convert;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(20);
/// What the coordinator may take to close what no worker is left to close.
const RELEASE_BY: Duration = Duration::from_secs(10);

impl Run {
    /// Entries cancelled, positions flattened or left protected as `onDelete` says. What no worker is left to close, the
    /// coordinator closes.
    pub(super) async fn leave(&mut self) {
        let flatten = self.symbols_to_flatten();
        let (_, workers) = self.tasks.observe();
        for w in workers {
            let how = self.on_delete(&w.spec.strategy);
            self.tasks.stop_worker(&w.uid, how);
        }
        let left = timeout(LEAVE_BY, async {
            while self.tasks.workers_left() > 0 {
                let e = self.tasks.next_ending().await;
                tracing::info!("{} ended: {}", e.who, e.how);
            }
        });
        if left.await.is_err() {
            tracing::error!(
                "workers did not leave in {LEAVE_BY:?}: the coordinator closes what is open"
            );
        }
        self.release(&flatten).await;
        for account in self.accounts.keys() {
            self.tasks
                .tell_coordinator(account, helios_coordinator::Control::Shutdown);
        }
        let _ = timeout(Duration::from_secs(3), async {
            while self.tasks.coordinators_left() > 0 {
                self.tasks.next_ending().await;
            }
        })
        .await;
        self.tasks.abort_all();
    }

    /// What a strategy's deletion does with positions; one that is gone from the files keeps its last word.
    fn on_delete(&self, strategy: &str) -> OnDelete {
        let of = |c: &crate::manifests::Counted| convert::strategy_params(&c.object).on_delete;
        self.objects
            .strategies
            .get(strategy)
            .map_or(OnDelete::KeepProtected, of)
    }

    /// By account, every symbol that a worker of a strategy with `onDelete: Flatten` has ever reported on or holds now.
    fn symbols_to_flatten(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |account: &str, symbol: &str, strategy: &str| {
            if self.on_delete(strategy) == OnDelete::Flatten {
                all.entry(account.into()).or_default().insert(symbol.into());
            }
        };
        for (account, board) in &self.board.lock().accounts {
            for r in board.reports.values() {
                add(account, &r.symbol, &r.strategy);
            }
        }
        for w in self.tasks.observe().1 {
            add(&w.spec.account, &w.spec.symbol, &w.spec.strategy);
        }
        all
    }

    /// Has the coordinator close what is still open of these symbols, and waits until the venue says so.
    async fn release(&mut self, flatten: &BTreeMap<String, BTreeSet<String>>) {
        let until = Instant::now() + RELEASE_BY;
        loop {
            let mut open = Vec::new();
            for (account, symbols) in flatten {
                let Some(a) = self.accounts.get(account) else {
                    continue;
                };
                let Ok(ledger) = a.venue.handle.ledger().await else {
                    continue;
                };
                let held = ledger
                    .positions
                    .into_iter()
                    .map(|p| p.symbol)
                    .filter(|s| symbols.contains(s));
                open.extend(held.map(|s| (account.clone(), s)));
            }
            if open.is_empty() {
                return;
            }
            for (account, symbol) in open {
                self.leave_to_coordinator(&account, &symbol);
            }
            if Instant::now() > until {
                tracing::error!("positions are still open after {RELEASE_BY:?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Summaries, and the venue's end. False when books disagree, or something is open that should not be, or bare.
    pub(super) async fn finish(self) -> Result<bool> {
        let mut agree = true;
        let flatten = self.symbols_to_flatten();
        let mut summaries = Vec::new();
        for (name, a) in self.accounts {
            let (ledger, audit, stats) = (
                a.venue.handle.ledger().await?,
                a.venue.handle.audit().await?,
                a.venue.handle.stats().await?,
            );
            let s = {
                let board = self.board.lock();
                let account = board.accounts.get(&name).cloned().unwrap_or_default();
                Summary::new(
                    &name,
                    &account,
                    &Books {
                        base: &a.base,
                        end: &ledger,
                        released: &self.released,
                    },
                    audit,
                    &stats,
                    self.logs.errors(),
                    board.failures,
                )
            };
            let wanted_flat = flatten.get(&name);
            let left = s
                .open_positions
                .keys()
                .filter(|o| wanted_flat.is_some_and(|f| f.contains(*o)))
                .count();
            agree &= s.books_agree && left == 0 && s.audit.still_bare == 0;
            a.venue
                .handle
                .shutdown()
                .await
                .context("the venue's state can't be saved")?;
            summaries.push(s);
        }
        for s in &summaries {
            if self.args.json {
                eprintln!("{}", s.table())
            } else {
                crate::printed::print_all(&s.table());
            }
        }
        if self.args.json {
            let line = if summaries.len() == 1 {
                serde_json::to_string(&summaries[0])?
            } else {
                serde_json::to_string(&summaries)?
            };
            crate::printed::print_all(&line);
        }
        Ok(agree)
    }
}
