//! Alerts of an account at one process: each is written and counted once, whether this process sent it or heard it.

use crate::logs::Logs;
use helios_core::messages::{Alert, Severity};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Own alerts whose echo may still come.
const AWAITED: usize = 256;
/// An echo later than this is no echo.
const ECHO_WITHIN: Duration = Duration::from_secs(30);

/// The book of alerts.
#[derive(Debug)]
pub struct Alerts {
    account: String,
    logs: Option<Logs>,
    own: VecDeque<(Instant, Alert)>,
}

impl Alerts {
    /// For an account; without logs, alerts are lines of the log alone.
    pub fn new(account: &str, logs: Option<Logs>) -> Self {
        Self {
            account: account.into(),
            logs,
            own: VecDeque::new(),
        }
    }

    fn write(&self, a: &Alert) {
        if let Some(logs) = &self.logs {
            logs.alert(&self.account, a);
        }
    }

    /// One that this process sends. Its shell has logged it already.
    pub fn own(&mut self, a: &Alert) {
        self.write(a);
        if self.own.len() == AWAITED {
            self.own.pop_front();
        }
        self.own.push_back((Instant::now(), a.clone()));
    }

    /// One that came over the bus. True unless it is the echo of an own one.
    pub fn heard(&mut self, a: &Alert) -> bool {
        while self
            .own
            .front()
            .is_some_and(|(at, _)| at.elapsed() > ECHO_WITHIN)
        {
            self.own.pop_front();
        }
        if let Some(i) = self.own.iter().position(|(_, o)| o == a) {
            self.own.remove(i);
            return false;
        }
        self.write(a);
        let symbol = a.symbol.as_deref().unwrap_or("account");
        match a.severity {
            Severity::Info => tracing::info!("{} {symbol}: {}", a.code, a.text),
            Severity::Warning => tracing::warn!("{} {symbol}: {}", a.code, a.text),
            Severity::Critical => tracing::error!("{} {symbol}: {}", a.code, a.text),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_alert_counts_once_and_the_same_words_of_another_count_too() {
        let a = Alert {
            severity: Severity::Info,
            code: "X".into(),
            symbol: None,
            text: "t".into(),
        };
        let mut book = Alerts::new("default/a", None);
        assert!(book.heard(&a));
        book.own(&a);
        assert!(!book.heard(&a));
        assert!(book.heard(&a));
        for _ in 0..2 * AWAITED {
            book.own(&a);
        }
        assert_eq!(book.own.len(), AWAITED);
    }
}
