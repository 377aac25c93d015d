//! Readers that do not read, and how long frames take inside the venue.

use super::client::{PATIENCE, venue, with};
use super::source::{T0, spec};
use helios_core::fixed::{Price, Qty};
use helios_core::market::{Bar, DepthSnapshot, DepthUpdate};
use helios_venue::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_venue::market::MarketSource;
use helios_venue::server::VenueConfig;
use rust_decimal::Decimal;
use serde_json::json;
use std::time::Instant;

/// One contract whose whole book of 2,000 levels changes each millisecond.
struct Wide(i64);

impl MarketSource for Wide {
    fn symbols(&self) -> Vec<SymbolSpec> {
        vec![spec("BTCUSDT", Decimal::new(10, 2), Decimal::new(1, 3))]
    }

    fn label(&self) -> String {
        "simulated market (wide, for tests)".into()
    }

    fn start_ms(&self) -> i64 {
        T0
    }

    fn peek_ms(&self) -> Option<i64> {
        Some(T0 + self.0)
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        let n = self.0;
        self.0 += 1;
        let side = |first: i64, step: i64| {
            (0..1000)
                .map(|i| (Price(first + i * step), Qty(1 + n % 7)))
                .collect()
        };
        let (bids, asks) = (side(600_000, -1), side(600_001, 1));
        let (at, id) = (T0 + n, n as u64);
        let input = match n {
            0 => MarketInput::Snapshot(DepthSnapshot {
                last_id: 0,
                event_ms: at,
                bids,
                asks,
            }),
            _ => MarketInput::Depth(DepthUpdate {
                event_ms: at,
                transact_ms: at,
                first_id: id,
                last_id: id,
                prev_last_id: id - 1,
                bids,
                asks,
            }),
        };
        Some((at, SymbolId(0), input))
    }

    fn history(&self, _: SymbolId, _: i64, _: i64, _: usize) -> Vec<Bar> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_reads_is_dropped_and_never_holds_more_than_its_queue() {
    let c = with(VenueConfig::new(Box::new(Wide(0)))).await;
    let mut idle = c.ws("/public/ws/btcusdt@depth@0ms").await;
    let mut reader = c.ws("/public/ws/btcusdt@bookTicker").await;
    reader.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    c.venue.start_market().await.unwrap();
    let began = Instant::now();
    loop {
        // The other one reads on meanwhile.
        reader.event("bookTicker").await;
        let s = c.venue.stats().await.unwrap();
        assert!(s.queue_peak_bytes <= 16 * 1024 * 1024, "{s:?}");
        if s.dropped_slow == 1 {
            assert_eq!(s.sockets, 1);
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{s:?}");
    }
    reader.event("bookTicker").await;
    let held_ms = c.venue.stats().await.unwrap().held_ms;
    assert_eq!(held_ms, 0);
    // What the system's buffers hold still comes, then the end.
    while idle.next().await.is_some() {}
}

#[tokio::test]
async fn the_frame_delay_is_told_as_a_histogram() {
    let c = venue().await;
    let report = async || c.admin("GET", "/frame-delay", json!({})).await.ok();
    assert_eq!(report().await["frames"], 0);
    c.venue.set_speed(20.0).await.unwrap();
    c.venue.start_market().await.unwrap();
    let mut ws = c.ws("/public/ws/btcusdt@depth@0ms").await;
    for _ in 0..50 {
        ws.next().await.unwrap();
    }
    let r = report().await;
    let n = |k: &str| r[k].as_f64().unwrap();
    assert!(n("frames") >= 50.0, "{r}");
    assert!(
        n("p50_ms") > 0.0
            && n("p50_ms") <= n("p99_ms")
            && n("p99_ms") <= n("p999_ms")
            && n("p999_ms") <= n("max_ms"),
        "{r}"
    );
    let steps = r["histogram"].as_array().unwrap().iter();
    let sum: u64 = steps.map(|s| s[1].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), r["frames"].as_u64());
}
