//! From one socket to the next: it is opened beside the last, both are read as one, and the last is closed when nothing is
//! missing. What neither has brought is told as a loss.

use super::super::{Counters, socket};
use super::End;
use super::connection::{Connection, Stream};
use super::link::Link;
use super::merge::Received;
use crate::clock::mono_ns;
use helios_core::instrument::Symbol;
use helios_core::trader::{StreamKind, TraderEvent};
use std::time::Duration;
use tokio::time::Instant;

/// When a socket dies while the next is being opened, that is waited for so long.
const JOIN_WITHIN: Duration = Duration::from_secs(1);

impl Connection<'_> {
    pub(super) async fn down_and_up(
        &mut self,
        symbol: Symbol,
        kind: StreamKind,
    ) -> Result<(), End> {
        let down = TraderEvent::StreamDown(kind);
        self.send(symbol.clone(), down, mono_ns()).await?;
        self.send(symbol, TraderEvent::StreamUp(kind), mono_ns())
            .await
    }

    /// Opens the next socket, unless that is under way.
    pub(super) fn join(&mut self) {
        if self.next.is_some() || self.joining.is_some() || Instant::now() < self.join_at {
            return;
        }
        let names = self.streams.keys().cloned().collect();
        self.joining = Some(Box::pin(Link::open(self.task.opening(), names)));
    }

    pub(super) fn joined(&mut self, joined: Result<Link, String>) {
        self.joining = None;
        match joined {
            Ok(link) => {
                Counters::add(&self.task.counters.connects);
                self.next = Some(link);
            }
            Err(why) => self.next_lost(&why),
        }
    }

    /// The next socket failed; the last one goes on.
    pub(super) fn next_lost(&mut self, why: &str) {
        tracing::warn!(route = ?self.task.route, why, "the next market socket failed");
        self.next = None;
        self.join_at = Instant::now() + self.backoff.next();
    }

    /// The socket is lost: the next one takes over if there is one, or will be at once, with whatever it has brought.
    pub(super) async fn lost(&mut self, why: String) -> Result<(), End> {
        if let Some(joining) = self.joining.take()
            && let Ok(joined) = tokio::time::timeout(JOIN_WITHIN, joining).await
        {
            self.joined(joined);
        }
        match self.next.take() {
            Some(next) => {
                Counters::add(&self.task.counters.losses);
                tracing::warn!(route = ?self.task.route, why, "market socket lost while the next took over");
                // Of a stream that the next one has not spoken yet nobody knows what was missed.
                let unheard: Vec<_> = self
                    .streams
                    .iter()
                    .filter(|(n, s)| s.seen && !next.spoken.contains(*n))
                    .filter_map(|(_, s)| s.target.as_ref())
                    .map(|(symbol, feed, _)| (symbol.clone(), feed.kind()))
                    .collect();
                self.take_over(next).await?;
                for (symbol, kind) in unheard {
                    self.down_and_up(symbol, kind).await?;
                }
                Ok(())
            }
            None => Err(End::Lost(why)),
        }
    }

    /// Ready when every stream that spoke on the last socket has spoken on the next and nothing is missing between them, or
    /// has had time enough to.
    pub(super) async fn take_over_when_ready(&mut self) -> Result<(), End> {
        let longest = self.task.config.overlap;
        let ready = self.next.as_ref().is_some_and(|next| {
            let joined = |(n, s): (&String, &Stream)| {
                !s.merge.waits() && (!s.seen || next.spoken.contains(n))
            };
            let age = next.opened.elapsed();
            age >= longest || (age >= longest / 20 && self.streams.iter().all(joined))
        });
        if !ready {
            return Ok(());
        }
        // What the last socket goes on saying and the next one has never said, it will not say.
        let deaf = self.next.as_ref().is_some_and(|next| {
            let missing = |(n, s): (&String, &Stream)| {
                s.seen && s.since > next.opened && !next.spoken.contains(n)
            };
            self.streams.iter().any(missing)
        });
        if deaf {
            self.next_lost("a stream is silent on it");
            return Ok(());
        }
        match self.next.take() {
            Some(next) => self.take_over(next).await,
            None => Ok(()),
        }
    }

    pub(super) async fn take_over(&mut self, next: Link) -> Result<(), End> {
        let last = std::mem::replace(&mut self.link, next);
        tokio::spawn(socket::close(last.ws));
        self.backoff.reset();
        if std::mem::take(&mut self.wants_next) {
            self.renewed = Some(Instant::now());
        }
        tracing::info!(route = ?self.task.route, "the next market socket has taken over");
        let mut holes = Vec::new();
        let overlap = u64::try_from(self.task.config.overlap.as_nanos()).unwrap_or(u64::MAX);
        let until = mono_ns().saturating_add(overlap);
        for s in self.streams.values_mut() {
            let kept = s.merge.one_left(until);
            if let (false, Some((symbol, feed, _))) = (kept.is_empty(), &s.target) {
                holes.push((symbol.clone(), feed.kind(), kept));
            }
        }
        for (symbol, kind, kept) in holes {
            self.hole(symbol, kind, kept).await?;
        }
        Ok(())
    }

    /// What neither socket brings in time is missing: the book is made anew rather than held back.
    pub(super) async fn fill_holes(&mut self) -> Result<(), End> {
        let now = mono_ns();
        let mut holes = Vec::new();
        for s in self.streams.values_mut() {
            if let (true, Some((symbol, feed, _))) = (s.merge.stuck(now), &s.target) {
                holes.push((symbol.clone(), feed.kind(), s.merge.give_up()));
            }
        }
        for (symbol, kind, kept) in holes {
            self.hole(symbol, kind, kept).await?;
        }
        Ok(())
    }

    /// Something between is missing: the symbol hears so, and what there is.
    pub(super) async fn hole(
        &mut self,
        symbol: Symbol,
        kind: StreamKind,
        kept: Vec<Received>,
    ) -> Result<(), End> {
        self.down_and_up(symbol.clone(), kind).await?;
        for (event, received) in kept {
            self.send(symbol.clone(), event, received).await?;
        }
        Ok(())
    }
}
