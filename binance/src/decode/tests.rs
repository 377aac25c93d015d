#![allow(clippy::unwrap_used)]
use super::*;
use helios_core::fixed::{Price, Qty};
use helios_core::instrument::Instrument;
use helios_core::market::BookTicker;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn decoder(tick: i64, tick_scale: u32, step_scale: u32) -> Decoder {
    let i = Instrument::with_grid(
        "X",
        Decimal::new(tick, tick_scale),
        Decimal::new(1, step_scale),
    );
    Decoder::new(&i.unwrap()).unwrap()
}

#[test]
fn a_depth_event_with_unknown_fields_decodes() {
    let d = decoder(1, 1, 0);
    let e = d
        .depth(br#"{"e":"depthUpdate","E":1723161257440,"T":1723161257432,"s":"BTCUSD_PERP","ps":"BTCUSD","st":2,"U":10,"u":20,"pu":9,"b":[["61773.6","1001"],["61778.7","0"]],"a":[]}"#)
        .unwrap();
    assert_eq!((e.first_id, e.last_id, e.prev_last_id), (10, 20, 9));
    assert_eq!((e.event_ms, e.transact_ms), (1723161257440, 1723161257432));
    assert_eq!(
        e.bids,
        [(Price(617_736), Qty(1001)), (Price(617_787), Qty(0))]
    );
    assert!(e.asks.is_empty());
}

#[test]
fn tickers_trades_marks_and_snapshots_decode() {
    let d = decoder(1, 1, 3);
    assert_eq!(
        d.book_ticker(br#"{"u":7,"e":"bookTicker","s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":3,"E":4}"#).unwrap(),
        BookTicker { update_id: 7, event_ms: 4, transact_ms: 3, bid: (Price(618_002), Qty(2507)), ask: (Price(618_003), Qty(2510)) }
    );
    let t = d
        .trade(br#"{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#)
        .unwrap();
    assert_eq!(
        (t.id, t.price, t.qty, t.buyer_is_maker),
        (5266583935, Price(618_003), Qty(6), false)
    );
    let a = br#"{"e":"aggTrade","E":2,"s":"BTCUSDT","a":5933014,"p":"1.0","q":"100","f":100,"l":105,"T":1,"m":true,"nq":"90"}"#;
    assert_eq!(d.agg_trade(a).unwrap().id, 5933014);
    assert_eq!(
        d.trade(a),
        Err(DecodeError::Missing("t")),
        "an aggregate trade is no trade"
    );
    let m = mark_price(br#"{"e":"markPriceUpdate","E":5,"s":"BTCUSDT","p":"11794.15000000","i":"11784.62659091","P":"11784.25641265","r":"-0.00038167","T":1562306400000}"#).unwrap();
    assert_eq!(m.mark, Decimal::new(1_179_415, 2));
    assert_eq!(m.funding_rate, Decimal::new(-38167, 8));
    let all = mark_prices(
        br#"[{"e":"markPriceUpdate","E":5,"s":"\u5e01USDT","p":"1","i":"","r":"","T":0}]"#,
    )
    .unwrap();
    assert_eq!(all[0].0, "币USDT");
    let s = d
        .snapshot(br#"{"lastUpdateId":9,"E":1,"T":2,"symbol":"X","pair":"Y","bids":[["1.0","2"]],"asks":[["1.1","3"]]}"#)
        .unwrap();
    assert_eq!((s.last_id, s.asks[0]), (9, (Price(11), Qty(3000))));
}

#[test]
fn a_bad_number_is_named_with_field_and_place() {
    let d = decoder(1, 1, 0);
    for (text, why) in [
        ("NaN", NumberError::NotANumber),
        ("-1.0", NumberError::Negative),
        ("1.05", NumberError::OffGrid),
        ("", NumberError::Empty),
        ("99999999999999999999", NumberError::Overflow),
    ] {
        let frame = format!(
            r#"{{"E":1,"T":1,"U":1,"u":2,"pu":0,"b":[["1.0","1"],["{text}","1"]],"a":[]}}"#
        );
        let want = DecodeError::Number {
            field: "b",
            offset: frame.find(&format!("\"{text}\",\"1\"")).unwrap() + 1,
            text: text.into(),
            why,
        };
        assert_eq!(d.depth(frame.as_bytes()), Err(want.clone()));
        assert_eq!(want.is_off_grid(), text == "1.05");
    }
    for mark in ["0", "-5", "NaN", ""] {
        let frame = format!(r#"{{"E":1,"p":"{mark}","i":"1","r":"0","T":1}}"#);
        assert!(mark_price(frame.as_bytes()).is_err(), "{mark:?}");
    }
}

#[test]
fn a_truncated_frame_is_an_error_at_every_length() {
    let d = decoder(1, 1, 3);
    let full = br#"{"e":"depthUpdate","E":1,"T":1,"U":1,"u":2,"pu":0,"b":[["1.0","1"]],"a":[["2.0","1"]]}"#;
    assert!(d.depth(full).is_ok());
    for n in 0..full.len() {
        assert!(
            matches!(d.depth(&full[..n]), Err(DecodeError::Json { .. })),
            "{n}"
        );
    }
}

proptest! {
    #[test]
    fn a_depth_event_survives_its_own_text(
        ids in (1u64..1000, 1000u64..2000, 0u64..1000),
        bids in prop::collection::vec((1i64..10_000_000, 0i64..10_000_000), 0..20),
    ) {
        let d = decoder(1, 2, 3);
        let text: Vec<String> = bids.iter().map(|(p, q)| format!(r#"["{}","{}"]"#, Decimal::new(*p, 2), Decimal::new(*q, 3))).collect();
        let frame = format!(r#"{{"e":"depthUpdate","E":5,"T":4,"s":"X","U":{},"u":{},"pu":{},"b":[{}],"a":[]}}"#, ids.0, ids.1, ids.2, text.join(","));
        let e = d.depth(frame.as_bytes()).unwrap();
        prop_assert_eq!(e.bids, bids.iter().map(|&(p, q)| (Price(p), Qty(q))).collect::<Vec<_>>());
        prop_assert_eq!((e.first_id, e.last_id, e.prev_last_id), ids);
    }
}
