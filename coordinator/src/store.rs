//! What must outlive the coordinator: peak equity, day start, latches, epoch. A file, or with the feature `kubernetes` a
//! ConfigMap (`ConfigMapStore`) under the same rules.
//!
//! Compare-and-swap by revision; read before the first grant; unreadable means no new risk.

#[cfg(feature = "kubernetes")]
mod config_map;

#[cfg(feature = "kubernetes")]
pub use config_map::ConfigMapStore;

use async_trait::async_trait;
use helios_core::guardian::GuardianState;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A state with the revision it was read or written at; 0 = there is none yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Grows by one with each write.
    pub revision: u64,
    /// The state.
    pub state: GuardianState,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("{path}: {why}: no new risk is taken until it can be read and written")]
    Io {
        /// File, or the name of the object.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// Something is there, and it is no state.
    #[error("{path}: {why}: it is damaged, and nothing is written over it")]
    Damaged {
        /// File, or the name of the object.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else wrote in between.
    #[error(
        "guardian state is at revision {actual}, expected {expected}: another coordinator writes it"
    )]
    Conflict {
        /// What the caller believed.
        expected: u64,
        /// What it is.
        actual: u64,
    },
}

/// Where the guardian's state lives.
#[async_trait]
pub trait GuardianStore: Send + Sync + std::fmt::Debug {
    /// Reads it; `None` when there never was one.
    async fn load(&self) -> Result<Option<Stored>, StoreError>;

    /// Writes it if the revision is still `expected`; returns the new one.
    async fn save(&self, expected: u64, state: &GuardianState) -> Result<u64, StoreError>;
}

/// A JSON file, replaced whole; compare-and-swap holds across processes through a lock file beside it.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
}

/// How long a write waits for another process's; one that is stopped in the middle must not hold this one for ever.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(1500);

impl FileStore {
    /// State in `dir/guardian.json`.
    pub fn new(dir: &Path) -> Self {
        Self {
            path: dir.join("guardian.json"),
        }
    }

    fn io(&self, why: impl ToString) -> StoreError {
        StoreError::Io {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }

    fn read(&self) -> Result<Option<Stored>, StoreError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => {
                let damaged = |e: serde_json::Error| StoreError::Damaged {
                    path: self.path.clone(),
                    why: e.to_string(),
                };
                serde_json::from_slice(&bytes).map(Some).map_err(damaged)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.io(e)),
        }
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The lock is the kernel's: it ends with its process, however that ends.
    fn locked(&self) -> Result<std::fs::File, StoreError> {
        std::fs::create_dir_all(self.dir()).map_err(|e| self.io(e))?;
        let path = self.path.with_extension("json.lock");
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|e| self.io(e))?;
        let until = std::time::Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if std::time::Instant::now() < until => {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(self.io("another process holds its lock"));
                }
                Err(std::fs::TryLockError::Error(e)) => return Err(self.io(e)),
            }
        }
    }

    fn swap(&self, expected: u64, state: &GuardianState) -> Result<u64, StoreError> {
        let _lock = self.locked()?;
        let actual = self.read()?.map_or(0, |s| s.revision);
        if actual != expected {
            return Err(StoreError::Conflict { expected, actual });
        }
        self.write(&Stored {
            revision: expected + 1,
            state: state.clone(),
        })?;
        Ok(expected + 1)
    }

    /// Disks wait: never on the runtime's own threads.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let me = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&me)).await;
        done.unwrap_or_else(|e| Err(self.io(e)))
    }

    /// Written beside, synced, then renamed: a crash leaves the old or the new one, never half.
    fn write(&self, stored: &Stored) -> Result<(), StoreError> {
        use std::io::Write;
        let dir = self.dir();
        let temporary = self.path.with_extension("json.new");
        let bytes = serde_json::to_vec_pretty(stored).map_err(|e| self.io(e))?;
        let mut file = std::fs::File::create(&temporary).map_err(|e| self.io(e))?;
        file.write_all(&bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| self.io(e))?;
        std::fs::rename(&temporary, &self.path).map_err(|e| self.io(e))?;
        std::fs::File::open(dir)
            .and_then(|d| d.sync_all())
            .map_err(|e| self.io(e))
    }
}

#[async_trait]
impl GuardianStore for FileStore {
    async fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.beside(Self::read).await
    }

    async fn save(&self, expected: u64, state: &GuardianState) -> Result<u64, StoreError> {
        let state = state.clone();
        self.beside(move |me| me.swap(expected, &state)).await
    }
}

/// Memory only: for a run whose venue lives and dies with it.
#[derive(Debug, Default)]
pub struct MemoryStore(tokio::sync::Mutex<Option<Stored>>);

#[async_trait]
impl GuardianStore for MemoryStore {
    async fn load(&self) -> Result<Option<Stored>, StoreError> {
        Ok(self.0.lock().await.clone())
    }

    async fn save(&self, expected: u64, state: &GuardianState) -> Result<u64, StoreError> {
        let mut held = self.0.lock().await;
        let actual = held.as_ref().map_or(0, |s| s.revision);
        if actual != expected {
            return Err(StoreError::Conflict { expected, actual });
        }
        *held = Some(Stored {
            revision: expected + 1,
            state: state.clone(),
        });
        Ok(expected + 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn swaps_by_revision(store: &dyn GuardianStore) {
        assert_eq!(store.load().await.unwrap(), None);
        let one = GuardianState {
            epoch: 1,
            ..GuardianState::default()
        };
        assert_eq!(store.save(0, &one).await.unwrap(), 1);
        assert!(matches!(
            store.save(0, &one).await,
            Err(StoreError::Conflict {
                expected: 0,
                actual: 1
            })
        ));
        assert_eq!(
            store.load().await.unwrap(),
            Some(Stored {
                revision: 1,
                state: one.clone()
            })
        );
        assert_eq!(store.save(1, &one).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn both_stores_swap_by_revision() {
        swaps_by_revision(&MemoryStore::default()).await;
        let dir = tempfile::tempdir().unwrap();
        swaps_by_revision(&FileStore::new(dir.path())).await;
        assert_eq!(
            FileStore::new(dir.path())
                .load()
                .await
                .unwrap()
                .unwrap()
                .revision,
            2,
            "it outlives the store"
        );
    }

    #[tokio::test]
    async fn a_file_that_can_not_be_opened_is_not_taken_for_damaged() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("guardian.json")).unwrap();
        let loaded = FileStore::new(dir.path()).load().await;
        assert!(matches!(loaded, Err(StoreError::Io { .. })), "{loaded:?}");
    }

    #[tokio::test]
    async fn a_damaged_file_is_an_error_and_not_an_empty_state() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("guardian.json"), b"{\"revision\": 3").unwrap();
        let store = FileStore::new(dir.path());
        let loaded = store.load().await;
        assert!(matches!(loaded, Err(StoreError::Damaged { .. })));
        assert!(store.save(3, &GuardianState::default()).await.is_err());
    }
}
