//! What an exchange says of an account, from its own books: the administration port of the venue in its pod.

use crate::SOON;
use crate::pods::{ask_inside, process};
use anyhow::{Context, Result, ensure};
use helios_e2e::wait_for;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest that a position may be without a stop that the exchange has confirmed, ms of wall time.
const UNPROTECTED_MS: f64 = 1000.0;
const ADMIN: u16 = 9182;

/// A venue in a pod.
#[derive(Clone, Debug)]
pub struct Venue {
    process: i32,
}

/// An open position.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub qty: f64,
    pub entry: f64,
}

impl Position {
    pub fn notional(&self) -> f64 {
        self.qty.abs() * self.entry
    }
}

/// A conditional order that waits for its trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    pub symbol: String,
    pub id: u64,
    pub sells: bool,
    /// It covers whatever the position grows to, and is never moved.
    pub anchor: bool,
    /// Ticks.
    pub trigger: i64,
}

/// A fill.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    pub symbol: String,
    pub order: String,
    pub sells: bool,
    /// Lots.
    pub qty: i64,
    pub market_ms: i64,
}

impl Fill {
    /// A coordinator sent the order; its id says so.
    pub fn of_coordinator(&self) -> bool {
        self.order.as_bytes().get(7) == Some(&b'c')
    }
}

fn number(v: &Value) -> Result<f64> {
    let text = v.as_str().map(str::parse).transpose()?;
    text.or(v.as_f64())
        .with_context(|| format!("no number: {v}"))
}

impl Venue {
    /// The one that runs in a pod.
    pub fn of_pod(uid: &str) -> Result<Self> {
        Ok(Self {
            process: process(uid, "helios")?,
        })
    }

    /// The one that is this process.
    pub fn of_process(id: u32) -> Result<Self> {
        Ok(Self {
            process: i32::try_from(id)?,
        })
    }

    fn get(&self, path: &str) -> Result<Value> {
        ask_inside(self.process, ADMIN, "GET", path, "")
    }

    /// Positions that are not flat.
    pub fn positions(&self) -> Result<BTreeMap<String, Position>> {
        let all = self.get("/positions")?;
        let all = all.as_array().context("no list")?.iter().map(|p| {
            let position = Position {
                qty: number(&p["qty"])?,
                entry: number(&p["entry_price"])?,
            };
            Ok((
                p["symbol"].as_str().context("a symbol")?.to_owned(),
                position,
            ))
        });
        all.collect()
    }

    /// Positions in some symbols.
    pub fn held(&self, symbols: &[&str]) -> Result<BTreeMap<String, Position>> {
        let mut all = self.positions()?;
        all.retain(|s, _| symbols.contains(&s.as_str()));
        Ok(all)
    }

    /// Waits until each of these symbols has a position, with its stop.
    pub async fn holds(&self, symbols: &[&str]) -> Result<()> {
        wait_for("positions with their stops", SOON, async || {
            for symbol in symbols {
                self.anchor(symbol)?;
            }
            Ok(())
        })
        .await
    }

    /// Moves the market in favour of a position and waits until its stop has followed.
    pub async fn trails(&self, symbol: &str) -> Result<()> {
        let anchor = self.anchor(symbol)?;
        let sign = if anchor.sells { 1 } else { -1 };
        let best = || -> Result<i64> {
            let stops = self.stops()?.into_iter();
            let mine = stops.filter(|s| s.symbol == symbol && s.sells == anchor.sells);
            mine.map(|s| s.trigger * sign).max().context("no stop")
        };
        let before = best()?;
        self.move_price(symbol, 20_000, if anchor.sells { 1.02 } else { 0.98 })?;
        wait_for("the stop to follow", SOON, async || {
            let now = best()?;
            ensure!(now > before, "the better one is at {now} ticks, as before");
            Ok(())
        })
        .await
    }

    /// Stops that stand.
    pub fn stops(&self) -> Result<Vec<Stop>> {
        let all = self.get("/orders")?;
        let stops = all["stops"].as_array().context("no list")?.iter();
        let stops = stops.filter(|s| s["stop"]["status"] == "NEW").map(|s| {
            let stop = &s["stop"];
            Ok(Stop {
                symbol: s["symbol"].as_str().context("a symbol")?.to_owned(),
                id: stop["algo_id"].as_u64().context("an id")?,
                sells: stop["side"] == "SELL",
                anchor: stop["qty"].is_null(),
                trigger: stop["trigger"].as_i64().context("a trigger")?,
            })
        });
        stops.collect()
    }

    /// The anchor of a position, as it stands.
    pub fn anchor(&self, symbol: &str) -> Result<Stop> {
        let positions = self.positions()?;
        let position = positions.get(symbol).context("no position")?;
        let stops = self.stops()?;
        let mut mine = stops.iter().filter(|s| s.symbol == symbol && s.anchor);
        let anchor = mine.find(|s| s.sells == (position.qty > 0.0));
        anchor
            .cloned()
            .with_context(|| format!("{position:?} without an anchor: {stops:?}"))
    }

    /// Every fill.
    pub fn fills(&self) -> Result<Vec<Fill>> {
        let all = self.get("/orders")?;
        let fills = all["fills"].as_array().context("no list")?.iter();
        let fills = fills.map(|f| {
            Ok(Fill {
                symbol: f["symbol"].as_str().context("a symbol")?.to_owned(),
                order: f["client_id"].as_str().context("an id")?.to_owned(),
                sells: f["side"] == "SELL",
                qty: f["qty"].as_i64().context("lots")?,
                market_ms: f["time_ms"].as_i64().context("a time")?,
            })
        });
        fills.collect()
    }

    /// The fills that made a position larger, each with the position after it, from the venue's beginning.
    pub fn openings(&self) -> Result<Vec<(Fill, i64)>> {
        let mut held: BTreeMap<String, i64> = BTreeMap::new();
        let fills = self.fills()?.into_iter().filter_map(|f| {
            let position = held.entry(f.symbol.clone()).or_default();
            let before = *position;
            *position += if f.sells { -f.qty } else { f.qty };
            let after = *position;
            (after.abs() > before.abs() || after.signum() * before.signum() < 0)
                .then_some((f, after))
        });
        Ok(fills.collect())
    }

    /// Market time, ms.
    pub fn now_ms(&self) -> Result<i64> {
        self.get("/now")?["market_ms"].as_i64().context("no time")
    }

    /// Nothing was without a stop for a second, ever: by the venue's own clock, what is open now included.
    pub fn always_protected(&self) -> Result<()> {
        let report = self.get("/audit")?;
        let longest = number(&report["max_unprotected_ms"])?;
        let words = json!({"opened": report["openings"], "bare now": report["still_bare"]});
        ensure!(
            longest < UNPROTECTED_MS,
            "a position stood without a stop for {longest} ms; {words}"
        );
        Ok(())
    }

    /// Moves the market of a symbol: to `factor` of now within `market_ms`, and it stays there.
    pub fn move_price(&self, symbol: &str, market_ms: u32, factor: f64) -> Result<()> {
        let stays = 3_600_000;
        let body = json!({"symbol": symbol, "path": [[market_ms, factor], [stays, factor]]});
        let body = body.to_string();
        ask_inside(self.process, ADMIN, "POST", "/price-path", &body).map(drop)
    }
}
