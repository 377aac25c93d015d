//! Where a cluster keeps its files, and how nothing of it is left behind.
//!
//! Each cluster has one directory under a root of this user; its name carries the process that owns it. Three things clean
//! up, because no single one always gets the chance: the owner when it drops the cluster; a reaper, a small shell that waits
//! for the owner's end of a pipe to close and so also sees a killed owner and statics that are never dropped; and the next
//! start, which finds what is left of owners that are gone.
//! `HELIOS_E2E_KEEP=1` keeps the files (logs, audit log) until the next start.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What the reaper runs, with the directory in its environment. A process is killed only when it is still the one that was
/// started: ids are used again.
const REAPER: &str = r#"
read -r _
while read -r pid start; do
  now=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
  [ "$now" = "$start" ] && kill -s KILL -- "-$pid"
done < "$HELIOS_E2E_HOME/children"
[ -n "$HELIOS_E2E_KEEP" ] && exit
for _ in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$HELIOS_E2E_HOME" && exit
  sleep 0.2
done
"#;

/// The directory of one cluster.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    reaper: Child,
}

impl Home {
    /// A new one, after what crashed runs left behind is gone.
    pub(crate) fn new() -> Result<Self> {
        let root = root()?;
        clean(&root);
        let me = std::process::id();
        let start = started(me).context("/proc, which says when a process began, is missing")?;
        let path = tempfile::Builder::new()
            .prefix(&format!("cluster-{me}-{start}-"))
            .tempdir_in(&root)?
            .keep();
        fs::write(path.join("children"), "")?;
        let reaper = Command::new("sh")
            .args(["-c", REAPER])
            .env("HELIOS_E2E_HOME", &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the owner's terminal must not end it before its work is done.
            .process_group(0)
            .spawn()?;
        Ok(Self { path, reaper })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only this user reads.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(content.as_bytes())?;
        Ok(path)
    }

    /// Notes a process (leader of its group) that must not outlive the owner.
    pub(crate) fn owns(&self, pid: u32) -> Result<()> {
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.path.join("children"))?;
        // One that is gone already needs no noting.
        if let Some(start) = started(pid) {
            writeln!(file, "{pid} {start}")?;
        }
        Ok(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        let _ = self.reaper.wait();
    }
}

/// The directory of all clusters of this user.
fn root() -> Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let root = std::env::temp_dir().join(format!("helios-e2e-{user}"));
    if let Err(e) = DirBuilder::new().mode(0o700).create(&root)
        && e.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(e).with_context(|| format!("{} cannot be made", root.display()));
    }
    // Anyone may make a directory of that name in /tmp; tokens are kept in ours.
    let meta = fs::symlink_metadata(&root)?;
    ensure!(
        meta.is_dir() && meta.uid() == user && meta.mode() & 0o077 == 0,
        "{} belongs to somebody else: set TMPDIR to a directory of your own",
        root.display()
    );
    Ok(root)
}

/// Ends processes and removes files of clusters whose owner is gone. What cannot be cleaned now is tried again next time.
fn clean(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_string_lossy().strip_prefix("cluster-").map(alive);
        if owner == Some(false) {
            let children = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
            for child in children.lines().filter(|c| alive(&c.replace(' ', "-"))) {
                end_group(child);
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the process of a name that begins with `pid-start` still runs.
fn alive(name: &str) -> bool {
    let mut parts = name.split('-').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(pid)), Some(Ok(start))) => {
            u32::try_from(pid).ok().and_then(started) == Some(start)
        }
        _ => false,
    }
}

fn end_group(child: &str) {
    let pid = child.split(' ').next().and_then(|p| p.parse().ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// When a process began, in ticks since the machine did: with its id, its identity. `None` when it is gone.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, so count from its end.
    let after = &stat[stat.rfind(')')? + 1..];
    after.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_id_and_its_beginning() {
        let me = std::process::id();
        let start = started(me).unwrap();
        assert!(alive(&format!("{me}-{start}-x1")));
        assert!(!alive(&format!("{me}-{}-x1", start + 1)));
        assert!(!alive("x"));
    }

    #[test]
    fn what_a_dead_owner_left_is_cleaned_and_what_a_living_one_has_stays() {
        let root = tempfile::tempdir().unwrap();
        let me = std::process::id();
        let start = started(me).unwrap();
        let mine = root.path().join(format!("cluster-{me}-{start}-a"));
        let dead = root.path().join(format!("cluster-{me}-{}-b", start + 1));
        let mut child = Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap();
        for dir in [&mine, &dead] {
            fs::create_dir(dir).unwrap();
        }
        let line = format!("{} {}\n", child.id(), started(child.id()).unwrap());
        fs::write(dead.join("children"), line).unwrap();
        clean(root.path());
        assert!(mine.exists() && !dead.exists());
        assert!(!child.wait().unwrap().success(), "the child was killed");
    }

    #[test]
    fn a_dropped_home_takes_its_children_and_its_files_along() {
        let home = Home::new().unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap();
        home.owns(child.id()).unwrap();
        let path = home.path().to_owned();
        drop(home);
        assert!(!child.wait().unwrap().success(), "the child was killed");
        assert!(!path.exists() || std::env::var_os("HELIOS_E2E_KEEP").is_some());
    }
}
