//! Order books and market streams that are wrong without saying so.

use super::rig::{LONG, Rig};
use serde_json::{Value, json};

/// A symbol that is traded, with its book in step.
fn synced(rig: &Rig) -> String {
    rig.up.wait_for("book in step", LONG, |up| {
        let workers = up.account()["workers"].as_object()?.clone();
        let in_step = |w: &Value| w["view"]["bookSynced"] == true;
        workers
            .into_iter()
            .find(|(_, w)| in_step(w))
            .map(|(s, _)| s)
    })
}

fn resyncs(rig: &Rig, symbol: &str) -> u64 {
    rig.worker(symbol)["view"]["resyncs"].as_u64().unwrap()
}

/// nkaz001/hftbacktest#300, bmoscon/cryptofeed#604: books without a look at `pu` are wrong in silence.
#[test]
fn a_diff_that_is_missing_or_out_of_order_makes_the_book_anew() {
    let rig = Rig::start();
    let symbol = synced(&rig);
    for to in ["lose", "reorder"] {
        let before = resyncs(&rig, &symbol);
        let stream = format!("{}@depth", symbol.to_lowercase());
        let id = rig.fault(json!({"fault": "frames", "stream": stream, "to": to}));
        rig.hit(id, 1);
        rig.up.wait_for("book made anew", LONG, |_| {
            let view = rig.worker(&symbol)["view"].clone();
            (resyncs(&rig, &symbol) > before && view["bookSynced"] == true).then_some(())
        });
    }
    rig.trades_on();
    rig.end();
}

/// The mean of best bid and ask, as the exchange has it.
fn mid(rig: &Rig, symbol: &str) -> f64 {
    let venue = rig.up.account()["venue"]
        .as_str()
        .unwrap()
        .replace("http://", "");
    let path = format!("/fapi/v1/ticker/bookTicker?symbol={symbol}");
    let t = super::common::http(&venue, "GET", &path, "").unwrap();
    let price = |k: &str| t[k].as_str().unwrap().parse::<f64>().unwrap();
    f64::midpoint(price("bidPrice"), price("askPrice"))
}

/// Waits until a worker's mean is the exchange's, at a moment at which that does not move.
fn same_mid(rig: &Rig, symbol: &str) {
    rig.up.wait_for("the same mean", LONG, |_| {
        let before = mid(rig, symbol);
        let view = rig.worker(symbol)["view"].clone();
        let mine: f64 = view["mid"].as_str()?.parse().ok()?;
        let near = |a: f64| (a - before).abs() / before < 0.0005;
        (near(mine) && near(mid(rig, symbol)) && view["bookSynced"] == true).then_some(())
    });
}

/// ccxt#26967: a corrupt book that shows only where somebody looks.
#[test]
fn a_book_that_went_through_doubled_diffs_is_the_exchange_s() {
    let rig = Rig::start();
    let symbol = synced(&rig);
    let stream = format!("{}@depth", symbol.to_lowercase());
    let twice = json!({"fault": "frames", "stream": stream, "to": "duplicate", "times": 50});
    let id = rig.fault(twice);
    rig.hit(id, 50);
    same_mid(&rig, &symbol);
    rig.end();
}

/// cryptofeed#1128, binance-public-data#472: subscribed at a place that acknowledges and sends nothing, for fourteen hours.
#[test]
fn a_stream_that_was_acknowledged_and_is_silent_is_missed_and_not_traded_on() {
    let rig = Rig::start();
    let symbol = synced(&rig);
    let stream = format!("{}@depth", symbol.to_lowercase());
    let silent = json!({"fault": "frames", "stream": stream, "to": "lose", "times": 1_000_000});
    rig.fault(silent);
    rig.up.wait_for("word of the silence", LONG, |up| {
        let log = up.log();
        let mut silent = log.lines().filter(|l| l.contains("silent"));
        silent.any(|l| l.contains(&stream)).then_some(())
    });
    // What is open may be left; what is flat stays flat.
    if rig.positions().contains_key(&symbol) {
        rig.up.wait_for("end of the position", LONG, |_| {
            (!rig.positions().contains_key(&symbol)).then_some(())
        });
    }
    let before = rig.fills_of(&symbol);
    rig.trades_on();
    assert_eq!(rig.fills_of(&symbol), before, "the others are traded");
    rig.over();
    same_mid(&rig, &symbol);
    rig.end();
}
