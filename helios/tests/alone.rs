//! `helios venue`, `helios coordinator` and `helios worker` as a user runs them: processes of their own over loopback.

#![allow(clippy::unwrap_used)]

use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{RateBudget, RateLimits, RestClient, RestConfig};
use helios_core::fixed::{Qty, Side};
use helios_core::order::{ClientId, EntryKind, NewOrder, OrderKind, VenueReply};
use helios_crds::{convert, manifest};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const QUICKSTART: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../config/samples/quickstart.yaml"
);
const PATIENCE: Duration = Duration::from_secs(60);

/// A running role; killed when a test fails before it ended.
struct Role {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Role {
    fn start(args: &[&str], dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_helios"))
            .args(args)
            .current_dir(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next JSON line for which `wanted` holds.
    fn json(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut line = String::new();
        while Instant::now() < until {
            line.clear();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it ended");
            let v: Value = serde_json::from_str(&line).unwrap();
            if wanted(&v) {
                return v;
            }
        }
        panic!("not seen in {PATIENCE:?}; last: {line}");
    }

    /// Asks it to end, as an init system does; returns whether it ended well.
    fn end(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().success()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn venue(dir: &Path, more: &[&str]) -> (Role, Value) {
    let mut args = vec!["venue", "--json"];
    args.extend(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    args.extend(more);
    let mut role = Role::start(&args, dir);
    let said = role.json(|v| v["rest"].is_string());
    (role, said)
}

fn keys(dir: &Path) -> (PathBuf, Value) {
    let path = dir.join("venue-credentials.json");
    let v = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    (path, v)
}

#[test]
fn a_coordinator_and_a_worker_alone_guard_and_take_no_risk() {
    let dir = tempfile::tempdir().unwrap();
    let (venue, said) = venue(dir.path(), &["--speed", "20"]);
    assert!(said["market"].as_str().unwrap().contains("simulated"));
    // Neither is told where the venue is: the credentials file says it.
    let mut c = Role::start(&["coordinator", QUICKSTART, "--json"], dir.path());
    let s = c.json(|v| v["known"] == true && v["wanted"]["default/nobi"][0].is_string());
    assert_eq!(
        (&s["level"], &s["marginRatio"]),
        (&"Normal".into(), &"100".into())
    );
    let symbol = s["wanted"]["default/nobi"][0].as_str().unwrap().to_string();
    let args = ["worker", QUICKSTART, "--symbol", &symbol, "--json"];
    let mut w = Role::start(&args, dir.path());
    let r = w.json(|v| v["view"]["bookSynced"] == true && v["view"]["mid"].is_string());
    assert_eq!(
        (&r["view"]["granted"], &r["view"]["position"]),
        (&false.into(), &"0".into())
    );
    assert!(w.end());
    assert!(c.end());
    assert!(venue.end());
}

#[test]
fn a_worker_alone_starts_from_the_parameters_of_a_file_and_takes_newer_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (venue, _) = venue(dir.path(), &[]);
    // As exported from an API server: the identity is the uid.
    let text = std::fs::read_to_string(QUICKSTART).unwrap();
    let text = text.replace(
        "metadata:\n  name: nobi",
        "metadata:\n  uid: u-1\n  name: nobi",
    );
    let m = manifest::parse(&[("m.yaml".into(), text.clone())]).unwrap();
    let strategy = &m.strategies[0].object;
    assert_eq!(strategy.metadata.uid.as_deref(), Some("u-1"));
    std::fs::write(dir.path().join("m.yaml"), text).unwrap();
    let write = |uid: &str, generation| {
        let d = convert::params_document(strategy, uid, generation, 1);
        let new = dir.path().join("new");
        std::fs::write(&new, serde_json::to_vec(&d).unwrap()).unwrap();
        std::fs::rename(new, dir.path().join("p.json")).unwrap();
    };
    write("u-1", 5);
    let args = [
        "worker", "m.yaml", "--symbol", "BTCUSDT", "--params", "p.json", "--json",
    ];
    let mut w = Role::start(&args, dir.path());
    w.json(|v| v["generation"] == 5);
    // Of another strategy, older, and at last newer.
    write("u-2", 9);
    std::thread::sleep(Duration::from_millis(1200));
    write("u-1", 4);
    std::thread::sleep(Duration::from_millis(1200));
    write("u-1", 6);
    let seen = w.json(|v| v["generation"] != 5);
    assert_eq!(seen["generation"], 6);
    assert!(w.end());
    assert!(venue.end());
}

#[test]
fn a_venue_started_again_keeps_its_key_and_its_books_and_never_shows_the_secret() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--state", "state", "--balance", "1234"];
    let (mut v, said) = venue(dir.path(), &args);
    let (_, first) = keys(dir.path());
    assert!(
        !said
            .to_string()
            .contains(first["apiSecret"].as_str().unwrap())
    );
    let pid = v.child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let books = v.json(|x| x["ledger"].is_object());
    assert_eq!(books["ledger"]["wallet"], "1234");
    assert!(v.child.wait().unwrap().success());
    // The balance asked for is not the saved one's.
    let (mut v, _) = venue(dir.path(), &["--state", "state", "--balance", "99"]);
    let (_, second) = keys(dir.path());
    assert_eq!(first["apiSecret"], second["apiSecret"]);
    let pid = v.child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert_eq!(
        v.json(|x| x["ledger"].is_object())["ledger"]["wallet"],
        "1234"
    );
}

/// A client of the venue beside the roles: a person's hand.
async fn client(keys: &Value) -> RestClient {
    let text = |k: &str| keys[k].as_str().unwrap().to_string();
    let secret = Secret::new(text("apiSecret"));
    let c = Credentials::new(&text("apiKey"), secret, KeyType::Hmac).unwrap();
    let url = text("url");
    let endpoints = Endpoints::for_local(&url, &url.replace("http://", "ws://"));
    let budget = RateBudget::new(RateLimits::default());
    let clock = VenueClock::sampled(1.0);
    let rest = RestClient::new(endpoints, Some(c), clock, budget, RestConfig::default()).unwrap();
    rest.sync_clock().await.unwrap();
    rest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_alone_puts_a_stop_under_a_bare_position_and_leaves_as_it_is_told() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let (venue, _) = venue(dir.path(), &[]);
    let rest = client(&keys(dir.path()).1).await;
    let contracts = rest.exchange_info().await.unwrap().contracts;
    let btc = contracts
        .iter()
        .find(|c| &*c.instrument.symbol == "BTCUSDT")
        .unwrap();
    let buy = NewOrder {
        client_id: ClientId::from("by-hand"),
        side: Side::Buy,
        kind: OrderKind::Market,
        qty: Qty(50),
        reduce_only: false,
        purpose: EntryKind::Entry,
        recv_window_ms: 5000,
    };
    let reply = rest.place_order(&btc.instrument, &buy).await;
    assert!(matches!(reply, VenueReply::Accepted { .. }), "{reply:?}");
    // A strategy that leaves for no reason of its own within this test.
    let patient = std::fs::read_to_string(QUICKSTART).unwrap().replace(
        "maxHoldSeconds: 300",
        "maxHoldSeconds: 86400\n    onOppositeSignal: Ignore",
    );
    assert!(patient.contains("Ignore"));
    std::fs::write(dir.path().join("patient.yaml"), patient).unwrap();
    let args = ["worker", "patient.yaml", "--symbol", "btcusdt", "--json"];
    let mut w = Role::start(&args, dir.path());
    let r = w.json(|v| v["view"]["anchorConfirmed"] == true);
    assert_eq!(r["view"]["position"], "0.050");
    assert!(r["view"]["stop"].is_string(), "{r}");
    assert!(w.end());
    let stops = rest.open_algo_orders(&btc.instrument).await.unwrap();
    assert!(stops.iter().any(|s| s.qty.is_none()), "{stops:?}");
    let mut w = Role::start(&[&args[..], &["--flatten"]].concat(), dir.path());
    w.json(|v| v["view"]["anchorConfirmed"] == true);
    assert!(w.end());
    assert_eq!(rest.open_algo_orders(&btc.instrument).await.unwrap(), []);
    let state = rest.venue_state(&btc.instrument).await.unwrap();
    assert_eq!(state.position.qty, Qty(0));
    assert!(venue.end());
}

#[test]
fn a_refused_start_says_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_helios"))
            .args(args)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(!out.status.success(), "{args:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    let why = refuse(&["worker", QUICKSTART, "--symbol", "BTCUSDT"]);
    assert!(why.contains("start `helios venue` first"), "{why}");
    let why = refuse(&["coordinator", QUICKSTART, "--account", "gold"]);
    assert!(why.contains("there is default/paper"), "{why}");
    let (v, said) = venue(dir.path(), &[]);
    let taken = said["rest"].as_str().unwrap().trim_start_matches("http://");
    let why = refuse(&["venue", "--listen", taken, "--admin", "127.0.0.1:0"]);
    assert!(why.contains("is in use"), "{why}");
    let why = refuse(&["worker", QUICKSTART, "--symbol", "NOPEUSDT"]);
    assert!(why.contains("take it off the watchlist"), "{why}");
    drop(v);
    let why = refuse(&["venue", "--replay", "gone.gz"]);
    assert!(why.contains("gone.gz"), "{why}");
}
