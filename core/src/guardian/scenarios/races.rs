//! Reads against frames: neither undoes the other, and a read releases only what it can have seen.

use crate::fixed::{Price, Qty, Side};
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::DenyReason;
use crate::order::{
    CancelTarget, ExecType, OrderStatus, OrderUpdate, PositionUpdate, TradeFill, VenuePosition,
};

const A: &str = "AUSDT";

/// A guardian whose next read is asked for right now and not answered.
fn asked() -> Rig {
    let mut r = Rig::new(&[A, "BUSDT"]).ready();
    r.reads = false;
    let to = ReplyTo::Query(CancelTarget::Order("x".into()));
    let unknown = VenueReply::Unknown {
        why: "timeout".into(),
        dead_after_ms: 0,
    };
    r.pass(1000);
    let out = r.send(&GuardianEvent::Reply(A.into(), to, unknown));
    let asked_at = r.now.mono_ns;
    assert!(out.contains(&GuardianEffect::Reconcile { asked_at }));
    r
}

fn fill(r: &Rig, lots: i64) -> GuardianEvent {
    let id = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", A, 1).next_id();
    GuardianEvent::Order(
        A.into(),
        OrderUpdate {
            event_ms: r.now.market_ms,
            transact_ms: r.now.market_ms,
            client_id: id,
            order_id: 1,
            side: Side::Buy,
            exec: ExecType::Trade,
            status: OrderStatus::Filled,
            qty: Qty(lots),
            filled: Qty(lots),
            reduce_only: false,
            fill: Some(TradeFill {
                trade_id: 1,
                price: Price(1000),
                qty: Qty(lots),
                fee: d("0"),
                fee_asset: "USDT".into(),
                realised: d("0"),
                maker: false,
            }),
        },
    )
}

fn usage(r: &Rig) -> Decimal {
    r.g.picture.usage(A, r.g.info(A)).unwrap()
}

#[test]
fn a_read_asked_for_before_a_promise_was_dead_releases_nothing_however_late_it_comes() {
    let mut r = Rig::new(&[A]).ready();
    granted(&r.ask(A, "t", "1000"));
    r.reads = false;
    r.pass(2000);
    let to = ReplyTo::Query(CancelTarget::Order("x".into()));
    let unknown = VenueReply::Unknown {
        why: "timeout".into(),
        dead_after_ms: 0,
    };
    r.send(&GuardianEvent::Reply(A.into(), to, unknown));
    assert!(r.g.picture.asked_at.is_some());
    r.pass(4000);
    assert!(r.g.ledger.wants_read(r.now), "by now it is dead");
    let read = r.read();
    r.send(&read);
    assert_eq!(r.g.ledger.reserved(A), d("1000"));
    // Nor does one that nobody asked for.
    r.g.picture.asked_at = None;
    r.send(&read);
    assert_eq!(r.g.ledger.reserved(A), d("1000"));
}

#[test]
fn a_fill_counts_at_once_even_when_its_position_frame_is_lost() {
    let mut r = asked();
    let e = fill(&r, 10_000);
    r.send(&e);
    assert_eq!(usage(&r), d("1000"));
    // A read taken before the fill can't undo it; one asked for after it can.
    let read = r.read();
    r.send(&read);
    assert_eq!(usage(&r), d("1000"));
    r.pass(1500);
    assert!(
        r.g.picture.asked_at.is_some(),
        "an overdue position is read soon"
    );
    r.venue.entry(A.into()).or_default().position = VenuePosition {
        qty: Qty(10_000),
        entry_price: d("100"),
        isolated: false,
        update_ms: r.now.market_ms,
    };
    let read = r.read();
    r.send(&read);
    assert_eq!(usage(&r), d("1000"), "counted once");
    // The position's frame after its fill counts once too.
    let mut r = asked();
    let e = fill(&r, 10_000);
    r.send(&e);
    r.position(A, 10_000, "100");
    assert_eq!(usage(&r), d("1000"));
    // And so does a fill told after its position.
    let mut r = asked();
    r.position(A, 10_000, "100");
    let e = fill(&r, 10_000);
    r.send(&e);
    assert_eq!(usage(&r), d("1000"));
}

#[test]
fn the_newer_of_frame_and_read_is_believed() {
    let update = |r: &Rig, lots: i64, ms: i64| {
        let u = PositionUpdate {
            event_ms: ms,
            transact_ms: ms,
            qty: Qty(lots),
            entry_price: d("100"),
        };
        let _ = r;
        GuardianEvent::Position(A.into(), u)
    };
    for (read_lots, read_later, expected) in [(50_000, 5, "5000"), (20_000, -5, "1000")] {
        let mut r = asked();
        let t = r.now.market_ms;
        let e = update(&r, 10_000, t);
        r.send(&e);
        r.venue.entry(A.into()).or_default().position = VenuePosition {
            qty: Qty(read_lots),
            entry_price: d("100"),
            isolated: false,
            update_ms: t + read_later,
        };
        let read = r.read();
        r.send(&read);
        assert_eq!(usage(&r), d(expected));
        let stale = update(&r, 1, t - 1000);
        r.send(&stale);
        assert_eq!(usage(&r), d(expected), "an old frame changes nothing");
    }
}

#[test]
fn a_read_under_way_does_not_revive_a_stop_that_the_stream_has_seen_ended() {
    let mut r = Rig::new(&[A]).ready();
    r.position(A, 10_000, "100");
    let id = r.anchor(A, Side::Sell, 900);
    r.pass(8500);
    r.reads = false;
    r.pass(8500);
    assert!(r.g.picture.asked_at.is_some());
    let read = r.read();
    r.algo(A, &id, Side::Sell, 900, crate::order::AlgoStatus::Canceled);
    r.send(&read);
    assert!(r.g.picture.symbols[A].anchor().is_none());
}

#[test]
fn an_answer_so_late_that_another_read_was_asked_for_meanwhile_releases_nothing() {
    let mut r = asked();
    let first = r.read();
    granted(&r.ask(A, "old", "1000"));
    // The promise dies at 2 s, is past its grace at 4 s; the read is given up at 5 s and another asked for.
    let out = r.pass(5_500);
    let again = |e: &&GuardianEffect| matches!(e, GuardianEffect::Reconcile { .. });
    assert_eq!(out.iter().filter(again).count(), 1);
    let second = r.read();
    let held = |r: &mut Rig| denied(&r.ask(A, "new", "1000")) == DenyReason::Reserved;
    assert!(held(&mut r));
    r.send(&first);
    assert!(held(&mut r), "it shows the account before the promise died");
    r.send(&second);
    granted(&r.ask(A, "new", "1000"));
    let before = r.g.picture.read;
    r.send(&first);
    assert_eq!(r.g.picture.read, before, "overtaken: it tells nothing");
}
