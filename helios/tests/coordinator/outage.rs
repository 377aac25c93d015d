//! NATS is away for long while positions are open: exits work, nothing is entered, the stops stay.

use crate::rig::audit::What;
use crate::rig::check::{DEADLINE, bare};
use crate::rig::clock::{Ns, S, now, secs, until};
use crate::rig::{RECOVERY, Rig, Setup, by_mode, wait};
use std::collections::BTreeSet;
use std::time::Duration;

/// A worker that heard nobody for 30 s stops trailing (and a stop on its way).
const SILENT: Ns = 31 * S;

#[test]
fn a_long_outage_of_nats_leaves_exits_and_stops_and_takes_no_risk() {
    // Two hold for long, so that their stops trail; the third leaves by its holding time.
    let long = Ns::from(by_mode(60, 600_u32)) * S;
    let mut rig = Rig::bare(Setup {
        // Entries come from the market; held until a stop or the end of the holding time, about 40 s of wall time.
        exits: "maxHoldSeconds: 600, onOppositeSignal: Ignore",
        risk: "sizing: Probe, costGate: \"Off\", atr: {barSeconds: 60, period: 14, multiplier: \"4\"}, protections: {maxConsecutiveLosses: 0}",
        ..Setup::default()
    });
    rig.start_coordinators();
    rig.start_workers(&[]);
    rig.all_granted(now(), Duration::from_secs(60)).unwrap();
    let held = wait("two positions", Duration::from_secs(60), || {
        Some(rig.venue.positions()).filter(|p| p.len() >= 2)
    });
    let held = held.expect("nothing is held");
    let from = rig.nats.kill();
    until(from + long);
    let to = rig.nats.restart();
    let back = rig
        .all_granted(to, Duration::from_nanos(RECOVERY + 5 * S))
        .unwrap();
    eprintln!("granted again after {:.2} s", secs(to, back));
    assert!(back - to <= RECOVERY, "{:.2} s", secs(to, back));
    rig.check();

    let log = rig.venue.audit();
    let during = || log.iter().filter(|e| e.at > from + DEADLINE && e.at < to);
    let exits = during().filter(|e| matches!(e.what, What::Fill { .. }));
    let left: BTreeSet<&str> = exits.map(|e| e.symbol.as_str()).collect();
    assert!(
        held.keys().any(|s| left.contains(s.as_str())),
        "nobody left a position: {held:?}"
    );
    assert!(!during().any(crate::rig::audit::Entry::adds));
    // Stops trail for as long as the worker may believe in its coordinator, then stand.
    let placed = |after: Ns, before: Ns| {
        log.iter()
            .filter(|e| e.at > after && e.at < before)
            .filter(|e| matches!(e.what, What::Algo { anchor: false, status, .. } if status.is_working()))
            .count()
    };
    let trailed = placed(from, from + SILENT);
    let later = placed(from + SILENT, to);
    eprintln!("trailed {trailed} times in the first half minute, {later} times after");
    assert!(trailed > 0, "no stop trailed");
    assert_eq!(later, 0, "a stop trailed without a coordinator");
    // Whoever was still in position at the end was so under a stop, all the time.
    assert!(bare(&log, now()).values().flatten().all(|b| b.1 - b.0 < S));
}
