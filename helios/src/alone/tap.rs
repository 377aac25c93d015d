//! A networked bus with a copy, in memory, of what this process itself says on it.
//!
//! What a role's own process shows (its log, its metrics) must not depend on the network, nor need the permission to hear
//! its own reports: it is read from the copy.

use async_trait::async_trait;
use bytes::Bytes;
use helios_bus::memory::MemoryBus;
use helios_bus::{Bus, BusError, BusState, Entry, Server, Subscription, Watch};
use std::sync::Arc;
use std::time::Duration;

/// The bus of a process, with its copy.
#[derive(Clone, Debug)]
pub struct Tap {
    inner: Arc<dyn Bus>,
    copy: MemoryBus,
}

impl Tap {
    /// Over `inner`; what is published and put also goes to `copy`, whether `inner` takes it or not.
    pub fn new(inner: Arc<dyn Bus>, copy: MemoryBus) -> Self {
        Self { inner, copy }
    }
}

#[async_trait]
impl Bus for Tap {
    async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        let _ = self.copy.publish(subject, payload.clone()).await;
        self.inner.publish(subject, payload).await
    }

    async fn subscribe(&self, pattern: &str) -> Result<Box<dyn Subscription>, BusError> {
        self.inner.subscribe(pattern).await
    }

    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        self.inner.request(subject, payload, timeout).await
    }

    async fn serve(&self, pattern: &str) -> Result<Box<dyn Server>, BusError> {
        self.inner.serve(pattern).await
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, BusError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<u64, BusError> {
        let _ = self.copy.put(key, value.clone()).await;
        self.inner.put(key, value).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<u64, BusError> {
        self.inner.compare_and_swap(key, expected, value).await
    }

    async fn watch(&self, pattern: &str) -> Result<Box<dyn Watch>, BusError> {
        self.inner.watch(pattern).await
    }

    fn state(&self) -> tokio::sync::watch::Receiver<BusState> {
        self.inner.state()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A bus that is not connected: the memory's, with refusals.
    #[derive(Debug)]
    struct Down(MemoryBus);

    #[async_trait]
    impl Bus for Down {
        async fn publish(&self, _: &str, _: Bytes) -> Result<(), BusError> {
            Err(BusError::Disconnected)
        }
        async fn subscribe(&self, p: &str) -> Result<Box<dyn Subscription>, BusError> {
            self.0.subscribe(p).await
        }
        async fn request(&self, _: &str, _: Bytes, _: Duration) -> Result<Bytes, BusError> {
            Err(BusError::Disconnected)
        }
        async fn serve(&self, p: &str) -> Result<Box<dyn Server>, BusError> {
            self.0.serve(p).await
        }
        async fn get(&self, _: &str) -> Result<Option<Entry>, BusError> {
            Err(BusError::Disconnected)
        }
        async fn put(&self, _: &str, _: Bytes) -> Result<u64, BusError> {
            Err(BusError::Disconnected)
        }
        async fn compare_and_swap(&self, _: &str, _: u64, _: Bytes) -> Result<u64, BusError> {
            Err(BusError::Disconnected)
        }
        async fn watch(&self, p: &str) -> Result<Box<dyn Watch>, BusError> {
            self.0.watch(p).await
        }
        fn state(&self) -> tokio::sync::watch::Receiver<BusState> {
            self.0.state()
        }
    }

    #[tokio::test]
    async fn what_a_process_says_is_seen_in_it_even_without_a_network() {
        let copy = MemoryBus::new();
        let mut seen = copy.subscribe("a.*").await.unwrap();
        let tap = Tap::new(Arc::new(Down(MemoryBus::new())), copy.clone());
        let say = Bytes::from_static(b"x");
        assert_eq!(
            tap.publish("a.b", say.clone()).await,
            Err(BusError::Disconnected)
        );
        assert_eq!(seen.next().await.unwrap().payload, say);
        assert!(tap.put("k", say.clone()).await.is_err());
        assert_eq!(copy.get("k").await.unwrap().unwrap().value, say);
    }

    #[tokio::test]
    async fn what_others_say_is_not_in_the_copy() {
        let (network, copy) = (MemoryBus::new(), MemoryBus::new());
        let tap = Tap::new(Arc::new(network.clone()), copy.clone());
        let mut heard = tap.subscribe("a").await.unwrap();
        let mut seen = copy.subscribe("a").await.unwrap();
        network
            .publish("a", Bytes::from_static(b"1"))
            .await
            .unwrap();
        tap.publish("a", Bytes::from_static(b"2")).await.unwrap();
        assert_eq!(heard.next().await.unwrap().payload, "1");
        assert_eq!(heard.next().await.unwrap().payload, "2");
        assert_eq!(seen.next().await.unwrap().payload, "2");
    }
}
