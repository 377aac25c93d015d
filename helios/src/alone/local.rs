//! A person on the coordinator's host: `helios kill --admin` reaches the leader when nothing else does.
//!
//! Loopback only and without a password, as with `helios up`: whoever is on the host may end the process anyway. It takes the
//! same way as a word over the bus, so it counts when it is written. A coordinator that stands by passes it on: whoever is in
//! a hurry asks the nearest one, and `kubectl exec` takes any.

use crate::admin::{Asked, Request};
use helios_bus::BusError;
use helios_bus::typed::AccountBus;
use helios_coordinator::{Control, told};
use helios_core::messages::{AdminReply, AdminRequest};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The leader answers when the latch is written; it gives up after five seconds itself.
const PATIENCE: Duration = Duration::from_secs(7);

/// What answers of a coordinator rest on.
#[derive(Clone)]
pub(super) struct Local {
    pub(super) account: String,
    /// Who this coordinator is.
    pub(super) identity: String,
    pub(super) bus: AccountBus,
    pub(super) leads: watch::Receiver<bool>,
    pub(super) control: mpsc::Sender<Control>,
}

impl Local {
    /// Answers until the port is closed.
    pub(super) async fn answer(self, mut asked: mpsc::Receiver<Asked>) {
        while let Some((request, answer)) = asked.recv().await {
            let me = self.clone();
            // Nobody waits for another's answer: the leader of one may hang.
            tokio::spawn(async move {
                let said = me.say(request).await;
                // Whoever asked may have gone.
                let _ = answer.send(said);
            });
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
                    return self.pass_on(name, set).await;
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

    /// Has the leader do it.
    async fn pass_on(&self, name: String, set: bool) -> Result<serde_json::Value, String> {
        let (account, identity) = (&self.account, &self.identity);
        let request = AdminRequest::Latch {
            name,
            set,
            by: format!("a person at {identity}"),
        };
        match self.bus.ask_admin(&request, PATIENCE).await {
            Ok(AdminReply::Done { text }) => Ok(format!("{account}: {text}").into()),
            Ok(AdminReply::Refused { why }) => Err(format!("{account}: {why}")),
            Err(e) => {
                let so = match e {
                    BusError::Timeout { .. } => "may have been heard",
                    _ => "was not heard",
                };
                Err(format!(
                    "{account}: this coordinator ({identity}) stands by, and what it passed on {so} by the one that leads: {e}. Ask that one on its own host, or in its own pod"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use std::sync::Arc;

    fn local() -> (
        Local,
        MemoryBus,
        watch::Sender<bool>,
        mpsc::Receiver<Control>,
    ) {
        let bus = MemoryBus::new();
        let (lead, leads) = watch::channel(false);
        let (control, heard) = mpsc::channel(4);
        let local = Local {
            account: "ns/a".into(),
            identity: "hc-a-1".into(),
            bus: AccountBus::new(Arc::new(bus.clone()), "ns/a"),
            leads,
            control,
        };
        (local, bus, lead, heard)
    }

    fn kill() -> Request {
        Request::Latch {
            name: "kill".into(),
            set: true,
        }
    }

    #[tokio::test]
    async fn the_leader_says_that_a_latch_is_set_when_it_is_written() {
        let (local, _, lead, mut heard) = local();
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

    #[tokio::test]
    async fn one_that_stands_by_passes_it_on_to_the_leader() {
        let (local, bus, _lead, mut heard) = local();
        let leader = AccountBus::new(Arc::new(bus), "ns/a");
        let mut people = leader.serve_admin().await.unwrap();
        tokio::spawn(async move {
            let q = people.next().await.unwrap();
            let wanted = AdminRequest::Latch {
                name: "kill".into(),
                set: true,
                by: "a person at hc-a-1".into(),
            };
            assert_eq!(q.request, wanted);
            let text = "latch kill set and written".into();
            q.answer(&AdminReply::Done { text }).unwrap();
        });
        let said = local.say(kill()).await.unwrap();
        assert_eq!(said, "ns/a: latch kill set and written");
        assert!(heard.try_recv().is_err(), "it took it itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_hangs_makes_nobody_else_wait() {
        let (local, bus, _lead, _heard) = local();
        let leader = AccountBus::new(Arc::new(bus), "ns/a");
        let _deaf = leader.serve_admin().await.unwrap();
        let (ask, asked) = mpsc::channel(4);
        tokio::spawn(local.answer(asked));
        let (first, killed) = oneshot::channel();
        ask.send((kill(), first)).await.unwrap();
        let (second, status) = oneshot::channel();
        ask.send((Request::Status, second)).await.unwrap();
        let begin = tokio::time::Instant::now();
        assert_eq!(status.await.unwrap().unwrap()["leads"], false);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let why = killed.await.unwrap().unwrap_err();
        assert!(why.contains("may have been heard"), "{why}");
    }

    #[tokio::test]
    async fn one_that_stands_by_says_who_to_ask_when_nobody_leads() {
        let (local, _, _lead, _heard) = local();
        let why = local.say(kill()).await.unwrap_err();
        for words in ["hc-a-1", "stands by", "was not heard", "its own pod"] {
            assert!(why.contains(words), "{words}: {why}");
        }
    }
}
