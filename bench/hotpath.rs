//! Frame bytes → decoded depth event → book in sequence → NOBI over the best ten levels, on a recording.
//!
//! `hotpath CAPTURE [seconds]` prints one JSON object. All times are this thread's CPU time, so that a busy machine moves
//! them little (a single frame's includes about 0.2 us of asking). The snapshot that starts the book is outside the clock. The sum
//! of NOBI is what `helios inspect` reports as `nobi_sum`: a fast answer with another sum is a wrong answer.

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use helios_binance::decode::{Decoder, GridGuess, Kind, decode_combined, head};
use helios_core::market::{DepthOutcome, DepthSync, nobi};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read};

const DEPTH: usize = 10;

/// The depth frames and snapshots of one contract, in the order of the recording.
struct Recording {
    decoder: Decoder,
    frames: Vec<(Kind, Vec<u8>)>,
    bytes: usize,
}

fn lines(path: &str) -> Result<Box<dyn BufRead>> {
    let mut file = std::fs::File::open(path).with_context(|| path.to_string())?;
    let mut magic = [0; 2];
    file.read_exact(&mut magic)?;
    let file = std::fs::File::open(path)?;
    Ok(if magic == [0x1f, 0x8b] {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    })
}

fn read(path: &str) -> Result<Recording> {
    let (mut frames, mut bytes, mut grid) = (Vec::new(), 0, GridGuess::default());
    let mut symbol = None;
    for line in lines(path)?.split(b'\n') {
        let line = line?;
        let Some(start) = line.iter().position(|c| *c == b'{') else {
            continue;
        };
        let frame = &line[start..];
        let payload = decode_combined(frame).map_or(frame, |c| c.data);
        let what = head(payload)?;
        if !matches!(what.kind, Kind::Depth | Kind::Snapshot) {
            continue;
        }
        if what.kind == Kind::Depth {
            let of = symbol.get_or_insert_with(|| what.symbol.to_string());
            if of != what.symbol {
                bail!("{path} holds several contracts");
            }
            bytes += frame.len();
        }
        grid.observe(what.kind, payload)?;
        // A snapshot may come bare or in an envelope, and is outside the clock: it is kept without.
        let kept = if what.kind == Kind::Depth {
            frame
        } else {
            payload
        };
        frames.push((what.kind, kept.to_vec()));
    }
    let instrument = grid.instrument(&symbol.context("no depth frames")?)?;
    let decoder = Decoder::new(&instrument)?;
    Ok(Recording {
        decoder,
        frames,
        bytes,
    })
}

/// One frame through everything; its NOBI when the book took it.
fn step(decoder: &Decoder, sync: &mut DepthSync, frame: &[u8]) -> Result<Option<f64>> {
    let event = decoder.depth(decode_combined(frame)?.data)?;
    Ok(match sync.on_depth_ref(&event) {
        DepthOutcome::Applied => sync.book().and_then(|b| nobi(b, DEPTH)),
        _ => None,
    })
}

/// What one pass over the recording saw and took.
#[derive(Default)]
struct Pass {
    applied: u64,
    sum: f64,
    cpu_ns: u64,
}

fn cpu_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_nsec.unsigned_abs()
}

fn pass(r: &Recording, mut latencies: Option<&mut Vec<u64>>) -> Result<Pass> {
    let mut sync = DepthSync::new();
    let mut p = Pass::default();
    let mut began = cpu_ns();
    for (kind, frame) in &r.frames {
        if *kind == Kind::Snapshot {
            p.cpu_ns += cpu_ns() - began;
            let snapshot = r.decoder.snapshot(frame)?;
            sync.on_snapshot_with(&snapshot, |book, _| {
                p.applied += 1;
                p.sum += nobi(book, DEPTH).unwrap_or(0.0);
            });
            began = cpu_ns();
            continue;
        }
        let at = latencies.is_some().then(cpu_ns);
        let n = black_box(step(&r.decoder, &mut sync, frame)?);
        if let (Some(at), Some(all)) = (at, latencies.as_deref_mut()) {
            all.push(cpu_ns() - at);
        }
        if let Some(n) = n {
            p.applied += 1;
            p.sum += n;
        }
    }
    p.cpu_ns += cpu_ns() - began;
    Ok(p)
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("usage: hotpath CAPTURE [seconds]")?;
    let seconds: f64 = args.next().map_or(Ok(3.0), |s| s.parse())?;
    let r = read(&path)?;
    let depth_frames = r.frames.iter().filter(|f| f.0 == Kind::Depth).count();
    let first = pass(&r, None)?;
    let (mut passes, mut best, mut total) = (0u64, u64::MAX, 0u64);
    while (total as f64) < seconds * 1e9 {
        let p = pass(&r, None)?;
        if p.sum.to_bits() != first.sum.to_bits() {
            bail!("two passes over the same bytes differ");
        }
        best = best.min(p.cpu_ns);
        total += p.cpu_ns;
        passes += 1;
    }
    let mut ns = Vec::with_capacity(depth_frames);
    pass(&r, Some(&mut ns))?;
    ns.sort_unstable();
    let at = |share: f64| {
        let rank = (ns.len() as f64 * share) as usize;
        ns.get(rank.min(ns.len() - 1)).copied().unwrap_or(0) as f64 / 1e3
    };
    let per_second = |ns: f64| depth_frames as f64 / (ns / 1e9);
    let out = serde_json::json!({
        "frames": depth_frames, "bytes": r.bytes, "applied": first.applied, "nobi_sum": first.sum, "passes": passes,
        "per_cpu_second": per_second(total as f64 / passes as f64).round(),
        "per_cpu_second_best": per_second(best as f64).round(),
        "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999),
    });
    println!("{out}");
    Ok(())
}
