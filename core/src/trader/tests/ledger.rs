//! Round trips, adoption and corrections of the ledger.

use super::rig::d;
use crate::fixed::{Price, Qty, Side};
use crate::instrument::Instrument;
use crate::messages::ExitReason;
use crate::order::TradeFill;
use crate::trader::ledger::{FillContext, Ledger};
use proptest::prelude::*;

fn ledger() -> Ledger {
    Ledger::new(
        Instrument::with_grid("BTCUSDT", d("0.1"), d("0.001")).unwrap(),
        "ns/s",
    )
}

fn f(id: u64, price: i64, qty: i64, fee: &str, realised: &str) -> TradeFill {
    TradeFill {
        trade_id: id,
        price: Price(price),
        qty: Qty(qty),
        fee: d(fee),
        fee_asset: "USDT".into(),
        realised: d(realised),
        maker: false,
    }
}

fn cx(mid: &str, t: i64) -> FillContext {
    FillContext {
        client_id: "e".into(),
        mid: d(mid),
        reason: ExitReason::MaxHold,
        transact_ms: t,
        streamed_ns: Some(t as u64),
    }
}

#[test]
fn a_round_trip_sums_its_fills_fees_and_mids() {
    let mut l = ledger();
    assert!(
        l.fill(
            Side::Buy,
            &f(1, 1000, 100, "0.005", "0"),
            &cx("99.95", 1000)
        )
        .is_none()
    );
    assert!(
        l.fill(
            Side::Buy,
            &f(2, 1002, 100, "0.005", "0"),
            &cx("99.95", 1001)
        )
        .is_none()
    );
    assert_eq!(l.entry_price(), Some(d("100.1")));
    assert!(
        l.fill(
            Side::Sell,
            &f(3, 1010, 50, "0.0025", "0.045"),
            &cx("101.1", 2000)
        )
        .is_none()
    );
    let t = l
        .fill(
            Side::Sell,
            &f(4, 1010, 150, "0.0075", "0.135"),
            &cx("101.1", 2001),
        )
        .unwrap();
    assert_eq!(
        (t.qty, t.entry_price, t.exit_price),
        (d("0.2"), d("100.1"), d("101"))
    );
    assert_eq!((t.fees, t.gross), (d("0.02"), d("0.18")));
    assert_eq!(t.gross_mid, d("0.23"));
    assert_eq!((t.opened_ms, t.closed_ms, t.side), (1000, 2001, Side::Buy));
    assert_eq!(l.realised_net(), d("0.16"));
    assert_eq!(l.qty(), Qty(0));
}

#[test]
fn a_fill_through_zero_closes_one_trip_and_opens_the_next() {
    let mut l = ledger();
    l.fill(Side::Sell, &f(1, 1000, 10, "0", "0"), &cx("100", 1));
    let t = l
        .fill(Side::Buy, &f(2, 990, 15, "0.03", "0.01"), &cx("99", 2))
        .unwrap();
    assert_eq!((t.side, t.fees), (Side::Sell, d("0.02")));
    assert_eq!(l.qty(), Qty(5));
    assert_eq!(l.entry_price(), Some(d("99")));
}

#[test]
fn an_adopted_position_is_a_trip_at_the_venues_price() {
    let mut l = ledger();
    assert!(
        l.adopt(Qty(-20), d("100"), 500, d("0.001"), &cx("99", 500))
            .is_none()
    );
    assert_eq!(
        (l.qty(), l.entry_price(), l.opened_ms()),
        (Qty(-20), Some(d("100")), Some(500))
    );
    let t = l
        .fill(Side::Buy, &f(9, 990, 20, "0.001", "0.02"), &cx("98.9", 900))
        .unwrap();
    assert_eq!((t.fees, t.gross), (d("0.002"), d("0.02")));
    assert_eq!(t.gross_mid, d("0.022"));
}

#[test]
fn a_read_older_than_a_fill_is_no_contradiction() {
    let mut l = ledger();
    l.fill(Side::Buy, &f(1, 1000, 10, "0", "0"), &cx("100", 1000));
    l.fill(Side::Buy, &f(2, 1000, 5, "0", "0"), &cx("100", 2000));
    assert_eq!(l.qty_as_of(1000), Qty(10));
    assert!(
        l.adopt(Qty(10), d("100"), 1000, d("0"), &cx("100", 3000))
            .is_none()
    );
    assert_eq!(l.qty(), Qty(15));
}

#[test]
fn a_position_that_vanished_unseen_ends_its_trip() {
    let mut l = ledger();
    l.fill(Side::Buy, &f(1, 1000, 10, "0", "0"), &cx("100", 1000));
    let t = l
        .adopt(Qty(0), d("0"), 5000, d("0"), &cx("101", 5000))
        .unwrap();
    assert_eq!((t.gross, l.qty()), (d("0.01"), Qty(0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn position_is_the_sum_of_fills_and_trips_end_exactly_when_it_is_zero(
        fills in proptest::collection::vec((any::<bool>(), 1i64..100, 1i64..2000), 1..60)
    ) {
        let mut l = ledger();
        let mut sum = 0;
        for (i, (buy, q, p)) in fills.into_iter().enumerate() {
            let side = if buy { Side::Buy } else { Side::Sell };
            let before: i64 = sum;
            sum += side.sign() * q;
            let closed = l.fill(side, &f(i as u64, p, q, "0.01", "0"), &cx("1", i as i64)).is_some();
            prop_assert_eq!(closed, before != 0 && (sum == 0 || sum.signum() != before.signum()));
            prop_assert_eq!(l.qty(), Qty(sum));
            prop_assert_eq!(l.opened_ms().is_some(), sum != 0);
        }
    }
}
