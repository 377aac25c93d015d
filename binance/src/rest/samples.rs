//! REST answers as others recorded them, read by the same code as live ones.
#![allow(clippy::unwrap_used)]

use super::wire;
use crate::convert;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::Instrument;
use helios_core::order::{AlgoStatus, OrderStatus};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;

fn read(file: &str) -> Option<String> {
    let path = format!("{}/../../shared/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("SKIPPED: {path} is not there");
    }
    text
}

/// The official example of a method.
fn example<T: DeserializeOwned>(method: &str) -> Option<T> {
    let all = read("samples/binance_connector_rust_usdm_examples.jsonl")?;
    let row = all
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .find(|v| v["fn"] == method)
        .unwrap();
    Some(serde_json::from_value(row["json"].clone()).unwrap())
}

fn sample<T: DeserializeOwned>(name: &str) -> Option<T> {
    let text = read(&format!("samples/nautilus/{name}.json"))?;
    Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}")))
}

fn grid(symbol: &str, tick: (i64, u32), step: (i64, u32)) -> Instrument {
    let d = |(m, s)| Decimal::new(m, s);
    Instrument::with_grid(symbol, d(tick), d(step)).unwrap()
}

fn dec(s: &str) -> Decimal {
    s.parse().unwrap()
}

#[test]
fn orders_and_conditional_orders_read_as_the_official_examples_say() {
    let i = grid("BTCUSDT", (1, 2), (1, 3));
    let Some(o) = example::<wire::Order>("query_order") else {
        return;
    };
    let o = convert::open_order(&i, &o).unwrap();
    assert_eq!(
        (o.order_id, o.qty, o.filled),
        (1_573_346_959, Qty(400), Qty(0))
    );
    assert_eq!(
        (o.side, o.status, o.price),
        (Side::Buy, OrderStatus::New, None)
    );
    let all: Vec<wire::Order> = example("all_orders").unwrap();
    assert_eq!(all[0].client_order_id, "abc");
    let _: wire::OrderAck = example("new_order").unwrap();
    let _: wire::OrderAck = example("cancel_order").unwrap();
    let ack: wire::AlgoAck = example("new_algo_order").unwrap();
    assert_eq!(ack.algo_id, 2_146_760);
    let _: wire::AlgoAck = example("cancel_algo_order").unwrap();
    let i = grid("BNBUSDT", (1, 2), (1, 2));
    let open: Vec<wire::AlgoOrder> = example("current_all_algo_open_orders").unwrap();
    let a = convert::algo_order(&i, &open[0]).unwrap();
    assert_eq!(
        (a.algo_id, a.status, a.trigger, a.qty),
        (2_148_627, AlgoStatus::New, Price(75_000), Some(Qty(1)))
    );
    let gone: wire::AlgoOrder = example("query_algo_order").unwrap();
    assert_eq!(
        convert::algo_order(&i, &gone).unwrap().status,
        AlgoStatus::Canceled
    );
    let o: wire::Order = sample("rust_http_json__order_response").unwrap();
    let o = convert::open_order(&grid("BTCUSDT", (1, 2), (1, 3)), &o).unwrap();
    assert_eq!((o.price, o.qty), (Some(Price(5_000_000)), Qty(1)));
    let open: Vec<wire::AlgoOrder> = sample("rust_http_json__open_algo_orders").unwrap();
    assert_eq!(open.len(), 1);
    let _: Vec<wire::Order> = sample("py_http_responses__http_futures_account_orders").unwrap();
}

#[test]
fn the_account_is_read_by_its_margin_asset_not_by_the_totals() {
    let Some(a) = example::<wire::Account>("account_information_v3") else {
        return;
    };
    let a2 = super::account::account_info(a, "USDT");
    assert_eq!(a2.cross_wallet, Some(dec("23.72469206")));
    assert_eq!(a2.margin_balance, dec("126.72469206"));
    let a: wire::Account = example("account_information_v3").unwrap();
    let none = super::account::account_info(a, "USDC");
    assert_eq!((none.cross_wallet, none.available), (None, None));
    let _: wire::Account = sample("rust_http_json__account_info_v2").unwrap();
}

#[test]
fn positions_are_read_and_hedge_mode_is_refused() {
    let Some(rows) = example::<Vec<wire::PositionRisk>>("position_information_v3") else {
        return;
    };
    let ps = super::account::positions(rows).unwrap();
    let i = grid("ADAUSDT", (1, 4), (1, 0));
    let p = convert::position(&i, &ps[0].row).unwrap();
    assert_eq!(
        (p.qty, p.entry_price, p.isolated),
        (Qty(30), dec("0.385"), false)
    );
    assert_eq!(ps[0].maint_margin, Some(dec("0.0800428")));
    assert_eq!(ps[0].liquidation_price, None);
    let one: Vec<wire::PositionRisk> =
        sample("py_http_responses__http_futures_account_positions_one_way").unwrap();
    assert!(super::account::positions(one).is_ok());
    let hedge: Vec<wire::PositionRisk> =
        sample("py_http_responses__http_futures_account_positions_hedge").unwrap();
    assert!(super::account::positions(hedge).is_err());
    let _: Vec<wire::PositionRisk> = sample("rust_http_json__position_risk").unwrap();
}

#[test]
fn small_answers_read_as_the_official_examples_say() {
    let Some(t) = example::<wire::ServerTime>("check_server_time") else {
        return;
    };
    assert_eq!(t.server_time, 1_499_827_319_559);
    let r: wire::CommissionRate = example("user_commission_rate").unwrap();
    assert_eq!(r.taker_commission_rate.0, dec("0.0004"));
    let l: wire::Leverage = example("change_initial_leverage").unwrap();
    assert_eq!(l.leverage.0, 21);
    let k: wire::ListenKey = example("start_user_data_stream").unwrap();
    assert!(k.listen_key.starts_with("pqia91ma"));
    let m: wire::PositionMode = example("get_current_position_mode").unwrap();
    assert!(m.dual_side_position);
    let m: wire::MultiAssets = example("get_current_multi_assets_mode").unwrap();
    assert!(m.multi_assets_margin);
    let s: Vec<wire::SymbolConfig> =
        sample("py_http_responses__http_futures_account_symbol_config").unwrap();
    assert_eq!(
        (s[1].margin_type.as_str(), s[1].leverage.0),
        ("ISOLATED", 25)
    );
    let i: Vec<wire::Income> = example("get_income_history").unwrap();
    assert_eq!(
        (i[0].income_type.as_str(), i[0].income.0),
        ("TRANSFER", dec("-0.375"))
    );
    let t: Vec<wire::UserTrade> = example("account_trade_list").unwrap();
    let f = convert::fill(&grid("BTCUSDT", (1, 2), (1, 3)), &t[0]).unwrap();
    assert_eq!(
        (f.trade_id, f.price, f.qty),
        (698_759, Price(781_901), Qty(2))
    );
    assert_eq!((f.fee, f.realised), (dec("0.07819010"), dec("-0.91539999")));
    let _: Vec<wire::UserTrade> = sample("py_http_responses__http_futures_account_trades").unwrap();
    let _: wire::SymbolBrackets = serde_json::from_value(
        example::<serde_json::Value>("notional_and_leverage_brackets").unwrap()[0].clone(),
    )
    .unwrap();
    let _: wire::Ticker24h = example("ticker24hr_price_change_statistics").unwrap();
    let _: wire::BookTop = example("symbol_order_book_ticker").unwrap();
    let p: wire::PremiumIndex = example("mark_price").unwrap();
    assert_eq!(super::market::premium(p).mark.mark, dec("11793.63104562"));
    let e: Vec<serde_json::Value> = example("cancel_multiple_orders").unwrap();
    let e: wire::ErrorBody = serde_json::from_value(e[0].clone()).unwrap();
    assert_eq!((e.code, e.msg.as_str()), (-2011, "Unknown order sent."));
}

#[test]
fn a_real_exchange_info_gives_an_instrument_for_each_contract_with_whole_rules() {
    let Some(all) = read("cryptofeed/BINANCE_FUTURES.0") else {
        return;
    };
    let line = all.lines().find(|l| l.contains("exchangeInfo")).unwrap();
    let body = &line[line.find('{').unwrap()..];
    let info = super::rules::exchange_info(serde_json::from_str(body).unwrap());
    assert_eq!(info.contracts.len() + info.refused.len(), 122);
    assert!(info.refused.is_empty(), "{:?}", info.refused);
    assert_eq!(info.limits.weight_1m, 2_400);
    let btc = info
        .contracts
        .iter()
        .find(|c| &*c.instrument.symbol == "BTCUSDT")
        .unwrap();
    assert!(btc.is_tradable_perpetual());
    assert_eq!(
        (btc.instrument.tick, btc.instrument.step),
        (dec("0.01"), dec("0.001"))
    );
    assert_eq!(btc.instrument.min_qty, Qty(1));
    assert!(btc.onboard_ms > 0 && btc.quote_asset == "USDT");
}

#[test]
fn a_contract_with_a_missing_or_zero_filter_is_unknown_not_a_number() {
    let Some(info) = example::<wire::ExchangeInfo>("exchange_information") else {
        return;
    };
    // The official example has one filter with everything in it: whole rules are missing.
    let info = super::rules::exchange_info(info);
    assert!(info.contracts.is_empty());
    assert_eq!(info.refused[0].0, "BLZUSDT");
    let text =
        read("samples/nautilus/py_http_responses__http_futures_market_exchange_info.json").unwrap();
    let zero = text.replace(r#""tickSize": "0.10""#, r#""tickSize": "0""#);
    let whole = super::rules::exchange_info(serde_json::from_str(&text).unwrap());
    let holed = super::rules::exchange_info(serde_json::from_str(&zero).unwrap());
    assert!(holed.contracts.len() < whole.contracts.len());
    assert!(holed.refused.iter().any(|(s, _)| s == "BTCUSDT"));
}

#[test]
fn leverage_brackets_are_exact_though_sent_as_numbers() {
    let rows = r#"[{"symbol":"BTCUSDT","notionalCoef":1.5,"brackets":[
        {"bracket":2,"initialLeverage":100,"notionalCap":250000,"notionalFloor":50000,"maintMarginRatio":0.005,"cum":50.0},
        {"bracket":1,"initialLeverage":125,"notionalCap":50000,"notionalFloor":0,"maintMarginRatio":0.004,"cum":0}]}]"#;
    let rows: Vec<wire::SymbolBrackets> = serde_json::from_str(rows).unwrap();
    let (symbol, b) = super::account::brackets(rows.into_iter().next().unwrap());
    assert_eq!(&*symbol, "BTCUSDT");
    assert_eq!(
        (b[0].maint_margin_ratio, b[0].initial_leverage),
        (dec("0.004"), 125)
    );
    assert_eq!((b[1].notional_floor, b[1].cum), (dec("50000"), dec("50")));
}

#[test]
fn klines_leave_the_running_bar_out() {
    let Some(rows) =
        sample::<Vec<Vec<serde_json::Value>>>("py_http_responses__http_futures_market_klines")
    else {
        return;
    };
    let i = grid("BTCUSDT", (1, 2), (1, 3));
    let last = rows.last().unwrap()[0].as_i64().unwrap();
    let m1 = super::KlineInterval::M1;
    let all = super::market::bars(&rows, &i, m1, last + m1.ms).unwrap();
    let closed = super::market::bars(&rows, &i, m1, last + m1.ms - 1).unwrap();
    assert_eq!((all.len(), closed.len()), (rows.len(), rows.len() - 1));
    assert!(all.iter().all(|b| b.low <= b.open && b.open <= b.high));
    let interval = super::KlineInterval::largest_dividing;
    assert_eq!(interval(900_000).unwrap().name, "15m");
    assert_eq!(interval(120_000).unwrap().name, "1m");
    assert_eq!(interval(5_000), None);
}

#[test]
fn one_open_order_of_another_protocol_does_not_hide_the_others() {
    let row = r#"{"symbol":"BTCUSDT","orderId":7,"clientOrderId":"x","status":"NEVER_HEARD","side":"BUY","type":"LIMIT","price":"60000.1","origQty":"0.0125","executedQty":"0"}"#;
    let o: wire::Order = serde_json::from_str(row).unwrap();
    let i = grid("BTCUSDT", (1, 1), (1, 3));
    assert!(convert::open_order(&i, &o).is_err());
    let read = convert::listed_order(&i, &o).unwrap();
    assert_eq!((read.status, read.qty), (OrderStatus::New, Qty(12)));
    let row = r#"{"symbol":"BTCUSDT","algoId":7,"clientAlgoId":"x","algoStatus":"WAITING","side":"SELL","triggerPrice":"","quantity":"0.0125"}"#;
    let o: wire::AlgoOrder = serde_json::from_str(row).unwrap();
    let read = convert::listed_algo(&i, &o).unwrap();
    assert_eq!(
        (read.status, read.trigger, read.qty),
        (AlgoStatus::New, Price(0), Some(Qty(12)))
    );
}
