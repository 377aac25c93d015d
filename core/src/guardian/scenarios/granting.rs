//! Who is granted what, and why not.

use crate::fixed::Side;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{ClosedTrade, DenyReason, ExitReason, GrantReply, WorkerReport, WorkerView};
use crate::order::OrderStatus;
use crate::watchlist::{Candidate, ContractKind, ContractStatus};

const TWO: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

#[test]
fn a_ready_guardian_grants_the_wish_bound_to_task_epoch_and_two_seconds() {
    let mut r = Rig::new(&TWO).ready();
    let reply = r.ask("BTCUSDT", "task-1", "3000");
    let g = granted(&reply);
    assert_eq!(
        (g.ceiling, g.equity, g.available),
        (d("3000"), d("10000"), d("10000"))
    );
    assert_eq!(
        (g.epoch, g.length_ms, g.seq, g.task_uid.as_str()),
        (1, 2000, 1, "task-1")
    );
}

#[test]
fn nothing_is_granted_before_leading_reading_and_writing() {
    let mut r = Rig::new(&TWO);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    r.send(&GuardianEvent::Start);
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::NotReady,
        "not the leader"
    );
    r.writes = false;
    let out = r.send(&GuardianEvent::Lead {
        epoch: 7,
        until_ns: None,
    });
    assert!(
        out.iter()
            .any(|e| matches!(e, GuardianEffect::Persist(s) if s.epoch == 7))
    );
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::NotReady,
        "the epoch is not written"
    );
    r.send(&GuardianEvent::PersistFailed);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    r.writes = true;
    r.pass(1100);
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::NotReady,
        "epoch 7: a former leader's grants may live"
    );
    r.pass(4000);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).epoch, 7);
}

#[test]
fn an_epoch_echoed_by_a_worker_makes_the_leader_raise_its_own() {
    let mut r = Rig::new(&TWO).ready();
    let mut report = report("BTCUSDT");
    report.epoch = 40;
    let out = r.send(&GuardianEvent::Report(Box::new(report)));
    assert!(
        out.iter()
            .any(|e| matches!(e, GuardianEffect::Persist(s) if s.epoch == 41))
    );
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    r.pass(5000);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).epoch, 41);
}

#[test]
fn what_remains_of_the_limit_is_shared_by_flat_symbols_and_positions_come_first() {
    let mut r = Rig::new(&["AUSDT", "BUSDT", "CUSDT"]).ready();
    // 2 x 10,000 over three flat symbols.
    let share = granted(&r.ask("AUSDT", "a", "9000")).ceiling;
    assert_eq!(share, d("6666.66666666"));
    assert_eq!(
        granted(&r.ask("BUSDT", "b", "500")).ceiling,
        d("500"),
        "a smaller wish is granted whole"
    );
    r.protected("CUSDT", 80_000, "100");
    r.pass(5000);
    // 8,000 are held by the position; 12,000 for two.
    assert_eq!(granted(&r.ask("AUSDT", "a", "9000")).ceiling, d("6000"));
}

#[test]
fn a_symbol_never_gets_more_than_its_own_limit_or_its_bracket_allows() {
    let mut c = config(&["AUSDT"]);
    c.account.max_symbol_notional_percent = d("25");
    let mut r = Rig::with(c, GuardianState::default()).ready();
    assert_eq!(granted(&r.ask("AUSDT", "a", "9000")).ceiling, d("2500"));
    let mut c = config(&["AUSDT"]);
    c.symbols.get_mut("AUSDT").unwrap().leverage = 101;
    let mut r = Rig::with(c, GuardianState::default());
    r.wallet = d("1000000");
    let mut r = r.ready();
    assert_eq!(granted(&r.ask("AUSDT", "a", "900000")).ceiling, d("50000"));
}

#[test]
fn the_ratio_after_the_trade_stays_five_points_above_warning() {
    let mut c = config(&["AUSDT"]);
    c.account.max_gross_leverage = d("9");
    c.account.max_symbol_notional_percent = d("900");
    let mut r = Rig::with(c, GuardianState::default()).ready();
    let x = granted(&r.ask("AUSDT", "a", "90000")).ceiling;
    // 10,000 - 0.0005 x - 0.004 x = 0.35 x within the first bracket.
    assert_eq!(x, (d("10000") / d("0.3545")).trunc_with_scale(8));
}

#[test]
fn room_of_a_silent_worker_comes_back_only_after_deadline_two_seconds_and_a_read() {
    let mut c = config(&TWO);
    c.account.max_open_positions = 1;
    let mut r = Rig::with(c, GuardianState::default()).ready();
    granted(&r.ask("BTCUSDT", "b", "1000"));
    assert_eq!(
        denied(&r.ask("ETHUSDT", "e", "1000")),
        DenyReason::Limit,
        "the better place holds it"
    );
    r.reads = false;
    // BTC's worker falls silent; after 9 s it no longer queues for a place.
    for _ in 0..30 {
        r.pass(500);
        let reply = r.ask("ETHUSDT", "e", "1000");
        assert!(matches!(
            denied(&reply),
            DenyReason::Limit | DenyReason::Reserved | DenyReason::AccountUnknown
        ));
    }
    assert_eq!(denied(&r.ask("ETHUSDT", "e", "1000")), DenyReason::Reserved);
    r.reads = true;
    r.fail_read();
    r.pass(1500);
    granted(&r.ask("ETHUSDT", "e", "1000"));
}

#[test]
fn a_replaced_task_gets_nothing_more_and_the_new_one_waits_for_its_promise_to_die() {
    let mut r = Rig::new(&TWO).ready();
    granted(&r.ask("BTCUSDT", "old", "1000"));
    assert_eq!(
        denied(&r.ask("BTCUSDT", "new", "1000")),
        DenyReason::Reserved
    );
    assert_eq!(
        denied(&r.ask("BTCUSDT", "old", "1000")),
        DenyReason::NotOwner
    );
    r.pass(3900);
    assert_eq!(
        denied(&r.ask("BTCUSDT", "new", "1000")),
        DenyReason::Reserved
    );
    r.pass(1500);
    granted(&r.ask("BTCUSDT", "new", "1000"));
    assert_eq!(
        denied(&r.ask("BTCUSDT", "old", "1000")),
        DenyReason::NotOwner
    );
}

#[test]
fn positions_and_places_are_limited_and_the_best_of_the_list_get_them() {
    let mut c = config(&["AUSDT", "BUSDT", "CUSDT"]);
    c.account.max_open_positions = 2;
    let mut r = Rig::with(c, GuardianState::default()).ready();
    granted(&r.ask("AUSDT", "a", "100"));
    assert_eq!(denied(&r.ask("CUSDT", "c", "100")), DenyReason::Limit);
    granted(&r.ask("BUSDT", "b", "100"));
    r.protected("CUSDT", 1_000, "100");
    r.pass(5000);
    granted(&r.ask("AUSDT", "a", "100"));
    assert_eq!(denied(&r.ask("BUSDT", "b", "100")), DenyReason::Limit);
}

#[test]
fn a_higher_priority_is_served_from_the_limit_before_a_lower() {
    let mut c = config(&["AUSDT", "BUSDT"]);
    c.strategies = vec![
        strategy("ns/high", 1, &["AUSDT"]),
        strategy("ns/low", 0, &["BUSDT"]),
    ];
    let mut r = Rig::with(c, GuardianState::default()).ready();
    assert_eq!(
        granted(&r.ask_as("AUSDT", "ns/high", "a", "10000", "0")).ceiling,
        d("10000")
    );
    assert_eq!(
        granted(&r.ask_as("BUSDT", "ns/low", "b", "10000", "0")).ceiling,
        d("10000")
    );
    assert_eq!(
        denied(&r.ask_as("BUSDT", "ns/high", "x", "10000", "0")),
        DenyReason::NotWanted
    );
    assert_eq!(
        denied(&r.ask_as("BUSDT", "ns/none", "x", "10000", "0")),
        DenyReason::NotWanted
    );
}

#[test]
fn correlated_symbols_together_risk_at_most_twice_one_trade() {
    let names = ["AUSDT", "BUSDT", "CUSDT", "DUSDT"];
    let mut r = Rig::new(&names).ready();
    let pairs = vec![
        ("AUSDT".into(), "BUSDT".into(), 0.9),
        ("BUSDT".into(), "CUSDT".into(), 0.7),
        ("CUSDT".into(), "DUSDT".into(), 0.69),
    ];
    let candidates = names.iter().map(|n| candidate(n)).collect();
    r.send(&GuardianEvent::Scanned {
        candidates,
        correlations: pairs,
    });
    // One trade risks 100 at most, a cluster 200.
    assert_eq!(
        granted(&r.ask_as("AUSDT", "ns/nobi", "a", "2000", "80")).ceiling,
        d("2000")
    );
    assert_eq!(
        granted(&r.ask_as("BUSDT", "ns/nobi", "b", "2000", "80")).ceiling,
        d("2000")
    );
    assert_eq!(
        granted(&r.ask_as("CUSDT", "ns/nobi", "c", "2000", "80")).ceiling,
        d("1000"),
        "40 of 80 are left"
    );
    assert_eq!(
        granted(&r.ask_as("DUSDT", "ns/nobi", "d", "2000", "80")).ceiling,
        d("2000")
    );
}

#[test]
fn a_worker_without_a_wish_is_granted_nothing_but_its_numbers() {
    let mut r = Rig::new(&TWO).ready();
    let mut rep = report("BTCUSDT");
    rep.closed = vec![
        trade("1-1", "10", "1"),
        trade("1-2", "-10", "1"),
        trade("1-2", "-10", "1"),
    ];
    r.send(&GuardianEvent::Report(Box::new(rep)));
    let reply = r.ask("BTCUSDT", "t", "0");
    let g = granted(&reply);
    assert_eq!((g.ceiling, g.equity), (Decimal::ZERO, d("10000")));
    assert_eq!(
        (g.kelly.n, g.kelly.wins),
        (2, 1),
        "a trade told twice counts once"
    );
    assert!((g.kelly.sum_win - 0.009).abs() < 1e-12 && (g.kelly.sum_loss - 0.011).abs() < 1e-12);
    assert!(r.g.ledger.reserved("BTCUSDT").is_zero());
}

#[test]
fn a_suspended_strategy_and_a_halted_account_are_denied() {
    let mut c = config(&TWO);
    c.strategies[0].params.suspend = true;
    let mut r = Rig::with(c.clone(), GuardianState::default()).ready();
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::Halted);
    c.strategies[0].params.suspend = false;
    r.send(&GuardianEvent::Config(Box::new(c.clone())));
    granted(&r.ask("BTCUSDT", "t", "1000"));
    c.account.halt = true;
    r.send(&GuardianEvent::Config(Box::new(c)));
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::Halted);
}

#[test]
fn a_resting_entry_counts_against_the_limit_after_its_grant_is_dead() {
    let mut c = config(&TWO);
    c.account.max_gross_leverage = d("1");
    let mut r = Rig::with(c, GuardianState::default()).ready();
    assert_eq!(granted(&r.ask("BTCUSDT", "b", "8000")).ceiling, d("5000"));
    let id = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", "BTCUSDT", 1).next_id();
    r.resting("BTCUSDT", &id, 50_000, 1_000);
    r.order_update("BTCUSDT", &id, Side::Buy, OrderStatus::New, 50_000, 0);
    r.pass(10_000);
    assert!(r.g.ledger.reserved("BTCUSDT").is_zero());
    assert_eq!(granted(&r.ask("ETHUSDT", "e", "8000")).ceiling, d("5000"));
    assert_eq!(granted(&r.ask("ETHUSDT", "e", "8000")).available, d("9500"));
}

pub(super) fn candidate(name: &str) -> Candidate {
    Candidate {
        symbol: name.into(),
        status: ContractStatus::Trading,
        kind: ContractKind::Perpetual,
        quote_asset: "USDT".into(),
        volatility_bp: 50.0,
        spread_bp: 1.0,
        taker_fee_bp: 5.0,
        quote_volume: 1e8,
        depth_20bp: Some(1e5),
        onboard_ms: Some(0),
        delivery_ms: None,
    }
}

pub(in crate::guardian) fn report(symbol: &str) -> WorkerReport {
    WorkerReport {
        schema: 1,
        symbol: symbol.into(),
        strategy: "ns/nobi".into(),
        task_uid: "t".into(),
        epoch: 0,
        generation: 3,
        ready: true,
        view: WorkerView {
            atr: Some(2.0),
            ..WorkerView::default()
        },
        closed: vec![],
        rates: None,
        params: (0, 0, 0),
        refused: false,
        alarms: 0,
        life: String::new(),
    }
}

fn trade(id: &str, gross: &str, fees: &str) -> ClosedTrade {
    ClosedTrade {
        symbol: "BTCUSDT".into(),
        strategy: "ns/nobi".into(),
        entry_id: id.into(),
        side: Side::Buy,
        opened_ms: 0,
        closed_ms: 1,
        qty: d("10"),
        entry_price: d("100"),
        exit_price: d("101"),
        entry_mid: d("100"),
        exit_mid: d("101"),
        fees: d(fees),
        gross: d(gross),
        gross_mid: d(gross),
        exit: ExitReason::Stop,
        shadow: false,
    }
}

#[test]
fn denials_echo_sequence_and_epoch() {
    let mut r = Rig::new(&TWO).ready();
    let reply = r.ask("XUSDT", "t", "1");
    assert!(matches!(
        reply,
        GrantReply::Denied {
            seq: 1,
            epoch: 1,
            reason: DenyReason::NotWanted
        }
    ));
}
