//! Where the programs of a cluster are: `HELIOS_E2E_BIN`, or what `tools/kubernetes.sh` prints, which builds what is
//! missing once (minutes) and says so.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Directory of the programs of tier 1.
pub fn programs() -> Result<PathBuf> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(dir) = FOUND.get() {
        return Ok(dir.clone());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/kubernetes.sh");
    let out = Command::new("bash")
        .arg(&script)
        .arg("tier1")
        .stderr(Stdio::inherit())
        .output()
        .context("bash, which runs tools/kubernetes.sh, cannot be run")?;
    ensure!(
        out.status.success(),
        "tools/kubernetes.sh failed: it says why above"
    );
    let dir = PathBuf::from(String::from_utf8(out.stdout)?.trim());
    Ok(FOUND.get_or_init(|| dir).clone())
}
