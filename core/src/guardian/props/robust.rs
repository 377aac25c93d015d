//! Nothing a stream, a worker or a person sends makes the guardian panic; nothing unknown lets it grant.

use crate::fixed::{Price, Qty, Side};
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::market::MarkPrice;
use crate::messages::{GrantReply, GrantRequest, RateShare};
use crate::order::{
    AlgoStatus, AlgoUpdate, CancelTarget, ExecType, OrderStatus, OrderUpdate, PositionUpdate,
    TradeFill, VenuePosition, VenueState,
};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["AUSDT", "BUSDT", "XUSDT"];

fn money() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        Just(Decimal::ZERO),
        Just(Decimal::MAX),
        Just(Decimal::MIN),
        (any::<i64>(), 0u32..10).prop_map(|(m, s)| Decimal::new(m, s)),
        (0i64..1_000_000).prop_map(Decimal::from),
    ]
}

fn lots() -> impl Strategy<Value = i64> {
    prop_oneof![
        -200_000i64..200_000,
        Just(0),
        Just(i64::MAX),
        Just(-i64::MAX)
    ]
}

fn id() -> impl Strategy<Value = ClientId> {
    (0u64..4, any::<bool>()).prop_map(|(n, ours)| {
        if ours {
            IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", "AUSDT", n).next_id()
        } else {
            ClientId::from(format!("x{n}").as_str())
        }
    })
}

fn event() -> impl Strategy<Value = GuardianEvent> {
    let symbol = || (0..NAMES.len()).prop_map(|i| Symbol::from(NAMES[i]));
    let side = || any::<bool>().prop_map(|b| if b { Side::Buy } else { Side::Sell });
    let status = prop_oneof![
        Just(OrderStatus::New),
        Just(OrderStatus::PartiallyFilled),
        Just(OrderStatus::Filled),
        Just(OrderStatus::Rejected)
    ];
    let algo = prop_oneof![
        Just(AlgoStatus::New),
        Just(AlgoStatus::Rejected),
        Just(AlgoStatus::Triggered),
        Just(AlgoStatus::Canceled)
    ];
    prop_oneof![
        Just(GuardianEvent::Tick),
        Just(GuardianEvent::AccountAlive),
        Just(GuardianEvent::AccountDown),
        any::<u64>().prop_map(|asked_at| GuardianEvent::ReconcileFailed { asked_at }),
        Just(GuardianEvent::Persisted),
        Just(GuardianEvent::PersistFailed),
        Just(GuardianEvent::Follow),
        (any::<u64>(), prop::option::of(0u64..200)).prop_map(|(epoch, s)| GuardianEvent::Lead {
            epoch,
            until_ns: s.map(|s| s * crate::time::NS_PER_S)
        }),
        (0u64..200).prop_map(|s| GuardianEvent::Renewed {
            until_ns: s * crate::time::NS_PER_S
        }),
        Just(GuardianEvent::FenceLost),
        Just(GuardianEvent::LockRanOut),
        Just(GuardianEvent::TransfersFailed),
        any::<u64>().prop_map(|transitions| GuardianEvent::StateMissing { transitions }),
        prop::collection::vec((0u64..5, any::<i64>(), money()), 0..4).prop_map(|list| {
            let of = |(id, venue_ms, amount)| Transfer {
                id,
                venue_ms,
                amount,
            };
            GuardianEvent::Transfers(list.into_iter().map(of).collect())
        }),
        (any::<u64>(), symbol(), money(), any::<u32>()).prop_map(|(epoch, s, ceiling, n)| {
            let promise = HandedPromise {
                symbol: s.to_string(),
                strategy: "ns/nobi".into(),
                task_uid: "t".into(),
                ceiling,
                risk: ceiling,
            };
            let share = RateShare {
                weight_1m: n,
                orders_10s: n,
                orders_1m: n,
            };
            let egress = String::new();
            let handover = Handover {
                epoch,
                promises: vec![promise],
                shares: [(s.to_string(), HandedShare { egress, share })].into(),
            };
            GuardianEvent::State(Box::new(GuardianState {
                epoch,
                handover: Some(handover),
                ..GuardianState::default()
            }))
        }),
        (any::<i64>(), money(), any::<bool>(), money()).prop_map(
            |(event_ms, wallet, named, transfer)| GuardianEvent::Balance {
                event_ms,
                wallet,
                transfer: named.then_some(transfer)
            }
        ),
        (symbol(), any::<i64>(), lots(), money()).prop_map(|(s, t, q, p)| GuardianEvent::Position(
            s,
            PositionUpdate {
                event_ms: t,
                transact_ms: t,
                qty: Qty(q),
                entry_price: p
            }
        )),
        (
            symbol(),
            id(),
            side(),
            status,
            lots(),
            lots(),
            any::<bool>()
        )
            .prop_map(
                |(s, client_id, side, status, q, z, f)| GuardianEvent::Order(
                    s,
                    OrderUpdate {
                        event_ms: q,
                        transact_ms: z,
                        client_id,
                        order_id: 1,
                        side,
                        exec: ExecType::Trade,
                        status,
                        qty: Qty(q),
                        filled: Qty(z),
                        reduce_only: f,
                        fill: f.then(|| TradeFill {
                            trade_id: 1,
                            price: Price(q),
                            qty: Qty(z),
                            fee: Decimal::MAX,
                            fee_asset: "X".into(),
                            realised: Decimal::MIN,
                            maker: f
                        }),
                    }
                )
            ),
        (symbol(), id(), side(), algo, lots(), any::<bool>()).prop_map(
            |(s, client_id, side, status, p, c)| GuardianEvent::Algo(
                s,
                AlgoUpdate {
                    event_ms: 0,
                    transact_ms: 0,
                    client_id,
                    algo_id: 1,
                    status,
                    side,
                    trigger: Price(p),
                    qty: c.then_some(Qty(p)),
                    order_id: None,
                    reason: None,
                }
            )
        ),
        (symbol(), money(), money()).prop_map(|(s, mark, index)| GuardianEvent::Mark(
            s,
            MarkPrice {
                event_ms: 0,
                mark,
                index,
                funding_rate: mark,
                next_funding_ms: i64::MAX
            }
        )),
        (
            any::<i64>(),
            money(),
            money(),
            symbol(),
            lots(),
            money(),
            any::<bool>()
        )
            .prop_map(
                |(venue_ms, wallet, maint_margin, s, q, entry_price, isolated)| {
                    GuardianEvent::Reconciled {
                        asked_at: venue_ms.unsigned_abs(),
                        venue_ms,
                        wallet,
                        available: wallet,
                        maint_margin,
                        marks: BTreeMap::new(),
                        symbols: [(
                            s,
                            VenueState {
                                position: VenuePosition {
                                    qty: Qty(q),
                                    entry_price,
                                    isolated,
                                    update_ms: venue_ms,
                                },
                                ids_read: !isolated,
                                ..VenueState::default()
                            },
                        )]
                        .into(),
                        unknown_symbols: if isolated {
                            vec!["ZUSDT".into()]
                        } else {
                            vec![]
                        },
                    }
                }
            ),
        (symbol(), money(), money()).prop_map(|(s, a, b)| GuardianEvent::VisibleDepth(s, a, b)),
        (symbol(), 0u32..3, any::<u64>(), money(), money(), money()).prop_map(
            |(s, t, e, w, p, r)| GuardianEvent::GrantRequested(GrantRequest {
                symbol: s.to_string(),
                strategy: "ns/nobi".into(),
                task_uid: t.to_string(),
                seq: e,
                epoch_seen: e,
                wish_notional: w,
                position_notional: p,
                open_entry_notional: r,
                wish_risk: r,
                fence_lost: false,
            })
        ),
        (symbol(), id(), any::<i64>(), 0u8..6).prop_map(|(s, c, t, k)| GuardianEvent::Reply(
            s,
            match k {
                0 => ReplyTo::Query(CancelTarget::Stop(c.clone())),
                1 => ReplyTo::Cancel(CancelTarget::Order(c.clone())),
                _ => ReplyTo::PlaceStop(c.clone()),
            },
            match k {
                0 => VenueReply::Refused(Refusal::NotFound),
                1 => VenueReply::Unknown {
                    why: "x".into(),
                    dead_after_ms: t
                },
                2 => VenueReply::Refused(Refusal::StopExists),
                _ => VenueReply::Accepted { id: 1 },
            }
        )),
        (any::<bool>(), 0usize..4).prop_map(|(set, i)| GuardianEvent::Latch {
            name: [KILL, DRAWDOWN, DAILY_LOSS, "other"][i].into(),
            set
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_history_panics_and_no_order_but_reduce_only_ones_is_ever_sent(
        events in prop::collection::vec((event(), any::<i64>(), 0u64..20_000), 1..60), lead in any::<bool>(),
    ) {
        let mut r = Rig::new(&["AUSDT", "BUSDT"]);
        if lead {
            r = r.ready();
        }
        r.reads = false;
        for (e, market, dt) in events {
            r.now = Now::new(market, r.now.mono_ns + ms(dt));
            let out = r.send(&e);
            for (s, o) in orders(&out) {
                prop_assert!(o.reduce_only && o.qty.0 > 0);
                let held = r.g.picture.symbols[&s].qty;
                prop_assert!(o.qty <= held.abs() && Some(o.side.opposite()) == held.position_side());
            }
            for (_, s) in stops(&out) {
                prop_assert!(s.trigger.0 > 0 && s.qty.is_none());
            }
            let _ = r.g.snapshot();
        }
    }

    #[test]
    fn any_single_doubt_refuses_every_grant_and_without_one_it_is_granted(doubt in 0u8..11, extra in 0u64..50) {
        let mut r = Rig::new(&["AUSDT", "BUSDT"]).ready();
        r.protected("BUSDT", 10_000, "100");
        r.pass(1000 + extra * 100);
        let symbol: Symbol = "BUSDT".into();
        match doubt {
            0 => {}
            1 => { r.frames = false; r.pass(3100); }
            2 => {
                r.reads = false;
                r.pass(40_000);
            }
            3 => { r.send(&GuardianEvent::Balance { event_ms: i64::MAX, wallet: Decimal::ZERO, transfer: None }); }
            4 => { r.send(&GuardianEvent::AccountDown); }
            5 => { r.send(&GuardianEvent::Mark(symbol, MarkPrice { event_ms: 0, mark: d("100"), index: d("50"), funding_rate: d("0"), next_funding_ms: 0 })); }
            6 => { r.send(&GuardianEvent::Position("XUSDT".into(), PositionUpdate { event_ms: i64::MAX, transact_ms: i64::MAX, qty: Qty(5), entry_price: d("3") })); }
            7 => {
                r.writes = false;
                r.send(&GuardianEvent::Latch { name: "other".into(), set: true });
                r.send(&GuardianEvent::Latch { name: "other".into(), set: false });
            }
            8 => { r.send(&GuardianEvent::Follow); }
            9 => { r.send(&GuardianEvent::Latch { name: "other".into(), set: true }); }
            _ => {
                r.marks.remove(&symbol);
                r.pass(3200);
            }
        }
        let reply = r.ask("AUSDT", "t", "500");
        prop_assert_eq!(matches!(reply, GrantReply::Granted(_)), doubt == 0, "{} {:?}", doubt, reply);
    }
}
