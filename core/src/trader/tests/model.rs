//! Random days: whatever happens in whatever sequence, the rig's checks hold, nothing panics, and once the faults stop a
//! position is protected or gone.

use super::rig::*;
use crate::fixed::{Price, Qty, Side};
use crate::market::{DepthSnapshot, DepthUpdate, MarkPrice};
use crate::messages::{Command, DenyReason, Grant, GrantReply, KellyStats};
use crate::order::*;
use crate::params::OnDelete;
use crate::trader::{StreamKind, Trader, TraderEvent};
use proptest::prelude::*;
use rust_decimal::Decimal;

#[derive(Clone, Debug)]
enum Act {
    Run(u64),
    Heavy(Option<Side>),
    Price(i64),
    OrderFate(Fate),
    StopFate(Fate),
    UserStream(bool),
    Depth(bool),
    Granting(bool),
    Ceiling(i64),
    GrantMs(u64),
    Epoch(u64),
    ReadsFail(bool),
    Gap,
    Restart,
    Command(Command),
    Params(bool, i64),
    Stream(StreamKind, bool),
    ManualFill(Side, i64),
    Liquidate,
    Replay(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Normal),
        1 => Just(Fate::Unknown(true)),
        1 => Just(Fate::Unknown(false)),
        1 => prop::sample::select(vec![
            Refusal::WouldTrigger, Refusal::ReduceOnly, Refusal::Margin, Refusal::StopExists, Refusal::NoPosition, Refusal::Clock,
            Refusal::Overloaded, Refusal::RateLimited { retry_after_ms: 700 }, Refusal::NotSent { why: "x".into() },
        ]).prop_map(Fate::Refuse),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn stream() -> impl Strategy<Value = StreamKind> {
    prop_oneof![
        Just(StreamKind::Depth),
        Just(StreamKind::Market),
        Just(StreamKind::User)
    ]
}

fn command() -> impl Strategy<Value = Command> {
    (0u64..6, 0u8..5).prop_map(|(epoch, k)| match k {
        0 => Command::CancelEntries { epoch },
        1 => Command::TightenStop { epoch },
        2 => Command::Drain { epoch, now: true },
        3 => Command::Drain { epoch, now: false },
        _ => Command::Reconcile { epoch },
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (1u64..60).prop_map(|n| Act::Run(n * 50)),
        2 => Just(Act::Run(35_000)),
        6 => prop::option::of(side()).prop_map(Act::Heavy),
        3 => (9_800i64..10_200).prop_map(Act::Price),
        2 => fate().prop_map(Act::OrderFate),
        2 => fate().prop_map(Act::StopFate),
        1 => any::<bool>().prop_map(Act::UserStream),
        1 => any::<bool>().prop_map(Act::Depth),
        1 => any::<bool>().prop_map(Act::Granting),
        1 => (0i64..3000).prop_map(Act::Ceiling),
        1 => (0u64..4000).prop_map(Act::GrantMs),
        1 => (0u64..6).prop_map(Act::Epoch),
        1 => any::<bool>().prop_map(Act::ReadsFail),
        1 => Just(Act::Gap),
        1 => Just(Act::Restart),
        1 => command().prop_map(Act::Command),
        1 => (any::<bool>(), 1i64..100).prop_map(|(s, h)| Act::Params(s, h)),
        1 => (stream(), any::<bool>()).prop_map(|(k, up)| Act::Stream(k, up)),
        1 => (side(), 1i64..2000).prop_map(|(s, q)| Act::ManualFill(s, q)),
        1 => Just(Act::Liquidate),
        1 => (0usize..40).prop_map(Act::Replay),
    ]
}

fn apply(r: &mut Rig, a: Act, generation: &mut u64) {
    match a {
        Act::Run(ms) => r.run(ms),
        Act::Heavy(s) => r.heavy = s,
        Act::Price(p) => r.price(p),
        Act::OrderFate(f) => r.order_fate = f,
        Act::StopFate(f) => r.stop_fate = f,
        Act::UserStream(up) => {
            if up && !r.user_stream {
                r.user_stream = true;
                r.send(TraderEvent::StreamDown(StreamKind::User));
                r.send(TraderEvent::StreamUp(StreamKind::User));
            }
            r.user_stream = up;
        }
        Act::Depth(up) => r.depth_stream = up,
        Act::Granting(on) => r.granting = on,
        Act::Ceiling(c) => r.ceiling = Decimal::from(c),
        Act::GrantMs(ms) => r.grant_ms = ms,
        Act::Epoch(e) => r.epoch = e,
        Act::ReadsFail(f) => r.reads_fail = f,
        Act::Gap => r.skip_depth(),
        Act::Restart => r.restart(),
        Act::Command(c) => r.send(TraderEvent::Command(c)),
        Act::Params(suspend, hold) => {
            *generation += 1;
            let mut p = params();
            p.suspend = suspend;
            p.exits.max_hold_seconds = hold;
            r.send(TraderEvent::Params(Box::new(document(*generation, p))));
        }
        Act::Stream(k, true) => r.send(TraderEvent::StreamUp(k)),
        Act::Stream(k, false) => r.send(TraderEvent::StreamDown(k)),
        // Somebody else's trade that no frame tells of can't be known before the next read.
        Act::ManualFill(..) | Act::Liquidate if !r.user_stream => {}
        Act::ManualFill(s, q) => {
            let touch = r.bid;
            r.fill(&ClientId::from("web_1"), s, touch, q, q, false);
        }
        Act::Liquidate => {
            if let Some(s) = Qty(r.venue.qty).position_side() {
                let (touch, q) = (r.bid, r.venue.qty.abs());
                r.fill(
                    &ClientId::from("autoclose-9"),
                    s.opposite(),
                    touch,
                    q,
                    q,
                    false,
                );
            }
        }
        Act::Replay(i) => r.replay(i),
    }
    r.settle();
}

/// Everything works again; the strategy is not suspended and the market is calm.
fn heal(r: &mut Rig, generation: u64) {
    r.order_fate = Fate::Normal;
    r.stop_fate = Fate::Normal;
    r.reads_fail = false;
    r.user_stream = true;
    r.depth_stream = true;
    r.heavy = None;
    r.settle();
    for k in [StreamKind::Depth, StreamKind::User, StreamKind::Market] {
        r.send(TraderEvent::StreamDown(k));
        r.send(TraderEvent::StreamUp(k));
    }
    let mut p = params();
    p.exits.max_hold_seconds = 20;
    r.send(TraderEvent::Params(Box::new(document(generation + 1, p))));
    r.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_entries_need_a_grant_exits_reduce_ids_are_new_and_afterwards_all_is_well(
        acts in prop::collection::vec(act(), 1..60)
    ) {
        let mut r = Rig::new();
        r.boot();
        let mut generation = 1;
        for a in acts {
            apply(&mut r, a, &mut generation);
            prop_assert!(r.violations.is_empty(), "{:?}", r.violations);
        }
        heal(&mut r, generation);
        r.run(12_000);
        prop_assert_eq!(r.trader.position(), Qty(r.venue.qty), "I19: position agrees after the faults");
        if r.venue.qty != 0 {
            prop_assert!(r.anchors().len() == 1 || r.trader.exit_pending().is_some(), "protected or leaving");
        }
        r.run(40_000);
        prop_assert_eq!(r.venue.qty, 0, "left after the maximum holding time: {:?}", r.trader.exit_pending());
        prop_assert!(r.venue.stops.is_empty(), "I3: no stop survives its position: {:?}", r.venue.stops);
        prop_assert!(r.violations.is_empty(), "{:?}", r.violations);
        r.send(TraderEvent::Shutdown(OnDelete::Flatten));
        r.run(5_000);
        prop_assert!(r.trader.is_done());
    }
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0i64..20_000,
        1 => prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX, 1 << 53, (1 << 53) + 1]),
    ]
}

fn decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        4 => (0i64..20_000).prop_map(|n| Decimal::new(n, 1)),
        1 => prop::sample::select(vec![Decimal::MAX, Decimal::MIN, Decimal::ZERO, Decimal::NEGATIVE_ONE, Decimal::new(1, 28)]),
    ]
}

fn id() -> impl Strategy<Value = ClientId> {
    prop::sample::select(vec![
        "",
        "x",
        "autoclose-1",
        "adl_autoclose",
        "web_1",
        "hé",
        "h0000000000000-",
    ])
    .prop_map(ClientId::from)
}

fn garbage() -> impl Strategy<Value = TraderEvent> {
    let levels = || prop::collection::vec((number().prop_map(Price), number().prop_map(Qty)), 0..4);
    let ms = number;
    prop_oneof![
        Just(TraderEvent::Start),
        Just(TraderEvent::Tick),
        Just(TraderEvent::SnapshotFailed),
        ms().prop_map(|t| TraderEvent::ReconcileFailed {
            asked_at: t.unsigned_abs()
        }),
        (ms(), 0u64..50, 0u64..50, 0u64..50, levels(), levels()).prop_map(
            |(t, a, b, c, bids, asks)| {
                TraderEvent::Depth(DepthUpdate {
                    event_ms: t,
                    transact_ms: t,
                    first_id: a,
                    last_id: b,
                    prev_last_id: c,
                    bids,
                    asks,
                })
            }
        ),
        (0u64..50, levels(), levels()).prop_map(|(last_id, bids, asks)| {
            TraderEvent::Snapshot(DepthSnapshot {
                last_id,
                event_ms: 0,
                bids,
                asks,
            })
        }),
        (ms(), decimal()).prop_map(|(event_ms, mark)| {
            TraderEvent::Mark(MarkPrice {
                event_ms,
                mark,
                index: mark,
                funding_rate: mark,
                next_funding_ms: 0,
            })
        }),
        (number(), number(), number()).prop_map(|(t, p, q)| TraderEvent::Trade(
            crate::market::AggTrade {
                id: t.unsigned_abs(),
                event_ms: t.clamp(0, 4_000_000_000_000),
                transact_ms: t.clamp(0, 4_000_000_000_000),
                price: Price(p),
                qty: Qty(q),
                buyer_is_maker: false,
            }
        )),
        (number(), decimal(), ms()).prop_map(|(q, entry_price, t)| {
            TraderEvent::Position(PositionUpdate {
                event_ms: t,
                transact_ms: t,
                qty: Qty(q),
                entry_price,
            })
        }),
        (id(), number(), number(), decimal(), any::<bool>()).prop_map(
            |(client_id, p, q, fee, buy)| {
                TraderEvent::Order(OrderUpdate {
                    event_ms: 1,
                    transact_ms: 1,
                    client_id,
                    order_id: 1,
                    side: if buy { Side::Buy } else { Side::Sell },
                    exec: ExecType::Trade,
                    status: OrderStatus::Filled,
                    qty: Qty(q),
                    filled: Qty(q),
                    reduce_only: false,
                    fill: Some(TradeFill {
                        trade_id: q.unsigned_abs(),
                        price: Price(p),
                        qty: Qty(q),
                        fee,
                        fee_asset: "USDT".into(),
                        realised: fee,
                        maker: false,
                    }),
                })
            }
        ),
        (number(), decimal(), ms(), id(), number()).prop_map(
            |(q, entry_price, venue_ms, id, p)| {
                TraderEvent::Reconciled {
                    asked_at: venue_ms.unsigned_abs(),
                    state: VenueState {
                        venue_ms,
                        position: VenuePosition {
                            qty: Qty(q),
                            entry_price,
                            isolated: false,
                            update_ms: venue_ms,
                        },
                        stops: vec![AlgoOrder {
                            client_id: id,
                            algo_id: 1,
                            side: Side::Buy,
                            status: AlgoStatus::New,
                            trigger: Price(p),
                            qty: Some(Qty(q)),
                            update_ms: 0,
                        }],
                        ..VenueState::default()
                    },
                }
            }
        ),
        (decimal(), decimal(), 0u64..4, any::<u64>()).prop_map(
            |(ceiling, equity, seq, length_ms)| {
                TraderEvent::Grant(GrantReply::Granted(Grant {
                    seq,
                    epoch: 1,
                    task_uid: "task-1".into(),
                    symbol: "BTCUSDT".into(),
                    ceiling,
                    equity,
                    available: equity,
                    kelly: KellyStats {
                        n: 9,
                        wins: 99,
                        sum_win: f64::NAN,
                        sum_loss: -1.0,
                        sum_gross: f64::INFINITY,
                    },
                    length_ms,
                    share: None,
                }))
            }
        ),
        Just(TraderEvent::Grant(GrantReply::Denied {
            seq: 1,
            epoch: 0,
            reason: DenyReason::Halted
        })),
        command().prop_map(TraderEvent::Command),
        (any::<u64>(), any::<f64>()).prop_map(|(last_id, probability)| TraderEvent::Model {
            last_id,
            probability
        }),
        (stream(), any::<bool>()).prop_map(|(k, up)| if up {
            TraderEvent::StreamUp(k)
        } else {
            TraderEvent::StreamDown(k)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_events_whatever_its_numbers_panics(
        events in prop::collection::vec((garbage(), 0u64..2000), 0..80)
    ) {
        let mut t = Trader::new(config());
        let mut now = crate::time::Now::new(1_700_000_000_000, 0);
        let mut out = Vec::new();
        for (e, ms) in events {
            now.market_ms += ms as i64;
            now.mono_ns += ms * 1_000_000;
            t.on_event(now, &e, &mut out);
            let _ = t.view();
            out.clear();
        }
    }
}
