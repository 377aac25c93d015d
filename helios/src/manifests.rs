//! The manifests of a run: read at the start, watched while it lasts, counted in generations.
//!
//! A set of files is taken whole or not at all: a broken edit is reported and the old parameters stay in force.

use anyhow::{Context, Result};
use helios_coordinator::CoordinatorConfig;
use helios_core::guardian::StrategyInfo;
use helios_core::params::StrategyParams;
use helios_core::plan::{Goes, ObservedStrategy};
use helios_crds::manifest::{self, ManifestError, Manifests};
use helios_crds::{HeliosAccount, HeliosStrategy, convert};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// The quickstart that runs without files.
pub const QUICKSTART: &str = include_str!("../../config/samples/quickstart.yaml");

/// How often files are looked at. Content decides, so an editor that renames is seen too.
const LOOK: Duration = Duration::from_millis(200);

/// Where manifests come from.
#[derive(Clone, Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    last: Option<Vec<(String, String)>>,
    next: Instant,
    missing: u32,
}

impl Files {
    /// From the command line; empty means the quickstart.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            last: None,
            next: Instant::now(),
            missing: 0,
        }
    }

    /// Reads everything for the start.
    ///
    /// # Errors
    /// Every problem found, with file, line, field and what to write.
    pub fn load(&mut self) -> Result<Manifests> {
        if self.paths.is_empty() {
            let text = vec![(
                "quickstart.yaml (built in)".to_string(),
                QUICKSTART.to_string(),
            )];
            return Ok(manifest::parse(&text)?);
        }
        let loaded = manifest::load(&self.paths).context("the manifests can't be used");
        self.last = self.texts();
        loaded
    }

    fn texts(&self) -> Option<Vec<(String, String)>> {
        let mut all = Vec::new();
        for path in &self.paths {
            for file in manifest::files_of(path).ok()? {
                all.push((
                    file.display().to_string(),
                    std::fs::read_to_string(&file).ok()?,
                ));
            }
        }
        Some(all)
    }

    /// Waits for the next change of content. A file that is missing or unreadable for a moment, as editors leave it between
    /// two steps, is looked at again before it counts.
    pub async fn changed(&mut self) -> Result<Manifests, ManifestError> {
        if self.paths.is_empty() {
            return std::future::pending().await;
        }
        // The instants are kept outside, because whoever waits here also waits for other things and starts anew each time.
        loop {
            tokio::time::sleep_until(self.next).await;
            self.next = Instant::now() + LOOK;
            let now = self.texts();
            if now == self.last {
                self.missing = 0;
            } else if now.is_none() && self.missing < 3 {
                self.missing += 1;
            } else {
                (self.last, self.missing) = (now, 0);
                return manifest::load(&self.paths);
            }
        }
    }
}

/// Identity of a strategy: what an API server gave it, else its name ([`HeliosStrategy::local_uid`]).
pub fn uid(s: &HeliosStrategy) -> String {
    let given = s.metadata.uid.as_ref().filter(|u| !u.is_empty());
    given.map_or_else(
        || HeliosStrategy::local_uid(&s.metadata.full_name()),
        Clone::clone,
    )
}

/// A strategy with its identity and the generations counted here.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The object as last accepted.
    pub object: HeliosStrategy,
    /// Its generation: grows when its spec changes.
    pub generation: u64,
    /// Order of first appearance, which is its age; at an API server when it was created.
    pub created_ms: i64,
    /// It was taken out of the files, or its deletion was asked for.
    pub deleting: bool,
    /// What stands there now can't be used: the last that could stays, and opens nothing.
    pub stalled: bool,
    /// Order of the document last published.
    pub published: Option<(u64, u64, u32)>,
}

/// All objects of the run.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Accounts with their generations, by full name.
    pub accounts: BTreeMap<String, (HeliosAccount, u64)>,
    /// Strategies by full name.
    pub strategies: BTreeMap<String, Counted>,
    seen: i64,
}

impl Objects {
    /// Takes a set of manifests in; says what changed, in words. Accounts can be neither added nor removed while running.
    pub fn accept(&mut self, m: &Manifests, start: bool) -> Vec<String> {
        let mut words = Vec::new();
        for a in &m.accounts {
            let name = a.object.metadata.full_name();
            match self.accounts.get_mut(&name) {
                Some((old, generation)) if old.spec != a.object.spec => {
                    if old.spec.simulated != a.object.spec.simulated {
                        words.push(format!("account {name}: spec.simulated is read at the start only: restart to change the market"));
                    }
                    *generation += 1;
                    words.push(format!(
                        "account {name}: generation {} → {generation}",
                        *generation - 1
                    ));
                    *old = a.object.clone();
                }
                Some(_) => {}
                None if start => drop(self.accounts.insert(name, (a.object.clone(), 1))),
                None => words.push(format!("account {name} is new: restart to start it")),
            }
        }
        for s in &m.strategies {
            let name = s.object.metadata.full_name();
            match self.strategies.get_mut(&name) {
                Some(c) => {
                    if c.object.spec != s.object.spec {
                        c.generation += 1;
                        words.push(format!(
                            "strategy {name}: generation {} → {}",
                            c.generation - 1,
                            c.generation
                        ));
                        c.object = s.object.clone();
                    }
                    c.deleting = false;
                }
                None => {
                    self.seen += 1;
                    if !start {
                        words.push(format!("strategy {name} is new"));
                    }
                    let counted = Counted {
                        object: s.object.clone(),
                        generation: 1,
                        created_ms: self.seen,
                        deleting: false,
                        stalled: false,
                        published: None,
                    };
                    self.strategies.insert(name, counted);
                }
            }
        }
        for (name, c) in &mut self.strategies {
            if !c.deleting
                && !m
                    .strategies
                    .iter()
                    .any(|s| s.object.metadata.full_name() == *name)
            {
                c.deleting = true;
                words.push(format!(
                    "strategy {name} was removed: its positions are left as onDelete says"
                ));
            }
        }
        words
    }

    /// Strategies as the planner sees them.
    pub fn observe(&self) -> Vec<ObservedStrategy> {
        self.strategies
            .iter()
            .map(|(name, c)| {
                let account = c.object.account_name();
                let account_generation = self.accounts.get(&account).map_or(1, |(_, g)| *g);
                let params = convert::params_document(
                    &c.object,
                    &uid(&c.object),
                    c.generation,
                    account_generation,
                );
                ObservedStrategy {
                    name: name.clone(),
                    account,
                    priority: c.object.spec.priority,
                    created_ms: c.created_ms,
                    deleting: c.deleting,
                    on_delete: params.stable.on_delete,
                    // What a running worker can't take over: the leverage set at the exchange, and its identity.
                    spec_hash: format!("{}/{}", uid(&c.object), c.object.spec.risk.leverage),
                    params,
                    published: c.published,
                    held: false,
                    replace_now: false,
                    worker_ended_ms: 0,
                    goes: Goes::WhenLeft,
                }
            })
            .collect()
    }

    /// What an account's coordinator is told.
    pub fn coordinator(&self, account: &str) -> Option<CoordinatorConfig> {
        let (object, _) = self.accounts.get(account)?;
        let strategies = self
            .strategies
            .iter()
            .filter(|(_, c)| c.object.account_name() == account)
            .map(|(name, c)| StrategyInfo {
                name: name.clone(),
                uid: uid(&c.object),
                created_ms: c.created_ms,
                params: StrategyParams {
                    // One that is going keeps its symbols until they are flat, and opens nothing.
                    suspend: c.deleting || c.stalled || c.object.spec.suspend,
                    ..convert::strategy_params(&c.object)
                },
                watchlist: convert::watchlist_params(&c.object),
            })
            .collect();
        Some(CoordinatorConfig {
            account: convert::account_params(object),
            strategies,
        })
    }
}
