//! `helios kill` and `helios release`: a person's word, to a running `helios up` or coordinator on this host, or over NATS to
//! whoever leads.

use crate::admin::{DEFAULT_ADDR, Request, block_on, send};
use crate::alone::{NATS_HELP, NatsArgs};
use anyhow::Result;
use clap::Args;
use std::net::SocketAddr;
use std::process::ExitCode;

/// Arguments of `helios kill` and `helios release`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = format!("kill stops new risk and closes every position, over restarts too, until it is released. The guardian sets the others:\n\
drawdown and state-lost until a person releases them, daily-loss until the next UTC day. Status and metrics write\n\
dailyLoss and stateLost, which are taken too.\n\
Without --nats it asks the `helios up` of this host, or the coordinator that was started with --admin; with it, whoever\n\
leads the account. When NATS is away, go to the leader's host and use --admin.\n\n\
Examples:\n  helios kill\n  helios release drawdown\n  kubectl exec deploy/hc-paper -- helios kill     # in a cluster: any coordinator of account paper\n\n{NATS_HELP}")
)]
pub struct LatchArgs {
    /// Which latch
    #[arg(value_enum, default_value = "kill")]
    name: LatchName,
    /// Ask the `helios up` or coordinator of this host that was started with this --admin, NATS or not (default without
    /// --nats: 127.0.0.1:9180, where `helios up` listens)
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Over NATS: which account, `name` or `namespace/name`
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Over NATS: who asks, for the record (default: $USER)
    #[cfg(feature = "nats")]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    nats: NatsArgs,
}

/// The latches there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LatchName {
    /// Set by a person
    Kill,
    /// Set by the guardian until a person releases it
    Drawdown,
    /// Set by the guardian until the next UTC day
    #[value(alias = "dailyLoss")]
    DailyLoss,
    /// Set by the guardian that found no state where there must have been one
    #[value(alias = "stateLost")]
    StateLost,
}

impl LatchName {
    /// The guardian's name of it.
    fn of_guardian(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Drawdown => "drawdown",
            Self::DailyLoss => "dailyLoss",
            Self::StateLost => "stateLost",
        }
    }
}

/// Runs `helios kill` and `helios release`.
///
/// # Errors
/// Nobody answers, or the run refuses, in words.
pub fn run(args: LatchArgs, set: bool) -> Result<ExitCode> {
    let words = block_on(ask(args, set))?;
    crate::printed::print_all(&words);
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "nats"))]
async fn ask(args: LatchArgs, set: bool) -> Result<String> {
    // Refuses what the environment asks for and this binary can't do.
    if args.admin.is_none() {
        args.nats.start(crate::alone::Side::Admin, "", "")?;
    }
    of_host(&args, set).await
}

#[cfg(feature = "nats")]
async fn ask(args: LatchArgs, set: bool) -> Result<String> {
    // A named port wins over a server that only the environment may have named.
    if args.admin.is_some() {
        return of_host(&args, set).await;
    }
    match nats::ask(&args, set).await? {
        Some(words) => Ok(words),
        None => of_host(&args, set).await,
    }
}

/// Asks the `helios up` or the coordinator of this host.
async fn of_host(args: &LatchArgs, set: bool) -> Result<String> {
    let name = args.name.of_guardian().into();
    let at = match args.admin {
        Some(at) => at,
        None => DEFAULT_ADDR.parse()?,
    };
    let answer = send(at, &Request::Latch { name, set }).await?;
    let text = answer.as_str().map(ToString::to_string);
    Ok(text.unwrap_or_else(|| answer.to_string()))
}

#[cfg(feature = "nats")]
mod nats {
    use super::LatchArgs;
    use crate::alone::{Side, full};
    use anyhow::{Context, Result, bail};
    use helios_bus::typed::AccountBus;
    use helios_bus::{Bus, BusError};
    use helios_core::messages::{AdminReply, AdminRequest};
    use std::sync::Arc;
    use std::time::Duration;

    /// The leader answers when the latch is written.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Asks the leader; `None` when no server is named.
    pub(super) async fn ask(args: &LatchArgs, set: bool) -> Result<Option<String>> {
        if args.nats.nats.is_empty() {
            return Ok(None);
        }
        let account = args.account.as_deref();
        let account = full(account.context("which account? say --account NAME")?);
        let by = args.by.clone().or_else(|| std::env::var("USER").ok());
        let by = by.unwrap_or_else(|| "somebody".into());
        let name = args.name.of_guardian();
        let client = format!("helios by {by}");
        let bus = match args.nats.connect(Side::Admin, &account, &client).await {
            Ok(Some(bus)) => bus,
            Ok(None) => return Ok(None),
            Err(e) => return Err(e.context(unheard(name, set))),
        };
        latch(Arc::new(bus), &account, name, set, by)
            .await
            .map(Some)
    }

    /// Has the leader of an account set or release a latch.
    pub(super) async fn latch(
        bus: Arc<dyn Bus>,
        account: &str,
        name: &str,
        set: bool,
        by: String,
    ) -> Result<String> {
        let request = AdminRequest::Latch {
            name: name.into(),
            set,
            by,
        };
        let asked = AccountBus::new(bus, account)
            .ask_admin(&request, PATIENCE)
            .await;
        match asked {
            Ok(AdminReply::Done { text }) => Ok(format!("{account}: {text}")),
            Ok(AdminReply::Refused { why }) => bail!("{account}: {why}"),
            Err(BusError::NoResponder(_)) => {
                bail!("nobody leads account {account}: {}", unheard(name, set))
            }
            Err(e @ BusError::Timeout { .. }) => bail!(
                "{account}: {e}: it may have been heard; look at the snapshot's latches or the log before asking again. If nobody leads: {}",
                unheard(name, set)
            ),
            Err(e) => Err(e).with_context(|| format!("{account}: {}", unheard(name, set))),
        }
    }

    /// What a person must know when nobody heard.
    fn unheard(name: &str, set: bool) -> String {
        let state = "without a leader workers may only reduce, at the latest after 2 s, and the stops stand at the exchange.";
        if set && name == "kill" {
            format!(
                "the latch is not set. Meanwhile {state} To halt for good write spec.halt: true into the account's manifest: a coordinator that starts obeys it. To close positions now, run `helios kill --admin ADDR` on the leader's host (its --admin), or use the exchange"
            )
        } else {
            format!(
                "latch {name} is as it was. Meanwhile {state} Start a coordinator and ask again"
            )
        }
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]
        use super::*;
        use helios_bus::memory::MemoryBus;

        async fn kill(bus: &MemoryBus) -> Result<String> {
            latch(Arc::new(bus.clone()), "ns/a", "kill", true, "me".into()).await
        }

        #[tokio::test]
        async fn whoever_kills_without_a_leader_is_told_what_holds_and_what_to_do() {
            let why = kill(&MemoryBus::new()).await.unwrap_err().to_string();
            for words in [
                "nobody leads account ns/a",
                "2 s",
                "stops stand",
                "spec.halt: true",
            ] {
                assert!(why.contains(words), "{words}: {why}");
            }
        }

        #[tokio::test]
        async fn the_leader_hears_who_asks_and_its_answer_is_passed_on() {
            let bus = MemoryBus::new();
            let account = AccountBus::new(Arc::new(bus.clone()), "ns/a");
            let mut people = account.serve_admin().await.unwrap();
            let leader = tokio::spawn(async move {
                let q = people.next().await.unwrap();
                let wanted = AdminRequest::Latch {
                    name: "kill".into(),
                    set: true,
                    by: "me".into(),
                };
                assert_eq!(q.request, wanted);
                q.answer(&AdminReply::Done {
                    text: "latch kill set".into(),
                })
                .unwrap();
                let q = people.next().await.unwrap();
                q.answer(&AdminReply::Refused {
                    why: "was set already".into(),
                })
                .unwrap();
            });
            assert_eq!(kill(&bus).await.unwrap(), "ns/a: latch kill set");
            let why = kill(&bus).await.unwrap_err().to_string();
            assert!(why.contains("was set already"), "{why}");
            leader.await.unwrap();
        }
    }
}

#[cfg(test)]
mod names {
    #![allow(clippy::unwrap_used)]
    use super::LatchName;
    use clap::ValueEnum;

    #[test]
    fn a_latch_is_taken_as_the_help_writes_it_and_as_status_and_metrics_do() {
        for latch in LatchName::value_variants() {
            let shown = latch.to_possible_value().unwrap();
            for written in [shown.get_name(), latch.of_guardian()] {
                assert_eq!(LatchName::from_str(written, false).as_ref(), Ok(latch));
            }
        }
        assert!(LatchName::from_str("stateless", false).is_err());
    }
}
