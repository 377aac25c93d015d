//! Deadlines: streams that are silent, sockets that are deaf or old, and pings.

use super::super::Counters;
use super::End;
use super::connection::{Connection, Stream};
use super::merge::Merge;
use helios_core::instrument::Symbol;
use helios_core::trader::StreamKind;
use std::time::Duration;
use tokio::time::Instant;

/// Between two changes of the socket for the sake of one stream.
const RENEW_EVERY: Duration = Duration::from_secs(300);
/// A stream that stays silent is waited for twice as long each time, this many times.
const PATIENCE: u32 = 6;

impl Stream {
    fn limit(&self) -> (Duration, &'static str) {
        if self.seen {
            (self.silence.later, "silent")
        } else {
            let more = 1 << self.again.min(PATIENCE);
            (self.silence.first * more, "no first frame")
        }
    }
}

impl Connection<'_> {
    /// Deadlines, pings, age.
    pub(super) async fn check(&mut self) -> Result<(), End> {
        if self.task.tx.is_closed() {
            return Err(End::Closed);
        }
        self.watch_streams().await?;
        let config = &self.task.config;
        let (ping, timeout) = (config.ping_every, config.connect_timeout);
        let deaf = ping + config.pong_within;
        if self.link.heard.elapsed() > deaf {
            return self.lost("neither frame nor pong".into()).await;
        }
        let rollover = config.rollover;
        let market_ms = self.task.clock.market_ms();
        if self.wants_next
            || self.link.opened.elapsed() >= rollover
            || passed(self.link.opened_market_ms, market_ms, rollover)
        {
            self.join();
        }
        if let Err(why) = self.link.drive(ping, timeout).await {
            return self.lost(why).await;
        }
        if let Some(next) = &mut self.next {
            let driven = next.drive(ping, timeout).await;
            let late = next.heard.elapsed() > deaf;
            match driven {
                Err(why) => self.next_lost(&why),
                Ok(()) if late => self.next_lost("neither frame nor pong"),
                Ok(()) => {
                    self.fill_holes().await?;
                    self.take_over_when_ready().await?;
                }
            }
        }
        Ok(())
    }

    /// Finds silent streams and asks for them again, or gives the socket up.
    pub(super) async fn watch_streams(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let market_ms = self.task.clock.market_ms();
        let late = |s: &Stream| {
            let limit = s.limit().0;
            // A local venue at the pace of the wall clock tells no time.
            let speaks = s.target.is_some() || s.seen;
            let moved = s.target.is_none() || passed(s.since_market_ms, market_ms, limit);
            speaks && moved && now.duration_since(s.since) >= limit
        };
        let names: Vec<String> = self
            .streams
            .iter()
            .filter(|(_, s)| late(s))
            .map(|(n, _)| n.clone())
            .collect();
        for name in names {
            let Some(s) = self.streams.get(&name) else {
                continue;
            };
            let (limit, what) = s.limit();
            let why = format!("{name}: {what} for {} ms", limit.as_millis());
            // Has anything else spoken while this one should have? What spoke last when this one did proves nothing.
            let others_live = self.streams.values().any(|o| {
                o.seen && !std::ptr::eq(o, s) && now.duration_since(o.since) < limit / 2 && !late(o)
            });
            match &s.target {
                Some((symbol, feed, _)) if others_live => {
                    let (symbol, kind) = (symbol.clone(), feed.kind());
                    tracing::warn!(route = ?self.task.route, why, "subscribed again");
                    self.ask_again(&name, symbol, kind).await?;
                }
                _ => return Err(End::Silent(why)),
            }
        }
        Ok(())
    }

    pub(super) async fn ask_again(
        &mut self,
        name: &str,
        symbol: Symbol,
        kind: StreamKind,
    ) -> Result<(), End> {
        Counters::add(&self.task.counters.silences);
        let Some(s) = self.streams.get_mut(name) else {
            return Ok(());
        };
        s.again = (s.again + 1).min(PATIENCE);
        s.seen = false;
        s.since = Instant::now();
        s.since_market_ms = self.task.clock.market_ms();
        s.merge = Merge::default();
        let helpless = s.again > 1;
        let names = [name.to_owned()];
        self.request("UNSUBSCRIBE", &names);
        self.request("SUBSCRIBE", &names);
        // Once more on this socket, then on a new one.
        if helpless && self.renewed.is_none_or(|t| t.elapsed() >= RENEW_EVERY) {
            self.wants_next = true;
            self.join();
        }
        self.down_and_up(symbol, kind).await
    }
}

fn passed(from_ms: i64, to_ms: i64, limit: Duration) -> bool {
    u128::try_from(to_ms.saturating_sub(from_ms)).is_ok_and(|ms| ms >= limit.as_millis())
}
