//! What the demo asks of the venue, measured: eight contracts at sixty times real time, every worker's streams read.

use super::client::with;
use futures_util::StreamExt;
use helios_venue::market::{Generator, GeneratorConfig, Profile};
use helios_venue::server::VenueConfig;
use std::time::{Duration, Instant};

/// Processor time of this process, s.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |p| p.1);
    let ticks = |i: usize| -> f64 {
        let field = after.split_whitespace().nth(i);
        field.and_then(|f| f.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: cargo test --release -p helios-venue --test server load -- --ignored --nocapture"]
async fn the_demos_load_is_carried() {
    let source = GeneratorConfig::new(7, 0.5, Profile::named("demo").unwrap());
    let n = source.symbols.len();
    let mut config = VenueConfig::new(Box::new(Generator::new(source).unwrap()));
    config.speed = 60.0;
    let c = with(config).await;
    let names: Vec<String> = c.get("/fapi/v1/exchangeInfo").await.ok()["symbols"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["symbol"].as_str().unwrap().to_lowercase())
        .collect();
    for name in &names {
        for path in [
            format!("/public/stream?streams={name}@depth@100ms/{name}@bookTicker"),
            format!("/market/stream?streams={name}@aggTrade/{name}@markPrice@1s/helios@time"),
        ] {
            let mut ws = c.ws(&path).await;
            tokio::spawn(async move { while let Some(Ok(_)) = ws.0.next().await {} });
        }
    }
    let (cpu0, t0) = (cpu(), Instant::now());
    c.venue.start_market().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let s = c.venue.stats().await.unwrap();
    let wall = t0.elapsed().as_secs_f64();
    println!(
        "{n} symbols at 60: achieved {:.1}, held {} ms, {:.0} frames/s, {:.2} cores (both ends)",
        s.achieved_speed,
        s.held_ms,
        s.frames as f64 / wall,
        (cpu() - cpu0) / wall
    );
    assert!(s.achieved_speed > 30.0, "{s:?}");
}
