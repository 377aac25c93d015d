//! The end of a run: leave positions as `onDelete` says, close the books, print the summary.

use super::run::Run;
use super::summary::Summary;
use anyhow::{Context, Result};
use helios_core::params::OnDelete;
use std::time::Duration;
use tokio::time::timeout;

/// What leaving may take before it is cut short.
const LEAVE_BY: Duration = Duration::from_secs(20);

impl Run {
    /// Entries cancelled, positions flattened or left protected as `onDelete` says.
    pub(super) async fn leave(&mut self) {
        let (_, workers) = self.tasks.observe();
        for w in workers {
            let how = self
                .objects
                .strategies
                .get(&w.spec.strategy)
                .map_or(OnDelete::KeepProtected, |c| {
                    helios_crds::convert::strategy_params(&c.object).on_delete
                });
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
                "workers did not leave in {LEAVE_BY:?}: what is open keeps its stops at the venue"
            );
        }
        // The last reports are still on the bus.
        tokio::time::sleep(Duration::from_millis(50)).await;
        for account in self.accounts.keys() {
            self.tasks
                .tell_coordinator(account, helios_coordinator::Control::Shutdown);
        }
        let _ = timeout(Duration::from_secs(2), async {
            while !self.tasks.is_empty() {
                self.tasks.next_ending().await;
            }
        })
        .await;
        self.tasks.abort_all();
    }

    /// Summaries, and the venue's end. False when books disagree.
    pub(super) async fn finish(self) -> Result<bool> {
        let mut agree = true;
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
                    &ledger,
                    audit,
                    &stats,
                    self.logs.errors(),
                    board.failures,
                )
            };
            agree &= s.books_agree;
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
                println!("{}", s.table())
            }
        }
        if self.args.json {
            let line = if summaries.len() == 1 {
                serde_json::to_string(&summaries[0])?
            } else {
                serde_json::to_string(&summaries)?
            };
            println!("{line}");
        }
        Ok(agree)
    }
}
