//! A person on the coordinator's host: `helios kill --admin` reaches the leader when nothing else does.
//!
//! Loopback only and without a password, as with `helios up`: whoever is on the host may end the process anyway. It takes the
//! same way as a word over the bus, so it counts when it is written.

use crate::admin::{Asked, Request};
use helios_coordinator::{Control, told};
use tokio::sync::{mpsc, oneshot, watch};

/// What answers of a coordinator rest on.
pub(super) struct Local {
    pub(super) account: String,
    pub(super) leads: watch::Receiver<bool>,
    pub(super) control: mpsc::Sender<Control>,
}

impl Local {
    /// Answers until the port is closed.
    pub(super) async fn answer(self, mut asked: mpsc::Receiver<Asked>) {
        while let Some((request, answer)) = asked.recv().await {
            let said = self.say(request).await;
            // Whoever asked may have gone.
            let _ = answer.send(said);
        }
    }

    async fn say(&self, request: Request) -> Result<serde_json::Value, String> {
        let account = &self.account;
        match request {
            Request::Status => Ok(serde_json::json!({
                "account": account,
                "leads": *self.leads.borrow(),
            })),
            Request::KillWorker { .. } => {
                Err("a coordinator has no workers of its own: end the worker's process".into())
            }
            Request::Latch { name, set } => {
                if !*self.leads.borrow() {
                    return Err(format!(
                        "this coordinator of {account} stands by: ask the one that leads"
                    ));
                }
                tracing::warn!(latch = name, set, "asked by a person on this host");
                let (done, written) = oneshot::channel();
                let latch = Control::Latch {
                    name: name.clone(),
                    set,
                    done,
                };
                self.control
                    .send(latch)
                    .await
                    .map_err(|_| "the coordinator is ending".to_string())?;
                let said = told(&name, set, written).await;
                said.map(|text| format!("{account}: {text}").into())
                    .map_err(|why| format!("{account}: {why}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn only_the_leader_takes_a_latch_and_says_so_when_it_is_written() {
        let (lead, leads) = watch::channel(false);
        let (control, mut heard) = mpsc::channel(4);
        let local = Local {
            account: "ns/a".into(),
            leads,
            control,
        };
        let kill = || Request::Latch {
            name: "kill".into(),
            set: true,
        };
        assert!(local.say(kill()).await.unwrap_err().contains("stands by"));
        lead.send(true).unwrap();
        tokio::spawn(async move {
            for written in [Ok(()), Err("was set already".to_string())] {
                if let Some(Control::Latch { name, set, done }) = heard.recv().await {
                    assert!(name == "kill" && set);
                    done.send(written).unwrap();
                }
            }
        });
        let said = local.say(kill()).await.unwrap();
        assert_eq!(said, "ns/a: latch kill set and written");
        let why = local.say(kill()).await.unwrap_err();
        assert!(why.contains("was set already"), "{why}");
    }
}
