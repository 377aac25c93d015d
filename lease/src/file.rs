//! The record in a file, for processes of one machine.
//!
//! A write prepares the new file beside the old one and syncs it, then, under an OS lock on a sibling `.lock` file, reads
//! the present version and renames. The lock is held for that alone, and the system drops it when its owner dies. An owner
//! that was stopped keeps it: others wait a bounded time and get an error, so that a leader ends by its own deadline
//! and nobody takes over before the stopped one runs again or is killed. Reading needs no lock. Not for network file systems.

use crate::record::LeaseRecord;
use crate::store::{LeaseError, LeaseStore, Version};
use async_trait::async_trait;
use helios_clock::mono_ns;
use helios_core::time::{NS_PER_MS, NS_PER_S};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest wait for the OS lock. Others hold it for well under a millisecond.
const LOCK_PATIENCE_NS: u64 = 300 * NS_PER_MS;
/// Pause between two tries to get the OS lock.
const LOCK_RETRY: Duration = Duration::from_millis(3);
/// A prepared file older than this was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(60);

/// Sets apart the writes of this process.
static WRITES: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize, Deserialize)]
struct Content {
    version: String,
    record: LeaseRecord,
}

#[derive(Debug)]
struct Paths {
    record: PathBuf,
    lock: PathBuf,
}

/// A lease in a JSON file.
#[derive(Debug)]
pub struct FileLease {
    paths: Arc<Paths>,
    /// One call at a time, held until its thread is through: a disk that hangs costs one thread, not one per call.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl FileLease {
    /// The lease in this file, e.g. `…/main.lease.json`. The folder is made when missing.
    ///
    /// # Errors
    /// [`LeaseError::Io`] when the folder can't be made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LeaseError> {
        let record: PathBuf = path.into();
        let paths = Paths {
            lock: beside(&record, "lock"),
            record,
        };
        std::fs::create_dir_all(paths.folder()).map_err(|e| paths.io("create folder of", e))?;
        paths.sweep();
        Ok(Self {
            paths: Arc::new(paths),
            turn: Arc::default(),
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Paths) -> Result<T, LeaseError> + Send + 'static,
    ) -> Result<T, LeaseError> {
        let turn = self.turn.clone().lock_owned().await;
        let paths = self.paths.clone();
        let call = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            f(&paths)
        });
        call.await.map_err(|e| LeaseError::Io(e.to_string()))?
    }
}

#[async_trait]
impl LeaseStore for FileLease {
    async fn read(&self) -> Result<Option<(LeaseRecord, Version)>, LeaseError> {
        self.blocking(Paths::read).await
    }

    async fn write(
        &self,
        expected: Option<&Version>,
        record: &LeaseRecord,
    ) -> Result<Version, LeaseError> {
        let (expected, record) = (expected.cloned(), record.clone());
        self.blocking(move |p| p.write(expected.as_ref(), record))
            .await
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

impl Paths {
    fn io(&self, what: &str, e: impl std::fmt::Display) -> LeaseError {
        LeaseError::Io(format!("{what} {}: {e}", self.record.display()))
    }

    fn folder(&self) -> &Path {
        match self.record.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        }
    }

    fn read(&self) -> Result<Option<(LeaseRecord, Version)>, LeaseError> {
        let bytes = match std::fs::read(&self.record) {
            Ok(bytes) => bytes,
            // A folder that vanished (a mount that is gone) is not an empty one.
            Err(e) if e.kind() == ErrorKind::NotFound && self.folder().is_dir() => return Ok(None),
            Err(e) => return Err(self.io("read", e)),
        };
        let c: Content = serde_json::from_slice(&bytes)
            .map_err(|e| LeaseError::Damaged(format!("{}: {e}", self.record.display())))?;
        Ok(Some((c.record, Version(c.version))))
    }

    fn write(
        &self,
        expected: Option<&Version>,
        record: LeaseRecord,
    ) -> Result<Version, LeaseError> {
        // Unique over processes and over a file that was deleted: boot time, process, count. After a reboot nobody
        // remembers a version.
        let version = format!(
            "{:x}-{:x}-{:x}",
            mono_ns(),
            std::process::id(),
            WRITES.fetch_add(1, Ordering::Relaxed)
        );
        let content = Content {
            version: version.clone(),
            record,
        };
        let bytes = serde_json::to_vec_pretty(&content).map_err(|e| self.io("write", e))?;
        let prepared = beside(&self.record, &format!("{version}.new"));
        let swapped = self
            .prepare(&prepared, &bytes)
            .and_then(|()| self.swap(expected, &prepared));
        if let Err(e) = swapped {
            // Nothing depends on it: what stays is swept later.
            let _ = std::fs::remove_file(&prepared);
            return Err(e);
        }
        File::open(self.folder())
            .and_then(|d| d.sync_all())
            .map_err(|e| self.io("sync folder of", e))?;
        Ok(Version(version))
    }

    fn prepare(&self, prepared: &Path, bytes: &[u8]) -> Result<(), LeaseError> {
        let mut file = File::create_new(prepared).map_err(|e| self.io("write", e))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| self.io("write", e))
    }

    fn swap(&self, expected: Option<&Version>, prepared: &Path) -> Result<(), LeaseError> {
        let _lock = self.lock()?;
        let present = self.read()?.map(|(_, v)| v);
        if present.as_ref() != expected {
            return Err(LeaseError::Conflict);
        }
        std::fs::rename(prepared, &self.record).map_err(|e| self.io("replace", e))
    }

    /// The OS lock, until the file is dropped.
    fn lock(&self) -> Result<File, LeaseError> {
        let give_up = mono_ns().saturating_add(LOCK_PATIENCE_NS);
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&self.lock)
                .map_err(|e| self.io("lock", e))?;
            match file.try_lock() {
                // The file may have been deleted, and made anew by another, between opening and locking.
                Ok(()) if is_at(&file, &self.lock) => return Ok(file),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(self.io("lock", e)),
            }
            if mono_ns() >= give_up {
                let ms = LOCK_PATIENCE_NS / (NS_PER_S / 1000);
                return Err(self.io(
                    "lock",
                    format!("another process holds it for more than {ms} ms; is one stopped?"),
                ));
            }
            std::thread::sleep(LOCK_RETRY);
        }
    }

    /// Removes what processes left that died while writing. Should one of them live on, its write fails, no more.
    fn sweep(&self) {
        let Some(name) = self.record.file_name().and_then(|n| n.to_str()) else {
            return;
        };
        let Ok(entries) = std::fs::read_dir(self.folder()) else {
            return;
        };
        for e in entries.flatten() {
            let n = e.file_name();
            let ours = n.to_str().is_some_and(|n| {
                n.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".new"))
            });
            let old = e
                .metadata()
                .and_then(|m| m.modified())
                .is_ok_and(|t| t.elapsed().is_ok_and(|age| age > ABANDONED));
            if ours && old {
                let _ = std::fs::remove_file(e.path());
            }
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
