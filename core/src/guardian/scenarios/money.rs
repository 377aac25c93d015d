//! Transfers are neither gain nor loss.

use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::DenyReason;

const A: &str = "AUSDT";

fn transfer(r: &mut Rig, id: u64, amount: &str) -> Vec<GuardianEffect> {
    r.wallet += d(amount);
    r.transfers.push(Transfer {
        id,
        venue_ms: r.now.market_ms,
        amount: d(amount),
    });
    let event_ms = r.now.market_ms;
    let wallet = r.wallet;
    r.stop(50);
    r.send(&GuardianEvent::Balance { event_ms, wallet })
}

fn marks(r: &Rig) -> (Decimal, Decimal) {
    let n = r.g.snapshot().numbers.unwrap();
    (n.day_start_equity.unwrap(), n.peak_equity.unwrap())
}

fn reads(out: &[GuardianEffect]) -> usize {
    let read = |e: &&GuardianEffect| matches!(e, GuardianEffect::ReadTransfers { .. });
    out.iter().filter(read).count()
}

#[test]
fn a_withdrawal_is_no_loss_and_a_deposit_no_gain() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(5000);
    assert_eq!(marks(&r), (d("10000"), d("10000")));
    // 30 % leave: far more than either limit, were it a loss.
    let out = transfer(&mut r, 1, "-3000");
    assert_eq!(reads(&out), 1, "asked for at once");
    r.pass(5000);
    assert_eq!(marks(&r), (d("7000"), d("7000")));
    assert!(r.g.latches().is_empty());
    transfer(&mut r, 2, "5000");
    r.pass(61_000);
    assert_eq!(marks(&r), (d("12000"), d("12000")));
    granted(&r.ask(A, "t", "1000"));
}

#[test]
fn a_deposit_does_not_forgive_a_drawdown() {
    let mut r = Rig::new(&[A]).ready();
    r.protected(A, 100_000, "100");
    r.mark(A, d("98"));
    r.pass(5000);
    assert_eq!(marks(&r), (d("10000"), d("10000")), "200 lost");
    transfer(&mut r, 1, "1000");
    r.pass(61_000);
    assert_eq!(marks(&r), (d("11000"), d("11000")));
    assert_eq!(r.g.snapshot().equity, d("10800"));
    // A high after the deposit is not moved by it.
    r.mark(A, d("103"));
    r.pass(61_000);
    assert_eq!(marks(&r), (d("11000"), d("11300")));
}

#[test]
fn a_transfer_counts_once_over_reads_and_restarts() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(5000);
    transfer(&mut r, 7, "2000");
    r.pass(61_000);
    let list = r.transfers.clone();
    r.send(&GuardianEvent::Transfers(list.clone()));
    assert_eq!(marks(&r), (d("12000"), d("12000")));
    let state = written(&r.out);
    let mut again = Rig::with(config(&[A]), state);
    again.now = r.now;
    again.wallet = r.wallet;
    again.transfers = list;
    let mut again = again.ready();
    again.pass(10_000);
    assert!(reads(&again.out) > 0);
    assert_eq!(marks(&again), (d("12000"), d("12000")));
}

#[test]
fn a_withdrawal_while_nobody_ran_is_found_before_it_counts_as_a_loss() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(5000);
    let state = written(&r.out);
    r.stop(60_000);
    transfer(&mut r, 7, "-4000");
    let mut again = Rig::with(config(&[A]), state);
    again.now = r.now;
    again.wallet = r.wallet;
    again.transfers = r.transfers.clone();
    let mut again = again.ready();
    again.pass(6000);
    assert!(again.g.latches().is_empty());
    assert_eq!(marks(&again), (d("6000"), d("6000")));
    // One from before the first marks, or of their instant, is in them already.
    for before in [0, 1] {
        let mut old = Rig::new(&[A]);
        old.transfers = vec![Transfer {
            id: 1,
            venue_ms: old.now.market_ms - before,
            amount: d("500"),
        }];
        let mut old = old.ready();
        old.pass(1000);
        assert_eq!(marks(&old), (d("10000"), d("10000")));
    }
}

#[test]
fn a_loss_waits_for_the_transfers_two_seconds_at_most_and_nothing_is_granted_meanwhile() {
    let mut r = Rig::new(&[A, "BUSDT"]).ready();
    r.protected(A, 100_000, "100");
    r.pass(1000);
    r.reads = false;
    let out = r.mark(A, d("94"));
    assert_eq!(reads(&out), 1);
    assert_eq!(denied(&r.ask("BUSDT", "t", "100")), DenyReason::Halted);
    r.send(&GuardianEvent::TransfersFailed);
    r.pass(500);
    assert_eq!(reads(&r.out), 3, "at the start, at once, again");
    r.pass(1400);
    assert!(r.g.latches().is_empty());
    r.pass(100);
    assert_eq!(r.g.latches(), [DAILY_LOSS]);
    assert_eq!(orders(&r.out).len(), 1, "flattened");
    // With an answer it does not wait.
    let mut r = Rig::new(&[A]).ready();
    r.protected(A, 100_000, "100");
    r.pass(1000);
    r.mark(A, d("94"));
    assert_eq!(r.g.latches(), [DAILY_LOSS]);
}

#[test]
fn an_answer_asked_for_before_the_loss_does_not_decide_it() {
    let mut r = Rig::new(&[A]).ready();
    r.protected(A, 100_000, "100");
    r.pass(1000);
    r.histories = false;
    r.pass(60_000);
    assert!(reads(&r.out) >= 2, "one is under way");
    r.mark(A, d("94"));
    let out = r.send(&GuardianEvent::Transfers(vec![]));
    assert!(r.g.latches().is_empty());
    assert_eq!(reads(&out), 1, "asked anew");
    r.send(&GuardianEvent::Transfers(vec![]));
    assert_eq!(r.g.latches(), [DAILY_LOSS]);
}

#[test]
fn what_is_remembered_of_transfers_is_bounded_and_still_counts_once() {
    let mut r = Rig::new(&[A]).ready();
    let start = r.now.market_ms;
    r.stop(10_000);
    let many = (0..2000).map(|i| Transfer {
        id: i,
        venue_ms: start + 1 + i as i64,
        amount: d("1"),
    });
    let many: Vec<Transfer> = many.collect();
    for _ in 0..3 {
        r.send(&GuardianEvent::Transfers(many.clone()));
        let n = r.g.state.transfers.len();
        assert!(n <= 500, "{n}");
    }
    assert_eq!(marks(&r).0, d("12000"));
    let mut wild = many[0];
    (wild.id, wild.venue_ms, wild.amount) = (9999, i64::MAX, Decimal::MAX);
    r.send(&GuardianEvent::Transfers(vec![wild]));
    assert_eq!(marks(&r).0, d("12000"));
}
