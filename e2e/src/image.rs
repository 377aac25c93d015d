//! Images without a registry: an archive of one layer, as `docker save` writes it, that containerd imports.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user of every image: nobody in particular, and not root.
const USER: &str = "65532:65532";

/// What is in an image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name, as pods write it. They say `imagePullPolicy: Never`.
    pub name: String,
    /// Files and where they are in it, as in `/helios`. They are executable.
    pub files: Vec<(PathBuf, String)>,
    /// What runs.
    pub entrypoint: Vec<String>,
}

impl Image {
    /// One program of this machine, at its file name in `/`, and the shared libraries it is linked with.
    pub fn of_program(name: &str, program: &Path) -> Result<Self> {
        let file = program.file_name().context("a program has a name")?;
        let entry = format!("/{}", file.to_string_lossy());
        let mut files = vec![(program.to_owned(), entry.clone())];
        let out = Command::new("ldd")
            .arg(program)
            .output()
            .context("ldd cannot be run")?;
        // A program that is linked with nothing makes ldd fail, and needs nothing.
        let text = String::from_utf8_lossy(&out.stdout);
        // As in "libc.so.6 => /lib/libc.so.6 (0x...)", and the loader without an arrow.
        let paths = text
            .lines()
            .filter_map(|l| l.split_whitespace().find(|w| w.starts_with('/')));
        files.extend(paths.map(|p| (PathBuf::from(p), p.to_owned())));
        Ok(Self {
            name: name.to_owned(),
            files,
            entrypoint: vec![entry],
        })
    }

    /// Writes the archive into a directory and returns its path.
    pub(crate) fn write(&self, dir: &Path) -> Result<PathBuf> {
        let work = tempfile::tempdir_in(dir)?;
        let root = work.path().join("root");
        fs::create_dir(&root)?;
        for (from, to) in &self.files {
            let to = root.join(to.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap_or(&root))?;
            fs::copy(from, &to).with_context(|| format!("{} into an image", from.display()))?;
        }
        let layer = work.path().join("layer.tar");
        tar(&root, &layer, &["."])?;
        let sum = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {"User": USER, "Entrypoint": self.entrypoint, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sum(&fs::read(&layer)?))]},
        })
        .to_string();
        let name = format!("{}.json", sum(config.as_bytes()));
        fs::write(work.path().join(&name), &config)?;
        let manifest = json!([{"Config": name, "RepoTags": [self.name], "Layers": ["layer.tar"]}]);
        fs::write(work.path().join("manifest.json"), manifest.to_string())?;
        let archive = dir.join(format!("{}.tar", sum(self.name.as_bytes())));
        tar(
            work.path(),
            &archive,
            &["manifest.json", &name, "layer.tar"],
        )?;
        Ok(archive)
    }
}

/// As images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn tar(from: &Path, to: &Path, what: &[&str]) -> Result<()> {
    let done = Command::new("tar")
        // Nobody's own ids, modes or times: the same files are the same image.
        .args(["--owner=0", "--group=0", "--numeric-owner", "--mode=0755"])
        .args(["--mtime=@0", "--sort=name", "-cf"])
        .arg(to)
        .arg("-C")
        .arg(from)
        .args(what)
        .status()
        .context("tar cannot be run")?;
    ensure!(done.success(), "tar of {} failed", from.display());
    Ok(())
}
