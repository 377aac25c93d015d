//! Realised profit, fees, funding, margin, liquidation: to the last digit.

use super::*;
use Side::{Buy, Sell};
use TimeInForce::Gtc;

fn ledger_sum(r: &Rig, account: AccountId, kind: LedgerKind) -> Decimal {
    r.engine
        .ledger(account)
        .iter()
        .filter(|l| l.kind == kind)
        .map(|l| l.amount)
        .sum()
}

#[test]
fn realised_profit_of_a_round_trip_is_exactly_sold_minus_bought() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 13_000)); // 10 at 100.1, 3 at 100.2
    let entry = r.engine.position(r.a, S).unwrap().entry_price;
    r.order(r.a, market(Sell, 4_000));
    r.order(r.a, market(Sell, 3_333));
    let moved = r.engine.position(r.a, S).unwrap().entry_price - entry;
    assert!(moved.abs() < dec("0.00000001"), "reducing keeps the entry");
    r.order(r.a, market(Sell, 5_667));
    assert_eq!(r.pos(r.a), 0);
    let bought = dec("1001") + dec("300.6");
    let sold: Decimal = dec("10") * dec("99.9") + dec("3") * dec("99.8");
    assert_eq!(ledger_sum(&r, r.a, LedgerKind::RealizedPnl), sold - bought);
    let p = r.engine.position(r.a, S).unwrap();
    assert_eq!((p.entry_price, p.notional), (dec("0"), dec("0")));
}

#[test]
fn an_order_through_zero_closes_and_opens_the_other_way() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    let (_, e) = r.order(r.a, market(Sell, 3_000));
    let fill = order_events(&e)[1].fill.clone().unwrap();
    assert_eq!(fill.realised, dec("-0.2"));
    let p = r.engine.position(r.a, S).unwrap();
    assert_eq!((p.qty, p.entry_price), (Qty(-2_000), dec("99.9")));
}

#[test]
fn funding_is_paid_at_its_time_on_the_last_mark_and_only_once() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 10_000));
    r.order(r.b, market(Sell, 5_000));
    r.now = 28_799_000;
    r.mark("101");
    assert_eq!(r.engine.next_due_ms(), Some(28_800_000));
    r.now = 28_900_000;
    let e = r.mark("150"); // what comes after the time does not count
    assert_eq!(kinds(&e)[0], "account FUNDING_FEE");
    assert_eq!(
        ledger_sum(&r, r.a, LedgerKind::FundingFee),
        dec("-10") * dec("101") * dec("0.0001")
    );
    assert_eq!(
        ledger_sum(&r, r.b, LedgerKind::FundingFee),
        dec("5") * dec("101") * dec("0.0001")
    );
    let entry = r
        .engine
        .ledger(r.a)
        .iter()
        .find(|l| l.kind == LedgerKind::FundingFee)
        .unwrap();
    assert_eq!(entry.time_ms, 28_800_000);
    let n = r.engine.ledger(r.a).len();
    r.pass(1_000);
    assert_eq!(r.engine.ledger(r.a).len(), n);
}

#[test]
fn account_margin_adds_up() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 20_000)); // 10 at 100.1, 10 at 100.2
    r.order(r.a, limit(Buy, 990, 10_000, Gtc));
    let v = r.engine.account(r.a).unwrap();
    assert_eq!(v.unrealised, dec("2000") - dec("2003"));
    assert_eq!(v.maint_margin, dec("2000") * dec("0.02") - dec("10"));
    assert_eq!(v.position_initial_margin, dec("100"));
    assert_eq!(v.open_order_initial_margin, dec("49.5"));
    assert_eq!(v.available, v.wallet + v.unrealised - dec("149.5"));
    let entry = &r.engine.ledger(r.a)[0];
    assert_eq!(
        (entry.kind, entry.amount),
        (LedgerKind::Transfer, dec("10000"))
    );
    assert_eq!(r.engine.ledger(r.a).last().unwrap().balance, v.wallet);
}

#[test]
fn at_its_liquidation_price_equity_is_maintenance_margin() {
    let brackets = spec("X").brackets;
    for (qty, cost, rest) in [
        ("5", "500", "50"),
        ("-5", "500", "50"),
        ("200", "20000", "1500"),
        ("-200", "20000", "1500"),
        ("-9.9", "990", "20"),
        ("10.5", "1050", "20"),
    ] {
        let (qty, cost, rest) = (dec(qty), dec(cost), dec(rest));
        let p = margin::liquidation_price(&brackets, qty, cost, rest).unwrap();
        let sign = if qty > Decimal::ZERO {
            Decimal::ONE
        } else {
            -Decimal::ONE
        };
        let equity = rest + sign * (p * qty.abs() - cost);
        let mm = margin::maintenance(&brackets, p * qty.abs());
        assert!(
            (equity - mm).abs() < dec("0.000000001"),
            "{qty}: {equity} {mm}"
        );
    }
    assert_eq!(
        margin::liquidation_price(&brackets, dec("1"), dec("100"), dec("500")),
        None
    );
    assert_eq!(
        margin::liquidation_price(&brackets, dec("0"), dec("0"), dec("500")),
        None
    );
}

#[test]
fn a_real_liquidation_s_price_comes_out() {
    // THEUSDT −33.5, mark 0.2928, maintenance 1.5 %, wallet 0.1951 with entry at mark: liquidated at 0.29411212.
    let b = [Bracket {
        notional_floor: dec("0"),
        notional_cap: dec("5000"),
        maint_margin_ratio: dec("0.015"),
        cum: dec("0"),
        initial_leverage: 50,
    }];
    let cost = dec("33.5") * dec("0.2928");
    let p = margin::liquidation_price(&b, dec("-33.5"), cost, dec("0.19184")).unwrap();
    assert!((p - dec("0.29411212")).abs() < dec("0.0001"), "{p}");
}

fn nearly_broke() -> Rig {
    let mut r = Rig::new();
    r.ask(r.a, Request::SetLeverage(S, 20)).0.unwrap();
    let mut out = vec![];
    r.engine
        .deposit(r.now, r.a, dec("-9000"), &mut out)
        .unwrap();
    r.order(r.a, market(Buy, 90_000));
    r.order(r.a, limit(Buy, 960, 1_000, Gtc));
    r.ask(r.a, stop(Sell, 500, None, "far")).0.unwrap();
    r
}

#[test]
fn liquidation_warns_cancels_takes_over_and_charges() {
    let mut r = nearly_broke();
    let p = r.engine.position(r.a, S).unwrap();
    let lp = p.liquidation_price.unwrap();
    assert!(
        kinds(&r.mark(&(lp + dec("0.5")).round_dp(4).to_string()))
            .iter()
            .all(|k| k != "Calculated/Filled")
    );
    let (_, _) = r.ask(r.b, Request::CancelAll(S));
    let e = r.mark(&(lp - dec("0.0001")).to_string());
    let k = kinds(&e);
    assert_eq!(k[0], "mark");
    assert!(k.contains(&"Canceled/Canceled".to_owned()));
    assert!(k.contains(&"Calculated/Filled".to_owned()));
    let first_calculated = k.iter().position(|k| k.starts_with("Calculated"));
    let canceled = k.iter().position(|k| k.starts_with("Canceled"));
    assert!(canceled < first_calculated, "orders go first");
    let auto = order_events(&e)
        .into_iter()
        .find(|o| o.exec == ExecType::Calculated)
        .unwrap();
    assert!(auto.client_id.as_str().starts_with("autoclose-"));
    assert_eq!(r.pos(r.a), 0);
    assert!(ledger_sum(&r, r.a, LedgerKind::InsuranceClear) < dec("0"));
    assert!(
        r.events.iter().any(|e| matches!(
            e,
            EngineEvent::User(a, _, UserEvent::MarginCall { .. }) if *a == r.a
        )),
        "warned before"
    );
}

#[test]
fn a_gap_beyond_bankruptcy_is_covered_by_the_insurance_fund() {
    let mut r = nearly_broke();
    r.depth(&(980..=999).map(|p| (p, 0)).collect::<Vec<_>>(), &[]);
    let e = r.mark("60");
    assert_eq!(r.pos(r.a), 0);
    assert_eq!(r.wallet(r.a), dec("0"));
    let k = kinds(&e);
    let call = k.iter().position(|k| k == "margin call").unwrap();
    let take = k.iter().position(|k| k.starts_with("Calculated")).unwrap();
    assert!(call < take);
    assert_eq!(k.last().unwrap(), "account INSURANCE_CLEAR");
    // And what is not in the book is taken at mark.
    let fills: i64 = r
        .engine
        .user_trades(r.a, Some(S))
        .filter(|t| t.side == Sell)
        .map(|t| t.fill.qty.0)
        .sum();
    assert_eq!(fills, 90_000);
}

#[test]
fn brackets_of_the_whole_exchange_are_continuous_and_monotone() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/brackets/freqtrade_binance_leverage_tiers_2024-10-24.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: no stored leverage brackets at {path}");
        return;
    };
    let all: std::collections::BTreeMap<String, Vec<serde_json::Value>> =
        serde_json::from_str(&text).unwrap();
    let mut edges = 0;
    for (symbol, tiers) in all {
        let num = |v: &serde_json::Value| {
            let s = v.to_string();
            let s = s.trim_matches('"');
            s.parse().or_else(|_| Decimal::from_scientific(s)).unwrap()
        };
        let brackets: Vec<Bracket> = tiers
            .iter()
            .map(|t| &t["info"])
            .map(|i| Bracket {
                notional_floor: num(&i["notionalFloor"]),
                notional_cap: num(&i["notionalCap"]),
                maint_margin_ratio: num(&i["maintMarginRatio"]),
                cum: num(&i["cum"]),
                initial_leverage: num(&i["initialLeverage"]).try_into().unwrap(),
            })
            .collect();
        for w in brackets.windows(2) {
            let edge = w[1].notional_floor;
            let below = margin::maintenance(&brackets, edge);
            let above = edge * w[1].maint_margin_ratio - w[1].cum;
            assert!(
                (below - above).abs() < dec("0.000001"),
                "{symbol} at {edge}: {below} {above}"
            );
            let further = margin::maintenance(&brackets, edge + dec("1000"));
            assert!(further > below, "{symbol} at {edge}");
            edges += 1;
        }
    }
    assert!(edges > 2_000, "{edges}");
}

#[test]
fn state_survives_saving_and_loading() {
    let mut r = nearly_broke();
    let saved = serde_json::to_string(&r.engine).unwrap();
    let mut again: Engine = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved, serde_json::to_string(&again).unwrap());
    let (mut x, mut y) = (vec![], vec![]);
    let mark = MarketInput::Mark(MarkPrice {
        event_ms: 2_000,
        mark: dec("91"),
        index: dec("91"),
        funding_rate: dec("0"),
        next_funding_ms: 28_800_000,
    });
    r.engine.on_market(2_000, S, mark.clone(), &mut x);
    again.on_market(2_000, S, mark, &mut y);
    assert_eq!(x, y);
}
