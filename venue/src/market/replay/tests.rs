#![allow(clippy::unwrap_used)]
use super::*;
use helios_core::fixed::Price;
use std::io::Write;

const CAPTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../shared/data/capture/usdm_btcusdt_20240808.jsonl.gz"
);
const COINM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../shared/data/capture/coinm_btcusd_perp_20240808.jsonl.gz"
);

fn depth(u0: u64, u1: u64, pu: u64, ms: i64, b: &str, a: &str) -> String {
    format!(
        r#"{ms}000000 {{"stream":"xyzusdt@depth@0ms","data":{{"e":"depthUpdate","E":{ms},"T":{ms},"s":"XYZUSDT","U":{u0},"u":{u1},"pu":{pu},"b":[{b}],"a":[{a}]}}}}"#
    )
}

fn snapshot(id: u64, ms: i64) -> String {
    format!(
        r#"{ms}000000 {{"lastUpdateId":{id},"E":{ms},"T":{ms},"bids":[["10.00","1.5"],["9.99","2"]],"asks":[["10.01","1"],["10.02","3"]]}}"#
    )
}

fn small() -> Vec<String> {
    vec![
        depth(1, 5, 0, 1_000_000, "", ""),
        depth(6, 9, 5, 1_000_100, r#"["9.99","2.0"]"#, ""),
        snapshot(8, 1_000_150),
        depth(
            10,
            12,
            9,
            1_000_200,
            r#"["10.00","0.0"]"#,
            r#"["10.01","4"]"#,
        ),
        depth(13, 15, 12, 1_000_300, r#"["10.00","1.0"]"#, ""),
    ]
}

fn read(lines: &[String]) -> Result<Replay, ReplayError> {
    Replay::from_reader(lines.join("\n").as_bytes())
}

fn ids(r: &mut Replay) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    while let Some((_, _, e)) = r.next_event() {
        match e {
            MarketInput::Depth(d) => out.push((d.first_id, d.last_id)),
            MarketInput::Snapshot(s) => out.push((0, s.last_id)),
            _ => {}
        }
    }
    out
}

#[test]
fn it_starts_with_the_snapshot_and_the_event_that_spans_it() {
    let mut r = read(&small()).unwrap();
    assert_eq!(r.spec.instrument.tick.to_string(), "0.01");
    assert_eq!(r.spec.instrument.step.to_string(), "0.1");
    assert_eq!(r.stats().depth_applied, 3);
    assert_eq!(r.stats().depth_stale, 1);
    assert_eq!(ids(&mut r), [(0, 8), (6, 9), (10, 12), (13, 15)]);
}

#[test]
fn a_gap_waits_for_the_next_snapshot_and_is_counted() {
    let mut l = small();
    l.push(depth(20, 22, 18, 1_000_400, "", ""));
    l.push(depth(23, 25, 22, 1_000_500, "", ""));
    let mut r = read(&l).unwrap();
    assert_eq!((r.stats().gaps, r.stats().depth_lost), (1, 2));
    assert_eq!(r.stats().unsynced_from_ms, Some(1_000_400));
    assert_eq!(ids(&mut r).last(), Some(&(13, 15)));
    l.push(snapshot(24, 1_000_510));
    l.push(depth(26, 28, 25, 1_000_600, "", ""));
    let mut r = read(&l).unwrap();
    assert_eq!((r.stats().gaps, r.stats().resyncs), (1, 1));
    assert_eq!(r.stats().unsynced_from_ms, None);
    assert_eq!(ids(&mut r)[4..], [(0, 24), (23, 25), (26, 28)]);
}

#[test]
fn a_frame_sent_twice_is_dropped() {
    let mut l = small();
    l.insert(4, l[3].clone());
    let mut r = read(&l).unwrap();
    assert_eq!((r.stats().gaps, r.stats().depth_stale), (0, 2));
    assert_eq!(ids(&mut r), [(0, 8), (6, 9), (10, 12), (13, 15)]);
}

#[test]
fn lines_that_are_no_frames_are_counted_and_passed_over() {
    let mut l = small();
    l.insert(0, "rubbish".into());
    l.insert(2, r#"12 {"stream":"x","data":{"e":"depthUpdate""#.into());
    l.insert(
        3,
        r#"12 {"stream":"x","data":{"e":"markPriceUpdate","p":"1"}}"#.into(),
    );
    let r = read(&l).unwrap();
    assert_eq!((r.stats().bad_lines, r.stats().other_frames), (2, 1));
    assert_eq!(r.stats().depth_applied, 3);
}

#[test]
fn a_recording_without_book_is_refused_with_the_reason() {
    assert!(matches!(
        Replay::from_reader(&b""[..]),
        Err(ReplayError::NoDepth { lines: 0, .. })
    ));
    let no_snapshot: Vec<_> = small()
        .into_iter()
        .filter(|l| !l.contains("lastUpdateId"))
        .collect();
    assert!(matches!(
        read(&no_snapshot),
        Err(ReplayError::NoSnapshot { lines: 4 })
    ));
    let late = vec![
        snapshot(1, 1_000_000),
        depth(6, 9, 5, 1_000_100, r#"["1","1"]"#, ""),
    ];
    assert!(matches!(
        read(&late),
        Err(ReplayError::NeverSynced { snapshots: 1 })
    ));
    assert!(matches!(
        Replay::open("/nowhere"),
        Err(ReplayError::Io { .. })
    ));
}

#[test]
fn a_truncated_or_corrupt_gz_is_played_as_far_as_it_goes() {
    let mut text = small().join("\n").into_bytes();
    for i in 0..20_000u64 {
        let u = 16 + i * 3;
        let b = format!(r#"["9.9{}","{}.5"]"#, i % 9, i * 7919 % 1000);
        text.extend(b"\n");
        text.extend(depth(u, u + 2, u - 1, 1_000_400 + i as i64, &b, "").bytes());
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&text).unwrap();
    let gz = gz.finish().unwrap();
    let whole = Replay::from_reader(&gz[..]).unwrap();
    assert_eq!(whole.stats().depth_applied, 20_003);
    assert_eq!(whole.stats().truncated, None);
    let cut = Replay::from_reader(&gz[..gz.len() / 2]).unwrap();
    assert!(cut.stats().truncated.is_some());
    assert!(cut.stats().depth_applied > 3_000 && cut.stats().depth_applied < 20_003);
    let mut bad = gz.clone();
    for b in &mut bad[gz.len() / 2..gz.len() / 2 + 64] {
        *b ^= 0x5a;
    }
    // Whatever the damage decodes to, it is counted or refused.
    if let Ok(r) = Replay::from_reader(&bad[..]) {
        assert!(r.stats().truncated.is_some() || r.stats().bad_lines > 0 || r.stats().gaps > 0);
    }
    assert!(Replay::from_reader(&gz[..8]).is_err());
}

#[test]
fn two_hundred_bars_are_there_at_the_start() {
    let r = read(&small()).unwrap();
    let b = r.history(SymbolId(0), 60_000, r.start_ms(), 200);
    assert_eq!(b.len(), 200);
    assert_eq!(b[199].close, Price(1000));
}

#[test]
fn recorded_captures_play_whole_and_uncrossed() {
    for (path, applied, tick) in [(CAPTURE, 6_547, "0.1"), (COINM, 26_824, "0.1")] {
        if !Path::new(path).exists() {
            eprintln!("SKIPPED: {path} is not here");
            continue;
        }
        let mut r = Replay::open(path).unwrap();
        let s = r.stats().clone();
        assert_eq!(
            (s.depth_applied, s.gaps, s.crossed),
            (applied, 0, 0),
            "{path}"
        );
        assert_eq!((s.bad_lines, &s.truncated), (0, &None));
        assert_eq!(r.symbols()[0].instrument.tick.to_string(), tick);
        let (mut last, mut marks, mut n) = (r.start_ms(), 0, 0);
        while let Some((t, _, e)) = r.next_event() {
            assert!(t >= last);
            last = t;
            n += 1;
            marks += u32::from(matches!(e, MarketInput::Mark(_)));
        }
        assert!(
            i64::from(marks) >= (last - r.start_ms()) / 1000 - 5,
            "{marks}"
        );
        eprintln!("{path}: {n} events, {s:?}");
    }
}
