//! What must hold whatever was killed, computed from the venue's own log and from when the test broke what.

use super::audit::{Entry, What};
use super::clock::{MS, Ns, OPEN, S, now, overlap, secs};
use super::{Rig, holds, order};
use helios_crds::Limits;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// A grant's longest life, and a tenth of a second for an order on its way.
pub const DEADLINE: Ns = 2 * S + 100 * MS;
/// A position may be without a stop for so long while somebody guards it. The tenth is for the venue's and this machine's
/// scheduling.
const BARE: Ns = S + 100 * MS;
/// The coordinator places a stop that has been missing for 1 s, so it stands a round trip later.
const LAST_RESORT: Ns = S + 500 * MS;
/// From the first restart after both guards were dead.
const RESTARTED: Ns = 10 * S;
/// What is printed by a new leader may be read so much after its first grant was used.
const READ_LATE: Ns = 300 * MS;
/// A grant's ceiling is in notional at the mark of its time. The fill is valued at the mark after it: what the market
/// moved between the question and the fill, and the fee and spread the fill cost the equity, are a breach by price alone.
const BY_PRICE: Decimal = Decimal::from_parts(2, 0, 0, false, 2);

/// A span in which nobody may add exposure; of one symbol or of all.
#[derive(Clone, Debug)]
pub struct Ban {
    pub from: Ns,
    pub to: Ns,
    pub symbol: Option<String>,
    pub why: String,
}

impl Rig {
    /// Spans without a leader, by what the test broke and the first word of the next leader.
    pub fn leaderless(&self) -> Vec<(Ns, Ns, String)> {
        let mut words: Vec<(Ns, (u64, u64), usize)> = Vec::new();
        for s in self.coordinators.iter().flat_map(|c| c.history(0)) {
            let who = self
                .coordinators
                .iter()
                .position(|c| holds(&s.value, c.name()));
            if let Some(who) = who {
                words.push((s.at, order(&s.value), who));
            }
        }
        words.sort_unstable();
        let mut out = Vec::new();
        for (i, c) in self.coordinators.iter().enumerate() {
            for (from, to) in c.absent() {
                let before = words.iter().rev().find(|w| w.0 <= from);
                let Some((_, (epoch, _), _)) = before.filter(|w| w.2 == i) else {
                    continue;
                };
                let next = words
                    .iter()
                    .find(|w| w.0 > from && (w.1.0 > *epoch || (to != OPEN && w.0 > to + 2 * S)));
                let heard = self.workers.values().flat_map(|w| w.history(from));
                let heard = heard.filter(|s| s.value["epoch"].as_u64() > Some(*epoch));
                let first = next
                    .map(|w| w.0)
                    .into_iter()
                    .chain(heard.map(|s| s.at))
                    .min();
                out.push((from, first.unwrap_or(OPEN), format!("{} led", c.name())));
            }
        }
        out.sort_unstable();
        out
    }

    /// What follows from what the test broke.
    pub fn bans(&self) -> Vec<Ban> {
        let ban = |from, to, symbol: Option<&str>, why: String| Ban {
            from: from + DEADLINE,
            to,
            symbol: symbol.map(str::to_string),
            why,
        };
        let mut out = Vec::new();
        for (from, to) in self.nats.absent() {
            out.push(ban(from, to, None, "NATS was away".into()));
        }
        for (from, to, who) in self.leaderless() {
            // A frozen leader that wakes may answer at once, if it is still entitled to.
            let awake = self.coordinators.iter().flat_map(|c| c.absent());
            let awake = awake.filter(|a| a.0 == from).map(|a| a.1).min();
            let to = to.saturating_sub(READ_LATE).min(awake.unwrap_or(OPEN));
            out.push(ban(from, to, None, format!("nobody led ({who})")));
        }
        for (symbol, w) in &self.workers {
            for (from, to) in w.absent() {
                let why = "its worker was away".to_string();
                out.push(ban(from, to, Some(symbol), why));
            }
        }
        out.retain(|b| b.from < b.to);
        out
    }

    /// Spans in which neither a worker nor a leader watched a symbol.
    fn unwatched(&self, symbol: &str) -> Vec<(Ns, Ns)> {
        let Some(w) = self.workers.get(symbol) else {
            return Vec::new();
        };
        let led = self.leaderless();
        let both = |a: &(Ns, Ns), b: &(Ns, Ns, String)| {
            overlap(*a, (b.0, b.1)).then(|| (a.0.max(b.0), a.1.min(b.1)))
        };
        w.absent()
            .iter()
            .flat_map(|a| led.iter().filter_map(move |b| both(a, b)))
            .collect()
    }

    /// Everything that must hold, over all that happened; the budget since a moment. The words say what did not.
    pub fn broken(&self, since: Ns) -> Vec<String> {
        let log = self.venue.audit();
        let mut out = new_risk(&log, &self.bans());
        for (symbol, spans) in bare(&log, now()) {
            let unwatched = self.unwatched(&symbol);
            let absent = self.workers.get(&symbol).map_or(Vec::new(), |w| w.absent());
            for (from, to) in spans {
                let alone = unwatched.iter().filter(|u| overlap(**u, (from, to)));
                let limit = match alone.map(|u| u.1).max() {
                    Some(restart) => restart.saturating_add(RESTARTED),
                    None if absent.iter().any(|a| overlap(*a, (from, to))) => from + LAST_RESORT,
                    None => from + BARE,
                };
                if to > limit {
                    out.push(format!(
                        "{symbol} was without a stop for {:.3} s from {from}, allowed were {:.3} s",
                        secs(from, to),
                        secs(from, limit)
                    ));
                }
            }
        }
        let over = over_budget(&log, &self.setup.limits(), &self.venue.lots);
        out.extend(over.into_iter().filter(|o| o.0 >= since).map(|o| o.1));
        out.extend(repeated(&log));
        out
    }

    /// Panics with every broken rule.
    pub fn check(&self) {
        self.check_since(0);
    }

    /// [`Rig::check`], where the budget was not kept before that by the test's own doing.
    pub fn check_since(&self, since: Ns) {
        let broken = self.broken(since);
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }

    /// Entries (fills that add) since a moment.
    pub fn entries(&self, since: Ns) -> usize {
        let log = self.venue.audit();
        log.iter().filter(|e| e.at >= since && e.adds()).count()
    }
}

/// Orders and fills that add exposure while nobody may.
pub fn new_risk(log: &[Entry], bans: &[Ban]) -> Vec<String> {
    let mut out = Vec::new();
    for e in log {
        let what = match e.what {
            What::Order {
                reduce_only: false, ..
            } => "order",
            What::Fill { .. } if e.adds() => "fill",
            _ => continue,
        };
        let hit = |b: &&Ban| {
            e.at >= b.from && e.at < b.to && b.symbol.as_ref().is_none_or(|s| *s == e.symbol)
        };
        if let Some(b) = bans.iter().find(hit) {
            out.push(format!(
                "{what} {} of {} adds risk {:.3} s after the deadline (at {}): {}",
                e.client_id,
                e.symbol,
                secs(b.from, e.at),
                e.at,
                b.why
            ));
        }
    }
    out
}

/// Spans without a working `closePosition` stop on the right side, by symbol.
pub fn bare(log: &[Entry], now: Ns) -> BTreeMap<String, Vec<(Ns, Ns)>> {
    #[derive(Default)]
    struct Symbol {
        position: i64,
        anchors: BTreeMap<String, i64>,
        since: Option<Ns>,
        spans: Vec<(Ns, Ns)>,
    }
    let mut all: BTreeMap<String, Symbol> = BTreeMap::new();
    for e in log {
        let s = all.entry(e.symbol.clone()).or_default();
        let before = s.position;
        match &e.what {
            What::Fill { position, .. } => s.position = *position,
            What::Algo {
                side,
                status,
                anchor: true,
                ..
            } => {
                if status.is_working() {
                    s.anchors.insert(e.client_id.clone(), side.sign());
                } else {
                    s.anchors.remove(&e.client_id);
                }
            }
            _ => continue,
        }
        let held = s.position.signum();
        let covered = held == 0 || s.anchors.values().any(|x| *x == -held);
        let turned = before.signum() * held < 0;
        if covered || turned {
            let since = s.since.take();
            s.spans.extend(since.map(|from| (from, e.at)));
        }
        if !covered {
            s.since.get_or_insert(e.at);
        }
    }
    for s in all.values_mut() {
        let since = s.since.take();
        s.spans.extend(since.map(|from| (from, now)));
    }
    all.into_iter().map(|(k, s)| (k, s.spans)).collect()
}

/// Fills that left the account with more than one of its limits, with when. `lots` are the sizes of one lot, by symbol.
pub fn over_budget(
    log: &[Entry],
    limits: &Limits,
    lots: &BTreeMap<String, Decimal>,
) -> Vec<(Ns, String)> {
    let mut out = Vec::new();
    let mut open = BTreeSet::new();
    for e in log {
        let What::Fill {
            position,
            price,
            equity,
            gross,
            ..
        } = e.what
        else {
            continue;
        };
        let new = position != 0 && open.insert(&e.symbol);
        if position == 0 {
            open.remove(&e.symbol);
        }
        if !e.adds() {
            continue;
        }
        let mut over = |what: &str, is: Decimal, limit: Decimal| {
            if is > limit {
                let (id, symbol) = (&e.client_id, &e.symbol);
                let text = format!(
                    "fill {id} of {symbol}: {what} {is:.0} over {limit:.0} (equity {equity:.0})"
                );
                out.push((e.at, text));
            }
        };
        let worth = equity * (Decimal::ONE + BY_PRICE);
        over("gross", gross, limits.max_gross_leverage.0 * worth);
        let notional = Decimal::from(position.abs()) * lots[&e.symbol] * price;
        let share = limits.max_symbol_notional_percent.0 / Decimal::ONE_HUNDRED;
        over("notional", notional, share * worth);
        if new {
            let most = Decimal::from(limits.max_open_positions);
            over("positions", Decimal::from(open.len()), most);
        }
    }
    out
}

/// Client ids that were used for two orders.
pub fn repeated(log: &[Entry]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let orders = log.iter().filter(|e| matches!(e.what, What::Order { .. }));
    orders
        .filter(|e| !seen.insert(&e.client_id))
        .map(|e| format!("client id {} was used twice", e.client_id))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use helios_core::fixed::Side;
    use helios_core::order::AlgoStatus;
    use helios_crds::Dec;

    fn entry(at: Ns, what: What) -> Entry {
        Entry {
            market_ms: 0,
            at,
            symbol: "X".into(),
            client_id: format!("id{at}"),
            what,
        }
    }

    fn fill(at: Ns, side: Side, qty: i64, position: i64, gross: i64) -> Entry {
        let what = What::Fill {
            side,
            qty,
            position,
            price: Decimal::ONE,
            equity: Decimal::from(100),
            gross: Decimal::from(gross),
        };
        entry(at, what)
    }

    fn anchor(at: Ns, id: &str, status: AlgoStatus) -> Entry {
        let what = What::Algo {
            side: Side::Sell,
            status,
            anchor: true,
            trigger: Decimal::ONE,
        };
        Entry {
            client_id: id.into(),
            ..entry(at, what)
        }
    }

    #[test]
    fn a_span_without_a_stop_is_found_from_the_fill_and_from_a_lost_stop() {
        let log = [
            fill(10, Side::Buy, 5, 5, 5),
            anchor(15, "s", AlgoStatus::New),
            fill(20, Side::Buy, 5, 10, 10),
            anchor(30, "s", AlgoStatus::Canceled),
            fill(40, Side::Sell, 10, 0, 0),
            fill(50, Side::Sell, 1, -1, 1),
            anchor(60, "t", AlgoStatus::New),
        ];
        assert_eq!(bare(&log, 99)["X"], [(10, 15), (30, 40), (50, 99)]);
    }

    #[test]
    fn risk_while_banned_is_found_and_exits_are_not() {
        let order = |at, reduce_only| {
            let side = Side::Buy;
            entry(
                at,
                What::Order {
                    side,
                    qty: 1,
                    reduce_only,
                },
            )
        };
        let log = [
            order(9, false),
            order(10, true),
            order(11, false),
            fill(12, Side::Buy, 1, 1, 205),
            fill(13, Side::Sell, 1, 0, 0),
            order(20, false),
        ];
        let ban = Ban {
            from: 10,
            to: 20,
            symbol: None,
            why: String::new(),
        };
        assert_eq!(new_risk(&log, std::slice::from_ref(&ban)).len(), 2);
        let other = Ban {
            symbol: Some("Y".into()),
            ..ban
        };
        assert!(new_risk(&log, &[other]).is_empty());
        assert!(repeated(&log).is_empty());
    }
    #[test]
    fn a_fill_over_the_leverage_the_share_of_a_symbol_or_the_count_of_positions_is_found() {
        let of = |symbol: &str, e: Entry| Entry {
            symbol: symbol.into(),
            ..e
        };
        let log = [
            fill(1, Side::Buy, 40, 40, 40),
            of("Y", fill(2, Side::Sell, 60, -60, 100)),
            of("Y", fill(3, Side::Buy, 20, -40, 80)),
            of("Y", fill(4, Side::Buy, 40, 0, 40)),
            of("Z", fill(5, Side::Buy, 30, 30, 70)),
        ];
        let lots = ["X", "Y", "Z"].map(|s| (s.to_string(), Decimal::ONE));
        let lots = lots.into_iter().collect();
        let found = |leverage: &str, symbol: &str, most| -> Vec<Ns> {
            let limits = Limits {
                max_gross_leverage: Dec(leverage.parse().unwrap()),
                max_symbol_notional_percent: Dec(symbol.parse().unwrap()),
                max_open_positions: most,
                ..Limits::default()
            };
            let over = over_budget(&log, &limits, &lots);
            over.into_iter().map(|o| o.0).collect()
        };
        assert!(found("1", "60", 2).is_empty());
        assert_eq!(found("0.9", "60", 2), [2]);
        assert_eq!(found("1", "50", 2), [2]);
        assert_eq!(found("1", "60", 1), [2, 5]);
    }
}
