//! The ladder, the measures it takes, and the latches.

use super::granting::report;
use crate::fixed::Side;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{Command, DenyReason};
use crate::order::{AlgoStatus, CancelTarget, NewOrder, OrderStatus};

/// Losses trip nothing, so that the ladder is seen alone.
fn tolerant() -> GuardianConfig {
    let mut c = config(&["AUSDT", "BUSDT", "CUSDT"]);
    c.account.max_daily_loss_percent = d("99");
    c.account.max_drawdown_percent = d("99");
    c
}

/// Three longs: 16,000, 12,000 and 8,000 on 10,000: gross 36,000, ratio about 27.4 %.
pub(super) fn exposed() -> Rig {
    let mut r = Rig::with(tolerant(), GuardianState::default()).ready();
    for (s, lots) in [("AUSDT", 160_000), ("BUSDT", 120_000), ("CUSDT", 80_000)] {
        r.protected(s, lots, "100");
        r.send(&GuardianEvent::Report(Box::new(report(s))));
    }
    r
}

fn commands(out: &[GuardianEffect], want: impl Fn(&Command) -> bool) -> Vec<String> {
    out.iter()
        .filter_map(|e| match e {
            GuardianEffect::Command(s, c) if want(c) => Some(s.to_string()),
            _ => None,
        })
        .collect()
}

pub(super) fn levels(out: &[GuardianEffect]) -> Vec<LadderLevel> {
    out.iter()
        .filter_map(|e| match e {
            GuardianEffect::Ladder { level, .. } => Some(*level),
            _ => None,
        })
        .collect()
}

/// Prices of all symbols go to `mark` and stay there for two seconds: what follows is not one fall with it.
pub(super) fn slide(r: &mut Rig, mark: &str) {
    for s in r.marks.clone().keys() {
        r.mark(s, d(mark));
    }
    r.pass(2000);
}

/// Prices of all symbols go to `mark`, with every slice filled and every depth answered.
pub(super) fn crash(r: &mut Rig, mark: &str, depth: &str, millis: u64) -> Vec<(Symbol, NewOrder)> {
    let mut first = vec![];
    for s in r.marks.clone().keys() {
        first.extend(r.mark(s, d(mark)));
    }
    let mut sent = vec![];
    for _ in 0..millis / 100 {
        let mut out = std::mem::take(&mut first);
        out.extend(r.pass(100));
        let mut i = 0;
        while i < out.len() {
            let more = match out[i].clone() {
                GuardianEffect::ReadDepth(s) => {
                    r.send(&GuardianEvent::VisibleDepth(s, d(depth), d(depth)))
                }
                GuardianEffect::Place { symbol, order, .. } => {
                    sent.push((symbol.clone(), order.clone()));
                    r.fill(&symbol, &order)
                }
                _ => vec![],
            };
            out.extend(more);
            i += 1;
        }
    }
    sent
}

#[test]
fn a_warning_cancels_entries_and_tightens_one_symbol_at_a_time_most_maintenance_first() {
    let mut r = Rig::new(&["AUSDT", "BUSDT", "CUSDT"]).ready();
    let id = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", "AUSDT", 1).next_id();
    r.order_update("AUSDT", &id, Side::Buy, OrderStatus::New, 10, 0);
    for (s, lots) in [("AUSDT", 80_000), ("BUSDT", 160_000), ("CUSDT", 120_000)] {
        r.protected(s, lots, "100");
    }
    assert_eq!(r.g.snapshot().level, LadderLevel::Warning);
    assert_eq!(r.g.snapshot().margin_ratio.round_dp(2), d("27.38"));
    assert!(r.out.contains(&GuardianEffect::Cancel(
        "AUSDT".into(),
        CancelTarget::Order(id)
    )));
    assert_eq!(denied(&r.ask("AUSDT", "t", "1000")), DenyReason::Ladder);
    let tightened = |r: &Rig| commands(&r.out, |c| matches!(c, Command::TightenStop { .. }));
    assert_eq!(tightened(&r), ["BUSDT"]);
    r.pass(1800);
    assert_eq!(tightened(&r).len(), 1, "2 s apart");
    r.pass(200);
    assert_eq!(tightened(&r), ["BUSDT", "CUSDT"]);
    r.pass(10_000);
    assert_eq!(tightened(&r), ["BUSDT", "CUSDT", "AUSDT"]);
    assert!(orders(&r.out).is_empty(), "a warning sends no order");
}

#[test]
fn entering_a_warning_tells_every_worker_to_cancel_entries_once() {
    let mut r = exposed();
    r.pass(5000);
    let told = commands(&r.out, |c| matches!(c, Command::CancelEntries { .. }));
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn critical_reduces_in_slices_most_maintenance_first_until_recovered_and_returns_to_normal() {
    let mut r = exposed();
    slide(&mut r, "92");
    r.out.clear();
    // At 86: gross 30,960, balance 4,960, ratio about 15.6 %; at 85: 4,600 / 30,600 = 14.6 %.
    let sent = crash(&mut r, "85", "1000000", 20_000);
    assert!(sent.len() > 3, "several slices: {}", sent.len());
    assert_eq!(&*sent[0].0, "AUSDT");
    for (_, o) in &sent {
        assert!(o.reduce_only && o.side == Side::Sell);
    }
    assert!(
        sent[0].1.qty.0 <= 40_000,
        "at most a quarter of the position"
    );
    assert_eq!(levels(&r.out), [LadderLevel::Critical, LadderLevel::Normal]);
    let m = r.g.snapshot();
    assert!(
        m.margin_ratio >= d("35") && m.margin_ratio < d("38"),
        "no more than needed: {}",
        m.margin_ratio
    );
    assert!(m.equity > d("4400"));
}

#[test]
fn a_slice_takes_at_most_a_quarter_of_visible_depth() {
    let mut r = exposed();
    slide(&mut r, "92");
    let sent = crash(&mut r, "85", "8000", 1_000);
    // 2,000 of notional at 85 is 23.529 lots of 1.
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|(_, o)| o.qty.0 <= 23_529), "{sent:?}");
}

#[test]
fn without_depth_a_slice_goes_by_the_position_after_a_second() {
    let mut r = exposed();
    slide(&mut r, "92");
    r.out.clear();
    for s in ["AUSDT", "BUSDT", "CUSDT"] {
        r.mark(s, d("85"));
    }
    r.pass(700);
    assert!(orders(&r.out).is_empty());
    r.pass(500);
    let sent = orders(&r.out);
    assert_eq!((sent.len(), sent[0].1.qty), (1, crate::fixed::Qty(40_000)));
    r.pass(1000);
    assert_eq!(
        orders(&r.out).len(),
        1,
        "the first slice is still under way"
    );
}

#[test]
fn slices_that_do_not_bite_end_in_an_emergency_that_closes_everything_at_once() {
    let mut r = exposed();
    r.pass(1000);
    r.out.clear();
    for s in ["AUSDT", "BUSDT", "CUSDT"] {
        r.mark(s, d("85"));
    }
    for _ in 0..200 {
        let out = r.pass(100);
        for (s, o) in orders(&out) {
            if levels(&r.out).contains(&LadderLevel::Emergency) {
                r.fill(&s, &o);
            } else {
                r.send(&GuardianEvent::Reply(
                    s,
                    ReplyTo::Place(o.client_id),
                    VenueReply::Refused(Refusal::Overloaded),
                ));
            }
        }
    }
    assert_eq!(
        levels(&r.out)[..2],
        [LadderLevel::Critical, LadderLevel::Emergency]
    );
    assert!(r.g.snapshot().positions.is_empty(), "flat");
}

#[test]
fn the_exchanges_own_ratio_at_fifty_percent_flattens_without_slices() {
    let mut r = exposed();
    r.pass(1000);
    r.out.clear();
    let sent = crash(&mut r, "72.4", "1000000", 2_000);
    // Marks fall one by one, so Critical is passed on the way; there is no time for a slice.
    assert_eq!(
        levels(&r.out)[..2],
        [LadderLevel::Critical, LadderLevel::Emergency]
    );
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].1.qty.0, 160_000, "the whole position");
}

#[test]
fn blind_for_fifteen_seconds_with_failing_reads_is_critical_but_a_working_read_is_not() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.protected("AUSDT", 10_000, "100");
    r.pass(1000);
    r.frames = false;
    r.pass(20_000);
    assert_eq!(r.g.ladder.level(), LadderLevel::Normal, "reads still work");
    assert_eq!(
        r.g.snapshot().level,
        LadderLevel::Warning,
        "but entries are off"
    );
    assert!(
        commands(&r.out, |c| matches!(c, Command::TightenStop { .. })).is_empty(),
        "unknown tightens nothing"
    );
    r.reads = false;
    for _ in 0..80 {
        r.pass(100);
        r.fail_read();
    }
    assert_eq!(r.g.ladder.level(), LadderLevel::Critical);
}

#[test]
fn the_kill_switch_flattens_halts_is_written_at_once_and_survives_a_restart() {
    let mut r = exposed();
    r.pass(500);
    let out = r.send(&GuardianEvent::Latch {
        name: KILL.into(),
        set: true,
    });
    let written = out.iter().find_map(|e| match e {
        GuardianEffect::Persist(s) => Some((**s).clone()),
        _ => None,
    });
    assert!(written.as_ref().unwrap().latches.contains_key(KILL));
    let sent = orders(&out);
    assert_eq!(sent.len(), 3);
    for (s, o) in sent {
        r.fill(&s, &o);
    }
    assert_eq!(denied(&r.ask("AUSDT", "t", "1")), DenyReason::Halted);
    // A manifest applied again does not undo it, nor does a restart.
    let c = r.g.config.clone();
    r.send(&GuardianEvent::Config(Box::new(c.clone())));
    assert_eq!(denied(&r.ask("AUSDT", "t", "1")), DenyReason::Halted);
    let mut again = Rig::with(c, written.unwrap()).ready();
    again.pass(6000);
    assert_eq!(denied(&again.ask("AUSDT", "t", "1")), DenyReason::Halted);
    again.send(&GuardianEvent::Latch {
        name: KILL.into(),
        set: false,
    });
    granted(&again.ask("AUSDT", "t", "1000"));
}

#[test]
fn a_daily_loss_flattens_until_the_next_utc_day() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.protected("AUSDT", 100_000, "100");
    r.pass(500);
    let sent = crash(&mut r, "95", "1000000", 2_000);
    assert_eq!(sent.len(), 1);
    assert!(r.g.snapshot().latches.contains(&DAILY_LOSS.to_string()));
    r.pass(15_000);
    assert_eq!(denied(&r.ask("AUSDT", "t", "1000")), DenyReason::Halted);
    r.now.market_ms += 86_400_000;
    r.pass(100);
    assert!(r.g.snapshot().latches.is_empty());
    granted(&r.ask("AUSDT", "t", "1000"));
}

#[test]
fn a_drawdown_holds_over_days_until_a_person_releases_it() {
    let mut c = config(&["AUSDT"]);
    c.account.max_daily_loss_percent = d("90");
    let mut r = Rig::with(
        c,
        GuardianState {
            peak_equity: Some(d("12600")),
            ..GuardianState::default()
        },
    )
    .ready();
    r.pass(6000);
    assert_eq!(
        r.g.snapshot().latches,
        [DRAWDOWN],
        "10,000 is 20.6 % below the peak"
    );
    r.now.market_ms += 2 * 86_400_000;
    r.pass(1000);
    assert_eq!(denied(&r.ask("AUSDT", "t", "1000")), DenyReason::Halted);
    r.send(&GuardianEvent::Latch {
        name: DRAWDOWN.into(),
        set: false,
    });
    r.pass(1000);
    assert!(r.g.snapshot().latches.is_empty(), "the peak starts anew");
    granted(&r.ask("AUSDT", "t", "1000"));
}

#[test]
fn equity_marks_are_written_at_most_once_a_minute() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.protected("AUSDT", 10_000, "100");
    r.pass(100);
    r.out.clear();
    for i in 0..120 {
        r.mark("AUSDT", d("100") + Decimal::new(i, 2));
        r.pass(1000);
    }
    let writes = r
        .out
        .iter()
        .filter(|e| matches!(e, GuardianEffect::Persist(_)))
        .count();
    assert!((1..=2).contains(&writes), "{writes}");
}

#[test]
fn a_follower_sends_and_grants_nothing() {
    let mut r = exposed();
    r.pass(500);
    r.send(&GuardianEvent::Follow);
    r.out.clear();
    for s in ["AUSDT", "BUSDT", "CUSDT"] {
        r.mark(s, d("72"));
    }
    r.pass(5000);
    assert!(orders(&r.out).is_empty() && stops(&r.out).is_empty());
    assert!(!r.out.iter().any(|e| matches!(
        e,
        GuardianEffect::Publish(_) | GuardianEffect::Persist(_) | GuardianEffect::Command(..)
    )));
    assert_eq!(denied(&r.ask("AUSDT", "t", "1000")), DenyReason::NotReady);
}

#[test]
fn an_order_without_an_answer_is_asked_after_and_not_sent_again_before_it_is_known_dead() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.protected("AUSDT", 10_000, "100");
    r.pass(100);
    let sent = orders(&r.send(&GuardianEvent::Latch {
        name: KILL.into(),
        set: true,
    }));
    let (s, o) = sent[0].clone();
    let dead_after_ms = r.now.market_ms + 2000;
    r.send(&GuardianEvent::Reply(
        s,
        ReplyTo::Place(o.client_id.clone()),
        VenueReply::Unknown {
            why: "timeout".into(),
            dead_after_ms,
        },
    ));
    r.out.clear();
    r.pass(2900);
    assert!(orders(&r.out).is_empty());
    assert!(r.out.contains(&GuardianEffect::Query(
        "AUSDT".into(),
        CancelTarget::Order(o.client_id.clone())
    )));
    r.pass(3000);
    let again = orders(&r.out);
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].1.client_id, o.client_id);
}

#[test]
fn stops_left_over_after_a_flattening_are_cleared_when_no_worker_does() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.position("AUSDT", 10_000, "100");
    let id = r.anchor("AUSDT", Side::Sell, 900);
    r.pass(100);
    r.position("AUSDT", 0, "0");
    r.out.clear();
    r.pass(2500);
    let cancel = GuardianEffect::Cancel("AUSDT".into(), CancelTarget::Stop(id.clone()));
    assert!(!r.out.contains(&cancel), "the worker has its time");
    r.pass(1000);
    assert!(r.out.contains(&cancel));
    r.algo("AUSDT", &id, Side::Sell, 900, AlgoStatus::Canceled);
    r.out.clear();
    r.pass(5000);
    assert!(!r.out.contains(&cancel));
}
