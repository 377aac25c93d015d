//! A whole `helios up` in trouble: faults at its exchange, and what must be so when they are over.

use super::common::{Up, tail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The limit only ends a hopeless wait.
pub const LONG: Duration = Duration::from_secs(90);

pub struct Rig {
    pub up: Up,
    venue: String,
}

impl Rig {
    /// Ten market seconds a second.
    pub fn start() -> Self {
        Self::with(&["--speed", "10", "--seed", "7"])
    }

    pub fn with(args: &[&str]) -> Self {
        let up = Up::start(args);
        let venue = up.venue_addr();
        Self { up, venue }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        super::common::http(&self.venue, method, path, body).unwrap()
    }

    /// Orders a fault at the exchange; its number where it waits for something.
    pub fn fault(&self, fault: Value) -> u64 {
        let answer = self.ask("POST", "/fault", &fault.to_string());
        answer["id"].as_u64().unwrap_or(0)
    }

    /// Everything is sound again.
    pub fn over(&self) {
        self.ask("DELETE", "/fault", "");
    }

    pub fn hits(&self, id: u64) -> u64 {
        let all = self.ask("GET", "/fault", "");
        let all = all["faults"].as_array().unwrap();
        let one = all.iter().find(|f| f["id"] == id).unwrap();
        one["hits"].as_u64().unwrap()
    }

    /// Waits until a fault has hit so often.
    pub fn hit(&self, id: u64, times: u64) {
        self.up
            .wait_for(&format!("hit {times} of fault {id}"), LONG, |_| {
                (self.hits(id) >= times).then_some(())
            });
    }

    pub fn positions(&self) -> BTreeMap<String, Value> {
        let all = self.ask("GET", "/positions", "");
        let row = |p: &Value| (p["symbol"].as_str().unwrap().to_owned(), p["qty"].clone());
        all.as_array().unwrap().iter().map(row).collect()
    }

    pub fn orders(&self) -> Value {
        self.ask("GET", "/orders", "")
    }

    pub fn stops(&self, symbol: &str) -> Vec<Value> {
        let all = self.orders()["stops"].clone();
        let of = |s: &&Value| s["symbol"] == symbol;
        all.as_array().unwrap().iter().filter(of).cloned().collect()
    }

    pub fn worker(&self, symbol: &str) -> Value {
        self.up.account()["workers"][symbol].clone()
    }

    /// A symbol in position, its stop for the whole of it confirmed; and its worker.
    pub fn protected(&self) -> (String, Value) {
        self.up.wait_for("protected position", LONG, |up| {
            let workers = up.account()["workers"].as_object()?.clone();
            let stands =
                |w: &Value| w["view"]["position"] != "0" && w["view"]["anchorConfirmed"] == true;
            workers.into_iter().find(|(_, w)| stands(w))
        })
    }

    /// Fills in one contract.
    pub fn fills_of(&self, symbol: &str) -> usize {
        let orders = self.orders();
        let all = orders["fills"].as_array().unwrap();
        all.iter().filter(|f| f["symbol"] == symbol).count()
    }

    /// Orders that have opened a position.
    pub fn entries(&self) -> usize {
        let orders = self.orders();
        let mut open: BTreeMap<&str, i64> = BTreeMap::new();
        let mut entries = 0;
        for f in orders["fills"].as_array().unwrap() {
            let held = open.entry(f["symbol"].as_str().unwrap()).or_insert(0);
            entries += usize::from(*held == 0);
            *held += signed(f);
        }
        entries
    }

    /// Waits until something more is opened.
    pub fn trades_on(&self) {
        let before = self.entries();
        self.up.wait_for("further entry", LONG, |_| {
            (self.entries() > before).then_some(())
        });
    }

    /// Events of these types, of every kind that tells of fills, are lost until they are ordered to come again.
    pub fn deaf(&self, events: &[&str]) -> Vec<u64> {
        let lost = |e: &&str| {
            let lose = json!({"fault": "frames", "stream": "user", "event": e, "to": "lose", "times": 1_000_000});
            self.fault(lose)
        };
        events.iter().map(lost).collect()
    }

    /// Takes back faults, by their numbers.
    pub fn take_back(&self, ids: &[u64]) {
        for id in ids {
            self.ask("DELETE", &format!("/fault?id={id}"), "");
        }
    }

    pub fn critical(&self) -> usize {
        self.up
            .alerts()
            .lines()
            .filter(|l| l.to_lowercase().contains("critical"))
            .count()
    }

    /// Nobody opens anything any more, and what is open is left.
    pub fn kill(&self) {
        self.up
            .ask(&json!({"latch": {"name": "kill", "set": true}}))
            .unwrap();
    }

    pub fn flat(&self) {
        self.up.wait_for("flat account", LONG, |_| {
            self.positions().is_empty().then_some(())
        });
    }

    /// What a worker believes is what the exchange has, and it is protected there: once for each worker, whatever the market does
    /// meanwhile.
    pub fn sound(&self) {
        for symbol in self.up.account()["workers"].as_object().unwrap().keys() {
            self.up.wait_for(&format!("sound {symbol}"), LONG, |_| {
                let held = |r: &Self| r.positions().get(symbol).cloned();
                let before = held(self);
                let view = self.worker(symbol)["view"].clone();
                let stops = self.stops(symbol);
                let anchors = stops.iter().filter(|s| s["stop"]["qty"].is_null()).count();
                // Nothing was traded while it was looked at.
                let still = held(self) == before;
                let agree = match &before {
                    None => view["position"] == "0" && stops.is_empty(),
                    Some(q) => {
                        view["position"] == *q
                            && view["anchorConfirmed"] == true
                            && anchors == 1
                            && stops.len() <= 3
                    }
                };
                (still && agree).then_some(())
            });
        }
        self.one_order_an_intent();
    }

    /// A position is opened by one order, and never added to by a second one.
    fn one_order_an_intent(&self) {
        let orders = self.orders();
        let mut open: BTreeMap<&str, (i64, &Value)> = BTreeMap::new();
        let mut ids: BTreeMap<&str, &Value> = BTreeMap::new();
        for f in orders["fills"].as_array().unwrap() {
            let (symbol, client) = (
                f["symbol"].as_str().unwrap(),
                f["client_id"].as_str().unwrap(),
            );
            let order = &f["order_id"];
            assert_eq!(
                *ids.entry(client).or_insert(order),
                order,
                "{client} was sent twice: {orders}"
            );
            let signed = signed(f);
            let (held, by) = open.entry(symbol).or_insert((0, order));
            if *held == 0 {
                *by = order;
            }
            assert!(
                held.signum() * signed.signum() <= 0 || *by == order,
                "{symbol}: {client} adds to a position that another order opened: {orders}"
            );
            *held += signed;
        }
    }

    /// Ends it as a person would; everything is left, and the books agree.
    pub fn end(self) {
        let (s, log) = self.left();
        assert_eq!(s["books_agree"], true, "{s}\n{}", tail(&log, 40));
    }

    /// The same for one in which somebody can't know what was paid: the summary, and the log.
    pub fn left(self) -> (Value, String) {
        self.over();
        self.sound();
        let (code, s, log) = self.up.interrupt();
        let open = s["open_positions"].as_object().map(serde_json::Map::len);
        let books = i32::from(s["books_agree"] != true);
        assert_eq!(
            (code, s["audit"]["still_bare"].as_u64(), open),
            (books, Some(0), Some(0)),
            "{s}\n{}",
            tail(&log, 40)
        );
        (s, log)
    }
}

/// Lots of a fill, below zero for a sale.
fn signed(fill: &Value) -> i64 {
    let lots = fill["qty"].as_i64().unwrap();
    if fill["side"] == "BUY" { lots } else { -lots }
}

/// A refusal of the exchange.
pub fn code(status: u16, code: i64, msg: &str) -> Value {
    json!({"code": {"status": status, "code": code, "msg": msg}})
}

/// Lets market time pass: what must not happen gets its chance to.
pub fn for_a_while(rig: &Rig, market_ms: i64) {
    let elapsed = || {
        rig.up.account()["time"]["market_elapsed_ms"]
            .as_i64()
            .unwrap()
    };
    let (from, began) = (elapsed(), Instant::now());
    while elapsed() < from + market_ms {
        assert!(began.elapsed() < LONG, "market time stands");
        std::thread::sleep(Duration::from_millis(20));
    }
}
