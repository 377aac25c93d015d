//! The lock between real processes that are killed, stopped and ended.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use helios_lease::{FileLease, LeaseRecord, LeaseStore, mono_ns};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const S: u64 = 1_000_000_000;

#[derive(Clone, Debug, Deserialize)]
struct Line {
    at: u64,
    is: String,
    term: Option<u64>,
    until: Option<u64>,
    free: Option<bool>,
}

struct Holder {
    child: Child,
    lines: Receiver<Line>,
    /// All that was read.
    said: Vec<Line>,
}

impl Holder {
    fn with_times(file: &Path, identity: &str, ms: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lease-holder"))
            .arg(file)
            .arg(identity)
            .args(ms)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if send.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    fn signal(&self, s: Signal) {
        kill_process(Pid::from_child(&self.child), s).unwrap();
    }

    /// The next line, if one comes in time.
    fn next(&mut self, within: Duration) -> Option<Line> {
        let line = self.lines.recv_timeout(within).ok()?;
        self.said.push(line.clone());
        Some(line)
    }

    fn wait_for(&mut self, is: &str, within: Duration) -> Line {
        let give_up = mono_ns() + within.as_nanos() as u64;
        while let Some(rest) = give_up.checked_sub(mono_ns()) {
            match self.next(Duration::from_nanos(rest)) {
                Some(line) if line.is == is => return line,
                Some(_) => {}
                None => break,
            }
        }
        panic!("no {is:?} within {within:?}; said {:?}", self.said);
    }

    /// Takes in what was said up to now.
    fn drain(&mut self) {
        while self.next(Duration::ZERO).is_some() {}
    }

    /// From when to when it believed that it led. What it said last counts until its end, whether it lived or not.
    fn led(&self) -> Vec<(u64, u64)> {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        let mut open = false;
        for l in &self.said {
            match (l.until, open) {
                (Some(until), true) => spans.last_mut().unwrap().1 = until,
                (Some(until), false) => spans.push((l.at, until)),
                (None, true) => {
                    let last = spans.last_mut().unwrap();
                    last.1 = last.1.min(l.at);
                }
                (None, false) => {}
            }
            open = l.until.is_some();
        }
        spans
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Pair {
    _dir: tempfile::TempDir,
    file: PathBuf,
    a: Holder,
    b: Holder,
}

fn released(transitions: u64) -> LeaseRecord {
    LeaseRecord {
        holder_identity: None,
        lease_duration_seconds: 1,
        acquire_time: None,
        renew_time: None,
        lease_transitions: transitions,
    }
}

fn block_on<T>(f: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(f)
}

/// Two processes, `a` leading. The lease begins as released, so that nobody waits for a lease that never was.
fn pair() -> Pair {
    pair_with_times(&[])
}

fn pair_with_times(ms: &[&str]) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("main.lease.json");
    let store = FileLease::open(&file).unwrap();
    block_on(store.write(None, &released(4))).unwrap();
    let mut a = Holder::with_times(&file, "a", ms);
    let led = a.wait_for("leader", Duration::from_secs(3));
    assert_eq!(led.term, Some(5));
    let mut b = Holder::with_times(&file, "b", ms);
    assert_eq!(b.wait_for("standby", Duration::from_secs(3)).until, None);
    // So that b has seen a's record before a ends.
    a.wait_for("leader", Duration::from_secs(3));
    a.wait_for("leader", Duration::from_secs(3));
    Pair {
        _dir: dir,
        file,
        a,
        b,
    }
}

fn assert_apart(a: &mut Holder, b: &mut Holder) {
    a.drain();
    b.drain();
    let (first, second) = (a.led(), b.led());
    assert!(!first.is_empty() && !second.is_empty());
    for x in &first {
        for y in &second {
            assert!(x.1 <= y.0 || y.1 <= x.0, "both led: {x:?} {y:?}");
        }
    }
}

#[test]
fn after_a_kill_the_other_leads_within_8_s_and_never_beside_the_dead_one() {
    let Pair {
        _dir, mut a, mut b, ..
    } = pair();
    let killed = mono_ns();
    a.signal(Signal::KILL);
    let led = b.wait_for("leader", Duration::from_secs(8));
    assert_eq!(led.term, Some(6));
    assert!(led.at - killed < 8 * S);
    assert!(
        led.at - killed > 4 * S,
        "it waited for the lease to run out"
    );
    assert_apart(&mut a, &mut b);
}

#[test]
fn one_that_was_stopped_for_longer_than_the_lease_says_that_it_lost_before_anything_else() {
    let Pair {
        _dir, mut a, mut b, ..
    } = pair();
    a.signal(Signal::STOP);
    b.wait_for("leader", Duration::from_secs(9));
    // One renewal more, so that the new one really leads when the old one wakes.
    b.wait_for("leader", Duration::from_secs(3));
    a.drain();
    let woken = mono_ns();
    a.signal(Signal::CONT);
    let line = a.next(Duration::from_secs(3)).unwrap();
    assert!(line.at >= woken, "said after waking");
    assert_eq!(line.is, "standby");
    while let Some(l) = a.next(Duration::from_secs(3)) {
        assert_eq!(l.is, "standby");
    }
    b.drain();
    assert!(
        b.said.last().unwrap().until.unwrap() > mono_ns(),
        "it still leads"
    );
    assert_apart(&mut a, &mut b);
}

#[test]
fn on_sigterm_the_lead_is_handed_over_within_2_5_s() {
    let Pair {
        _dir, mut a, mut b, ..
    } = pair();
    let asked = mono_ns();
    a.signal(Signal::TERM);
    let led = b.wait_for("leader", Duration::from_millis(2500));
    assert!(led.at - asked < 5 * S / 2);
    assert_eq!(led.term, Some(6));
    assert_eq!(a.wait_for("ended", Duration::from_secs(3)).free, Some(true));
    assert!(a.child.wait().unwrap().success());
    assert_apart(&mut a, &mut b);
}

#[test]
fn a_file_that_is_damaged_under_the_leader_leaves_nobody_leading() {
    let Pair {
        _dir,
        file,
        mut a,
        mut b,
    } = pair_with_times(&["2000", "300", "1000"]);
    std::fs::write(&file, "{}").unwrap();
    let lost = a.wait_for("standby", Duration::from_secs(5));
    let last = a.said.iter().rev().find_map(|l| l.until).unwrap();
    assert!(lost.at >= last, "it led to its end, not longer");
    // Nobody comes, although the duration is over.
    while let Some(l) = b.next(Duration::from_secs(4)) {
        assert_eq!(l.is, "standby");
    }
    a.drain();
    assert_eq!(a.said.last().unwrap().is, "standby");
}

#[test]
fn a_process_killed_in_the_middle_of_writing_leaves_a_whole_record_and_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("main.lease.json");
    let store = FileLease::open(&file).unwrap();
    let mut version = block_on(store.write(None, &released(0))).unwrap();
    for round in 1..=25 {
        // Renews as fast as it can, so that a kill mostly meets it writing.
        let mut h = Holder::with_times(&file, &format!("h{round}"), &["2000", "1", "800"]);
        let led = h.wait_for("leader", Duration::from_secs(3));
        assert_eq!(led.term, Some(round));
        for _ in 0..round % 5 {
            h.wait_for("leader", Duration::from_secs(3));
        }
        h.signal(Signal::KILL);
        h.child.wait().unwrap();
        let (record, now) = block_on(store.read()).unwrap().unwrap();
        assert_eq!(record.holder(), Some(format!("h{round}").as_str()));
        assert_ne!(now, version);
        version = block_on(store.write(Some(&now), &released(round))).unwrap();
    }
}
