//! A role as a child process under a supervisor thread: started again after it ended, stopped and continued by pid, its
//! JSON lines collected with the moment they were read.

use super::clock::{Ns, OPEN, now};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// From the end of a process to the next one: what a supervisor takes at least.
pub const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at a child.
const LOOK: Duration = Duration::from_millis(10);

/// One JSON line and when it was read.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Ns,
    pub value: Value,
}

/// What one process lived through.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub pid: u32,
    pub from: Ns,
    pub to: Ns,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    lives: Vec<Life>,
    /// While it was frozen.
    frozen: Vec<(Ns, Ns)>,
    seen: Vec<Seen>,
}

struct Inner {
    name: String,
    log: PathBuf,
    state: Mutex<State>,
    hold: AtomicBool,
    ended: AtomicBool,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command line under test, without arguments.
pub fn helios() -> Command {
    Command::new(env!("CARGO_BIN_EXE_helios"))
}

/// A supervised role. It ends with this value.
pub struct Role {
    inner: Arc<Inner>,
    supervisor: Option<JoinHandle<()>>,
}

impl Role {
    /// Starts it. `args` makes the arguments of each life, counted from 1; standard error of all lives goes to one file.
    pub fn start(
        name: &str,
        dir: &Path,
        args: impl Fn(u32) -> Vec<String> + Send + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            name: name.into(),
            log: dir.join(format!("{name}.err")),
            state: Mutex::default(),
            hold: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        spawn(&inner, &args, 1);
        let supervised = inner.clone();
        let supervisor = std::thread::spawn(move || supervise(&supervised, &args));
        Self {
            inner,
            supervisor: Some(supervisor),
        }
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Kills it as the kernel does; returns when.
    pub fn kill(&self) -> Ns {
        self.signal(Signal::KILL);
        now()
    }

    /// Asks it to end, as an init system does; returns when.
    pub fn term(&self) -> Ns {
        self.signal(Signal::TERM);
        now()
    }

    /// Freezes it; returns when.
    pub fn stop(&self) -> Ns {
        let mut s = self.inner.state();
        send(&s, Signal::STOP);
        let at = now();
        s.frozen.push((at, OPEN));
        at
    }

    /// Ends [`Role::stop`]; returns when.
    pub fn cont(&self) -> Ns {
        let mut s = self.inner.state();
        let at = now();
        if let Some(f) = s.frozen.last_mut() {
            f.1 = f.1.min(at);
        }
        send(&s, Signal::CONT);
        at
    }

    fn signal(&self, signal: Signal) {
        send(&self.inner.state(), signal);
    }

    /// While held, it is not started again when it ends.
    pub fn hold(&self, hold: bool) {
        self.inner.hold.store(hold, SeqCst);
    }

    /// The process that runs, if one does.
    pub fn pid(&self) -> Option<u32> {
        self.inner.state().child.as_ref().map(Child::id)
    }

    /// Its newest JSON line for which `wanted` holds.
    pub fn newest(&self, wanted: impl Fn(&Value) -> bool) -> Option<Seen> {
        let s = self.inner.state();
        s.seen.iter().rev().find(|x| wanted(&x.value)).cloned()
    }

    /// Every JSON line read since a moment.
    pub fn history(&self, since: Ns) -> Vec<Seen> {
        let s = self.inner.state();
        s.seen.iter().filter(|x| x.at >= since).cloned().collect()
    }

    /// Its processes so far.
    pub fn lives(&self) -> Vec<Life> {
        self.inner.state().lives.clone()
    }

    /// Spans in which it could do nothing: between two processes, or frozen. The last may be open.
    pub fn absent(&self) -> Vec<(Ns, Ns)> {
        let s = self.inner.state();
        let mut all = s.frozen.clone();
        for (i, l) in s.lives.iter().enumerate() {
            if l.to != OPEN {
                all.push((l.to, s.lives.get(i + 1).map_or(OPEN, |n| n.from)));
            }
        }
        // A frozen one that was killed is not frozen any more.
        for f in &mut all {
            let dead = s.lives.iter().find(|l| l.from < f.0 && f.0 <= l.to);
            if f.1 == OPEN && dead.is_some_and(|l| l.to != OPEN && l.to > f.0) {
                f.1 = dead.map_or(OPEN, |l| l.to);
            }
        }
        all.sort_unstable();
        all
    }

    /// What it logged, all lives together.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.inner.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.inner.ended.store(true, SeqCst);
        if let Some(s) = self.supervisor.take() {
            let _ = s.join();
        }
    }
}

fn send(s: &State, signal: Signal) {
    // Under the lock nobody reaps it, so the id is still its own.
    if let Some(child) = &s.child {
        let _ = kill_process(Pid::from_child(child), signal);
    }
}

fn spawn(inner: &Arc<Inner>, args: &impl Fn(u32) -> Vec<String>, life: u32) {
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&inner.log)
        .unwrap();
    let mut child = helios()
        .args(args(life))
        .env_remove("HELIOS_NATS_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let mut s = inner.state();
    s.lives.push(Life {
        pid: child.id(),
        from: now(),
        to: OPEN,
    });
    s.child = Some(child);
    drop(s);
    let to = inner.clone();
    // Ends with the pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let Ok(line) = line else { return };
            let at = now();
            if let Ok(value) = serde_json::from_str(&line) {
                to.state().seen.push(Seen { at, value });
            }
        }
    });
}

fn supervise(inner: &Arc<Inner>, args: &impl Fn(u32) -> Vec<String>) {
    let mut life = 1;
    loop {
        std::thread::sleep(LOOK);
        let over = inner.ended.load(SeqCst);
        let mut s = inner.state();
        if let Some(child) = s.child.as_mut() {
            if over {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            if child.try_wait().unwrap().is_none() {
                continue;
            }
            s.child = None;
            let at = now();
            if let Some(l) = s.lives.last_mut() {
                l.to = at;
            }
        }
        if over {
            return;
        }
        let ended_at = s.lives.last().map_or(0, |l| l.to);
        drop(s);
        let rested = now() >= ended_at.saturating_add(PAUSE.as_nanos() as u64);
        if rested && !inner.hold.load(SeqCst) {
            life += 1;
            spawn(inner, args, life);
        }
    }
}
