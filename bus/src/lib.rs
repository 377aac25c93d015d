//! Transports of core's messages.
//!
//! [`Bus`] is the seam: subjects with bytes (publish, subscribe, request, serve) and a key-value bucket with revisions and
//! compare-and-swap. [`memory`] is the in-process transport; a networked one passes the same [`conformance`] suite.
//! [`typed`] puts core's messages on it, and is all that workers and coordinators use.
//!
//! Border: carries hints and requests, never authority. Losing, doubling or delaying any message here is safe.

#[cfg(feature = "nats")]
pub mod auth;
pub mod conformance;
pub mod memory;
pub mod subject;
pub mod typed;

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// Why the bus could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody serves the subject.
    #[error("nobody answers on {0}")]
    NoResponder(String),
    /// No answer in time; it may still come and is then dropped.
    #[error("no answer on {subject} within {ms} ms")]
    Timeout {
        /// Asked subject.
        subject: String,
        /// Waited.
        ms: u64,
    },
    /// Compare-and-swap lost: the key's revision is another.
    #[error("{key}: revision is {actual}, expected {expected}")]
    WrongRevision {
        /// Key.
        key: String,
        /// What the caller believed.
        expected: u64,
        /// What it is, 0 when the key does not exist.
        actual: u64,
    },
    /// The transport is closed.
    #[error("bus closed")]
    Closed,
    /// A message that is no message.
    #[error("{subject}: {why}")]
    Malformed {
        /// Where.
        subject: String,
        /// What was wrong.
        why: String,
    },
}

/// A message received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Subject it was published on.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
}

/// A value of the key-value bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Key.
    pub key: String,
    /// Its bytes; empty after a deletion.
    pub value: Bytes,
    /// Revision of the bucket at which it was written; grows with every write.
    pub revision: u64,
}

/// Messages of a subscription, in publishing order per publisher.
#[async_trait]
pub trait Subscription: Send {
    /// Next message; `None` when the bus is closed. A subscriber that lags loses the oldest, counted by [`Subscription::lost`].
    async fn next(&mut self) -> Option<Message>;

    /// Messages lost because this subscriber was too slow.
    fn lost(&self) -> u64;
}

/// A question received, to be answered at most once.
pub struct Question {
    /// Subject it was asked on.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
    pub(crate) answer: Box<dyn FnOnce(Bytes) + Send + Sync>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl Question {
    /// Answers it. Nobody may be waiting any more.
    pub fn answer(self, payload: Bytes) {
        (self.answer)(payload);
    }
}

/// Questions of a served subject.
#[async_trait]
pub trait Server: Send {
    /// Next question; `None` when the bus is closed.
    async fn next(&mut self) -> Option<Question>;
}

/// Changes of the key-value bucket under a prefix: first all present entries, then changes. A slow watcher sees the newest
/// value of each key, not every one.
#[async_trait]
pub trait Watch: Send {
    /// Next entry; `None` when the bus is closed.
    async fn next(&mut self) -> Option<Entry>;
}

/// The transport seam.
#[async_trait]
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Sends to all present subscribers; nobody listening is no error.
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError>;

    /// Listens; `*` stands for one token, `>` at the end for all that follow.
    async fn subscribe(&self, pattern: &str) -> Result<Box<dyn Subscription>, BusError>;

    /// Asks and waits for one answer.
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError>;

    /// Serves questions; a later server on the same pattern takes over.
    async fn serve(&self, pattern: &str) -> Result<Box<dyn Server>, BusError>;

    /// Reads a key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, BusError>;

    /// Writes a key whatever its revision; returns the new one.
    async fn put(&self, key: &str, value: Bytes) -> Result<u64, BusError>;

    /// Writes a key only if its revision is `expected` (0 = it does not exist).
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<u64, BusError>;

    /// Watches all keys that start with `prefix`.
    async fn watch(&self, prefix: &str) -> Result<Box<dyn Watch>, BusError>;
}
