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
    r.send(&GuardianEvent::Balance {
        event_ms,
        wallet,
        transfer: None,
    })
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

/// Money leaves or comes: its frame names it or not, and the history knows of it or does not yet.
fn moved(r: &mut Rig, amount: &str, named: bool, told: bool) -> GuardianEvent {
    r.wallet += d(amount);
    if told {
        r.transfers.push(Transfer {
            id: r.transfers.len() as u64 + 1,
            venue_ms: r.now.market_ms,
            amount: d(amount),
        });
    }
    GuardianEvent::Balance {
        event_ms: r.now.market_ms,
        wallet: r.wallet,
        transfer: named.then(|| d(amount)),
    }
}

#[test]
fn a_withdrawal_that_its_frame_names_is_no_loss_before_the_history_tells_and_counts_once_after() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(5000);
    let at = r.now.market_ms;
    let frame = moved(&mut r, "-3000", true, false);
    r.stop(50);
    let out = r.send(&frame);
    assert_eq!(reads(&out), 0, "there is nothing to ask");
    // The same frame again, as a new socket may bring it.
    r.send(&frame);
    r.pass(10_000);
    assert!(r.g.latches().is_empty());
    assert_eq!(marks(&r), (d("7000"), d("7000")));
    // The history tells a little other time, over and over, and another process has what was counted.
    let amount = d("-3000");
    let row = |id, venue_ms| Transfer {
        id,
        venue_ms,
        amount,
    };
    r.transfers.push(row(7, at + 40));
    r.pass(61_000);
    assert_eq!(marks(&r), (d("7000"), d("7000")));
    assert!(r.g.state.named[0].read);
    let mut again = Rig::with(config(&[A]), written(&r.out));
    (again.now, again.wallet) = (r.now, r.wallet);
    again.transfers = r.transfers.clone();
    let mut again = again.ready();
    again.pass(10_000);
    assert_eq!(marks(&again), (d("7000"), d("7000")));
    // An equal one whose frame was lost is another.
    r.transfers.push(row(8, r.now.market_ms));
    r.wallet += amount;
    r.pass(61_000);
    assert_eq!(marks(&r), (d("4000"), d("4000")));
    assert!(r.g.latches().is_empty());
}

#[test]
fn a_frame_that_its_row_has_overtaken_does_not_count_again() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(5000);
    let frame = moved(&mut r, "2000", true, true);
    let list = r.transfers.clone();
    r.send(&GuardianEvent::Transfers(list));
    assert_eq!(marks(&r).0, d("12000"));
    r.send(&frame);
    r.pass(61_000);
    assert_eq!(marks(&r), (d("12000"), d("12000")));
    // The next of the same amount is another, by its frame and with its row.
    r.stop(5000);
    let frame = moved(&mut r, "2000", true, false);
    r.send(&frame);
    r.pass(1000);
    assert_eq!(marks(&r), (d("14000"), d("14000")));
}

#[test]
fn a_frame_counts_on_a_leader_with_marks_and_only_with_a_number() {
    let mut r = Rig::new(&[A]).standby();
    let frame = moved(&mut r, "-500", true, false);
    r.send(&frame);
    assert!(r.g.state.named.is_empty());
    let mut r = Rig::new(&[A]).ready();
    r.pass(1000);
    for (amount, back) in [(d("0"), 0), (Decimal::MAX, 0), (d("5"), 3_600_000)] {
        r.send(&GuardianEvent::Balance {
            event_ms: r.now.market_ms - back,
            wallet: r.wallet,
            transfer: Some(amount),
        });
    }
    assert!(r.g.state.named.is_empty());
    assert_eq!(marks(&r).0, d("10000"));
}

#[test]
fn a_fall_that_no_frame_explains_is_a_loss_only_when_the_history_has_had_time_to_tell() {
    // Known from a read alone: the history says nothing at first.
    let mut r = Rig::new(&[A]).ready();
    r.pass(8000);
    r.wallet -= d("3000");
    r.send(&GuardianEvent::AccountUp);
    r.pass(1000);
    assert!(reads(&r.out) >= 2, "asked at once");
    r.pass(3000);
    assert!(r.g.latches().is_empty(), "an early answer proves nothing");
    assert_eq!(denied(&r.ask(A, "t", "100")), DenyReason::Halted);
    let at = r.now.market_ms - 4000;
    r.transfers.push(Transfer {
        id: 1,
        venue_ms: at,
        amount: d("-3000"),
    });
    r.pass(10_000);
    assert!(r.g.latches().is_empty());
    assert_eq!(marks(&r), (d("7000"), d("7000")));
    // The same without a transfer is a loss, soon enough; and with no answer at all two seconds later.
    for (answers, within) in [(true, 6500), (false, 8500)] {
        let mut r = Rig::new(&[A]).ready();
        r.pass(8000);
        r.wallet -= d("3000");
        r.send(&GuardianEvent::AccountUp);
        r.histories = answers;
        r.pass(4500);
        assert!(r.g.latches().is_empty());
        r.pass(within - 4500);
        assert_eq!(r.g.latches(), [DAILY_LOSS, DRAWDOWN], "{answers}");
    }
}

#[test]
fn a_fall_whose_frame_was_heard_and_names_no_transfer_is_a_loss_with_the_first_answer() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(8000);
    let frame = moved(&mut r, "-3000", false, false);
    r.send(&frame);
    assert_eq!(r.g.latches(), [DAILY_LOSS, DRAWDOWN]);
    // After a socket that was lost the frame may carry what was missed before it.
    let mut r = Rig::new(&[A]).ready();
    r.pass(8000);
    r.reads = false;
    r.send(&GuardianEvent::AccountDown);
    r.send(&GuardianEvent::AccountUp);
    r.reads = true;
    let frame = moved(&mut r, "-3000", false, false);
    r.send(&frame);
    assert!(r.g.latches().is_empty());
}
