//! An archive, unpacked: what its two manifests say, and the root file system that its layers make.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image of one platform.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    /// Its entry in manifest.json, which Docker reads.
    pub(crate) docker: Value,
    /// Its entry in index.json, which everybody else reads.
    pub(crate) index: Value,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
    /// Paths and modes of everything in it but links.
    pub(crate) modes: Vec<(String, u32)>,
    work: tempfile::TempDir,
}

impl Archive {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let work = tempfile::tempdir()?;
        let (layout, root) = (work.path().join("layout"), work.path().join("root"));
        unpack(path, &layout)?;
        let json = |name: &str| -> Result<Value> {
            let text = fs::read(layout.join(name)).with_context(|| name.to_owned())?;
            Ok(serde_json::from_slice(&text)?)
        };
        ensure!(json("oci-layout")?["imageLayoutVersion"] == "1.0.0");
        let (index, docker) = (json("index.json")?, json("manifest.json")?);
        ensure!(
            index["manifests"].as_array().is_some_and(|m| m.len() == 1),
            "{index}"
        );
        let index = index["manifests"][0].clone();
        let manifest: Value = serde_json::from_slice(&blob(&layout, &index)?)?;
        let config: Value = serde_json::from_slice(&blob(&layout, &manifest["config"])?)?;
        for layer in manifest["layers"].as_array().context("no layers")? {
            blob(&layout, layer)?;
            unpack(&layout.join(place(layer)?), &root)?;
        }
        let mut modes = Vec::new();
        list(&root, &root, &mut modes)?;
        Ok(Self {
            path: path.to_owned(),
            docker: docker[0].clone(),
            index,
            manifest,
            config,
            modes,
            work,
        })
    }

    /// Its root file system.
    pub(crate) fn root(&self) -> PathBuf {
        self.work.path().join("root")
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }
}

fn place(descriptor: &Value) -> Result<String> {
    let digest = descriptor["digest"].as_str().context("no digest")?;
    Ok(format!("blobs/{}", digest.replace(':', "/")))
}

/// What a descriptor names, if it is what it says.
fn blob(layout: &Path, descriptor: &Value) -> Result<Vec<u8>> {
    let bytes = fs::read(layout.join(place(descriptor)?))?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
    ensure!(descriptor["digest"] == digest, "{descriptor} is {digest}");
    ensure!(descriptor["size"] == bytes.len(), "{descriptor}");
    Ok(bytes)
}

fn unpack(archive: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let done = Command::new("tar")
        .args(["--no-same-owner", "-pxf"])
        .arg(archive)
        .arg("-C")
        .arg(to)
        .status()
        .context("tar cannot be run")?;
    ensure!(done.success(), "{} cannot be unpacked", archive.display());
    Ok(())
}

fn list(root: &Path, dir: &Path, into: &mut Vec<(String, u32)>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.path().symlink_metadata()?;
        if meta.is_symlink() {
            continue;
        }
        let path = entry.path().strip_prefix(root)?.display().to_string();
        into.push((path, meta.permissions().mode() & 0o7777));
        if meta.is_dir() {
            list(root, &entry.path(), into)?;
        }
    }
    Ok(())
}
