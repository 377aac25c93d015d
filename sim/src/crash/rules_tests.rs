//! Each rule is broken on purpose and must be seen to be.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::crash::draw::CrashSet;
use helios_core::order::{ClientId, EntryKind, OrderKind};
use helios_venue::engine::SymbolId;
use helios_venue::market::Rng;

/// Away from a mark's way.
const T: i64 = 500;

fn portfolio() -> Portfolio {
    // All longs: the first seed whose draw is neither a squeeze nor hedged.
    (0..100)
        .map(|s| Portfolio::draw(&mut Rng::new(s, 1), CrashSet::Warned, 0).unwrap())
        .find(|p| p.held.iter().all(|h| h.lots >= 400))
        .unwrap()
}

fn account(p: &Portfolio) -> Account {
    let mut a = Account {
        lots: std::array::from_fn(|i| p.held[i].lots),
        marks: std::array::from_fn(|i| p.starts[i].price),
        ..Account::default()
    };
    for i in 0..CONTRACTS {
        a.gross += p.starts[i].spec.instrument.qty_dec(Qty(a.lots[i])) * a.marks[i];
    }
    a.balance = a.gross / Decimal::TEN;
    a
}

fn level(level: LadderLevel, ratio: i64) -> Note {
    Note::Level {
        ms: 0,
        level,
        ratio: Decimal::from(ratio),
    }
}

fn depth(i: usize, visible: Decimal) -> Note {
    Note::Depth {
        told_ms: T,
        symbol: SymbolId(i as u16),
        bids: visible,
        asks: visible,
    }
}

fn sell(p: &Portfolio, i: usize, lots: i64) -> Note {
    Note::Order {
        ms: T,
        symbol: SymbolId(i as u16),
        order: NewOrder {
            client_id: ClientId::from("x"),
            side: Side::Sell,
            kind: OrderKind::Market,
            qty: Qty(lots),
            reduce_only: true,
            purpose: EntryKind::Exit,
            recv_window_ms: 1_000,
        },
        account: Box::new(account(p)),
    }
}

fn judged(p: &Portfolio, notes: Vec<Note>) -> Vec<String> {
    let mut j = Judge::new(p, 0, 10);
    for n in &notes {
        j.note(n);
    }
    j.broken
}

/// Critical, with plenty of depth everywhere; and the contract that a slice must take then.
fn critical(p: &Portfolio) -> (Vec<Note>, usize) {
    let mut notes = vec![level(LadderLevel::Critical, 15)];
    notes.extend((0..CONTRACTS).map(|i| depth(i, Decimal::from(100_000_000))));
    let mut j = Judge::new(p, 0, 10);
    for n in &notes {
        j.note(n);
    }
    let a = account(p);
    let among = j.by_maintenance(&a);
    let best = among.iter().take(LOOKED_AT).copied();
    let best = best.max_by_key(|i| (j.merit(T, *i, Decimal::ONE, &a).0, *i));
    (notes, best.unwrap())
}

#[test]
fn a_quarter_of_the_right_contract_breaks_nothing_and_more_or_another_does() {
    let p = portfolio();
    let (notes, best) = critical(&p);
    let with = |n: Note| judged(&p, notes.iter().cloned().chain([n]).collect());
    let quarter = p.held[best].lots / 4;
    assert_eq!(with(sell(&p, best, quarter)), Vec::<String>::new());
    let broken = with(sell(&p, best, quarter + 1));
    assert!(
        broken.iter().any(|b| b.contains("a slice of")),
        "{broken:?}"
    );
    let a = account(&p);
    let last = *Judge::new(&p, 0, 10).by_maintenance(&a).last().unwrap();
    let broken = with(sell(&p, last, p.held[last].lots / 4));
    assert!(
        broken.iter().any(|b| b.contains("not one of")),
        "{broken:?}"
    );
}

#[test]
fn a_slice_of_more_than_a_quarter_of_visible_depth_is_seen() {
    let p = portfolio();
    let (mut notes, best) = critical(&p);
    let worth = p.starts[best].price
        * p.starts[best]
            .spec
            .instrument
            .qty_dec(Qty(p.held[best].lots));
    // The quarter of the position is half of what is visible.
    notes.push(depth(best, worth / Decimal::TWO));
    notes.push(sell(&p, best, p.held[best].lots / 4));
    let broken = judged(&p, notes);
    assert!(broken.iter().any(|b| b.contains("visible")), "{broken:?}");
}

#[test]
fn orders_that_could_add_and_orders_below_critical_are_seen() {
    let p = portfolio();
    let (notes, best) = critical(&p);
    let Note::Order {
        mut order, account, ..
    } = sell(&p, best, 1)
    else {
        unreachable!()
    };
    order.reduce_only = false;
    let n = Note::Order {
        ms: T,
        symbol: SymbolId(best as u16),
        order,
        account,
    };
    let broken = judged(&p, notes.into_iter().chain([n]).collect());
    assert!(broken.iter().any(|b| b.contains("may add")), "{broken:?}");
    let broken = judged(&p, vec![level(LadderLevel::Warning, 29), sell(&p, best, 1)]);
    assert!(
        broken.iter().any(|b| b.contains("in Warning")),
        "{broken:?}"
    );
}

#[test]
fn two_slices_at_once_stops_tightened_too_soon_and_levels_out_of_order_are_seen() {
    let p = portfolio();
    let (notes, best) = critical(&p);
    let two = [sell(&p, best, 1), sell(&p, best, 1)];
    let broken = judged(&p, notes.into_iter().chain(two).collect());
    assert!(
        broken.iter().any(|b| b.contains("before the last")),
        "{broken:?}"
    );
    let tighten = |ms, i: usize| Note::Tighten {
        ms,
        symbol: SymbolId(i as u16),
        account: Box::new(account(&p)),
    };
    let a = account(&p);
    let order = Judge::new(&p, 0, 10).by_maintenance(&a);
    let warned = level(LadderLevel::Warning, 29);
    let good = vec![
        warned.clone(),
        tighten(T, order[0]),
        tighten(T + 2_000, order[1]),
    ];
    assert_eq!(judged(&p, good), Vec::<String>::new());
    let soon = vec![
        warned.clone(),
        tighten(T, order[0]),
        tighten(T + 1_900, order[1]),
    ];
    assert_eq!(judged(&p, soon).len(), 1);
    assert_eq!(judged(&p, vec![warned, tighten(T, order[1])]).len(), 1);
    assert_eq!(judged(&p, vec![level(LadderLevel::Critical, 16)]).len(), 1);
    let down = vec![
        level(LadderLevel::Critical, 15),
        level(LadderLevel::Normal, 34),
    ];
    assert_eq!(judged(&p, down).len(), 1);
}

#[test]
fn a_position_that_grows_or_turns_is_seen() {
    let with = |lots: [i64; CONTRACTS]| Account {
        lots,
        ..Account::default()
    };
    let from = with([10, -10, 5, 0, 1]);
    assert!(shrunk(&[from, with([9, -10, 0, 0, 1])]).is_empty());
    assert_eq!(shrunk(&[from, with([11, -10, 5, 0, 1])]).len(), 1);
    assert_eq!(shrunk(&[from, with([10, 1, 5, 0, 1])]).len(), 1);
    assert_eq!(shrunk(&[from, with([10, -10, 5, 3, 1])]).len(), 1);
}
