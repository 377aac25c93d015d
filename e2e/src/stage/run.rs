//! Programs of a stage: the `helios` that the tests were built with, and nats-server.

use crate::cluster::ControlPlane;
use crate::process::Program;
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A program that runs beside the cluster. It ends with its value.
#[derive(Debug)]
pub struct Running(Mutex<Program>);

impl Running {
    fn with<T>(&self, f: impl FnOnce(&mut Program) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Kills it, as a crash or a lost node would.
    pub fn kill(&self) {
        self.with(Program::kill);
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.with(|p| p.signal(Signal::TERM));
    }

    /// It has ended.
    pub fn ended(&self) -> bool {
        self.with(|p| p.ended().is_some())
    }

    /// Its last lines.
    pub fn tail(&self) -> String {
        self.with(|p| p.tail())
    }

    /// Everything it wrote.
    pub fn output(&self) -> String {
        self.with(|p| p.output())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.with(|p| p.id())
    }
}

/// Starts a program; its log is `<name>.log` in the cluster's directory.
pub(super) fn start(
    cluster: &ControlPlane,
    name: &str,
    path: PathBuf,
    args: &[&str],
    env: Vec<(String, String)>,
) -> Result<Running> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let program = Program::start_as(&cluster.home, name.into(), path, &args, env)?;
    Ok(Running(Mutex::new(program)))
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}

/// The `helios` beside this test's own binary: built with it, with the same features.
pub fn helios() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HELIOS_E2E_HELIOS") {
        return Ok(path.into());
    }
    let me = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    let beside = me.parent().and_then(Path::parent).map(|d| d.join("helios"));
    let found = beside.filter(|p| p.exists());
    found.context("helios is not built: cargo build -p helios --features kubernetes (or name one with HELIOS_E2E_HELIOS)")
}

/// nats-server, built where it is missing.
pub fn nats_server() -> Result<PathBuf> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/nats.sh");
        let out = Command::new(script).output().map_err(|e| e.to_string())?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
    };
    match PATH.get_or_init(find) {
        Ok(path) => Ok(path.clone()),
        Err(e) => bail!("tools/nats.sh: {e}"),
    }
}
