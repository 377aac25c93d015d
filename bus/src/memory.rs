//! The in-process transport: what `helios up` runs on.
//!
//! Same promises as the networked one, no more: order per publisher, bounded queues that lose the oldest and count it,
//! watches that conflate, compare-and-swap by revision.

use crate::subject::matches;
use crate::{Bus, BusError, BusState, Entry, Message, Question, Server, Subscription, Watch};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};

/// Messages a subscriber may lag behind before it loses the oldest.
const SUBSCRIBER_QUEUE: usize = 4096;
/// Questions a server may lag behind before askers are refused.
const SERVER_QUEUE: usize = 4096;

type Bucket = BTreeMap<String, (Bytes, u64)>;

#[derive(Debug)]
struct Inner {
    subscribers: Vec<(String, broadcast::Sender<Message>)>,
    servers: Vec<(String, mpsc::Sender<Question>)>,
    bucket: Bucket,
    revision: u64,
    watchers: Vec<(String, Weak<WatchQueue>)>,
    state: watch::Sender<BusState>,
    /// Old data came back while nobody was connected to see it.
    restored: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            subscribers: Vec::new(),
            servers: Vec::new(),
            bucket: Bucket::new(),
            revision: 0,
            watchers: Vec::new(),
            state: watch::Sender::new(BusState {
                connected: true,
                rollbacks: 0,
            }),
            restored: false,
        }
    }
}

impl Inner {
    fn check(&self) -> Result<(), BusError> {
        if self.state.borrow().connected {
            Ok(())
        } else {
            Err(BusError::Disconnected)
        }
    }

    fn wake(&mut self, key: Option<&str>) {
        let bucket = &self.bucket;
        self.watchers.retain(|(pattern, queue)| {
            let Some(queue) = queue.upgrade() else {
                return false;
            };
            let of = |k: &&str| watches(pattern, k);
            let keys: Vec<&str> = match key {
                Some(k) => Some(k).into_iter().filter(of).collect(),
                None => bucket.keys().map(String::as_str).filter(of).collect(),
            };
            if !keys.is_empty() {
                queue
                    .dirty
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .extend(keys.into_iter().map(str::to_owned));
                queue.wake.notify_one();
            }
            true
        });
    }

    fn show_restored(&mut self) {
        if self.restored && self.state.borrow().connected {
            self.restored = false;
            self.state.send_modify(|s| s.rollbacks += 1);
            self.wake(None);
        }
    }
}

fn watches(pattern: &str, key: &str) -> bool {
    if pattern.is_empty() || pattern.ends_with('.') {
        key.starts_with(pattern)
    } else {
        key == pattern
    }
}

/// The key-value bucket as it was, for tests.
#[derive(Clone, Debug)]
pub struct MemoryBackup {
    bucket: Bucket,
    revision: u64,
}

#[derive(Debug, Default)]
struct WatchQueue {
    dirty: Mutex<BTreeSet<String>>,
    wake: Notify,
}

/// An in-process bus; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus(Arc<Mutex<Inner>>);

impl MemoryBus {
    /// An empty bus.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No user code runs under the lock, so a poisoned one still holds whole values.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self, key: &str, expected: Option<u64>, value: Bytes) -> Result<u64, BusError> {
        let mut inner = self.lock();
        inner.check()?;
        let actual = inner.bucket.get(key).map_or(0, |(_, r)| *r);
        if let Some(expected) = expected.filter(|e| *e != actual) {
            return Err(BusError::WrongRevision {
                key: key.into(),
                expected,
                actual,
            });
        }
        inner.revision += 1;
        let revision = inner.revision;
        inner.bucket.insert(key.into(), (value, revision));
        inner.wake(Some(key));
        Ok(revision)
    }

    /// The bucket as it is, to be restored later: for tests of lost fences.
    pub fn backup(&self) -> MemoryBackup {
        let inner = self.lock();
        MemoryBackup {
            bucket: inner.bucket.clone(),
            revision: inner.revision,
        }
    }

    /// Puts the bucket back; a rollback when it had gone on since, noticed at once or on the next [`MemoryBus::reconnect`].
    pub fn restore(&self, backup: &MemoryBackup) {
        let mut inner = self.lock();
        inner.restored |= backup.revision < inner.revision;
        inner.bucket = backup.bucket.clone();
        inner.revision = backup.revision;
        inner.show_restored();
    }

    /// Cuts all clones off: for tests of outages.
    pub fn disconnect(&self) {
        self.lock().state.send_modify(|s| s.connected = false);
    }

    /// Ends [`MemoryBus::disconnect`].
    pub fn reconnect(&self) {
        let mut inner = self.lock();
        inner.state.send_modify(|s| s.connected = true);
        inner.show_restored();
    }
}

struct MemorySubscription {
    receiver: broadcast::Receiver<Message>,
    lost: u64,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self) -> Option<Message> {
        loop {
            match self.receiver.recv().await {
                Ok(m) => return Some(m),
                Err(broadcast::error::RecvError::Lagged(n)) => self.lost += n,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn lost(&self) -> u64 {
        self.lost
    }
}

struct MemoryServer(mpsc::Receiver<Question>);

#[async_trait]
impl Server for MemoryServer {
    async fn next(&mut self) -> Option<Question> {
        self.0.recv().await
    }
}

struct MemoryWatch {
    bus: MemoryBus,
    queue: Arc<WatchQueue>,
}

#[async_trait]
impl Watch for MemoryWatch {
    async fn next(&mut self) -> Option<Entry> {
        loop {
            let key = self
                .queue
                .dirty
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .pop_first();
            if let Some(key) = key {
                if let Some((value, revision)) = self.bus.lock().bucket.get(&key).cloned() {
                    return Some(Entry {
                        key,
                        value,
                        revision,
                    });
                }
                continue;
            }
            self.queue.wake.notified().await;
        }
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        let message = Message {
            subject: subject.into(),
            payload,
        };
        let mut inner = self.lock();
        inner.check()?;
        inner.subscribers.retain(|(pattern, sender)| {
            // A send fails only when the subscriber is gone.
            !matches(pattern, subject) && sender.receiver_count() > 0
                || sender.send(message.clone()).is_ok()
        });
        Ok(())
    }

    async fn subscribe(&self, pattern: &str) -> Result<Box<dyn Subscription>, BusError> {
        let (sender, receiver) = broadcast::channel(SUBSCRIBER_QUEUE);
        self.lock().subscribers.push((pattern.into(), sender));
        Ok(Box::new(MemorySubscription { receiver, lost: 0 }))
    }

    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        let (tx, rx) = oneshot::channel();
        let question = Question {
            subject: subject.into(),
            payload,
            answer: Box::new(move |b| {
                let _ = tx.send(b);
            }),
        };
        {
            let mut inner = self.lock();
            inner.check()?;
            inner.servers.retain(|(_, s)| !s.is_closed());
            let server = inner
                .servers
                .iter()
                .rev()
                .find(|(p, _)| matches(p, subject));
            match server {
                Some((_, s)) if s.try_send(question).is_ok() => {}
                _ => return Err(BusError::NoResponder(subject.into())),
            }
        }
        let late = || BusError::Timeout {
            subject: subject.into(),
            ms: timeout.as_millis() as u64,
        };
        match tokio::time::timeout(timeout, rx).await {
            Ok(Ok(answer)) => Ok(answer),
            // The server dropped the question: the asker learns it at once.
            Ok(Err(_)) => Err(BusError::NoResponder(subject.into())),
            Err(_) => Err(late()),
        }
    }

    async fn serve(&self, pattern: &str) -> Result<Box<dyn Server>, BusError> {
        let (tx, rx) = mpsc::channel(SERVER_QUEUE);
        self.lock().servers.push((pattern.into(), tx));
        Ok(Box::new(MemoryServer(rx)))
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, BusError> {
        let inner = self.lock();
        inner.check()?;
        Ok(inner.bucket.get(key).map(|(value, revision)| Entry {
            key: key.into(),
            value: value.clone(),
            revision: *revision,
        }))
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<u64, BusError> {
        self.write(key, None, value)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<u64, BusError> {
        self.write(key, Some(expected), value)
    }

    async fn watch(&self, pattern: &str) -> Result<Box<dyn Watch>, BusError> {
        let mut inner = self.lock();
        let dirty: BTreeSet<String> = inner
            .bucket
            .keys()
            .filter(|k| watches(pattern, k))
            .cloned()
            .collect();
        let queue = Arc::new(WatchQueue {
            dirty: Mutex::new(dirty),
            wake: Notify::new(),
        });
        inner
            .watchers
            .push((pattern.into(), Arc::downgrade(&queue)));
        Ok(Box::new(MemoryWatch {
            bus: self.clone(),
            queue,
        }))
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.lock().state.subscribe()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct MemoryRig(MemoryBus, Mutex<Option<MemoryBackup>>);

    #[async_trait]
    impl crate::conformance::Rig for MemoryRig {
        fn bus(&self) -> Arc<dyn Bus> {
            Arc::new(self.0.clone())
        }
        async fn second(&self) -> Arc<dyn Bus> {
            self.bus()
        }
        async fn down(&self) {
            self.0.disconnect();
        }
        async fn up(&self) {
            self.0.reconnect();
        }
        async fn backup(&self) {
            *self.1.lock().unwrap() = Some(self.0.backup());
        }
        async fn roll_back(&self) {
            self.0.disconnect();
            self.0.restore(self.1.lock().unwrap().as_ref().unwrap());
            self.0.reconnect();
        }
    }

    #[tokio::test]
    async fn the_in_process_bus_passes_the_conformance_suite() {
        crate::conformance::all(|| async { MemoryRig(MemoryBus::new(), Mutex::default()) })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_subscriber_that_lags_loses_the_oldest_and_knows_how_many() {
        let bus = MemoryBus::new();
        let mut s = bus.subscribe("a").await.unwrap();
        for i in 0..SUBSCRIBER_QUEUE + 10 {
            bus.publish("a", Bytes::from(i.to_string())).await.unwrap();
        }
        assert_eq!(s.next().await.unwrap().payload, Bytes::from_static(b"10"));
        assert_eq!(s.lost(), 10);
    }
}
