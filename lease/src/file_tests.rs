//! The lease in a file: what every store must do, and what only a file can suffer.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::conformance::{self, Place};
use std::time::Instant;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("main.lease.json")
    }

    fn open(&self) -> FileLease {
        FileLease::open(self.path()).unwrap()
    }
}

#[async_trait]
impl Place for Folder {
    async fn client(&self) -> Arc<dyn LeaseStore> {
        Arc::new(self.open())
    }

    async fn delete(&self) {
        std::fs::remove_file(self.path()).unwrap();
    }

    async fn damage(&self) -> bool {
        std::fs::write(self.path(), "{}").unwrap();
        true
    }
}

fn record(n: u64) -> LeaseRecord {
    LeaseRecord {
        holder_identity: Some("a".into()),
        lease_duration_seconds: 6,
        acquire_time: None,
        renew_time: None,
        lease_transitions: n,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_passes_what_every_store_must() {
    assert_eq!(conformance::all(Folder::new).await, Ok(()));
}

/// Forgets that a write is allowed only on the expected version.
#[derive(Debug)]
struct Careless(FileLease);

#[async_trait]
impl LeaseStore for Careless {
    async fn read(&self) -> Result<Option<(LeaseRecord, Version)>, LeaseError> {
        self.0.read().await
    }

    async fn write(&self, _: Option<&Version>, r: &LeaseRecord) -> Result<Version, LeaseError> {
        let present = self.0.read().await?.map(|(_, v)| v);
        self.0.write(present.as_ref(), r).await
    }
}

struct CarelessFolder(Folder);

#[async_trait]
impl Place for CarelessFolder {
    async fn client(&self) -> Arc<dyn LeaseStore> {
        Arc::new(Careless(self.0.open()))
    }

    async fn delete(&self) {
        self.0.delete().await;
    }

    async fn damage(&self) -> bool {
        self.0.damage().await
    }
}

#[tokio::test]
async fn a_store_that_does_not_compare_fails_the_suite() {
    let said = conformance::all(|| CarelessFolder(Folder::new())).await;
    assert_eq!(said, Err("a second first write is a conflict".into()));
}

#[tokio::test]
async fn half_a_file_and_an_empty_one_are_errors() {
    let f = Folder::new();
    let store = f.open();
    store.write(None, &record(1)).await.unwrap();
    let whole = std::fs::read(f.path()).unwrap();
    for bytes in [&b""[..], &whole[..whole.len() / 2], b"null", b"[]"] {
        std::fs::write(f.path(), bytes).unwrap();
        let got = store.read().await;
        assert!(matches!(got, Err(LeaseError::Damaged(_))), "{got:?}");
    }
}

#[tokio::test]
async fn a_folder_that_vanished_is_not_an_empty_one() {
    let f = Folder::new();
    let store = FileLease::open(f.0.path().join("deep/er/lease.json")).unwrap();
    assert_eq!(store.read().await, Ok(None));
    std::fs::remove_dir_all(f.0.path().join("deep")).unwrap();
    assert!(matches!(store.read().await, Err(LeaseError::Io(_))));
}

#[tokio::test]
async fn a_lock_that_somebody_keeps_is_an_error_in_bounded_time_and_reading_goes_on() {
    let f = Folder::new();
    let store = f.open();
    let first = store.write(None, &record(1)).await.unwrap();
    // As a stopped process would: a lock belongs to an open file, not to a process.
    let kept = File::open(beside(&f.path(), "lock")).unwrap();
    kept.lock().unwrap();
    let began = Instant::now();
    let got = store.write(Some(&first), &record(2)).await;
    assert!(
        matches!(&got, Err(LeaseError::Io(why)) if why.contains("stopped")),
        "{got:?}"
    );
    assert!(began.elapsed() >= Duration::from_nanos(LOCK_PATIENCE_NS));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(store.read().await, Ok(Some((record(1), first.clone()))));
    drop(kept);
    store.write(Some(&first), &record(2)).await.unwrap();
}

#[tokio::test]
async fn a_lock_file_that_was_deleted_under_its_owner_is_not_trusted() {
    let f = Folder::new();
    let store = f.open();
    store.write(None, &record(1)).await.unwrap();
    let lock = beside(&f.path(), "lock");
    let file = File::open(&lock).unwrap();
    assert!(is_at(&file, &lock));
    std::fs::remove_file(&lock).unwrap();
    assert!(!is_at(&file, &lock));
    File::create(&lock).unwrap();
    assert!(!is_at(&file, &lock), "another file with the same name");
}

#[tokio::test]
async fn nothing_stays_beside_the_record_and_what_a_dead_process_left_is_swept() {
    let f = Folder::new();
    let old = beside(&f.path(), "1-2-3.new");
    let (fresh, other) = (
        beside(&f.path(), "1-2-4.new"),
        f.0.path().join("other.json.1.new"),
    );
    for p in [&old, &fresh, &other] {
        std::fs::write(p, "x").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - 2 * ABANDONED;
    for p in [&old, &other] {
        let file = OpenOptions::new().write(true).open(p).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let store = f.open();
    assert!(!old.exists() && fresh.exists() && other.exists());
    std::fs::remove_file(&fresh).unwrap();
    std::fs::remove_file(&other).unwrap();
    let v = store.write(None, &record(1)).await.unwrap();
    store.write(None, &record(2)).await.unwrap_err();
    store.write(Some(&v), &record(3)).await.unwrap();
    let mut names: Vec<_> = std::fs::read_dir(f.0.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["main.lease.json", "main.lease.json.lock"]);
}
