//! The report: one JSON object, or text for people.

use super::analysis::Report;
use super::stats::{Offsets, Spread, utc};
use super::symbol::{Place, SymbolState};
use helios_core::market::SyncStats;
use serde_json::{Value, json};
use std::fmt::Write;

/// Quantiles shown of NOBI.
const QUANTILES: [(&str, f64); 7] = [
    ("p01", 0.01),
    ("p05", 0.05),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p95", 0.95),
    ("p99", 0.99),
];
/// Bins of the histogram over [−1, 1].
const BINS: usize = 20;

/// Totals over symbols.
struct Totals {
    sync: SyncStats,
    checked: u64,
    equal: u64,
    unchecked: u64,
    nobi: Spread,
    offsets: Offsets,
    shallow: u64,
    unused: u64,
    unsynced_from: Option<Place>,
}

fn totals(r: &Report) -> Totals {
    let mut t = Totals {
        sync: SyncStats::default(),
        checked: 0,
        equal: 0,
        unchecked: 0,
        nobi: Spread::default(),
        offsets: Offsets::default(),
        shallow: 0,
        unused: 0,
        unsynced_from: None,
    };
    for s in r.symbols.values() {
        let (a, b) = (&mut t.sync, s.sync.stats());
        a.applied += b.applied;
        a.stale += b.stale;
        a.gaps += b.gaps;
        a.crossed += b.crossed;
        a.refused += b.refused;
        a.overflowed += b.overflowed;
        a.snapshots += b.snapshots;
        a.resyncs += b.resyncs;
        a.refills += b.refills;
        t.checked += s.oracle.checked;
        t.equal += s.oracle.equal;
        t.unchecked += s.oracle.unchecked;
        t.nobi.merge(&s.nobi);
        t.offsets.merge(&s.offsets);
        t.shallow += s.shallow;
        t.unused += s.snapshots_unused;
        t.unsynced_from = [t.unsynced_from, s.unsynced_from]
            .into_iter()
            .flatten()
            .min();
    }
    t
}

fn place(p: Option<Place>) -> Value {
    p.map_or(Value::Null, |p| {
        json!({
            "line": p.line,
            "local_ns": p.local_ns,
            "local_time": p.local_ns.map(utc),
            "update_id": p.update_id,
        })
    })
}

fn spread(s: &Spread) -> Value {
    if s.count == 0 {
        return Value::Null;
    }
    let mut v = json!({"count": s.count, "mean": s.sum / s.count as f64, "min": s.min, "max": s.max, "histogram": s.histogram(BINS)});
    for (name, q) in QUANTILES {
        v[name] = json!(s.quantile(q));
    }
    v
}

fn checks(s: &SyncStats, equal: (u64, u64, u64), nobi: &Spread, offsets: &Offsets) -> Value {
    json!({
        "depth_applied": s.applied,
        "depth_stale": s.stale,
        "gaps": s.gaps,
        "resyncs": s.resyncs,
        "crossed": s.crossed,
        "refused": s.refused,
        "snapshots_used": s.snapshots + s.refills,
        "book_ticker_checked": equal.0,
        "book_ticker_equal": equal.1,
        "book_ticker_unchecked": equal.2,
        "nobi_sum": nobi.sum,
        "nobi": spread(nobi),
        "clock_offset_ms": offsets.quantile_ms(0.5),
        "clock_offset_p01_ms": offsets.quantile_ms(0.01),
        "clock_offset_p99_ms": offsets.quantile_ms(0.99),
    })
}

fn extend(into: &mut Value, more: Value) {
    if let (Value::Object(a), Value::Object(b)) = (into, more) {
        a.extend(b);
    }
}

/// The JSON report: totals at the top, one object a symbol under `symbols`.
pub fn json(r: &Report, name: &str) -> Value {
    let t = totals(r);
    let seconds = r.arrivals.seconds();
    let mut v = checks(
        &t.sync,
        (t.checked, t.equal, t.unchecked),
        &t.nobi,
        &t.offsets,
    );
    extend(
        &mut v,
        json!({
            "capture": name,
            "nobi_depth": r.depth,
            "lines": r.end.lines,
            "frames": r.frames,
            "frames_by_type": r.frames_by_type,
            "bad_frames": r.bad_frames,
            "bad_frame_examples": r.bad_examples.iter().map(|(line, why)| json!({"line": line, "why": why})).collect::<Vec<_>>(),
            "truncated": r.end.truncated.is_some(),
            "truncated_why": r.end.truncated,
            "snapshots_unused": t.unused,
            "snapshots_unassigned": r.orphans,
            "shallow": t.shallow,
            "unsynced_from": place(t.unsynced_from),
            "seconds": seconds,
            "frames_per_second": rate(r.arrivals.timed, seconds),
            "peak_frames_per_second": r.arrivals.peak_per_s,
            "longest_pause_ms": r.arrivals.longest_pause_ns as f64 / 1e6,
            "local_time_backwards": r.arrivals.backwards,
            "symbols": r.symbols.iter().map(|(n, s)| (n.clone(), symbol(s))).collect::<serde_json::Map<_, _>>(),
        }),
    );
    v
}

fn symbol(s: &SymbolState) -> Value {
    let seconds = s.arrivals.seconds();
    let mut v = checks(
        &s.sync.stats(),
        (s.oracle.checked, s.oracle.equal, s.oracle.unchecked),
        &s.nobi,
        &s.offsets,
    );
    extend(
        &mut v,
        json!({
            "tick": s.instrument.tick.to_string(),
            "step": s.instrument.step.to_string(),
            "frames_by_type": s.frames,
            "frames_per_second": rate(s.arrivals.timed, seconds),
            "rates": s.frames.iter().map(|(k, n)| (k.clone(), json!(rate(*n, seconds)))).collect::<serde_json::Map<_, _>>(),
            "book_ticker_first_difference": s.oracle.first_difference,
            "nobi_none": s.nobi_none,
            "shallow": s.shallow,
            "snapshots_unused": s.snapshots_unused,
            "trade_id_gaps": s.trade_gaps.0,
            "trade_ids_missing": s.trade_gaps.1,
            "unsynced_from": place(s.unsynced_from),
            "breaks": s.breaks.iter().map(|b| {
                let mut v = place(Some(b.at));
                v["why"] = json!(b.why);
                v
            }).collect::<Vec<_>>(),
        }),
    );
    v
}

fn rate(n: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        n as f64 / seconds
    } else {
        0.0
    }
}

/// The report in words.
pub fn text(r: &Report, name: &str) -> String {
    let mut o = String::new();
    // Writing to a String can't fail.
    let _ = write_text(&mut o, r, name);
    o
}

fn write_text(o: &mut String, r: &Report, name: &str) -> std::fmt::Result {
    let t = totals(r);
    let seconds = r.arrivals.seconds();
    writeln!(o, "{name}")?;
    if let (Some(a), Some(b)) = (r.arrivals.first_ns, r.arrivals.last_ns) {
        writeln!(o, "  {} to {} local, {seconds:.1} s", utc(a), utc(b))?;
    }
    writeln!(
        o,
        "  {} lines, {} frames ({:.0}/s, peak {}/s, longest pause {:.0} ms), {} bad",
        r.end.lines,
        r.frames,
        rate(r.arrivals.timed, seconds),
        r.arrivals.peak_per_s,
        r.arrivals.longest_pause_ns as f64 / 1e6,
        r.bad_frames
    )?;
    for (k, n) in &r.frames_by_type {
        writeln!(o, "    {k:<20} {n:>10}  {:>9.1}/s", rate(*n, seconds))?;
    }
    if let Some(ms) = t.offsets.quantile_ms(0.5) {
        writeln!(
            o,
            "  clock offset {ms:.1} ms (median of local - event time over all stream frames; 1 % {:.1}, 99 % {:.1})",
            t.offsets.quantile_ms(0.01).unwrap_or_default(),
            t.offsets.quantile_ms(0.99).unwrap_or_default()
        )?;
    }
    if let Some(why) = &r.end.truncated {
        writeln!(o, "  truncated: {why}")?;
    }
    for (line, why) in &r.bad_examples {
        writeln!(o, "  bad frame in line {line}: {why}")?;
    }
    if r.arrivals.backwards > 0 {
        writeln!(
            o,
            "  local time went backwards {} times",
            r.arrivals.backwards
        )?;
    }
    if r.orphans > 0 {
        writeln!(
            o,
            "  {} snapshots name no symbol and fit none by price",
            r.orphans
        )?;
    }
    for (n, s) in &r.symbols {
        write_symbol(o, n, s, r.depth)?;
    }
    Ok(())
}

fn write_symbol(o: &mut String, name: &str, s: &SymbolState, depth: usize) -> std::fmt::Result {
    let c = s.sync.stats();
    let list: Vec<String> = s.frames.iter().map(|(k, n)| format!("{k} {n}")).collect();
    writeln!(
        o,
        "\n{name} (tick {}, step {}): {}",
        s.instrument.tick,
        s.instrument.step,
        list.join(", ")
    )?;
    writeln!(
        o,
        "  depth: {} applied, {} older than the snapshot, {} gaps, {} resyncs, {} crossed, {} refused",
        c.applied, c.stale, c.gaps, c.resyncs, c.crossed, c.refused
    )?;
    for b in &s.breaks {
        writeln!(o, "    {}: {}", at(&b.at), b.why)?;
    }
    if let Some(p) = &s.unsynced_from {
        writeln!(
            o,
            "  unsynced from {}: this recording holds no later snapshot that fits, the rest of its depth is unused",
            at(p)
        )?;
    }
    if s.shallow > 0 {
        writeln!(
            o,
            "  after {} events the book was known less than {depth} levels deep: the price left the snapshot's range",
            s.shallow
        )?;
    }
    writeln!(
        o,
        "  book against bookTicker: {} of {} equal in price and quantity{}",
        s.oracle.equal,
        s.oracle.checked,
        s.oracle.first_difference.map_or(String::new(), |u| format!(
            ", first difference at update {u}"
        ))
    )?;
    if s.trade_gaps.0 > 0 {
        writeln!(
            o,
            "  trade ids: {} holes, {} missing",
            s.trade_gaps.0, s.trade_gaps.1
        )?;
    }
    if s.nobi.count == 0 {
        return Ok(());
    }
    let q: Vec<String> = QUANTILES
        .iter()
        .filter_map(|(n, q)| Some(format!("{n} {:+.3}", s.nobi.quantile(*q)?)))
        .collect();
    writeln!(
        o,
        "  NOBI at depth {depth}: sum {:.6}, mean {:+.4}, {}",
        s.nobi.sum,
        s.nobi.sum / s.nobi.count as f64,
        q.join(", ")
    )?;
    let bins = s.nobi.histogram(BINS);
    let most = bins.iter().max().copied().unwrap_or(1).max(1);
    for (i, n) in bins.iter().enumerate() {
        let from = i as f64 * 2.0 / BINS as f64 - 1.0;
        let width = (n * 40).div_ceil(most) as usize;
        writeln!(o, "    {from:+.1} {:<40} {n}", "#".repeat(width))?;
    }
    Ok(())
}

fn at(p: &Place) -> String {
    format!(
        "line {} ({}update {})",
        p.line,
        p.local_ns
            .map_or(String::new(), |ns| format!("{} local, ", utc(ns))),
        p.update_id
    )
}
