//! Bounded queues between the connection and those who listen: the connection never waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Bytes a queue may hold, whatever its number of messages.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    lost: u64,
    closed: bool,
}

/// Loses the oldest when full, and counts it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    room: usize,
    wake: Notify,
}

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                bytes: 0,
                lost: 0,
                closed: false,
            }),
            room,
            wake: Notify::new(),
        }
    }

    /// Adds one of `bytes` size; true when others were lost for it.
    pub(super) fn push(&self, item: T, bytes: usize) -> bool {
        let mut q = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        q.items.push_back((item, bytes));
        q.bytes += bytes;
        let before = q.lost;
        while q.items.len() > self.room || (q.bytes > MAX_BYTES && q.items.len() > 1) {
            if let Some((_, n)) = q.items.pop_front() {
                q.bytes -= n;
                q.lost += 1;
            }
        }
        let lost = q.lost > before;
        drop(q);
        self.wake.notify_one();
        lost
    }

    pub(super) fn close(&self) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.wake.notify_one();
    }

    /// Next, or `None` when closed and empty. Cancel-safe; for one taker.
    pub(super) async fn pop(&self) -> Option<T> {
        loop {
            {
                let mut q = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((item, n)) = q.items.pop_front() {
                    q.bytes -= n;
                    return Some(item);
                }
                if q.closed {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lost
    }
}

/// Keeps the newest of each key.
#[derive(Debug)]
pub(super) struct Newest<T> {
    inner: Mutex<(BTreeMap<String, T>, bool)>,
    wake: Notify,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self {
            inner: Mutex::new((BTreeMap::new(), false)),
            wake: Notify::new(),
        }
    }
}

impl<T> Newest<T> {
    pub(super) fn put(&self, key: &str, value: T) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .insert(key.into(), value);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.wake.notify_one();
    }

    /// Next, or `None` when closed and empty. Cancel-safe; for one taker.
    pub(super) async fn pop(&self) -> Option<T> {
        loop {
            {
                let mut q = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, value)) = q.0.pop_first() {
                    return Some(value);
                }
                if q.1 {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_full_queue_loses_the_oldest_by_number_and_by_bytes() {
        let q = Queue::new(2);
        assert!(!q.push(1, 1));
        assert!(!q.push(2, 1));
        assert!(q.push(3, 1));
        assert_eq!((q.pop().await, q.lost()), (Some(2), 1));
        assert!(q.push(4, MAX_BYTES));
        assert_eq!((q.pop().await, q.lost()), (Some(4), 2));
        q.close();
        assert_eq!(q.pop().await, None);
    }
}
