//! How long frames take inside the simulated exchange under load: 50 contracts at 20 depth frames a second, each followed by
//! one socket on loopback.
//!
//! `venue_frames [seconds]` prints one JSON object: what the venue's own histogram says (`GET /frame-delay`, from the engine's
//! word to the bytes handed to the socket's write), and how many frames the readers got. Venue and readers have a runtime
//! each. Readers that got fewer frames than were due make it fail: a short time of frames that did not come is none.

use futures_util::StreamExt;
use helios_core::fixed::{Price, Qty};
use helios_core::market::{Bar, BookLevels, DepthSnapshot, DepthUpdate};
use helios_venue::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_venue::market::{MarketSource, demo_contract};
use helios_venue::server::{VenueConfig, VenueServer};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SYMBOLS: u16 = 50;
const PERIOD_MS: i64 = 50;
const START_MS: i64 = 1_767_571_200_000;
/// Levels a side of a book, and changed levels of a frame.
const BOOK: i64 = 200;
const CHANGED: i64 = 20;
const BID: i64 = 600_000;

/// Contracts that take turns, one each millisecond.
struct Turns {
    specs: Vec<SymbolSpec>,
    next: u64,
}

impl Turns {
    fn new() -> Option<Self> {
        let (like, _) = demo_contract("BTCUSDT", START_MS)?;
        let specs = (0..SYMBOLS).map(|i| {
            let mut spec = like.clone();
            spec.instrument.symbol = format!("B{i}USDT").as_str().into();
            spec
        });
        Some(Self {
            specs: specs.collect(),
            next: 0,
        })
    }

    /// Round and contract of the next event, and its time. The first round is the snapshots.
    fn at(&self) -> (u64, u16, i64) {
        let (round, turn) = (
            self.next / u64::from(SYMBOLS),
            self.next % u64::from(SYMBOLS),
        );
        let ms = match round {
            0 => 0,
            _ => round as i64 * PERIOD_MS + turn as i64,
        };
        (round, turn as u16, START_MS + ms)
    }
}

fn side(first: i64, step: i64, levels: i64, round: u64) -> BookLevels {
    let qty = |i: i64| Qty(1000 + (round as i64 * 7 + i * 13) % 900);
    (0..levels)
        .map(|i| (Price(first + step * i), qty(i)))
        .collect()
}

impl MarketSource for Turns {
    fn symbols(&self) -> Vec<SymbolSpec> {
        self.specs.clone()
    }

    fn label(&self) -> String {
        "simulated market (bench)".into()
    }

    fn start_ms(&self) -> i64 {
        START_MS
    }

    fn peek_ms(&self) -> Option<i64> {
        Some(self.at().2)
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        let (round, turn, ms) = self.at();
        self.next += 1;
        let input = match round {
            0 => MarketInput::Snapshot(DepthSnapshot {
                last_id: 0,
                event_ms: ms,
                bids: side(BID, -1, BOOK, 0),
                asks: side(BID + 1, 1, BOOK, 0),
            }),
            _ => MarketInput::Depth(DepthUpdate {
                event_ms: ms,
                transact_ms: ms,
                first_id: round,
                last_id: round,
                prev_last_id: round - 1,
                bids: side(BID, -1, CHANGED, round),
                asks: side(BID + 1, 1, CHANGED, round),
            }),
        };
        Some((ms, SymbolId(turn), input))
    }

    fn history(&self, _: SymbolId, _: i64, _: i64, _: usize) -> Vec<Bar> {
        Vec::new()
    }
}

async fn admin(url: &str, path: &str) -> Result<Value, Box<dyn Error>> {
    let addr = url.trim_start_matches("http://");
    let mut s = tokio::net::TcpStream::connect(addr).await?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: venue\r\nConnection: close\r\n\r\n");
    s.write_all(ask.as_bytes()).await?;
    let mut all = String::new();
    s.read_to_string(&mut all).await?;
    let (_, body) = all.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(serde_json::from_str(body)?)
}

async fn measure(seconds: u64, readers: &tokio::runtime::Handle) -> Result<Value, Box<dyn Error>> {
    let source = Turns::new().ok_or("there is no BTCUSDT")?;
    let venue = VenueServer::start(VenueConfig::new(Box::new(source))).await?;
    let got = Arc::new(AtomicU64::new(0));
    for i in 0..SYMBOLS {
        let url = format!("{}/ws/b{i}usdt@depth@0ms", venue.ws_public_url());
        let got = Arc::clone(&got);
        let read = async move {
            let (mut ws, _) = tokio_tungstenite::connect_async(url).await?;
            tokio::spawn(async move {
                while let Some(Ok(m)) = ws.next().await {
                    got.fetch_add(u64::from(m.is_text()), Relaxed);
                }
            });
            Ok::<(), tokio_tungstenite::tungstenite::Error>(())
        };
        readers.spawn(read).await??;
    }
    venue.start_market().await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let mut report = admin(&venue.admin_url(), "/frame-delay").await?;
    let stats = venue.stats().await?;
    // The last round may be under way still.
    let due = (stats.market_elapsed_ms / PERIOD_MS - 1).max(0) as u64 * u64::from(SYMBOLS);
    let got = got.load(Relaxed);
    if got < due || stats.dropped_slow > 0 {
        return Err(format!(
            "{got} of {due} frames came, {} readers were dropped",
            stats.dropped_slow
        )
        .into());
    }
    if let Some(r) = report.as_object_mut() {
        r.remove("histogram");
        r.insert("received".into(), json!(got));
        r.insert("queue_peak_bytes".into(), json!(stats.queue_peak_bytes));
    }
    Ok(report)
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(20), |s| s.parse())?;
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
    };
    let (own, readers) = (runtime()?, runtime()?);
    let report = own.block_on(measure(seconds, readers.handle()))?;
    println!("{report}");
    Ok(())
}
