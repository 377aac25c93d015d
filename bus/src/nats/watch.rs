//! Watches: messages on the key's subject are hints, reads are the truth.
//!
//! A value is shown when its revision or its bytes differ from what was shown. Reads happen at the start of each connection,
//! after each hint (again for a short while when the hint came before the value was stored), and every few seconds in case a
//! hint was lost.

use super::Shared;
use super::kv::check_key;
use super::link::{self, Link, jittered};
use super::listen::Task;
use super::queue::Newest;
use super::{bucket, seen};
use crate::{BusError, Entry, Watch};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Reads without a hint: at least every one and a half times this.
const EVERY: Duration = Duration::from_secs(4);
/// Waits before reading again a key whose hinted value is not there yet. A refused swap is a hint of nothing, so they end.
const NOT_YET: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
/// Before reading again after a read that failed.
const FAILED: Duration = Duration::from_millis(400);

/// A key to be read.
struct Due {
    at: Instant,
    /// What the last hint said.
    hint: Option<Bytes>,
    tries: usize,
}

struct Watcher {
    shared: Arc<Shared>,
    /// A key, or a prefix that is empty or ends in a dot.
    pattern: String,
    out: Arc<Newest<Entry>>,
    shown: HashMap<String, (u64, u64)>,
    due: BTreeMap<String, Due>,
    list: Option<Instant>,
}

fn is_prefix(pattern: &str) -> bool {
    pattern.is_empty() || pattern.ends_with('.')
}

impl Watcher {
    fn mark(&mut self, key: String, hint: Option<Bytes>) {
        self.due.insert(
            key,
            Due {
                at: Instant::now(),
                hint,
                tries: 0,
            },
        );
    }

    fn all(&mut self) {
        if is_prefix(&self.pattern) {
            self.list = Some(Instant::now());
        } else if !self.due.contains_key(&self.pattern) {
            self.mark(self.pattern.clone(), None);
        }
    }

    fn hinted(&mut self, m: async_nats::Message) {
        let root = format!("$KV.{}.", self.shared.config.bucket);
        if let Some(key) = m.subject.strip_prefix(&root).map(str::to_owned) {
            self.mark(key, Some(m.payload));
        }
    }

    /// Reads one key that is due; true when there was one.
    async fn step(&mut self, link: &Link) -> bool {
        let now = Instant::now();
        if self.list.is_some_and(|at| at <= now) {
            match bucket::keys(&self.shared.config, link, &self.pattern).await {
                Ok(keys) => {
                    self.list = None;
                    // Known ones too: one that vanished is not listed.
                    for key in keys.into_iter().chain(self.shown.keys().cloned()) {
                        self.due.entry(key).or_insert(Due {
                            at: now,
                            hint: None,
                            tries: 0,
                        });
                    }
                }
                Err(e) => {
                    tracing::debug!(pattern = self.pattern, error = %e, "bus: keys cannot be listed");
                    self.list = Some(Instant::now() + jittered(FAILED));
                }
            }
            return true;
        }
        let Some(key) = self
            .due
            .iter()
            .find(|(_, d)| d.at <= now)
            .map(|(k, _)| k.clone())
        else {
            return false;
        };
        let Some(due) = self.due.remove(&key) else {
            return false;
        };
        match self.shared.get(&key).await {
            Ok(entry) => {
                let settled = match (&entry, &due.hint) {
                    (_, None) => true,
                    (Some(e), Some(hint)) => e.value == *hint,
                    (None, Some(_)) => false,
                };
                let mut news = false;
                if let Some(entry) = entry {
                    let is = (entry.revision, seen::digest(&entry.value));
                    if self.shown.insert(key.clone(), is) != Some(is) {
                        news = true;
                        self.out.put(&key, entry);
                    }
                }
                if let Some(wait) = NOT_YET.get(due.tries).filter(|_| !settled && !news) {
                    self.due.insert(
                        key,
                        Due {
                            at: Instant::now() + *wait,
                            tries: due.tries + 1,
                            hint: due.hint,
                        },
                    );
                }
            }
            Err(e) => {
                tracing::debug!(key, error = %e, "bus: a watched key cannot be read");
                let at = Instant::now() + jittered(FAILED);
                self.due.insert(key, Due { at, ..due });
            }
        }
        true
    }

    async fn on(&mut self, link: &Link, mut hints: async_nats::Subscriber) {
        let mut line = self.shared.line.subscribe();
        self.all();
        let mut again = Instant::now() + jittered(EVERY);
        loop {
            // Hints that wait already are one.
            while let Some(Some(m)) = hints.next().now_or_never() {
                self.hinted(m);
            }
            tokio::select! {
                biased;
                () = link::ended(&mut line, link.number) => return,
                busy = self.step(link) => if busy { continue },
            }
            let next = self
                .due
                .values()
                .map(|d| d.at)
                .chain(self.list)
                .fold(again, Instant::min);
            tokio::select! {
                m = hints.next() => match m {
                    Some(m) => self.hinted(m),
                    None => return,
                },
                () = link::ended(&mut line, link.number) => return,
                () = tokio::time::sleep_until(next) => {}
            }
            if Instant::now() >= again {
                again = Instant::now() + jittered(EVERY);
                self.all();
            }
        }
    }

    async fn run(mut self) {
        let subject = match is_prefix(&self.pattern) {
            true => format!("$KV.{}.{}>", self.shared.config.bucket, self.pattern),
            false => format!("$KV.{}.{}", self.shared.config.bucket, self.pattern),
        };
        let mut line = self.shared.line.subscribe();
        let mut number = 0;
        while let Some(link) = link::next(&mut line, number).await {
            number = link.number;
            if let Ok(hints) = link.client.subscribe(subject.clone()).await {
                self.on(&link, hints).await;
            }
        }
        self.out.close();
    }
}

pub(super) struct NatsWatch {
    out: Arc<Newest<Entry>>,
    _task: Task,
}

impl NatsWatch {
    pub(super) fn start(shared: Arc<Shared>, pattern: &str) -> Result<Self, BusError> {
        match pattern.strip_suffix('.') {
            None if pattern.is_empty() => {}
            None => check_key(pattern)?,
            Some(tokens) => check_key(tokens)?,
        }
        let out = Arc::new(Newest::default());
        let watcher = Watcher {
            shared,
            pattern: pattern.into(),
            out: out.clone(),
            shown: HashMap::new(),
            due: BTreeMap::new(),
            list: None,
        };
        let task = Task::of(watcher.run());
        Ok(Self { out, _task: task })
    }
}

#[async_trait]
impl Watch for NatsWatch {
    async fn next(&mut self) -> Option<Entry> {
        self.out.pop().await
    }
}
