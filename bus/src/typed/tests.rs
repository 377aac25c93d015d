//! Who may say what of whom.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::memory::MemoryBus;
use helios_core::fixed::Side;
use helios_core::messages::{ClosedTrade, ExitReason, SCHEMA, WorkerView};
use proptest::prelude::*;
use rust_decimal::Decimal;

const ACCOUNT: &str = "default/paper";

fn report(symbol: &str, strategy: &str) -> WorkerReport {
    WorkerReport {
        schema: SCHEMA,
        symbol: symbol.into(),
        strategy: strategy.into(),
        task_uid: "t".into(),
        epoch: 1,
        generation: 1,
        ready: true,
        view: WorkerView::default(),
        closed: Vec::new(),
        rates: None,
        params: (0, 0, 0),
        refused: false,
        alarms: 0,
        life: String::new(),
    }
}

fn trade(symbol: &str, strategy: &str) -> ClosedTrade {
    ClosedTrade {
        symbol: symbol.into(),
        strategy: strategy.into(),
        entry_id: "1-1".into(),
        side: Side::Buy,
        opened_ms: 0,
        closed_ms: 1,
        qty: Decimal::ONE,
        entry_price: Decimal::ONE,
        exit_price: Decimal::ONE,
        entry_mid: Decimal::ONE,
        exit_mid: Decimal::ONE,
        fees: Decimal::ZERO,
        gross: Decimal::ZERO,
        gross_mid: Decimal::ZERO,
        exit: ExitReason::Stop,
        shadow: false,
    }
}

/// Published on `symbol`'s subject and followed by an honest one: what is heard first, and how many were refused.
async fn heard(symbol: &str, r: &WorkerReport) -> (WorkerReport, u64) {
    let bus = AccountBus::new(Arc::new(MemoryBus::new()), ACCOUNT);
    let mut reports = bus.reports().await.unwrap();
    for r in [r, &report("HONEST", "s")] {
        let on = if r.symbol == "HONEST" {
            "HONEST"
        } else {
            symbol
        };
        let s = subject::report(ACCOUNT, on);
        let bytes = bus.codec.encode(&s, r).unwrap();
        bus.transport().publish(&s, bytes).await.unwrap();
    }
    let first = reports.next().await.unwrap();
    (first, bus.refused().malformed)
}

#[tokio::test]
async fn a_report_is_heard_only_on_the_subject_of_its_own_symbol() {
    let mine = report("BTCUSDT", "s");
    assert_eq!(heard("BTCUSDT", &mine).await, (mine.clone(), 0));
    let (first, refused) = heard("ETHUSDT", &mine).await;
    assert_eq!((first.symbol.as_str(), refused), ("HONEST", 1));
    // A name that is no token of its own is one all the same.
    let odd = report("币安.USDT", "s");
    assert_eq!(heard("币安.USDT", &odd).await, (odd.clone(), 0));
}

#[tokio::test]
async fn a_report_tells_of_the_trades_of_its_own_worker_only() {
    for (symbol, strategy, refused) in [("A", "s", 0), ("B", "s", 1), ("A", "other", 1)] {
        let mut r = report("A", "s");
        r.closed = vec![trade("A", "s"), trade(symbol, strategy)];
        let (first, n) = heard("A", &r).await;
        assert_eq!(n, refused, "{symbol} {strategy}");
        assert_eq!(first.symbol, if refused == 0 { "A" } else { "HONEST" });
    }
}

proptest! {
    #[test]
    fn a_subject_is_of_one_symbol_only(a in ".{1,8}", b in ".{1,8}") {
        for s in [subject::report(ACCOUNT, &a), subject::grant(ACCOUNT, &a)] {
            prop_assert!(subject::is_of(&s, &a));
            prop_assert_eq!(subject::is_of(&s, &b), a == b);
        }
    }
}
