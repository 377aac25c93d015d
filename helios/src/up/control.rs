//! Answers of the admin port.

use super::run::Run;
use crate::admin::Request;
use std::time::Duration;

impl Run {
    /// Does what was asked, or says why not.
    pub(super) fn answer(&mut self, request: Request) -> Result<serde_json::Value, String> {
        match request {
            Request::KillWorker { symbol, hold_ms } => {
                if self
                    .tasks
                    .kill_worker(&symbol, Duration::from_millis(hold_ms))
                {
                    Ok(format!("worker {symbol} killed; the next one starts in {hold_ms} ms or a little later").into())
                } else {
                    Err(format!("no worker trades {symbol}"))
                }
            }
            Request::Latch { name, set } => {
                let accounts: Vec<String> = self.accounts.keys().cloned().collect();
                let told = accounts
                    .iter()
                    .filter(|a| {
                        self.tasks.tell_coordinator(
                            a,
                            helios_coordinator::Control::Latch {
                                name: name.clone(),
                                set,
                            },
                        )
                    })
                    .count();
                if told == accounts.len() {
                    Ok(format!("latch {name} {}", if set { "set" } else { "released" }).into())
                } else {
                    Err("a coordinator is not running: try again".into())
                }
            }
            Request::Status => {
                let board = self.board.lock();
                let accounts: serde_json::Map<String, serde_json::Value> = board
                    .accounts
                    .iter()
                    .map(|(name, a)| {
                        let v = serde_json::json!({
                            "market": a.label, "time": a.market, "snapshot": a.snapshot, "workers": a.reports, "closed": a.closed,
                            "venue": self.accounts.get(name).map(|x| x.venue.handle.rest_url()),
                            "venueAdmin": self.accounts.get(name).map(|x| x.venue.handle.admin_url()),
                        });
                        (name.clone(), v)
                    })
                    .collect();
                Ok(
                    serde_json::json!({"accounts": accounts, "alerts": board.alerts, "failures": board.failures, "manifestProblem": board.manifest_problem}),
                )
            }
        }
    }
}
