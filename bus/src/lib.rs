//! Transports of core's messages.
//!
//! [`Bus`] is the seam: subjects with bytes (publish, subscribe, request, serve) and a key-value bucket with revisions and
//! compare-and-swap. [`memory`] is the in-process transport; a networked one passes the same [`conformance`] suite.
//! [`typed`] puts core's messages on it, and is all that workers and coordinators use.
//!
//! Border: carries hints and requests, never authority. Losing, doubling or delaying any message here is safe.

#[cfg(feature = "nats")]
pub mod auth;
pub mod codec;
pub mod conformance;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
pub mod subject;
#[cfg(feature = "testing")]
pub mod testing;
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
    /// There is no connection now. Nothing was kept to be sent later.
    #[error("bus disconnected")]
    Disconnected,
    /// The bus's server did not do it.
    #[error("{subject}: refused: {why}")]
    Refused {
        /// Asked subject.
        subject: String,
        /// What it said.
        why: String,
    },
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

/// How the transport is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusState {
    /// What is sent now leaves, and keys known before an outage were read again after it, so that `rollbacks` is up to date.
    /// While there is no connection everything but listening fails at once with [`BusError::Disconnected`].
    pub connected: bool,
    /// How often the bucket was seen at an earlier state than before: a lower revision of a key, a key gone, a write
    /// acknowledged below what was seen. Old data was restored, so a fence kept there may have been lost. What is seen at such a
    /// time is what later reads are compared with.
    pub rollbacks: u64,
}

/// Messages of a subscription, in publishing order per publisher.
#[async_trait]
pub trait Subscription: Send {
    /// Next message; `None` when the bus is closed. A subscriber that lags loses the oldest, counted by [`Subscription::lost`].
    /// Cancel-safe.
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
    /// Next question; `None` when the bus is closed. Cancel-safe.
    async fn next(&mut self) -> Option<Question>;
}

/// Changes of watched keys: first all present entries, then changes, as they are after an outage too. A slow watcher sees the
/// newest value of each key, not every one. A value that an earlier state of the bucket brings back is shown, with its lower
/// revision; a key that is gone is not ([`BusState::rollbacks`] tells).
#[async_trait]
pub trait Watch: Send {
    /// Next entry; `None` when the bus is closed. Cancel-safe.
    async fn next(&mut self) -> Option<Entry>;
}

/// The transport seam.
///
/// Listening (subscriptions, servers, watches) may begin while there is no connection and goes on over outages; messages of the
/// meantime are lost. All else fails at once while there is none.
#[async_trait]
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Sends to all present subscribers; nobody listening is no error.
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError>;

    /// Listens; `*` stands for one token, `>` at the end for all that follow.
    async fn subscribe(&self, pattern: &str) -> Result<Box<dyn Subscription>, BusError>;

    /// Asks and waits for one answer, the first.
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError>;

    /// Serves questions. When a server is gone, a later one on the same pattern takes over. While several live, a networked
    /// transport asks them all and the first answer counts, so only one that may answer does; in-process the newest is asked.
    async fn serve(&self, pattern: &str) -> Result<Box<dyn Server>, BusError>;

    /// Reads a key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, BusError>;

    /// Writes a key whatever its revision; returns the new one. After a timeout it may be written.
    async fn put(&self, key: &str, value: Bytes) -> Result<u64, BusError>;

    /// Writes a key only if its revision is `expected` (0 = it does not exist). After a timeout it may be written.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<u64, BusError>;

    /// Watches one key; or, when `pattern` ends in a dot or is empty, all keys that start with it.
    async fn watch(&self, pattern: &str) -> Result<Box<dyn Watch>, BusError>;

    /// How the transport is, and what it is from now on.
    fn state(&self) -> tokio::sync::watch::Receiver<BusState>;
}
