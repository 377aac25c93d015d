//! `helios inspect` as a user runs it: known numbers on the real recordings, and damaged recordings of every kind.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn inspect(capture: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helios"))
        .arg("inspect")
        .arg(capture)
        .args(more)
        .output()
        .unwrap()
}

fn report(capture: &Path) -> Value {
    let out = inspect(capture, &["--json"]);
    assert!(out.status.success(), "{out:?}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn real(name: &str) -> Option<PathBuf> {
    let p = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/capture"
    ))
    .join(name);
    if !p.exists() {
        eprintln!("SKIPPED: {} is not there", p.display());
        return None;
    }
    Some(p)
}

/// Writes a recording and inspects it.
fn of(bytes: &[u8]) -> Value {
    let mut f = tempfile::NamedTempFile::new().unwrap();
    f.write_all(bytes).unwrap();
    report(f.path())
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

const T0: i64 = 1_700_000_000_000;

fn depth(symbol: &str, id: u64, bids: &str, asks: &str) -> String {
    let (lower, ms) = (symbol.to_lowercase(), T0 + id as i64);
    format!(
        r#"{}000000 {{"stream":"{lower}@depth@100ms","data":{{"e":"depthUpdate","E":{ms},"T":{ms},"s":"{symbol}","U":{},"u":{id},"pu":{},"b":[{bids}],"a":[{asks}]}}}}"#,
        ms + 7,
        id - 9,
        id - 10
    )
}

fn snapshot(id: u64, bid: &str, ask: &str) -> String {
    format!(
        r#"{}000000 {{"lastUpdateId":{id},"E":{T0},"T":{T0},"bids":[["{bid}","1.0"]],"asks":[["{ask}","1.0"]]}}"#,
        T0 + id as i64 + 20
    )
}

fn lines(all: &[String]) -> Vec<u8> {
    (all.join("\n") + "\n").into_bytes()
}

/// A plain good recording: snapshot within the first event, then `n` events.
fn good(n: u64) -> Vec<String> {
    let mut v: Vec<String> = (1..=n)
        .map(|i| {
            depth(
                "AUSDT",
                100 + i * 10,
                r#"["10.1","2.0"]"#,
                r#"["10.2","1.0"]"#,
            )
        })
        .collect();
    v.insert(1, snapshot(105, "10.0", "10.3"));
    v
}

#[test]
fn the_usdm_recording_gives_the_known_numbers() {
    let Some(p) = real("usdm_btcusdt_20240808.jsonl.gz") else {
        return;
    };
    let v = report(&p);
    for (key, want) in [
        ("depth_applied", 6547),
        ("gaps", 0),
        ("resyncs", 0),
        ("crossed", 0),
        ("book_ticker_checked", 6547),
        ("book_ticker_equal", 6547),
        ("bad_frames", 0),
    ] {
        assert_eq!(v[key], want, "{key}");
    }
    assert!((v["nobi_sum"].as_f64().unwrap() + 194.313_970).abs() < 1e-6);
    assert!((v["clock_offset_ms"].as_f64().unwrap() + 1269.0).abs() < 1.0);
    assert_eq!(v["truncated"], false);
    assert_eq!(v["unsynced_from"], Value::Null);
}

#[test]
fn the_coinm_recording_gives_the_known_numbers() {
    let Some(p) = real("coinm_btcusd_perp_20240808.jsonl.gz") else {
        return;
    };
    let v = report(&p);
    for (key, want) in [
        ("depth_applied", 26_824),
        ("gaps", 0),
        ("crossed", 0),
        ("book_ticker_checked", 26_824),
        ("book_ticker_equal", 26_824),
    ] {
        assert_eq!(v[key], want, "{key}");
    }
}

#[test]
fn a_gap_without_a_later_snapshot_says_unsynced_from() {
    let mut v = good(6);
    v.remove(4);
    let bytes = lines(&v);
    let r = of(&bytes);
    assert_eq!(
        (&r["gaps"], &r["resyncs"], &r["depth_applied"]),
        (&1.into(), &0.into(), &3.into())
    );
    assert_eq!(r["unsynced_from"]["line"], 5);
    assert_eq!(r["unsynced_from"]["update_id"], 130);
    let mut f = tempfile::NamedTempFile::new().unwrap();
    f.write_all(&bytes).unwrap();
    let text = String::from_utf8(inspect(f.path(), &[]).stdout).unwrap();
    assert!(text.contains("unsynced from line 5"), "{text}");
}

#[test]
fn a_gap_with_a_later_snapshot_is_resynced() {
    let mut v = good(8);
    v.remove(4);
    v.insert(6, snapshot(165, "10.0", "10.3"));
    let r = of(&lines(&v));
    assert_eq!(
        (&r["gaps"], &r["resyncs"], &r["unsynced_from"]),
        (&1.into(), &1.into(), &Value::Null)
    );
    // 110..130, then 170 and 180; 150 and 160 are older than the snapshot.
    assert_eq!(r["depth_applied"], 5);
    assert_eq!(r["depth_stale"], 2);
}

#[test]
fn a_missing_snapshot_is_no_error() {
    let mut v = good(5);
    v.remove(1);
    let r = of(&lines(&v));
    assert_eq!((&r["depth_applied"], &r["gaps"]), (&0.into(), &0.into()));
    assert_eq!(r["unsynced_from"]["line"], 1);
}

#[test]
fn a_crossed_book_is_emptied() {
    let mut v = good(4);
    v.push(depth("AUSDT", 150, r#"["10.2","1.0"]"#, ""));
    let r = of(&lines(&v));
    assert_eq!((&r["crossed"], &r["depth_applied"]), (&1.into(), &4.into()));
    assert_eq!(r["unsynced_from"]["line"], 6);
}

#[test]
fn numbers_finer_than_the_first_are_read_and_not_dropped() {
    let mut v = good(4);
    v.push(depth("AUSDT", 150, r#"["10.1234","2.00005"]"#, ""));
    v.push(depth("AUSDT", 160, r#"["10.12345678","2"]"#, ""));
    let r = of(&lines(&v));
    assert_eq!(
        (&r["depth_applied"], &r["bad_frames"]),
        (&6.into(), &0.into())
    );
    assert_eq!(r["symbols"]["AUSDT"]["tick"], "0.00000001");
}

#[test]
fn bad_lines_are_counted_and_the_rest_is_read() {
    let mut v = good(6);
    let n = |bids: &str| depth("AUSDT", 170, bids, "");
    v.extend([
        "garbage".into(),
        "{\"stream\":\"ausdt@depth\",\"data\":{".into(),
        "17000000000000 not json".into(),
        "notatime {\"stream\":\"ausdt@trade\",\"data\":{}}".into(),
        n(r#"["NaN","1"]"#),
        n(r#"["-10.1","1"]"#),
        n(r#"["10.1","-1"]"#),
        n(r#"["10.1","1e3"]"#),
        n(r#"["10.1"]"#),
        n(r#"["99999999999999999999999","1"]"#),
        "\u{0}\u{1}\u{fffd}".into(),
    ]);
    let mut bytes = lines(&v);
    bytes.extend([0xff, 0xfe, b'\n', b'\n', b'\r', b'\n']);
    let r = of(&bytes);
    assert_eq!(
        (&r["bad_frames"], &r["depth_applied"]),
        (&12.into(), &6.into())
    );
    assert_eq!(r["truncated"], false);
    // The event that could not be read leaves a hole that the next one shows.
    let mut more = v;
    more.push(depth("AUSDT", 180, "", ""));
    let r = of(&lines(&more));
    assert_eq!(r["gaps"], 1);
}

#[test]
fn prices_and_quantities_no_book_may_hold_are_refused() {
    for bid in [r#"["0.0","1"]"#, r#"["900000000000000.1","1"]"#] {
        let mut v = good(3);
        v.push(depth("AUSDT", 140, bid, ""));
        let r = of(&lines(&v));
        assert_eq!(r["depth_applied"], 3, "{bid}");
        assert!(
            r["refused"].as_u64().unwrap() + r["crossed"].as_u64().unwrap() == 1,
            "{r}"
        );
        assert_eq!(r["unsynced_from"]["line"], 5);
    }
}

#[test]
fn a_broken_gzip_is_read_as_far_as_it_goes() {
    let whole = gz(&lines(&good(2000)));
    let cut = of(&whole[..whole.len() / 2]);
    assert_eq!(cut["truncated"], true);
    assert!(cut["depth_applied"].as_u64().unwrap() > 100, "{cut}");
    assert_eq!(cut["bad_frames"], 0, "the cut line is no bad frame");
    let mut corrupt = whole.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 40].fill(0xaa);
    let mut f = tempfile::NamedTempFile::new().unwrap();
    f.write_all(&corrupt).unwrap();
    let out = inspect(f.path(), &["--json"]);
    let r: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(r["truncated"], true, "{r}");
    let tail = of(&whole[..whole.len() - 4]);
    assert_eq!(
        (&tail["truncated"], &tail["depth_applied"]),
        (&true.into(), &2000.into())
    );
}

#[test]
fn a_plain_file_cut_in_the_middle_of_a_line_says_so() {
    let bytes = lines(&good(5));
    let r = of(&bytes[..bytes.len() - 20]);
    assert_eq!(
        (&r["truncated"], &r["depth_applied"]),
        (&true.into(), &4.into())
    );
    let r = of(&bytes[..bytes.len() - 1]);
    assert_eq!(
        (&r["truncated"], &r["depth_applied"]),
        (&false.into(), &5.into())
    );
}

#[test]
fn several_symbols_keep_their_own_books_and_nameless_snapshots_find_theirs() {
    let b = |i: u64| {
        depth(
            "BUSDT",
            100 + i * 10,
            r#"["0.512","2"]"#,
            r#"["0.513","1"]"#,
        )
    };
    let a = |i: u64| {
        depth(
            "AUSDT",
            100 + i * 10,
            r#"["10.1","2.0"]"#,
            r#"["10.2","1.0"]"#,
        )
    };
    let v = vec![
        snapshot(105, "0.511", "0.514"),
        a(1),
        b(1),
        snapshot(115, "10.0", "10.3"),
        b(2),
        a(2),
        b(3),
        b(5),
    ];
    let r = of(&lines(&v));
    let (sa, sb) = (&r["symbols"]["AUSDT"], &r["symbols"]["BUSDT"]);
    assert_eq!((&sa["depth_applied"], &sa["gaps"]), (&1.into(), &0.into()));
    assert_eq!((&sb["depth_applied"], &sb["gaps"]), (&3.into(), &1.into()));
    assert_eq!((&r["depth_applied"], &r["gaps"]), (&4.into(), &1.into()));
    assert_eq!(r["unsynced_from"]["line"], 8);
    assert_eq!(r["snapshots_unassigned"], 0);
}

#[test]
fn trades_and_types_of_no_interest_are_counted() {
    let mut v = good(2);
    let t = |id: u64| {
        format!(
            r#"1700000000000000000 {{"stream":"ausdt@aggTrade","data":{{"e":"aggTrade","E":{T0},"s":"AUSDT","a":{id},"p":"10.1","q":"1","f":1,"l":1,"T":{T0},"m":true}}}}"#
        )
    };
    v.extend([t(5), t(6), t(9)]);
    v.push(r#"1700000000000000000 {"stream":"ausdt@kline_1m","data":{"e":"kline","E":1,"s":"AUSDT","k":{}}}"#.into());
    v.push(r#"1700000000000000000 {"stream":"!markPrice@arr","data":[]}"#.into());
    v.push(r#"1700000000000000000 {"stream":"ausdt@depth20@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"AUSDT","U":1,"u":2,"pu":0,"b":[],"a":[]}}"#.into());
    let r = of(&lines(&v));
    assert_eq!(r["frames_by_type"]["aggTrade"], 3);
    assert_eq!(r["frames_by_type"]["kline"], 1);
    assert_eq!(r["frames_by_type"]["partialDepth"], 1);
    assert_eq!(r["symbols"]["AUSDT"]["trade_ids_missing"], 2);
    assert_eq!((&r["gaps"], &r["bad_frames"]), (&0.into(), &0.into()));
}

#[test]
fn the_exit_code_fails_only_when_nothing_could_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let p = dir.path().join(name);
        std::fs::write(&p, bytes).unwrap();
        p
    };
    for p in [
        dir.path().join("absent"),
        dir.path().to_owned(),
        file("empty", b""),
        file("noise", b"\n\nxx\n"),
        file("gz", &gz(b"hello")),
        file("half", &[0x1f, 0x8b]),
    ] {
        let out = inspect(&p, &["--json"]);
        assert_eq!(out.status.code(), Some(1), "{p:?}");
        assert!(!out.stderr.is_empty());
        assert!(!String::from_utf8_lossy(&out.stderr).contains("panicked"));
    }
    let ok = file("one", &lines(&good(1)));
    assert!(inspect(&ok, &[]).status.success());
}
