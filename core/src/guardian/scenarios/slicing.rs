//! How fast slices follow each other, and when they are judged not to bite.

use super::ladder::{crash, exposed, levels, slide};
use crate::guardian::testkit::*;
use crate::guardian::*;

#[test]
fn slices_that_lift_the_ratio_less_than_prices_take_over_a_stretch_do_not_bite() {
    let mut r = exposed();
    slide(&mut r, "92");
    slide(&mut r, "88");
    r.out.clear();
    // Ten slices of 100 of notional lift the ratio by half a point a second; prices take more than one.
    let mut sent = crash(&mut r, "85", "400", 1_000);
    assert_eq!(levels(&r.out), [LadderLevel::Critical]);
    assert!(sent.len() >= 3, "{}", sent.len());
    sent = crash(&mut r, "84", "400", 1_000);
    assert_eq!(
        levels(&r.out),
        [LadderLevel::Critical, LadderLevel::Emergency]
    );
    let whole = |s: &str, lots: i64| sent.iter().any(|(n, o)| &**n == s && o.qty.0 > lots);
    assert!(whole("AUSDT", 140_000) && whole("BUSDT", 100_000) && whole("CUSDT", 60_000));
}

#[test]
fn a_fall_that_takes_in_a_moment_as_much_as_is_left_leaves_no_time_for_slices() {
    let mut r = exposed();
    r.pass(1000);
    r.out.clear();
    let sent = crash(&mut r, "85", "1000000", 1_000);
    // In order all the same.
    assert_eq!(
        levels(&r.out),
        [LadderLevel::Critical, LadderLevel::Emergency]
    );
    assert!(r.g.snapshot().positions.is_empty(), "{sent:?}");
}

#[test]
fn a_withdrawal_is_not_a_fall_of_prices_and_leaves_time_for_slices() {
    let mut r = exposed();
    r.pass(1000);
    r.out.clear();
    r.send(&GuardianEvent::Balance {
        event_ms: r.now.market_ms,
        wallet: d("5000"),
        transfer: None,
    });
    r.pass(1000);
    assert_eq!(levels(&r.out), [LadderLevel::Critical]);
}

#[test]
fn visible_depth_is_read_anew_after_each_slice_of_the_symbol() {
    let mut r = exposed();
    slide(&mut r, "92");
    r.out.clear();
    let sent = crash(&mut r, "85", "1000000", 1_500);
    let reads = |s: &str| {
        let asked = |e: &&GuardianEffect| matches!(e, GuardianEffect::ReadDepth(n) if &**n == s);
        r.out.iter().filter(asked).count()
    };
    for s in ["AUSDT", "BUSDT", "CUSDT"] {
        let slices = sent.iter().filter(|(n, _)| &**n == s).count();
        assert!(
            reads(s) >= slices,
            "{s}: {} reads, {slices} slices",
            reads(s)
        );
    }
    assert!(sent.len() >= 5, "as fast as answers come: {}", sent.len());
}
