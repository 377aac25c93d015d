//! What the callout shows: whom it let in, and whether the server knows of it.

use super::{Beat, Book, Shown, bit, catch_up};
use anyhow::Result;
use helios_bus::auth::Callout;
use prometheus::{Gauge, IntCounter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Numbers of `helios nats-auth`.
pub struct CalloutMetrics {
    /// Pulse of its loop.
    pub beat: Beat,
    book: Book,
    callout: Arc<Callout>,
    is_connected: Box<dyn Fn() -> bool + Send + Sync>,
    serving: AtomicBool,
    connected: Gauge,
    admitted: IntCounter,
    refused: IntCounter,
    malformed: IntCounter,
}

impl CalloutMetrics {
    /// Of this callout; the other tells whether there is a connection now.
    ///
    /// # Errors
    /// A metric of that name is there already.
    pub fn new(
        callout: Arc<Callout>,
        is_connected: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let book = Book::new(&[])?;
        Ok(Self {
            connected: book.gauge(
                "helios_nats_auth_connected",
                "1 while the callout is connected to the NATS server",
            )?,
            admitted: book.counter(
                "helios_nats_auth_admitted_total",
                "Connections that were let in",
            )?,
            refused: book.counter(
                "helios_nats_auth_refused_total",
                "Connections that were kept out",
            )?,
            malformed: book.counter(
                "helios_nats_auth_malformed_total",
                "Questions that were none, and got no answer",
            )?,
            beat: Beat::default(),
            serving: AtomicBool::new(false),
            book,
            callout,
            is_connected: Box::new(is_connected),
        })
    }

    /// The server knows of us.
    pub fn serving(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn book(&self) -> &Book {
        &self.book
    }
}

impl std::fmt::Debug for CalloutMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CalloutMetrics")
    }
}

impl Shown for CalloutMetrics {
    fn text(&self) -> Result<String> {
        let counts = self.callout.counts();
        self.connected.set(bit((self.is_connected)()));
        catch_up(&self.admitted, counts.admitted);
        catch_up(&self.refused, counts.refused);
        catch_up(&self.malformed, counts.malformed);
        self.book.text()
    }

    fn lives(&self) -> bool {
        self.beat.lives()
    }

    fn ready(&self) -> Result<(), String> {
        if !(self.is_connected)() {
            return Err("no connection to the NATS server".into());
        }
        if !self.serving.load(Ordering::Relaxed) {
            return Err("the NATS server does not ask it yet".into());
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::auth::keys::Issuer;
    use helios_bus::auth::{Options, Placement, StaticTokens};

    pub(in crate::metrics) fn metrics(connected: Arc<AtomicBool>) -> CalloutMetrics {
        // Made for its owner alone, as tokens must be.
        let tokens = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&tokens, "tokens: []\n").unwrap();
        let options = Options {
            issuer: Issuer::generate(),
            sealer: None,
            placement: Placement::Own,
            lifetime: std::time::Duration::from_secs(60),
        };
        let callout = Callout::new(
            options,
            Arc::new(StaticTokens::open(tokens.path()).unwrap()),
        );
        CalloutMetrics::new(Arc::new(callout), move || connected.load(Ordering::Relaxed)).unwrap()
    }

    #[tokio::test]
    async fn it_is_ready_while_the_server_asks_it_and_counts_what_it_said() {
        let connected = Arc::new(AtomicBool::new(false));
        let m = metrics(connected.clone());
        assert!(m.ready().unwrap_err().contains("no connection"));
        connected.store(true, Ordering::Relaxed);
        assert!(m.ready().unwrap_err().contains("does not ask"));
        m.serving();
        m.ready().unwrap();
        assert_eq!(m.callout.answer(b"nonsense", None).await, None);
        let text = m.text().unwrap();
        assert!(
            text.contains("helios_nats_auth_malformed_total 1\n"),
            "{text}"
        );
        assert!(text.contains("helios_nats_auth_connected 1\n"), "{text}");
        connected.store(false, Ordering::Relaxed);
        assert!(m.ready().is_err());
    }
}
