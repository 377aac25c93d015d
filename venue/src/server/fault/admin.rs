//! The fault port's requests: `POST /fault` with a [`Fault`], `GET /fault`, `DELETE /fault` (`?id=N` for one).
//!
//! What happens at once is done here; what waits for a request, a frame or an order is put down in [`super::Faults`] or handed to the
//! engine.

use super::Target;
use super::menu::{Fault, Filters, ListenKey, Rules, Sockets, Vanish};
use crate::engine::{AccountId, FilterChange, SymbolId};
use crate::server::admin::{Answer, bad, read};
use crate::server::rest::Call;
use crate::server::stream::{Route, topic};
use crate::server::venue::Venue;
use serde_json::json;
use tokio::time::{Duration, Instant};

/// How often the end of a listen key may be told.
const MOST_TOLD: u64 = 16;

/// The longest a fault may last, ms: a day is for ever in a test.
const LONGEST_MS: u64 = 86_400_000;

/// Answers a request to `/fault`.
pub(in crate::server) fn answer(v: &mut Venue, c: &Call) -> Answer {
    match c.method.as_str() {
        "GET" => Ok(v.faults.tell()),
        "POST" => {
            let fault: Fault = read(&c.body)?;
            let id = v.fault(fault)?;
            Ok(json!({"id": id}))
        }
        "DELETE" => {
            let mut parts = url::form_urlencoded::parse(c.query.as_bytes());
            let id = parts.find(|(k, _)| k == "id").map(|(_, v)| v.parse());
            let id = id.transpose().map_err(|_| bad("id must be a number"))?;
            match id {
                Some(id) if !v.faults.take_back(id) => {
                    return Err(bad("there is no fault of that number"));
                }
                Some(_) => {}
                None => v.sound(),
            }
            Ok(json!({}))
        }
        m => Err((404, format!("there is no {m} /fault"))),
    }
}

/// A signed time of a fault.
fn signed(ms: i64) -> Result<i64, (u16, String)> {
    let longest = LONGEST_MS.cast_signed();
    if (-longest..=longest).contains(&ms) {
        Ok(ms)
    } else {
        Err(bad(format!("a time is at most {LONGEST_MS} ms")))
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms.min(LONGEST_MS))
}

impl Venue {
    /// Orders a fault; the number of one that waits.
    pub(in crate::server) fn fault(&mut self, fault: Fault) -> Result<Option<u64>, (u16, String)> {
        match &fault {
            Fault::Answer(a) => {
                let times = a.times;
                Ok(Some(self.faults.order(fault, None, times)))
            }
            Fault::Delay(d) => {
                let times = d.times;
                Ok(Some(self.faults.order(fault, None, times)))
            }
            Fault::Frames(f) => {
                let times = f.times;
                let target = self.disordered(&f.stream, f.account.as_deref())?;
                Ok(Some(self.faults.order(fault, Some(target), times)))
            }
            Fault::Stall(s) => {
                let (kind, id) = meant(self, s)?;
                let until = Instant::now() + ms(s.ms.ok_or_else(|| bad("say ms"))?);
                self.hub.stall(kind, id, until);
                Ok(None)
            }
            Fault::Drop(s) => dropped(self, s).map(|_| None),
            Fault::Vanish(f) => self.vanish(f).map(|()| None),
            Fault::Partial(f) => {
                let id = symbol(self, &f.symbol)?;
                if f.percent > 100 {
                    return Err(bad("percent is 0 to 100"));
                }
                self.engine.fill_partially(id, f.percent, f.times);
                Ok(None)
            }
            Fault::Clock(c) => {
                self.faults.skew(signed(c.ms)?);
                Ok(None)
            }
            Fault::Filters(f) => self.change_filters(f).map(|()| None),
            Fault::Maintenance(m) => {
                self.faults.maintain(ms(m.ms));
                self.hub.drop_sockets(Some("all"), None);
                Ok(None)
            }
            Fault::ListenKey(k) => self.end_listen_key(k).map(|()| None),
            Fault::Rules(r) => {
                self.change_rules(r);
                Ok(None)
            }
            Fault::Liquidation(l) => {
                let id = symbol(self, &l.symbol)?;
                let account = account(self, l.account.as_deref())?;
                let (mut events, now) = (Vec::new(), self.clock.now_ms());
                let done = self.engine.take_over_now(now, account, id, &mut events);
                self.absorb(&mut events);
                if done {
                    Ok(None)
                } else {
                    Err(bad("the account has no position there"))
                }
            }
        }
    }

    /// Everything that was ordered is over, but for what has happened.
    fn sound(&mut self) {
        for (topic, (event, text)) in self.faults.take_all_back() {
            self.hub.release(&topic, event.as_deref(), text);
        }
        self.hub.go_on();
        self.engine.clear_faults();
        self.engine.switch(self.rules);
        self.trigger_rejects = false;
    }

    fn disordered(&self, stream: &str, of: Option<&str>) -> Result<Target, (u16, String)> {
        if stream == "user" {
            return account(self, of).map(Target::User);
        }
        let topic = topic(Route::Unrouted, stream, &self.lower);
        topic
            .map(|t| Target::of(&t))
            .ok_or_else(|| bad(format!("there is no stream {stream}")))
    }

    fn vanish(&mut self, f: &Vanish) -> Result<(), (u16, String)> {
        let id = symbol(self, &f.symbol)?;
        let account = account(self, f.account.as_deref())?;
        if !f.standing {
            self.engine
                .lose_next_stops(account, id, signed(f.after_ms)?, f.told, f.times);
            return Ok(());
        }
        let (mut events, now) = (Vec::new(), self.clock.now_ms());
        self.engine
            .lose_stops(now, account, id, f.told, &mut events);
        self.absorb(&mut events);
        Ok(())
    }

    fn end_listen_key(&mut self, k: &ListenKey) -> Result<(), (u16, String)> {
        let account = account(self, k.account.as_deref())?;
        if k.told > MOST_TOLD {
            return Err(bad(format!("told is at most {MOST_TOLD}")));
        }
        let ended = self.accounts.of_mut(account).listen_key.take();
        let key = ended
            .ok_or_else(|| bad("the account has no listen key"))?
            .key;
        for _ in 0..k.told {
            self.tell_expired(&key);
        }
        Ok(())
    }

    fn change_rules(&mut self, r: &Rules) {
        let mut now = self.engine.switches();
        for (switch, to) in [
            (
                &mut now.auto_cancel_orphan_stops,
                r.auto_cancel_orphan_stops,
            ),
            (&mut now.orphan_stops_canceled, r.orphan_stops_canceled),
            (&mut now.countdown_cancels_algo, r.countdown_cancels_algo),
            (&mut now.stops_hold_reduce_only, r.stops_hold_reduce_only),
        ] {
            *switch = to.unwrap_or(*switch);
        }
        self.engine.switch(now);
        self.trigger_rejects = r.trigger_reject_event.unwrap_or(self.trigger_rejects);
    }

    fn change_filters(&mut self, f: &Filters) -> Result<(), (u16, String)> {
        let id = symbol(self, &f.symbol)?;
        let change = FilterChange {
            min_notional: f.min_notional,
            min_qty: f.min_qty,
            max_qty: f.max_qty,
            halted: f.halted,
        };
        self.engine
            .change_filters(id, &change)
            .map_err(|e| bad(e.msg))
    }
}

/// Cuts sockets; how many.
pub(in crate::server) fn dropped(v: &mut Venue, s: &Sockets) -> Result<usize, (u16, String)> {
    let (kind, id) = meant(v, s)?;
    Ok(v.hub.drop_sockets(kind, id))
}

/// Sockets of a route, those that follow a contract, or both.
type Meant<'s> = (Option<&'s str>, Option<SymbolId>);

fn meant<'s>(v: &Venue, s: &'s Sockets) -> Result<Meant<'s>, (u16, String)> {
    let id = s.symbol.as_deref().map(|s| symbol(v, s)).transpose()?;
    let kinds = ["public", "market", "private", "unrouted", "api", "all"];
    let kind = s.kind.as_deref();
    if kind.is_some_and(|k| !kinds.contains(&k)) || (kind.is_none() && id.is_none()) {
        return Err(bad(format!("say kind ({}) or symbol", kinds.join(", "))));
    }
    Ok((kind, id))
}

fn symbol(v: &Venue, name: &str) -> Result<SymbolId, (u16, String)> {
    let id = v.upper.get(name).copied();
    id.ok_or_else(|| bad(format!("there is no symbol {name}")))
}

fn account(v: &Venue, name: Option<&str>) -> Result<AccountId, (u16, String)> {
    match name {
        None => Ok(v.account),
        Some(n) => {
            let a = v.accounts.named(n).map(|a| a.id);
            a.ok_or_else(|| bad(format!("there is no account {n}")))
        }
    }
}
