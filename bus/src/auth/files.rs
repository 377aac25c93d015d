//! Files that only their owner may read.
//!
//! Secrets travel by file only: never as an argument, never on a screen, never in a log. A file that the kubelet keeps in a
//! pod's volume may have another mode: it is the pod's, and its group is what lets a plain user read it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Bytes of the largest such file.
const LARGEST: u64 = 4 << 20;

/// Why a private file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Others may read it.
    #[error("{path} may be read by others (mode {mode:o}): chmod 600 {path}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no such file.
    #[error("{path}: {why}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong; never what it holds.
        why: String,
    },
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    modified: Option<SystemTime>,
    changed: (i64, i64),
    inode: u64,
    length: u64,
}

/// The file's present state.
///
/// # Errors
/// It can't be seen.
pub fn mark(path: &Path) -> Result<Mark, FileError> {
    std::fs::metadata(path)
        .map(|m| mark_of(&m))
        .map_err(|e| io(path, e))
}

fn mark_of(m: &std::fs::Metadata) -> Mark {
    Mark {
        modified: m.modified().ok(),
        changed: (m.ctime(), m.ctime_nsec()),
        inode: m.ino(),
        length: m.len(),
    }
}

fn io(path: &Path, error: std::io::Error) -> FileError {
    FileError::Io {
        path: path.into(),
        error,
    }
}

/// Does the kubelet keep this file, in a volume of a Secret or of a projected token? It replaces such a volume whole, by a link.
pub fn kubelet_keeps(path: &Path) -> bool {
    std::fs::read_link(path).is_ok_and(|to| to.starts_with("..data"))
}

/// Reads a private text file, and its mark as of before the reading.
///
/// # Errors
/// It is missing, too large, no text, or others may read it.
pub fn read(path: &Path) -> Result<(Zeroizing<String>, Mark), FileError> {
    let file = File::open(path).map_err(|e| io(path, e))?;
    let meta = file.metadata().map_err(|e| io(path, e))?;
    if meta.mode() & 0o077 != 0 && !kubelet_keeps(path) {
        return Err(FileError::Mode {
            path: path.into(),
            mode: meta.mode() & 0o777,
        });
    }
    if meta.len() > LARGEST {
        return Err(FileError::Content {
            path: path.into(),
            why: format!("larger than {LARGEST} bytes"),
        });
    }
    // Room for all of it from the start: a growing buffer would leave copies behind.
    let room = usize::try_from(meta.len()).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|e| io(path, e))?;
    Ok((text, mark_of(&meta)))
}

/// Writes a new file, mode 0600 from its first byte; one that is there already is never written over.
///
/// # Errors
/// It exists or can't be written.
pub fn create(path: &Path, text: &str) -> Result<(), FileError> {
    let put = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    put().map_err(|e| io(path, e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_written_once_and_read_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        create(&path, "hidden").unwrap();
        assert_eq!(read(&path).unwrap().0.as_str(), "hidden");
        assert!(create(&path, "other").is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let e = read(&path).unwrap_err().to_string();
        assert!(e.contains("chmod 600") && !e.contains("hidden"), "{e}");
        assert!(read(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn a_file_in_a_pods_volume_is_the_pods_whatever_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("..2026")).unwrap();
        create(&at("..2026/s"), "hidden").unwrap();
        std::fs::set_permissions(at("..2026/s"), std::fs::Permissions::from_mode(0o440)).unwrap();
        std::os::unix::fs::symlink("..2026", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/s", at("s")).unwrap();
        std::os::unix::fs::symlink("..2026/s", at("other")).unwrap();
        assert_eq!(read(&at("s")).unwrap().0.as_str(), "hidden");
        assert!(read(&at("other")).is_err());
    }

    #[test]
    fn a_changed_file_has_another_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        create(&path, "one").unwrap();
        let before = mark(&path).unwrap();
        assert_eq!(before, read(&path).unwrap().1);
        let new = dir.path().join("new");
        create(&new, "two").unwrap();
        std::fs::rename(&new, &path).unwrap();
        assert_ne!(before, mark(&path).unwrap());
    }
}
