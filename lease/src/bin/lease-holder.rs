//! A candidate as a process of its own, on a lease in a file: prints a JSON line whenever it begins or ends to lead, with
//! `CLOCK_BOOTTIME` stamps that processes of one host can compare. SIGTERM hands the lead over. For the tests, and for
//! trying the lock by hand.

use helios_lease::{FileLease, LeaderTask, Leadership, Times, mono_ns};
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str =
    "usage: lease-holder FILE IDENTITY [DURATION_MS RENEW_EVERY_MS RENEW_DEADLINE_MS]";

fn say(line: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn show(now: u64, l: &Leadership) -> serde_json::Value {
    match l {
        Leadership::Leader {
            transitions,
            until_ns,
            ..
        } if l.leads(now) => {
            serde_json::json!({"at": now, "is": "leader", "term": transitions, "until": until_ns})
        }
        Leadership::Leader { .. } => serde_json::json!({"at": now, "is": "standby"}),
        Leadership::Standby { holder } => {
            serde_json::json!({"at": now, "is": "standby", "holder": holder})
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, identity, rest @ ..] = args.as_slice() else {
        return Err(USAGE.into());
    };
    let times = match rest {
        [] => Times::default(),
        [duration, every, deadline] => Times {
            duration: Duration::from_millis(duration.parse()?),
            renew_every: Duration::from_millis(every.parse()?),
            renew_deadline: Duration::from_millis(deadline.parse()?),
        },
        _ => return Err(USAGE.into()),
    };
    let mut end = signal(SignalKind::terminate())?;
    let task = LeaderTask::spawn(Arc::new(FileLease::open(file)?), identity.as_str(), times)?;
    let mut leadership = task.leadership();
    leadership.mark_changed();
    loop {
        tokio::select! {
            changed = leadership.changed() => {
                changed?;
                let l = leadership.borrow_and_update().clone();
                say(&show(mono_ns(), &l))?;
            }
            _ = end.recv() => break,
        }
    }
    // The acting part of a real leader would end here, before the lock is given up.
    say(&serde_json::json!({"at": mono_ns(), "is": "standby", "holder": null}))?;
    let free = task.release().await;
    say(&serde_json::json!({"at": mono_ns(), "is": "ended", "free": free}))?;
    Ok(())
}
