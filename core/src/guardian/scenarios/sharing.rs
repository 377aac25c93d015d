//! Shares of the exchange's rate limits, and sockets for each IP.

use super::granting::report;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{DenyReason, RateReport, RateShare};

const THREE: [&str; 3] = ["AUSDT", "BUSDT", "CUSDT"];

fn tell(r: &mut Rig, symbol: &str, egress: &str, used: u64, seen: u64) {
    let mut rep = report(symbol);
    if let Some(v) = r.g.picture.symbols.get(symbol) {
        rep.view.position = r.g.config.symbols[symbol].instrument.qty_dec(v.qty);
    }
    rep.rates = Some(RateReport {
        egress: egress.into(),
        weight_1m: used,
        weight_seen_1m: seen,
        ..RateReport::default()
    });
    r.send(&GuardianEvent::Report(Box::new(rep)));
}

fn share(r: &mut Rig, symbol: &str) -> RateShare {
    granted(&r.ask(symbol, symbol, "100")).share.unwrap()
}

#[test]
fn a_fifth_is_for_exits_a_part_the_coordinators_and_the_rest_is_shared() {
    let mut r = Rig::new(&THREE).ready();
    for s in THREE {
        let x = share(&mut r, s);
        assert_eq!((x.weight_1m, x.orders_10s, x.orders_1m), (400, 80, 320));
    }
}

#[test]
fn a_symbol_with_a_position_has_two_parts_and_each_egress_its_own_weight() {
    let mut r = Rig::new(&THREE).ready();
    r.protected("AUSDT", 1_000, "100");
    tell(&mut r, "AUSDT", "n1", 0, 0);
    tell(&mut r, "BUSDT", "n1", 0, 0);
    tell(&mut r, "CUSDT", "n2", 0, 0);
    let x = share(&mut r, "AUSDT");
    assert_eq!((x.weight_1m, x.orders_1m), (800, 480));
    let x = share(&mut r, "BUSDT");
    assert_eq!((x.weight_1m, x.orders_1m), (400, 240));
    let x = share(&mut r, "CUSDT");
    assert_eq!((x.weight_1m, x.orders_1m), (1200, 240));
}

#[test]
fn what_grows_waits_until_what_shrinks_has_been_heard() {
    let mut r = Rig::new(&THREE).ready();
    for s in THREE {
        share(&mut r, s);
    }
    // A opens: two parts of four for it, one for the others, but their old shares may be in force.
    r.protected("AUSDT", 1_000, "100");
    assert_eq!(share(&mut r, "AUSDT").weight_1m, 400);
    assert_eq!(share(&mut r, "BUSDT").weight_1m, 300);
    assert_eq!(share(&mut r, "CUSDT").weight_1m, 300);
    assert_eq!(share(&mut r, "AUSDT").weight_1m, 400);
    r.pass(4100);
    assert_eq!(share(&mut r, "AUSDT").weight_1m, 600);
}

#[test]
fn strangers_who_use_up_an_ip_shrink_the_shares_of_that_ip() {
    let mut r = Rig::new(&THREE).ready();
    tell(&mut r, "AUSDT", "n1", 500, 1900);
    tell(&mut r, "BUSDT", "n1", 580, 1800);
    tell(&mut r, "CUSDT", "n2", 0, 100);
    assert_eq!(share(&mut r, "AUSDT").weight_1m, 600, "below 80 %");
    r.pass(4100);
    // 2,300 seen, of it 1,080 and the coordinator's 720 are ours: 500 are strangers'.
    tell(&mut r, "AUSDT", "n1", 500, 2300);
    tell(&mut r, "BUSDT", "n1", 580, 2200);
    assert_eq!(share(&mut r, "AUSDT").weight_1m, 350);
    assert_eq!(share(&mut r, "BUSDT").weight_1m, 350);
    assert_eq!(share(&mut r, "CUSDT").weight_1m, 1200);
}

#[test]
fn flat_symbols_open_only_while_their_ip_has_sockets_for_one_more_position() {
    let names: Vec<String> = (0..60).map(|i| format!("S{i:02}USDT")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut c = config(&names);
    c.account.max_open_positions = 60;
    c.strategies[0].watchlist.symbols = names.iter().map(|n| (*n).into()).collect();
    let mut r = Rig::with(c, GuardianState::default()).ready();
    for s in &names[..47] {
        r.protected(s, 100, "100");
    }
    for (i, s) in names.iter().enumerate() {
        tell(&mut r, s, if i < 55 { "n1" } else { "n2" }, 0, 0);
    }
    r.pass(1000);
    // 47 positions, the coordinator and one more: 49 x 6 of 300.
    granted(&r.ask(names[47], "t", "10"));
    granted(&r.ask(names[48], "t", "10"));
    assert_eq!(denied(&r.ask(names[49], "t", "10")), DenyReason::Limit);
    granted(&r.ask(names[55], "t", "10"));
    granted(&r.ask(names[0], "t", "20"));
}
