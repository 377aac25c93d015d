//! How often the account is read while something waits for it, and when nothing does.

use crate::guardian::testkit::*;
use crate::guardian::*;

/// Seconds between the reads asked for, while every one of them fails.
fn pauses_while_failing(r: &mut Rig, reads: usize) -> Vec<u64> {
    r.reads = false;
    let mut asked = Vec::new();
    while asked.len() <= reads {
        let out = r.pass(100);
        for e in out {
            if let GuardianEffect::Reconcile { asked_at } = e {
                asked.push(asked_at);
                r.fail_read();
            }
        }
    }
    asked.windows(2).map(|w| (w[1] - w[0]) / ms(1000)).collect()
}

#[test]
fn a_read_that_fails_is_asked_for_again_each_second_then_seldomer_and_never_slower_than_four() {
    let mut r = Rig::new(&["BTCUSDT"]).ready();
    r.pass(10_000);
    let pauses = pauses_while_failing(&mut r, 14);
    assert_eq!(pauses, [1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4]);
}

#[test]
fn once_nothing_waits_for_a_read_the_next_row_begins_at_a_second_again() {
    let mut r = Rig::new(&["BTCUSDT"]).ready();
    r.pass(10_000);
    assert_eq!(pauses_while_failing(&mut r, 9).last(), Some(&4));
    r.reads = true;
    r.pass(6_000);
    assert_eq!(pauses_while_failing(&mut r, 5), [1, 1, 1, 1, 2]);
}
