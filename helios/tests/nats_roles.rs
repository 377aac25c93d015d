//! Coordinators, workers and persons as processes of their own over a real NATS server, as a user runs them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{http, root};
use helios_bus::testing::{NatsOptions, NatsServer, free_port};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);

/// A running role, whose words are always read: a full pipe would hold it up. Killed when a test fails before it ended.
struct Role {
    name: String,
    child: Child,
    lines: Receiver<Value>,
    log: PathBuf,
}

impl Role {
    fn start(name: &str, args: &[&str], dir: &Path) -> Self {
        let log = dir.join(format!("{name}.stderr"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_helios"))
            .args(args)
            .arg("--json")
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(v) = serde_json::from_str(&line)
                    && to.send(v).is_err()
                {
                    return;
                }
            }
        });
        Self {
            name: name.into(),
            child,
            lines,
            log,
        }
    }

    /// The next JSON line for which `wanted` holds.
    fn json(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(v) if wanted(&v) => return v,
                Ok(v) => last = v,
                Err(e) => {
                    let why = match e {
                        RecvTimeoutError::Timeout => "not seen in time",
                        RecvTimeoutError::Disconnected => "it ended",
                    };
                    let log = self.said();
                    panic!(
                        "{}: {what}: {why}; last: {last}\n{}",
                        self.name,
                        common::tail(&log, 30)
                    );
                }
            }
        }
    }

    /// Its log.
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Lets go of what it has said so far.
    fn now(&self) {
        while self.lines.try_recv().is_ok() {}
    }

    /// Asks it to end, as an init system does; returns whether it ended well.
    fn end(mut self) -> bool {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A venue and a NATS server, with manifests that trade two symbols often and hold what they have.
struct World {
    dir: tempfile::TempDir,
    nats: NatsServer,
    venue: Role,
    admin: String,
}

impl World {
    fn start(speed: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let nats = NatsServer::start(NatsOptions::default());
        let args = [
            "venue",
            "--speed",
            speed,
            "--edge",
            "0.5",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ];
        let venue = Role::start("venue", &args, dir.path());
        let said = venue.json("address", |v| v["admin"].is_string());
        let admin = said["admin"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://")
            .to_string();
        let world = Self {
            dir,
            nats,
            venue,
            admin,
        };
        world.manifest("0.2");
        world
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the manifests, as an editor does: beside, then renamed.
    fn manifest(&self, threshold: &str) {
        let sample =
            std::fs::read_to_string(root().join("config/samples/quickstart.yaml")).unwrap();
        let text = sample
            .replace("    size: 5\n", "    symbols: [BTCUSDT, ETHUSDT]\n")
            .replace(
                "nobiTriggerThreshold: \"0.4\"",
                &format!("nobiTriggerThreshold: \"{threshold}\""),
            )
            .replace("cooldownSeconds: 30", "cooldownSeconds: 1")
            .replace(
                "maxHoldSeconds: 300",
                "maxHoldSeconds: 86400\n    onOppositeSignal: Ignore",
            );
        assert!(text.contains("symbols: [") && text.contains("Ignore"));
        let beside = self.path().join("m.new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.path().join("m.yaml")).unwrap();
    }

    fn coordinator(&self, name: &str, more: &[&str]) -> Role {
        let url = self.nats.url();
        let args = [
            &[
                "coordinator",
                "m.yaml",
                "--nats",
                &url,
                "--state",
                "state",
                "--identity",
                name,
            ],
            more,
        ]
        .concat();
        Role::start(name, &args, self.path())
    }

    fn worker(&self, symbol: &str, more: &[&str]) -> Role {
        let url = self.nats.url();
        let args = [
            &["worker", "m.yaml", "--nats", &url, "--symbol", symbol],
            more,
        ]
        .concat();
        Role::start(symbol, &args, self.path())
    }

    fn person(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_helios"))
            .args(args)
            .args([
                "--nats",
                &self.nats.url(),
                "--account",
                "paper",
                "--by",
                "tester",
            ])
            .output()
            .unwrap()
    }

    fn positions(&self) -> Value {
        http(&self.admin, "GET", "/positions", "").unwrap()
    }
}

fn granted(r: &Value) -> bool {
    r["view"]["granted"] == true
}

fn words(o: &Output) -> String {
    format!("{}{}", common::text(&o.stdout), common::text(&o.stderr))
}

/// What a metrics port answers: the status and the text.
fn page(addr: &str, path: &str) -> (u16, String) {
    let mut s = TcpStream::connect(addr).unwrap();
    write!(
        s,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    s.read_to_string(&mut text).unwrap();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

/// The sum of a metric over its labels that contain `with`.
fn metric(addr: &str, name: &str, with: &str) -> f64 {
    let (status, text) = page(addr, "/metrics");
    assert_eq!(status, 200);
    text.lines()
        .filter(|l| l.strip_prefix(name).is_some_and(|r| r.starts_with('{')) && l.contains(with))
        .map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[test]
fn workers_of_other_processes_trade_are_killed_resume_and_take_edits() {
    let world = World::start("20");
    let ports = [free_port(), free_port()].map(|p| format!("127.0.0.1:{p}"));
    let early = world.person(&["kill"]);
    assert!(!early.status.success());
    assert!(
        words(&early).contains("nobody leads account default/paper"),
        "{}",
        words(&early)
    );

    let c = world.coordinator("first", &["--metrics", &ports[0], "--logs", "logs"]);
    let b = world.worker("BTCUSDT", &["--metrics", &ports[1]]);
    let e = world.worker("ETHUSDT", &[]);
    let first = b.json("grant", granted);
    e.json("grant", granted);
    assert!(first["epoch"].as_u64().unwrap() > 0);
    assert!(first["taskUid"].as_str().unwrap().starts_with("worker-"));
    let s = c.json("both workers known", |s| {
        s["health"]["workers"]
            .as_object()
            .is_some_and(|w| w.len() == 2)
    });
    assert_eq!(s["known"], true);
    assert!(s["holder"].as_str().unwrap_or("first").starts_with("first"));

    // Parameters: the edit is acknowledged; the best of three, because the machine may be busy.
    let mut took = Vec::new();
    for threshold in ["0.25", "0.3", "0.2"] {
        b.now();
        let before = b.json("report", |_| true)["generation"].as_u64().unwrap();
        let at = Instant::now();
        world.manifest(threshold);
        b.json("acknowledgement", |r| {
            r["generation"].as_u64().unwrap() > before
        });
        took.push(at.elapsed());
    }
    assert!(
        took.iter().min().unwrap() < &Duration::from_secs(1),
        "{took:?}"
    );
    e.json("acknowledgement", |r| {
        r["generation"].as_u64().unwrap() >= 4
    });

    // A person's word over NATS.
    let held = |r: &Value| r["view"]["position"] != "0" && r["view"]["anchorConfirmed"] == true;
    b.json("protected position", held);
    let kill = world.person(&["kill"]);
    assert!(
        kill.status.success() && words(&kill).contains("latch kill set"),
        "{}",
        words(&kill)
    );
    let flat = |r: &Value| r["view"]["position"] == "0" && !granted(r);
    b.json("flat", flat);
    e.json("flat", flat);
    let all = world.positions();
    let open: Vec<&Value> = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["qty"] != "0")
        .collect();
    assert!(open.is_empty(), "{open:?}");
    let again = world.person(&["kill"]);
    assert!(!again.status.success() && words(&again).contains("was set already"));
    assert!(c.said().contains("by=\"tester\""), "{}", c.said());

    let at = &ports[0];
    assert_eq!(metric(at, "helios_leader", "identity=\"first-"), 1.0);
    assert_eq!(metric(at, "helios_latch", "name=\"kill\""), 1.0);
    assert_eq!(metric(at, "helios_bus_connected", ""), 1.0);
    assert_eq!(metric(at, "helios_workers", "ready=\"true\""), 2.0);
    assert!(metric(at, "helios_grants_total", "result=\"granted\"") > 0.0);
    assert!(metric(at, "helios_position_reductions_total", "kind=\"whole\"") > 0.0);
    assert!(metric(at, "helios_params_generation", "strategy=\"default/nobi\"") >= 4.0);
    assert!(metric(at, "helios_snapshot_age_seconds", "") < 5.0);
    assert!(metric(at, "helios_alerts_total", "code=\"PositionReduced\"") > 0.0);
    assert_eq!(metric(&ports[1], "helios_worker_protected", ""), 1.0);
    for p in &ports {
        assert_eq!((page(p, "/healthz").0, page(p, "/readyz").0), (200, 200));
    }
    let alerts = std::fs::read_to_string(world.path().join("logs/alerts.log")).unwrap();
    let one: Vec<&str> = alerts
        .lines()
        .filter(|l| l.contains("PositionReduced"))
        .collect();
    assert!(!one.is_empty());
    assert_eq!(
        one.len() as f64,
        metric(at, "helios_alerts_total", "code=\"PositionReduced\""),
        "each alert once: {alerts}"
    );

    let release = world.person(&["release"]);
    assert!(release.status.success(), "{}", words(&release));
    b.now();
    b.json("grant after the release", granted);
    assert!(b.end() && e.end());
    assert!(c.end());
    assert!(world.venue.end());
}

#[test]
fn a_worker_starts_and_goes_on_without_nats_and_a_standby_takes_over() {
    let mut world = World::start("5");
    world.nats.kill();
    let port = format!("127.0.0.1:{}", free_port());
    let w = world.worker("BTCUSDT", &["--metrics", &port]);
    let r = w.json("guarding without a bus", |r| {
        r["view"]["bookSynced"] == true && r["ready"] == true
    });
    assert!(!granted(&r));
    assert_eq!(metric(&port, "helios_bus_connected", ""), 0.0);
    assert_eq!(page(&port, "/readyz").0, 200);

    world.nats.restart();
    let mut first = world.coordinator("first", &[]);
    first.json("it leads", |s| s["known"] == true);
    let ports = format!("127.0.0.1:{}", free_port());
    let second = world.coordinator("second", &["--metrics", &ports]);
    let s = second.json("the leader's snapshot", |s| s["known"] == true);
    assert!(
        s["holder"].as_str().unwrap_or("first").starts_with("first"),
        "{s}"
    );
    assert_eq!(metric(&ports, "helios_leader", ""), 0.0);
    let r = w.json("grant", granted);
    let epoch = r["epoch"].as_u64().unwrap();

    first.child.kill().unwrap();
    first.child.wait().unwrap();
    w.json("grant of the next leader", |r| {
        granted(r) && r["epoch"].as_u64().unwrap() > epoch
    });
    assert_eq!(metric(&ports, "helios_leader", ""), 1.0);
    assert!(metric(&ports, "helios_epoch", "") > epoch as f64);
    assert!(w.end() && second.end());
    assert!(world.venue.end());
}

#[test]
fn a_start_that_cannot_work_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let sample = root().join("config/samples/quickstart.yaml");
    let sample = sample.to_str().unwrap();
    let refuse = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_helios"))
            .args(args)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(!out.status.success(), "{args:?}");
        common::text(&out.stderr)
    };
    let at = ["--nats", "nats://127.0.0.1:1"];
    let why = refuse(&[&["coordinator", sample], &at[..]].concat());
    assert!(why.contains("--nats needs --state"), "{why}");
    let why = refuse(&[&["kill"], &at[..]].concat());
    assert!(why.contains("say --account"), "{why}");
    let why = refuse(&[&["kill", "--account", "paper"], &at[..]].concat());
    assert!(
        why.contains("stops stand at the exchange") && why.contains("can't be reached"),
        "{why}"
    );
    std::fs::write(dir.path().join("token"), "hidden").unwrap();
    let token = [
        "worker",
        sample,
        "--symbol",
        "BTCUSDT",
        "--nats-token-file",
        "token",
    ];
    let why = refuse(&[&token[..], &at[..]].concat());
    assert!(
        why.contains("chmod 600") && !why.contains("hidden"),
        "{why}"
    );
}
