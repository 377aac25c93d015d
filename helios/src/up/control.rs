//! Answers of the admin port.

use super::run::Run;
use crate::admin::Request;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The way back to whoever asked.
type Answer = oneshot::Sender<Result<serde_json::Value, String>>;

impl Run {
    /// Does what was asked, or says why not.
    pub(super) fn answer(&mut self, request: Request, answer: Answer) {
        let result = match request {
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
            Request::Latch { name, set } => return self.latch(name, set, answer),
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
        };
        let _ = answer.send(result);
    }

    /// Has every coordinator set or release a latch, and answers when all have written it.
    fn latch(&mut self, name: String, set: bool, answer: Answer) {
        let mut waiting = Vec::new();
        for account in self.accounts.keys() {
            let (done, written) = oneshot::channel();
            let message = helios_coordinator::Control::Latch {
                name: name.clone(),
                set,
                done,
            };
            if self.tasks.tell_coordinator(account, message) {
                waiting.push((account.clone(), Some(written)));
            } else {
                waiting.push((account.clone(), None));
            }
        }
        tokio::spawn(async move {
            let mut words = Vec::new();
            let mut ok = true;
            for (account, written) in waiting {
                let outcome =
                    match written {
                        None => Err("its coordinator is not running: try again".to_string()),
                        Some(w) => match timeout(Duration::from_secs(5), w).await {
                            Ok(Ok(r)) => r,
                            _ => Err("its coordinator did not say that it is written: try again"
                                .to_string()),
                        },
                    };
                ok &= outcome.is_ok();
                words.push(match outcome {
                    Ok(()) => format!(
                        "{account}: latch {name} {}",
                        if set { "set" } else { "released" }
                    ),
                    Err(e) => format!("{account}: {e}"),
                });
            }
            let words = words.join("\n");
            let _ = answer.send(if ok { Ok(words.into()) } else { Err(words) });
        });
    }
}
