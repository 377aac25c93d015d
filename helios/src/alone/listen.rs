//! `helios worker --listen-only`: what a worker says on the bus, without a worker. For rehearsals of an operator.
//!
//! It takes parameters, acknowledges them and reports each second, as a worker does that is flat and has nothing to do. It
//! asks for no grant and knows no venue. One process may speak for many: each has its token, its permissions and hence its
//! connection.

use super::nats::{NatsArgs, Side};
use super::params_file::ParamsFile;
use super::{asked_to_end, own};
use anyhow::{Context, Result};
use helios_bus::typed::{AccountBus, ParamsNews};
use helios_core::messages::{ParamsDocument, SCHEMA, WorkerReport, WorkerView};
use helios_worker::WorkerConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

/// Between reports, and between looks at the list.
const BEAT: Duration = Duration::from_secs(1);

/// Whom to speak for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Voice {
    account: String,
    symbol: String,
    strategy: String,
    strategy_uid: String,
    task_uid: String,
    /// Instead of `--nats-token-file`.
    #[serde(default)]
    token_file: Option<PathBuf>,
    /// First parameters, and newer ones while NATS is away.
    #[serde(default)]
    params_file: Option<PathBuf>,
}

impl Voice {
    /// That of a worker that would be started so.
    pub(super) fn of(c: &WorkerConfig) -> Self {
        Self {
            account: c.account.clone(),
            symbol: c.symbol.clone(),
            strategy: c.strategy.clone(),
            strategy_uid: c.strategy_uid.clone(),
            task_uid: c.task_uid.clone(),
            token_file: None,
            params_file: None,
        }
    }
}

/// What is in force.
#[derive(Debug, Default)]
struct Known {
    params: Option<ParamsDocument>,
    epoch: u64,
}

impl Known {
    /// Takes a document in as a worker does: one of this strategy's that is newer. True when it is in force now.
    fn take(&mut self, strategy_uid: &str, d: ParamsDocument) -> bool {
        let newer = self.params.as_ref().is_none_or(|p| d.order() > p.order());
        let ours = d.strategy_uid == strategy_uid;
        if newer && ours {
            self.params = Some(d);
        }
        newer && ours
    }

    fn report(&self, v: &Voice) -> WorkerReport {
        WorkerReport {
            schema: SCHEMA,
            symbol: v.symbol.clone(),
            strategy: v.strategy.clone(),
            task_uid: v.task_uid.clone(),
            epoch: self.epoch,
            generation: self.params.as_ref().map_or(0, |p| p.generation),
            ready: self.params.is_some(),
            view: WorkerView {
                reason: Some("it listens only".into()),
                ..WorkerView::default()
            },
            closed: Vec::new(),
            rates: None,
            params: self
                .params
                .as_ref()
                .map_or((0, 0, 0), ParamsDocument::order),
            refused: false,
            alarms: 0,
            life: String::new(),
        }
    }
}

/// Speaks for one until asked to end.
pub(super) async fn for_one(
    voice: Voice,
    first: ParamsDocument,
    file: Option<ParamsFile>,
    nats: &NatsArgs,
) -> Result<ExitCode> {
    let known = Known {
        params: Some(first),
        epoch: 0,
    };
    tracing::warn!(
        symbol = voice.symbol,
        "listens only: nothing is traded, no position is guarded"
    );
    tokio::select! {
        ended = speak(&voice, known, file, nats) => ended.map(|()| ExitCode::FAILURE),
        why = asked_to_end()? => {
            tracing::info!("leaving: {why}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Speaks for all of a list until asked to end.
pub(super) async fn for_all(list: PathBuf, nats: NatsArgs) -> Result<ExitCode> {
    let end = asked_to_end()?;
    tokio::pin!(end);
    tracing::warn!("listens only: nothing is traded, no position is guarded");
    let mut crowd = Crowd {
        nats,
        tasks: JoinSet::new(),
        speaking: BTreeMap::new(),
    };
    crowd.follow(read(&list)?);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = false;
    loop {
        tokio::select! {
            why = &mut end => {
                tracing::info!("leaving: {why}");
                return Ok(ExitCode::SUCCESS);
            }
            _ = beat.tick() => {}
        }
        match read(&list) {
            Ok(voices) => {
                trouble = false;
                crowd.follow(voices);
            }
            Err(e) if !trouble => {
                trouble = true;
                tracing::error!("the list is not used, the one before stays in force: {e:#}");
            }
            Err(_) => {}
        }
    }
}

fn read(list: &Path) -> Result<Vec<Voice>> {
    let shown = || format!("--speak-for {}", list.display());
    let bytes = std::fs::read(list).with_context(shown)?;
    serde_json::from_slice(&bytes).with_context(shown)
}

/// Everybody who is spoken for.
struct Crowd {
    nats: NatsArgs,
    tasks: JoinSet<()>,
    speaking: BTreeMap<Voice, AbortHandle>,
}

impl Crowd {
    /// Starts for whoever is new or has failed, and ends for whoever is not named any more.
    fn follow(&mut self, voices: Vec<Voice>) {
        while self.tasks.try_join_next().is_some() {}
        self.speaking.retain(|v, task| {
            let stays = voices.contains(v) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for voice in voices {
            if self.speaking.contains_key(&voice) {
                continue;
            }
            let (v, mut nats) = (voice.clone(), self.nats.clone());
            if v.token_file.is_some() {
                nats.nats_token_file.clone_from(&v.token_file);
            }
            let task = self.tasks.spawn(async move {
                let file = v.params_file.clone();
                let file = file.map(|f| ParamsFile::new(f, &v.strategy_uid));
                if let Err(e) = speak(&v, Known::default(), file, &nats).await {
                    tracing::error!(
                        symbol = v.symbol,
                        account = v.account,
                        "not spoken for: {e:#}"
                    );
                }
            });
            self.speaking.insert(voice, task);
        }
    }
}

/// Takes, acknowledges and reports, for as long as the bus is there.
async fn speak(
    v: &Voice,
    mut known: Known,
    mut file: Option<ParamsFile>,
    nats: &NatsArgs,
) -> Result<()> {
    let side = Side::Worker {
        symbol: &v.symbol,
        strategy: &v.strategy,
    };
    let network = nats.start(side, &v.account, &v.task_uid)?;
    let (bus, _copy): (AccountBus, AccountBus) = own::bus(network, &v.account);
    let mut params = bus.params(&v.strategy).await?;
    let mut fences = bus.fences().await?;
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let news = tokio::select! {
            news = params.next() => news.context("the bus is closed")?,
            news = changed(&mut file) => news,
            Some((fence, _)) = fences.next() => {
                known.epoch = known.epoch.max(fence.epoch);
                continue;
            }
            _ = beat.tick() => {
                if bus.report(&known.report(v)).await.is_err() {
                    tracing::debug!(symbol = v.symbol, "report not published");
                }
                continue;
            }
        };
        if let ParamsNews::Document(d) = news
            && known.take(&v.strategy_uid, *d)
        {
            // Acknowledged at once, as a worker does it.
            beat.reset_immediately();
        }
    }
}

async fn changed(file: &mut Option<ParamsFile>) -> ParamsNews {
    match file {
        Some(f) => f.changed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
