//! A Secret as a pod has it mounted: what the kubelet does for a volume that is optional.
//!
//! All files of a state lie in a directory of their own, and one link, `..data`, is replaced to show the next state: whoever
//! reads sees files of one state. Without the Secret there are none. The kubelet looks about once a minute; this one at once.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two looks at the Secret.
const LOOK: Duration = Duration::from_millis(200);
/// The link that is replaced.
const DATA: &str = "..data";

type Files = BTreeMap<String, Vec<u8>>;

/// A directory that follows a Secret for as long as its value lives.
#[derive(Debug)]
pub(super) struct Mount {
    dir: PathBuf,
    task: JoinHandle<()>,
}

impl Mount {
    /// Mounts a Secret that may not be there yet.
    pub(super) fn start(secrets: Api<Secret>, name: String, dir: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&dir)?;
        show(&dir, 0, &Files::new())?;
        let task = tokio::spawn(follow(secrets, name, dir.clone()));
        Ok(Self { dir, task })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(secrets: Api<Secret>, name: String, dir: PathBuf) {
    let (mut shown, mut state) = (Files::new(), 0);
    loop {
        tokio::time::sleep(LOOK).await;
        // The API server away: the last state stays, as with the kubelet.
        let Ok(found) = secrets.get_opt(&name).await else {
            continue;
        };
        let data = found.and_then(|s| s.data).unwrap_or_default();
        let now: Files = data.into_iter().map(|(k, v)| (k, v.0)).collect();
        if now != shown {
            state += 1;
            match show(&dir, state, &now) {
                Ok(()) => shown = now,
                Err(e) => eprintln!("helios-e2e: the mount of Secret {name}: {e:#}"),
            }
        }
    }
}

/// Shows a state instead of the one before.
fn show(dir: &Path, state: u32, files: &Files) -> Result<()> {
    let name = format!("..{state}");
    let data = dir.join(&name);
    std::fs::create_dir(&data)?;
    for (file, content) in files {
        let path = data.join(file);
        std::fs::write(&path, content)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440))?;
    }
    let before = std::fs::read_link(dir.join(DATA));
    let next = dir.join("..data_tmp");
    symlink(&name, &next)?;
    std::fs::rename(next, dir.join(DATA))?;
    // Then the names that are seen: each goes through the link that was replaced.
    for file in files.keys() {
        let shown = dir.join(file);
        if !shown.is_symlink() {
            symlink(Path::new(DATA).join(file), shown)?;
        }
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !files.contains_key(&name) {
            std::fs::remove_file(entry.path())?;
        }
    }
    if let Ok(before) = before {
        std::fs::remove_dir_all(dir.join(before))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_state_replaces_the_one_before_and_leaves_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let files = |all: &[(&str, &str)]| -> Files {
            let all = all
                .iter()
                .map(|(k, v)| (k.to_string(), v.as_bytes().to_vec()));
            all.collect()
        };
        let names = || {
            let all = std::fs::read_dir(dir.path()).unwrap();
            let mut all: Vec<String> = all
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            all.sort();
            all
        };
        show(dir.path(), 0, &Files::new()).unwrap();
        assert_eq!(names(), ["..0", "..data"]);
        show(dir.path(), 1, &files(&[("a", "1"), ("b", "1")])).unwrap();
        assert_eq!(names(), ["..1", "..data", "a", "b"]);
        show(dir.path(), 2, &files(&[("b", "2")])).unwrap();
        assert_eq!(names(), ["..2", "..data", "b"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("b")).unwrap(), "2");
    }
}
