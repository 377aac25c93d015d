//! The nats-server of a rig, with the spans in which it was away.

use super::clock::{Ns, OPEN, now};
use helios_bus::testing::{NatsOptions, NatsServer};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub struct Nats {
    server: Mutex<NatsServer>,
    away: Mutex<Vec<(Ns, Ns)>>,
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nats {
    pub fn start() -> Self {
        Self {
            server: Mutex::new(NatsServer::start(NatsOptions::default())),
            away: Mutex::default(),
        }
    }

    pub fn url(&self) -> String {
        locked(&self.server).url()
    }

    pub fn log(&self) -> String {
        locked(&self.server).log()
    }

    /// Kills it; returns when.
    pub fn kill(&self) -> Ns {
        locked(&self.server).kill();
        self.gone()
    }

    /// Starts it again on its data; returns when it was begun.
    pub fn restart(&self) -> Ns {
        let at = self.back();
        locked(&self.server).restart();
        at
    }

    /// Freezes it; returns when.
    pub fn stop(&self) -> Ns {
        locked(&self.server).stop();
        self.gone()
    }

    /// Ends [`Nats::stop`]; returns when.
    pub fn cont(&self) -> Ns {
        let at = self.back();
        locked(&self.server).cont();
        at
    }

    /// Works on the server itself: its data, its configuration.
    pub fn with<T>(&self, f: impl FnOnce(&mut NatsServer) -> T) -> T {
        f(&mut locked(&self.server))
    }

    fn gone(&self) -> Ns {
        let at = now();
        locked(&self.away).push((at, OPEN));
        at
    }

    fn back(&self) -> Ns {
        let at = now();
        if let Some(x) = locked(&self.away).last_mut() {
            x.1 = x.1.min(at);
        }
        at
    }

    /// Spans without it; the last may be open.
    pub fn absent(&self) -> Vec<(Ns, Ns)> {
        locked(&self.away).clone()
    }
}
