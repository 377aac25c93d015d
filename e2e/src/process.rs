//! One program of a cluster as a child process: its output in a file, its end with ours.
//!
//! The kernel kills it when its parent dies (`setpriv --pdeathsig`, because asking for that in the child ourselves needs
//! unsafe code). The kernel means the parent's *thread*, and a test's thread ends with the test; so all programs are
//! started by one thread that never ends.

use crate::home::Home;
use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

/// As much of a log as a failure prints.
const TAIL: u64 = 4096;

/// A program, running or ended.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    path: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `path args`; output goes to `<name>.log` in the cluster's directory.
    pub(crate) fn start(home: &Home, path: PathBuf, args: &[String]) -> Result<Self> {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self::start_as(home, name, path, args, Vec::new())
    }

    /// Starts one of several of a kind, by a name of its own and with an environment.
    pub(crate) fn start_as(
        home: &Home,
        name: String,
        path: PathBuf,
        args: &[String],
        env: Vec<(String, String)>,
    ) -> Result<Self> {
        let log = home.path().join(format!("{name}.log"));
        Ok(Self {
            child: run(home, &path, args, &env, &log)?,
            name,
            path,
            args: args.to_vec(),
            env,
            log,
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it wrote.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Starts it again as it was started first, after its end.
    pub(crate) fn again(&mut self, home: &Home) -> Result<()> {
        self.kill();
        self.child = run(home, &self.path, &self.args, &self.env, &self.log)?;
        Ok(())
    }

    /// Sends a signal to all of its group, unless it has ended: then its id may be another's.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Its file name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines it wrote.
    pub(crate) fn tail(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            let from = file.metadata()?.len().saturating_sub(TAIL);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let tail = read().unwrap_or_else(|e| format!("(not to be read: {e})"));
        format!("--- {}, last lines:\n{}", self.log.display(), tail.trim())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nothing of a test cluster is worth an orderly end.
        self.kill();
    }
}

fn run(
    home: &Home,
    path: &Path,
    args: &[String],
    env: &[(String, String)],
    log: &Path,
) -> Result<Child> {
    let out = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(path)
        .args(args)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        // A user's own cluster and proxies are none of its business.
        .env_remove("KUBECONFIG")
        .envs(env.iter().map(|(k, v)| (k, v)))
        .env("NO_PROXY", "127.0.0.1,localhost")
        .process_group(0);
    let child = spawn(command).with_context(|| {
        let path = path.display();
        format!("{path} cannot be started (setpriv of util-linux starts it)")
    })?;
    home.owns(child.id())?;
    Ok(child)
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a command on the thread that never ends.
fn spawn(command: Command) -> Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in taken {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = mpsc::channel();
    starter
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .map_err(|_| anyhow!("the thread that starts programs is gone"))?;
    Ok(child.recv()??)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_program_outlives_the_thread_that_asked_for_it_and_tells_its_last_words() {
        let home = Home::new().unwrap();
        let args = ["-c".to_owned(), "echo ready; exec sleep 60".to_owned()];
        let start = || Program::start(&home, "/bin/sh".into(), &args);
        let mut program = std::thread::scope(|s| s.spawn(start).join().unwrap()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !program.tail().ends_with("ready") {
            assert!(std::time::Instant::now() < deadline, "{}", program.tail());
            std::thread::yield_now();
        }
        assert!(program.ended().is_none());
    }
}
