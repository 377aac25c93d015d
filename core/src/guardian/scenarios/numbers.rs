//! What the snapshot tells people.

use super::granting::report;
use super::published;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::RateReport;

#[test]
fn the_account_is_told_in_numbers_with_their_ages() {
    let mut r = Rig::new(&["AUSDT", "BUSDT"]).ready();
    r.protected("AUSDT", 100_000, "100");
    r.pass(1000);
    granted(&r.ask("BUSDT", "b", "3000"));
    r.frames = false;
    r.pass(700);
    let s = r.g.snapshot();
    let n = s.numbers.unwrap();
    assert_eq!(n.wallet, d("10000"));
    assert_eq!(n.available, d("9000"), "initial margin at leverage 10");
    assert_eq!((n.maintenance, n.gross_leverage), (d("40"), d("1")));
    assert_eq!(n.promised, d("13000"));
    assert_eq!(
        (n.peak_equity, n.day_start_equity),
        (Some(d("10000")), Some(d("10000")))
    );
    assert_eq!(n.input_age_ms, Some(700));
    assert!(n.read_age_ms.unwrap() < 8000);
    let a = &n.symbols["AUSDT"];
    assert_eq!((a.notional, a.leverage), (d("10000"), d("1")));
    assert_eq!((a.maintenance, a.mark), (d("40"), Some(d("100"))));
    assert_eq!((a.mark_age_ms, a.stop), (Some(700), Some(d("0.1"))));
    assert_eq!(n.symbols.len(), 1);
}

#[test]
fn the_distance_to_liquidation_is_that_of_the_symbol_alone_at_the_bracket_reached() {
    let mut r = Rig::new(&["AUSDT", "BUSDT"]).ready();
    let far = |r: &Rig, s: &str| {
        let n = r.g.snapshot().numbers.unwrap();
        n.symbols[s].liquidation_distance_percent
    };
    // A long of 1 times the equity can't be liquidated by any price above zero.
    r.protected("AUSDT", 100_000, "100");
    r.pass(100);
    assert_eq!(far(&r, "AUSDT"), None);
    // A long of 160 x 100: 10,000 + 160 (p - 100) = 0.004 x 160 p.
    r.position("AUSDT", 160_000, "100");
    let p = d("6000") / (d("160") * d("0.996"));
    let expected = d("100") - p;
    assert!((far(&r, "AUSDT").unwrap() - expected).abs() < d("0.000001"));
    // A short beside it: the other's maintenance margin (64) counts; at the price reached its own bracket is 0.005 less 50.
    r.protected("BUSDT", -300_000, "100");
    let p = (d("10000") + d("30000") - d("64") + d("50")) / (d("300") * d("1.005"));
    assert!(p * d("300") < d("50000"), "no: the first bracket still");
    let p = (d("40000") - d("64")) / (d("300") * d("1.004"));
    assert!((far(&r, "BUSDT").unwrap() - (p - d("100"))).abs() < d("0.000001"));
    // Twice as large it ends in the second bracket.
    r.position("BUSDT", -480_000, "100");
    let p = (d("10000") + d("48000") - d("64") + d("50")) / (d("480") * d("1.005"));
    assert!(p * d("480") > d("50000"));
    assert!((far(&r, "BUSDT").unwrap() - (p - d("100"))).abs() < d("0.000001"));
    // That far, margin balance is maintenance margin.
    r.mark("BUSDT", p);
    let s = r.g.snapshot();
    assert!((s.exchange_margin_ratio - d("100")).abs() < d("0.001"));
    assert!(far(&r, "BUSDT").unwrap() < d("0.0001"));
}

#[test]
fn workers_and_rates_are_told_by_symbol_and_egress() {
    let mut r = Rig::new(&["AUSDT", "BUSDT", "CUSDT"]).ready();
    for (s, egress, used) in [("AUSDT", "n1", 10), ("BUSDT", "n1", 20), ("CUSDT", "n2", 5)] {
        let mut rep = report(s);
        rep.task_uid = format!("task-{s}");
        rep.life = format!("life-{s}");
        rep.schema = 2;
        rep.view.position = d(if s == "BUSDT" { "1" } else { "0" });
        rep.rates = Some(RateReport {
            egress: egress.into(),
            weight_1m: used,
            weight_seen_1m: 100 + used,
            orders_1m: 1,
            held_back: 2,
            limited: 0,
        });
        r.send(&GuardianEvent::Report(Box::new(rep)));
    }
    r.stop(400);
    r.send(&GuardianEvent::AccountAlive);
    let h = r.g.snapshot().health.unwrap();
    let a = &h.workers["AUSDT"];
    assert_eq!(
        (a.task_uid.as_str(), a.strategy.as_str(), a.ready),
        ("task-AUSDT", "ns/nobi", true)
    );
    assert_eq!(a.life, "life-AUSDT");
    assert_eq!(
        (a.heard_ms, a.schema, a.epoch, a.protected),
        (400, 2, 0, true)
    );
    assert!(!h.workers["BUSDT"].protected);
    let n1 = &h.rates["n1"];
    assert_eq!((n1.weight_1m, n1.orders_1m, n1.held_back), (30, 2, 4));
    assert_eq!(n1.weight_seen_1m, 120, "one counter of one IP");
    assert_eq!(h.rates["n2"].weight_1m, 5);
}

#[test]
fn ages_alone_publish_nothing() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.protected("AUSDT", 1_000, "100");
    r.send(&GuardianEvent::Report(Box::new(report("AUSDT"))));
    r.pass(3000);
    r.out.clear();
    r.pass(5000);
    let published = published(&r.out);
    assert_eq!(published.len(), 5);
    assert!(
        published
            .iter()
            .all(|s| s.numbers.is_some() && s.health.is_some())
    );
}
