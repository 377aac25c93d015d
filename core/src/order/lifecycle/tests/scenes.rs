//! Named scenes: one race, refusal or doubt each.

use super::super::{EndReason, OrderState, Orders, OrdersOut, Origin};
use super::*;
use proptest::prelude::*;

struct Scene {
    orders: Orders,
    id: ClientId,
    out: Vec<OrdersOut>,
}

impl Scene {
    /// Flat and read; a buy of ten lots has just been sent at 1000 ms.
    fn sent(purpose: EntryKind) -> Self {
        let mut s = Self {
            orders: tracker(),
            id: ids(1).next_id(),
            out: Vec::new(),
        };
        s.orders.on_reconciled(at(900), &read(900, 0), &mut s.out);
        let o = order(&s.id, Side::Buy, 10, purpose);
        s.orders.on_sent(at(1_000), &o);
        s
    }

    fn place_reply(&mut self, ms: i64, r: VenueReply) {
        let to = ReplyTo::Place(self.id.clone());
        self.orders.on_reply(at(ms), &to, &r, &mut self.out);
    }

    fn query_reply(&mut self, ms: i64, r: VenueReply) {
        let to = ReplyTo::Query(CancelTarget::Order(self.id.clone()));
        self.orders.on_reply(at(ms), &to, &r, &mut self.out);
    }

    fn update(&mut self, ms: i64, u: OrderUpdate) {
        self.orders.on_update(at(ms), &u, &mut self.out);
    }

    /// Ticks each 50 ms; every query is answered "no such order" at once.
    fn not_found_until(&mut self, from: i64, to: i64) {
        let mut ms = from;
        while ms <= to {
            let before = self.out.len();
            self.orders.on_tick(at(ms), &mut self.out);
            let asked = self.out[before..]
                .iter()
                .any(|o| matches!(o, OrdersOut::Query(_)));
            if asked {
                self.query_reply(ms, VenueReply::Refused(Refusal::NotFound));
            }
            ms += 50;
        }
    }

    fn reads_asked(&self) -> usize {
        self.out
            .iter()
            .filter(|o| **o == OrdersOut::Reconcile)
            .count()
    }
}

fn read(venue_ms: i64, position: i64) -> VenueState {
    VenueState {
        venue_ms,
        position: VenuePosition {
            qty: Qty(position),
            ..VenuePosition::default()
        },
        ..VenueState::default()
    }
}

fn unknown(dead_after_ms: i64) -> VenueReply {
    VenueReply::Unknown {
        why: "timeout".into(),
        dead_after_ms,
    }
}

fn open(id: &ClientId, status: OrderStatus, filled: i64, reduce_only: bool) -> OpenOrder {
    OpenOrder {
        client_id: id.clone(),
        order_id: 9,
        side: Side::Buy,
        status,
        qty: Qty(10),
        filled: Qty(filled),
        price: Some(Price(100)),
        reduce_only,
        update_ms: 0,
    }
}

#[test]
fn a_fill_may_come_before_the_acknowledgement() {
    let mut s = Scene::sent(EntryKind::Entry);
    assert_eq!(s.orders.open_entry_qty(), Qty(10));
    s.update(
        1_010,
        update(&s.id, OrderStatus::PartiallyFilled, 10, 4, Some((1, 4))),
    );
    assert_eq!(s.orders.open_entry_qty(), Qty(6));
    s.place_reply(1_020, VenueReply::Accepted { id: 9 });
    assert_eq!(s.orders.state(&s.id), Some(OrderState::PartiallyFilled));
    s.update(1_030, update(&s.id, OrderStatus::Expired, 10, 4, None));
    assert_eq!(ends(&s.out, &s.id), [EndReason::Expired]);
    assert_eq!(s.orders.open_entry_qty(), Qty::ZERO);
    assert!(s.orders.is_idle());
}

#[test]
fn the_end_is_told_only_when_all_fills_are_and_a_read_finds_the_lost_ones() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.update(
        1_010,
        update(&s.id, OrderStatus::Filled, 10, 10, Some((2, 6))),
    );
    assert_eq!(ends(&s.out, &s.id), []);
    assert_eq!(s.orders.open_entry_qty(), Qty(4), "worst case");
    s.update(1_020, update(&s.id, OrderStatus::New, 10, 0, None));
    assert_eq!(s.orders.state(&s.id), Some(OrderState::Final));
    s.orders.on_tick(at(1_600), &mut s.out);
    assert_eq!(s.reads_asked(), 1);
    let mut state = read(1_650, 10);
    state.trades = vec![
        (Some(s.id.clone()), fill(1, 4)),
        (Some(s.id.clone()), fill(2, 6)),
    ];
    s.orders.on_reconciled(at(1_700), &state, &mut s.out);
    assert_eq!(filled_sum(&s.out), 10);
    assert_eq!(ends(&s.out, &s.id), [EndReason::Filled]);
    // The lost event turns up after all.
    s.update(
        1_800,
        update(&s.id, OrderStatus::PartiallyFilled, 10, 4, Some((1, 4))),
    );
    assert_eq!(filled_sum(&s.out), 10);
    assert_eq!(ends(&s.out, &s.id).len(), 1);
}

#[test]
fn a_refusal_ends_an_order_unless_the_stream_has_shown_it() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.place_reply(1_010, VenueReply::Refused(Refusal::Margin));
    assert_eq!(ends(&s.out, &s.id), [EndReason::Refused(Refusal::Margin)]);
    let mut s = Scene::sent(EntryKind::Entry);
    s.update(1_005, update(&s.id, OrderStatus::New, 10, 0, None));
    s.place_reply(1_010, VenueReply::Refused(Refusal::DuplicateId));
    assert_eq!(s.orders.state(&s.id), Some(OrderState::Working));
}

#[test]
fn an_id_that_is_open_already_is_an_unknown_outcome_not_a_refusal() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.place_reply(1_010, VenueReply::Refused(Refusal::DuplicateId));
    assert!(s.orders.any_unknown());
    s.orders.on_tick(at(1_020), &mut s.out);
    assert!(s.out.contains(&OrdersOut::Query(s.id.clone())));
}

#[test]
fn absence_takes_a_late_query_and_a_read_that_shows_nothing_changed() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.place_reply(1_010, unknown(2_000));
    s.not_found_until(1_010, 3_000);
    s.orders
        .on_reconciled(at(2_999), &read(2_999, 0), &mut s.out);
    assert_eq!(
        ends(&s.out, &s.id),
        [],
        "it could still have been overtaken"
    );
    assert_eq!(s.orders.open_entry_qty(), Qty(10));
    assert_eq!(s.reads_asked(), 0);
    s.not_found_until(3_001, 6_000);
    assert_eq!(ends(&s.out, &s.id), [], "a query alone proves nothing");
    assert!(s.reads_asked() >= 1);
    s.orders
        .on_reconciled(at(6_010), &read(6_005, 0), &mut s.out);
    assert_eq!(ends(&s.out, &s.id), [EndReason::Absent]);
    assert!(s.orders.is_idle());
}

#[test]
fn a_moved_position_puts_absence_off_until_two_reads_agree() {
    let mut s = Scene::sent(EntryKind::Exit);
    assert_eq!(s.orders.in_flight_exit(), Some(&s.id));
    s.place_reply(1_010, unknown(2_000));
    s.not_found_until(1_010, 4_000);
    s.orders
        .on_reconciled(at(5_000), &read(5_000, 7), &mut s.out);
    assert_eq!(ends(&s.out, &s.id), []);
    assert!(s.orders.in_flight_exit().is_some(), "no second exit leaves");
    s.orders
        .on_reconciled(at(5_600), &read(5_600, 7), &mut s.out);
    assert_eq!(ends(&s.out, &s.id), [EndReason::Absent]);
}

#[test]
fn an_unexplained_trade_or_a_recent_id_puts_absence_off() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.place_reply(1_010, unknown(2_000));
    s.not_found_until(1_010, 4_000);
    let mut state = read(5_000, 0);
    state.trades = vec![(None, fill(7, 3))];
    s.orders.on_reconciled(at(5_000), &state, &mut s.out);
    assert_eq!(ends(&s.out, &s.id), []);
    let mut state = read(5_600, 0);
    state.recent_ids = vec![s.id.clone()];
    s.orders.on_reconciled(at(5_600), &state, &mut s.out);
    assert_eq!(ends(&s.out, &s.id), []);
    s.query_reply(
        5_700,
        VenueReply::Order(open(&s.id, OrderStatus::Expired, 0, false)),
    );
    assert_eq!(ends(&s.out, &s.id), [EndReason::Expired]);
}

#[test]
fn an_order_thought_absent_that_comes_alive_is_cancelled_and_counted() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.place_reply(1_010, VenueReply::Refused(Refusal::Overloaded));
    s.out.clear();
    s.update(
        9_000,
        update(&s.id, OrderStatus::PartiallyFilled, 10, 2, Some((1, 2))),
    );
    assert!(s.out.contains(&OrdersOut::Cancel(s.id.clone())));
    assert_eq!(filled_sum(&s.out), 2);
    assert_eq!(s.orders.open_entry_qty(), Qty(8));
}

#[test]
fn the_first_read_is_history_and_later_ones_fill_gaps() {
    let mut s = Scene {
        orders: tracker(),
        id: ids(1).next_id(),
        out: Vec::new(),
    };
    let mut state = read(900, 5);
    state.trades = vec![(None, fill(1, 5))];
    s.orders.on_reconciled(at(900), &state, &mut s.out);
    assert_eq!(s.out, []);
    // A stop fired while the stream was down: the position names the side.
    let mut state = read(2_000, 0);
    state.trades = vec![(None, fill(1, 5)), (None, fill(2, 5))];
    s.orders.on_reconciled(at(2_000), &state, &mut s.out);
    assert_eq!(filled_sum(&s.out), -5);
    assert!(matches!(
        s.out[0],
        OrdersOut::Filled {
            origin: Origin::Other,
            side: Side::Sell,
            ..
        }
    ));
}

#[test]
fn orders_of_an_earlier_life_are_adopted_entries_cancelled_exits_waited_for() {
    let mut o = tracker();
    let mut out = Vec::new();
    let mut old = ids(0);
    let (entry, exit) = (old.next_id(), old.next_id());
    let mut state = read(900, 5);
    state.orders = vec![
        open(&entry, OrderStatus::PartiallyFilled, 3, false),
        open(&exit, OrderStatus::New, 0, true),
        open(&ClientId::from("web_1"), OrderStatus::New, 0, false),
    ];
    o.on_reconciled(at(900), &state, &mut out);
    assert_eq!(out, [OrdersOut::Cancel(entry.clone())]);
    assert_eq!(o.open_entry_qty(), Qty(7));
    assert_eq!(o.in_flight_exit(), Some(&exit));
    o.on_update(
        at(950),
        &update(&entry, OrderStatus::Canceled, 10, 3, None),
        &mut out,
    );
    assert_eq!(ends(&out, &entry), [EndReason::Canceled]);
}

#[test]
fn cancels_are_repeated_until_the_entry_is_over_and_exits_are_left_alone() {
    let mut s = Scene::sent(EntryKind::Entry);
    let exit = ids(2).next_id();
    s.orders
        .on_sent(at(1_000), &order(&exit, Side::Sell, 5, EntryKind::Exit));
    s.update(1_010, update(&s.id, OrderStatus::New, 10, 0, None));
    s.orders.cancel_entries(at(1_100), &mut s.out);
    s.orders.cancel_entries(at(1_200), &mut s.out);
    s.orders.on_tick(at(2_150), &mut s.out);
    let cancels: Vec<_> = s
        .out
        .iter()
        .filter(|o| matches!(o, OrdersOut::Cancel(_)))
        .collect();
    assert_eq!(cancels, [&OrdersOut::Cancel(s.id.clone()); 2]);
    let to = ReplyTo::Cancel(CancelTarget::Order(s.id.clone()));
    s.orders.on_reply(
        at(2_200),
        &to,
        &VenueReply::Refused(Refusal::NotFound),
        &mut s.out,
    );
    assert_eq!(
        ends(&s.out, &s.id),
        [],
        "filled or cancelled: the query says"
    );
    s.orders.on_tick(at(2_210), &mut s.out);
    assert!(s.out.contains(&OrdersOut::Query(s.id.clone())));
}

#[test]
fn a_working_order_that_a_read_does_not_list_is_asked_for() {
    let mut s = Scene::sent(EntryKind::Entry);
    s.update(1_010, update(&s.id, OrderStatus::New, 10, 0, None));
    s.orders
        .on_reconciled(at(2_000), &read(2_000, 0), &mut s.out);
    s.orders.on_tick(at(2_010), &mut s.out);
    assert!(s.out.contains(&OrdersOut::Query(s.id.clone())));
}

#[test]
fn fills_of_others_are_told_by_origin() {
    let mut s = Scene::sent(EntryKind::Entry);
    for (trade, id, origin) in [
        (1, "autoclose-5", Origin::Forced),
        (2, "web_1", Origin::Other),
    ] {
        s.out.clear();
        let u = update(&id.into(), OrderStatus::Filled, 3, 3, Some((trade, 3)));
        s.update(1_100, u);
        assert!(
            matches!(&s.out[0], OrdersOut::Filled { origin: o, .. } if *o == origin),
            "{:?}",
            s.out
        );
    }
}

#[test]
fn fills_that_never_come_end_in_an_alert_not_in_a_stuck_order() {
    let mut s = Scene::sent(EntryKind::Exit);
    s.query_reply(
        1_100,
        VenueReply::Order(open(&s.id, OrderStatus::Filled, 10, true)),
    );
    for ms in (1_100..17_000).step_by(100) {
        s.orders.on_tick(at(ms), &mut s.out);
    }
    assert_eq!(ends(&s.out, &s.id), [EndReason::Filled]);
    assert!(
        s.out
            .iter()
            .any(|o| matches!(o, OrdersOut::Alert(a) if a.code == "FillsMissing"))
    );
}

proptest! {
    #[test]
    fn any_sequence_with_doubles_of_the_same_events_ends_alike(
        parts in prop::collection::vec(1i64..9, 1..6),
        canceled in any::<bool>(),
        shuffle in prop::collection::vec(any::<u16>(), 24),
    ) {
        let id = ids(1).next_id();
        let filled: i64 = parts.iter().sum();
        let qty = if canceled { filled + 3 } else { filled };
        let mut events = vec![update(&id, OrderStatus::New, qty, 0, None)];
        let mut sum = 0;
        for (i, part) in parts.iter().enumerate() {
            sum += part;
            let status = if sum == qty { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
            events.push(update(&id, status, qty, sum, Some((i as u64 + 1, *part))));
        }
        if canceled {
            events.push(update(&id, OrderStatus::Canceled, qty, filled, None));
        }
        let doubles = events.clone();
        events.extend(doubles);
        let mut keyed: Vec<_> = events.into_iter().enumerate()
            .map(|(i, e)| (shuffle[i % shuffle.len()], i, e)).collect();
        keyed.sort_by_key(|(k, i, _)| (*k, *i));
        let mut o = tracker();
        let mut out = Vec::new();
        o.on_sent(at(0), &order(&id, Side::Buy, qty, EntryKind::Entry));
        for (i, (_, _, e)) in keyed.iter().enumerate() {
            let before = filled_sum(&out);
            o.on_update(at(i as i64), e, &mut out);
            prop_assert!(filled_sum(&out) >= before);
            prop_assert!(filled_sum(&out) + o.open_entry_qty().0 >= filled, "exposure understated");
        }
        prop_assert_eq!(filled_sum(&out), filled);
        let want = if canceled { EndReason::Canceled } else { EndReason::Filled };
        prop_assert_eq!(ends(&out, &id), vec![want]);
        prop_assert!(o.is_idle());
    }
}
