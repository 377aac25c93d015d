//! Everything behind `helios nats-auth`: the roles do their work, and a worker's credential can do nothing but a worker's.

use crate::rig::clock::now;
use crate::rig::more::{Client, Heard, PATIENCE, heard, latched, number};
use crate::rig::role::{Role, helios};
use crate::rig::{ACCOUNT, Rig, STRATEGY, Setup, wait};
use helios_bus::Message;
use helios_bus::auth::setup::{ADMIN_TOKEN, COORDINATOR_TOKEN, SERVER_CONF, WORKER_TOKEN};
use helios_bus::auth::validator::worker_user;
use helios_bus::nats::{NatsAuth, NatsConfig};
use helios_bus::subject as s;
use helios_core::messages::{AdminRequest, Command, Fence};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Another account.
const OTHER: &str = "default/other";
/// An epoch that nobody reaches by himself.
const INVENTED: u64 = 1_000_000;

/// The rig's server with the callout before it; returns the directory of the keys and the callout.
fn guard(rig: &Rig) -> (PathBuf, Role) {
    let dir = rig.path("keys");
    let init = helios()
        .args(["nats-auth", "--init", "--account", ACCOUNT])
        .args(["--strategy", STRATEGY])
        .arg(&dir)
        .output()
        .unwrap();
    assert!(init.status.success(), "{init:?}");
    let conf = std::fs::read_to_string(dir.join(SERVER_CONF)).unwrap();
    // The rig's server has an address and a store of its own; who gets in is as written.
    let access = &conf[conf.find("authorization {").unwrap()..];
    rig.nats.with(|n| {
        n.configure(access);
        n.restart();
    });
    let keys = dir.display().to_string();
    let args = vec!["nats-auth".into(), keys, "--nats".into(), rig.nats.url()];
    let role = Role::start("auth", rig.dir.path(), move |_| args.clone());
    (dir, role)
}

fn token(dir: &Path, name: &str) -> Vec<String> {
    let file = dir.join(name).display().to_string();
    vec!["--nats-token-file".into(), file]
}

/// A client with the workers' token that claims a symbol.
fn worker(rig: &Rig, dir: &Path, symbol: &str) -> Client {
    let config = NatsConfig {
        auth: NatsAuth::UserTokenFile {
            user: worker_user(symbol),
            file: dir.join(WORKER_TOKEN),
        },
        inbox_prefix: s::worker_inbox(ACCOUNT, symbol),
        ..NatsConfig::new(rig.nats.url())
    };
    Client::connect(config).unwrap()
}

fn coordinator(rig: &Rig, dir: &Path) -> Client {
    let config = NatsConfig {
        auth: NatsAuth::TokenFile(dir.join(COORDINATOR_TOKEN)),
        inbox_prefix: s::coordinator_inbox(ACCOUNT),
        ..NatsConfig::new(rig.nats.url())
    };
    Client::connect(config).unwrap()
}

fn any(h: &Heard<Message>) -> Option<()> {
    (!heard(h).is_empty()).then_some(())
}

/// Waits until the server's log names a refusal of a subject.
fn refused(rig: &Rig, what: &str, subject: &str) {
    let named = format!("\"{subject}\"");
    let line = || {
        let log = rig.nats.log();
        let all = log.lines();
        let mut of_it = all.filter(|l| l.contains(what) && l.contains(&named));
        of_it.next().map(|_| ())
    };
    let seen = wait("refusal", PATIENCE, line);
    assert!(seen.is_some(), "the server let through: {what} {subject}");
}

#[test]
fn under_auth_everything_works_and_a_workers_credential_can_do_no_more_than_a_worker() {
    let mut rig = Rig::bare(Setup {
        seed: 51,
        symbols: &["BTCUSDT", "ETHUSDT"],
        ..Setup::default()
    });
    let (dir, _auth) = guard(&rig);
    for name in ["a", "b"] {
        rig.add_coordinator(
            name,
            "state",
            "leader.json",
            &token(&dir, COORDINATOR_TOKEN),
        );
    }
    rig.start_workers(&token(&dir, WORKER_TOKEN));
    rig.all_granted(now(), 2 * PATIENCE).unwrap();

    // Nobody without a token.
    assert!(Client::connect(NatsConfig::new(rig.nats.url())).is_err());
    assert!(!rig.admin(&["kill"]).status.success());
    let admin = token(&dir, ADMIN_TOKEN);
    let worker_token = token(&dir, WORKER_TOKEN);
    assert!(
        !rig.admin(&["kill", &worker_token[0], &worker_token[1]])
            .status
            .success()
    );

    // What one worker hears.
    let (btc, eth) = (worker(&rig, &dir, "BTCUSDT"), worker(&rig, &dir, "ETHUSDT"));
    let (own, others) = (
        s::command(ACCOUNT, "BTCUSDT"),
        s::command(ACCOUNT, "ETHUSDT"),
    );
    let inbox = format!("{}.>", s::worker_inbox(ACCOUNT, "ETHUSDT"));
    let allowed = [btc.hear(&own), eth.hear(&others), eth.hear(&inbox)];
    let forbidden = [
        others.clone(),
        inbox,
        s::commands(ACCOUNT),
        s::grants(ACCOUNT),
        s::reports(ACCOUNT),
        s::admin(ACCOUNT),
        s::grants(OTHER),
        s::command(OTHER, "BTCUSDT"),
        s::kv(&s::snapshot_key(ACCOUNT)),
        s::kv(&s::fence_key(OTHER)),
        ">".into(),
    ];
    let deaf = forbidden.each_ref().map(|p| btc.hear(p));
    for pattern in &forbidden {
        refused(&rig, "Subscription Violation", pattern);
    }
    let leader = coordinator(&rig, &dir);
    let harmless = Command::Reconcile { epoch: 0 };
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        leader
            .block(leader.account().command(symbol, &harmless))
            .unwrap();
    }
    for h in &allowed {
        wait("what is allowed", PATIENCE, || any(h)).expect("deaf to what it may hear");
    }

    // What one worker says.
    let drain = |symbol: &str| {
        let order = Command::Drain {
            epoch: INVENTED,
            now: true,
        };
        btc.block(btc.account().command(symbol, &order)).unwrap();
    };
    drain("BTCUSDT");
    drain("ETHUSDT");
    let answer = format!("{}.invented", s::worker_inbox(ACCOUNT, "ETHUSDT"));
    let own_answer = format!("{}.invented", s::worker_inbox(ACCOUNT, "BTCUSDT"));
    let strange = [
        answer,
        own_answer,
        s::report(ACCOUNT, "ETHUSDT"),
        s::grant(ACCOUNT, "ETHUSDT"),
        s::report(OTHER, "BTCUSDT"),
        s::alerts(OTHER),
        s::kv(&s::fence_key(OTHER)),
    ];
    for subject in &strange {
        btc.publish(subject, b"invented");
    }
    let kill = AdminRequest::Latch {
        name: "kill".into(),
        set: true,
        by: "a worker".into(),
    };
    let asked = btc.block(btc.account().ask_admin(&kill, Duration::from_secs(1)));
    assert!(asked.is_err(), "{asked:?}");
    let fence = Fence {
        epoch: INVENTED,
        holder: "a worker".into(),
        beat: 1,
    };
    let revision = btc.block(btc.account().read_fence()).unwrap().unwrap().1;
    let written = btc.block(btc.account().write_fence(revision, &fence));
    assert!(written.is_err(), "{written:?}");
    let keys = [
        s::kv(&s::fence_key(ACCOUNT)),
        s::admin(ACCOUNT),
        own,
        others,
    ];
    for subject in strange.iter().chain(&keys) {
        refused(&rig, "Publish Violation", subject);
    }
    let (fence, _) = eth.block(eth.account().read_fence()).unwrap().unwrap();
    assert!(fence.epoch < INVENTED, "{fence:?}");
    for (pattern, h) in forbidden.iter().zip(&deaf) {
        assert!(heard(h).is_empty(), "{pattern}: {:?}", heard(h));
    }
    let invented = |m: &Message| {
        let bytes = String::from_utf8_lossy(&m.payload);
        bytes.contains("invented") || bytes.contains(&INVENTED.to_string())
    };
    for h in &allowed {
        assert!(!heard(h).iter().any(|(_, m)| invented(m)));
    }

    // Nothing has come of it.
    let later = now();
    rig.all_granted(later, PATIENCE).unwrap();
    for (symbol, w) in &rig.workers {
        let last = w.newest(|_| true).unwrap().value;
        assert!(number(&last, "epoch") < INVENTED, "{symbol}: {last}");
    }
    let last = rig.snapshot().unwrap().value;
    assert!(
        !latched(&last, "kill") && number(&last, "epoch") < INVENTED,
        "{last}"
    );
    rig.wait_entry(0);

    // A person's token does what a person may.
    rig.person(&["kill", &admin[0], &admin[1]]);
    wait("flat", PATIENCE, || rig.held().is_empty().then_some(())).unwrap();
    rig.person(&["release", "kill", &admin[0], &admin[1]]);
    rig.nobody_crashed();
    rig.check();
}
