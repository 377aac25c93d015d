//! The venue: its process, its admin port, its audit file, and a hand that trades beside the roles.

use super::audit::{self, Entry};
use super::clock::{Ns, now};
use super::role::Role;
use crate::common::http;
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{RateBudget, RateLimits, RestClient, RestConfig};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::Instrument;
use helios_core::order::client_id::{IdMaker, Role as Sender};
use helios_core::order::{EntryKind, NewOrder, NewStop, OrderKind, VenueReply};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The venue of a rig; it is never killed.
pub struct Venue {
    pub role: Role,
    pub url: String,
    pub credentials: PathBuf,
    admin: String,
    audit: PathBuf,
    offset: Ns,
    /// Size of one lot, by symbol.
    pub lots: BTreeMap<String, Decimal>,
}

impl Venue {
    pub fn start(dir: &Path, more: Vec<String>) -> Self {
        let (credentials, audit) = (dir.join("venue.json"), dir.join("audit.jsonl"));
        let own = ["venue", "--json", "--listen", "127.0.0.1:0", "--admin"];
        let mut args = own.map(String::from).to_vec();
        args.push("127.0.0.1:0".into());
        args.extend([
            "--credentials-file".into(),
            credentials.display().to_string(),
        ]);
        args.extend(["--audit-file".into(), audit.display().to_string()]);
        args.extend(more);
        let role = Role::start("venue", dir, move |_| args.clone());
        role.hold(true);
        let said = super::wait("the venue", Duration::from_secs(30), || {
            role.newest(|v| v["rest"].is_string())
        })
        .unwrap_or_else(|| panic!("no venue:\n{}", role.log()));
        let text = |k: &str| said.value[k].as_str().unwrap().to_string();
        let admin = text("admin").trim_start_matches("http://").to_string();
        let mut venue = Self {
            url: text("rest"),
            role,
            credentials,
            admin,
            audit,
            offset: 0,
            lots: BTreeMap::new(),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let contracts = runtime.block_on(venue.hand()).contracts;
        let lots = contracts
            .iter()
            .map(|(s, i)| (s.clone(), i.qty_dec(Qty(1))));
        venue.lots = lots.collect();
        venue.offset = venue.started();
        venue
    }

    /// The venue's start on the test's clock: the narrowest of some readings.
    fn started(&self) -> Ns {
        let reading = |_| {
            let before = now();
            let wall = self.get("/now")["wall_ns"].as_u64().unwrap();
            let after = now();
            (after - before, (before + after) / 2 - wall)
        };
        (0..20).map(reading).min().unwrap().1
    }

    pub fn get(&self, path: &str) -> Value {
        http(&self.admin, "GET", path, "").unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        http(&self.admin, "POST", path, &body.to_string()).unwrap()
    }

    /// Moves prices: market ms from now and factors of the price now.
    pub fn price_path(&self, symbol: &str, path: &[(i64, f64)]) {
        self.post("/price-path", &json!({"symbol": symbol, "path": path}));
    }

    /// Its log so far.
    pub fn audit(&self) -> Vec<Entry> {
        audit::read(&self.audit, self.offset)
    }

    /// Signed positions by symbol.
    pub fn positions(&self) -> BTreeMap<String, Decimal> {
        let all = self.get("/positions");
        let one = |p: &Value| {
            let qty = p["qty"].as_str().unwrap().parse().unwrap();
            (p["symbol"].as_str().unwrap().to_string(), qty)
        };
        all.as_array().unwrap().iter().map(one).collect()
    }

    /// A client with the account's key.
    pub async fn hand(&self) -> Hand {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keys: Value =
            serde_json::from_slice(&std::fs::read(&self.credentials).unwrap()).unwrap();
        let text = |k: &str| keys[k].as_str().unwrap().to_string();
        let secret = Secret::new(text("apiSecret"));
        let key = Credentials::new(&text("apiKey"), secret, KeyType::Hmac).unwrap();
        let endpoints = Endpoints::for_local(&self.url, &self.url.replace("http://", "ws://"));
        let budget = RateBudget::new(RateLimits::default());
        let clock = VenueClock::sampled(keys["speed"].as_f64().unwrap());
        let rest =
            RestClient::new(endpoints, Some(key), clock, budget, RestConfig::default()).unwrap();
        rest.sync_clock().await.unwrap();
        let contracts = rest.exchange_info().await.unwrap().contracts;
        let contracts = contracts.into_iter().map(|c| c.instrument);
        Hand {
            contracts: contracts.map(|i| (i.symbol.to_string(), i)).collect(),
            rest,
        }
    }
}

/// A hand at the venue that signs its orders as the worker of a symbol does.
pub struct Hand {
    pub rest: RestClient,
    pub contracts: BTreeMap<String, Instrument>,
}

impl Hand {
    /// Opens a position of about a notional (negative: short) under a far `closePosition` stop, `far` of the price away.
    pub async fn open(&self, symbol: &str, notional: f64, far: f64) -> Decimal {
        let i = &self.contracts[symbol];
        self.rest.sync_clock().await.unwrap();
        let book = self.rest.depth_snapshot(i).await.unwrap();
        let mid = (book.bids[0].0.0 + book.asks[0].0.0) / 2;
        let price: f64 = i.price_dec(Price(mid)).try_into().unwrap();
        let lot: f64 = i.qty_dec(Qty(1)).try_into().unwrap();
        let qty = Qty((notional.abs() / price / lot).round() as i64);
        let side = if notional > 0.0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let incarnation = self.rest.clock().now().market_ms as u64;
        let mut ids = IdMaker::new(
            super::ACCOUNT,
            Sender::Worker,
            &format!("local:{}", super::STRATEGY),
            symbol,
            incarnation,
        );
        let order = NewOrder {
            client_id: ids.next_id(),
            side,
            kind: OrderKind::Market,
            qty,
            reduce_only: false,
            purpose: EntryKind::Entry,
            recv_window_ms: 5000,
        };
        let reply = self.rest.place_order(i, &order).await;
        assert!(matches!(reply, VenueReply::Accepted { .. }), "{reply:?}");
        let trigger = mid as f64 * (1.0 - far * f64::from(side.sign() as i32));
        let stop = NewStop {
            client_id: ids.next_id(),
            side: side.opposite(),
            trigger: Price(trigger as i64),
            qty: None,
        };
        let reply = self.rest.place_stop(i, &stop).await;
        assert!(matches!(reply, VenueReply::Accepted { .. }), "{reply:?}");
        i.qty_dec(qty)
    }
}
