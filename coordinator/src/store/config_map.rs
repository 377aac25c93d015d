//! The guardian's state in the ConfigMap `<account>-guardian`.
//!
//! One key holds the JSON of [`Stored`]. A write replaces the object under the resourceVersion that was read, after the
//! revision inside was found to be the expected one: the API server compares the first, we the second. A conflict that comes
//! from somebody's label is no other coordinator, so what is there is looked at once more before it counts as one.
//!
//! The operator makes the ConfigMap, empty: that means there never was a state. This store only reads and replaces. It never
//! creates, because a ConfigMap that was deleted must not come back as one that was never written.

use super::{GuardianStore, StoreError, Stored};
use async_trait::async_trait;
use helios_core::guardian::GuardianState;
use helios_core::plan::guardian_name;
use helios_lease::kubernetes::words;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, PostParams};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// Key of the state.
const KEY: &str = "state.json";
/// Longest that one read or one write may take, whatever it needs.
const CALL: Duration = Duration::from_millis(1500);

/// State in a ConfigMap. Needs `get` and `update` on it.
pub struct ConfigMapStore {
    api: Api<ConfigMap>,
    name: String,
    shown: String,
    /// The object as last seen, which the next write replaces.
    last: Mutex<Option<ConfigMap>>,
}

impl std::fmt::Debug for ConfigMapStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfigMapStore({})", self.shown)
    }
}

impl ConfigMapStore {
    /// The state of the account `name` in `namespace`, by a client that sends nothing twice
    /// ([`helios_lease::kubernetes::connect`]).
    pub fn new(client: Client, namespace: &str, account: &str) -> Self {
        let name = guardian_name(account);
        Self {
            api: Api::namespaced(client, namespace),
            shown: format!("configmap {namespace}/{name}"),
            name,
            last: Mutex::new(None),
        }
    }

    fn io(&self, why: impl ToString) -> StoreError {
        StoreError::Io {
            path: PathBuf::from(&self.shown),
            why: why.to_string(),
        }
    }

    fn damaged(&self, why: impl ToString) -> StoreError {
        StoreError::Damaged {
            path: PathBuf::from(&self.shown),
            why: why.to_string(),
        }
    }

    fn gone(&self) -> StoreError {
        self.io("it is missing: the operator creates it, empty, with the account")
    }

    fn remember(&self, map: Option<ConfigMap>) {
        // Replaced as a whole, so a poisoned lock still holds a whole object.
        *self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = map;
    }

    fn take_remembered(&self) -> Option<ConfigMap> {
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }

    async fn get(&self) -> Result<Option<ConfigMap>, StoreError> {
        let found = self.api.get_opt(&self.name).await;
        found.map_err(|e| self.io(words(&e)))
    }

    fn stored(&self, map: &ConfigMap) -> Result<Option<Stored>, StoreError> {
        let data = map.data.as_ref().filter(|d| !d.is_empty());
        match data.map(|d| d.get(KEY)) {
            // Binary data is nobody's here: it is not what says that there never was a state.
            None if map.binary_data.as_ref().is_some_and(|b| !b.is_empty()) => {
                Err(self.damaged("it holds binary data"))
            }
            None => Ok(None),
            Some(None) => Err(self.damaged(format!("it holds data, but no {KEY}"))),
            Some(Some(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|e| self.damaged(e)),
        }
    }

    fn revision(&self, map: &ConfigMap) -> Result<u64, StoreError> {
        Ok(self.stored(map)?.map_or(0, |s| s.revision))
    }

    async fn read(&self) -> Result<Option<Stored>, StoreError> {
        self.remember(None);
        let Some(map) = self.get().await? else {
            return Ok(None);
        };
        let stored = self.stored(&map)?;
        self.remember(Some(map));
        Ok(stored)
    }

    /// The object as replaced; `None` when it is another than the one that was read.
    async fn put(&self, mut map: ConfigMap, text: &str) -> Result<Option<ConfigMap>, StoreError> {
        // Without it the API server would replace whatever is there.
        if map.metadata.resource_version.is_none() {
            return Err(self.io("the API server gave it no resourceVersion"));
        }
        map.data
            .get_or_insert_default()
            .insert(KEY.into(), text.into());
        let how = PostParams::default();
        match self.api.replace(&self.name, &how, &map).await {
            Ok(written) => Ok(Some(written)),
            Err(kube::Error::Api(s)) if s.code == 409 => Ok(None),
            Err(kube::Error::Api(s)) if s.code == 404 => Err(self.gone()),
            Err(e) => Err(self.io(words(&e))),
        }
    }

    async fn swap(&self, expected: u64, state: &GuardianState) -> Result<u64, StoreError> {
        let new = Stored {
            revision: expected + 1,
            state: state.clone(),
        };
        let text = serde_json::to_string(&new).map_err(|e| self.io(e))?;
        // Taken: whatever becomes of the write, what was remembered is not what is there.
        let remembered = self.take_remembered();
        if let Some(map) = remembered
            && self.revision(&map)? == expected
            && let Some(written) = self.put(map, &text).await?
        {
            self.remember(Some(written));
            return Ok(new.revision);
        }
        let map = self.get().await?.ok_or_else(|| self.gone())?;
        let actual = self.revision(&map)?;
        if actual != expected {
            return Err(StoreError::Conflict { expected, actual });
        }
        match self.put(map, &text).await? {
            Some(written) => {
                self.remember(Some(written));
                Ok(new.revision)
            }
            None => Err(self.io("it changes faster than it can be written")),
        }
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(CALL, call).await;
        answer.unwrap_or_else(|_| Err(self.io(format!("no answer within {CALL:?}"))))
    }
}

#[async_trait]
impl GuardianStore for ConfigMapStore {
    async fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.in_time(self.read()).await
    }

    async fn save(&self, expected: u64, state: &GuardianState) -> Result<u64, StoreError> {
        self.in_time(self.swap(expected, state)).await
    }
}

#[cfg(test)]
#[path = "config_map_tests.rs"]
mod tests;
