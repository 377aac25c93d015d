//! Bad input at the front door: a clear error and a refused start, never a panic.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{helios, root, text};
use std::net::TcpListener;

fn refused(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().display().to_string();
    let o = helios(
        &[
            &["up"][..],
            args,
            &["--plain", "--for", "1s", "--logs", &logs],
        ]
        .concat(),
    );
    let words = text(&o.stderr);
    assert!(!o.status.success(), "it started: {words}");
    assert!(!words.contains("panicked"), "{words}");
    words
}

#[test]
fn a_manifest_with_an_unknown_field_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    let good = std::fs::read_to_string(root().join("config/samples/quickstart.yaml")).unwrap();
    std::fs::write(&file, good.replace("cooldownSeconds", "cooldownSecond")).unwrap();
    let words = refused(&[file.to_str().unwrap(), "--admin", "127.0.0.1:0"]);
    assert!(
        words.contains("a.yaml:") && words.contains("Did you mean `cooldownSeconds`?"),
        "{words}"
    );
    std::fs::write(dir.path().join("b.yaml"), &good).unwrap();
    std::fs::write(&file, &good).unwrap();
    let words = refused(&[dir.path().to_str().unwrap(), "--admin", "127.0.0.1:0"]);
    assert!(
        words.contains("there is another HeliosStrategy named nobi"),
        "{words}"
    );
    assert!(refused(&["no-such-file.yaml"]).contains("no such file"));
}

#[test]
fn a_port_in_use_is_named_with_what_to_write_instead() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let words = refused(&["--admin", &addr]);
    assert!(
        words.contains(&addr) && words.contains("--admin 127.0.0.1:0"),
        "{words}"
    );
    let words = refused(&["--admin", "127.0.0.1:0", "--venue", &addr]);
    assert!(words.contains(&addr) && words.contains("in use"), "{words}");
    assert!(refused(&["--admin", "0.0.0.0:0"]).contains("loopback"));
}

#[test]
fn a_recording_that_is_none_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.gz");
    for content in [
        &b""[..],
        b"not a recording\n",
        b"\x1f\x8b\x08\x00broken",
        b"1 {\"stream\":\"btcusdt@depth\"}\n",
    ] {
        std::fs::write(&file, content).unwrap();
        let words = refused(&["--admin", "127.0.0.1:0", "--replay", file.to_str().unwrap()]);
        assert!(words.contains("x.gz"), "{words}");
    }
    assert!(
        refused(&["--admin", "127.0.0.1:0", "--replay", "/no/such.gz"]).contains("/no/such.gz")
    );
}

#[test]
fn numbers_that_make_no_market_are_refused() {
    for args in [["--speed", "0"], ["--speed", "NaN"], ["--edge", "2"]] {
        let words = refused(&[&args[..], &["--admin", "127.0.0.1:0"]].concat());
        assert!(
            words.contains(args[0].trim_start_matches('-')),
            "{args:?}: {words}"
        );
    }
}

#[test]
fn logs_that_cannot_be_written_refuse_the_start_and_a_full_disk_does_not_stop_a_run() {
    let o = helios(&[
        "up",
        "--plain",
        "--for",
        "1s",
        "--admin",
        "127.0.0.1:0",
        "--logs",
        "/proc/nowhere",
    ]);
    assert!(
        !o.status.success() && text(&o.stderr).contains("--logs"),
        "{}",
        text(&o.stderr)
    );
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: no /dev/full here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for log in ["helios.log", "alerts.log"] {
        std::os::unix::fs::symlink("/dev/full", dir.path().join(log)).unwrap();
    }
    let o = helios(&[
        "up",
        "--json",
        "--for",
        "2s",
        "--admin",
        "127.0.0.1:0",
        "--logs",
        dir.path().to_str().unwrap(),
    ]);
    assert!(o.status.success(), "{}", text(&o.stderr));
    assert!(
        text(&o.stderr).contains("trading goes on"),
        "{}",
        text(&o.stderr)
    );
}
