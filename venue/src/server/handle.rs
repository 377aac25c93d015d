//! Starting a venue in this process and talking to it.

use super::accounts::{self, AccountConfig, ApiKey, ApiRestrictions, DEFAULT_ACCOUNT};
use super::audit::AuditReport;
use super::config::{ApiCredentials, Ledger, VenueConfig, VenueServerError, VenueStats};
use super::fault::Faults;
use super::http::{self, Port};
use super::link::Link;
use super::open::build;
use super::outbox::Gate;
use super::venue::Venue;
use super::{actor, sign};
use crate::market::MarketSource as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

/// How long a stopping venue waits for its connections.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts venues.
pub struct VenueServer;

impl VenueServer {
    /// Binds the listeners and starts the venue; market time stands until [`VenueHandle::start_market`].
    ///
    /// # Errors
    /// [`VenueServerError`] when an address can't be bound, the configuration is wrong or saved state is unreadable.
    pub async fn start(mut config: VenueConfig) -> Result<VenueHandle, VenueServerError> {
        check_speed(config.speed)?;
        if config.in_step && config.speed != 1.0 {
            return Err(VenueServerError::NotInStep {
                speed: config.speed,
            });
        }
        if !config.admin.ip().is_loopback() {
            return Err(VenueServerError::AdminNotLoopback { addr: config.admin });
        }
        let exchange = bind(config.listen).await?;
        let admin = bind(config.admin).await?;
        let (addr, admin_addr) = (local(&exchange)?, local(&admin)?);
        let gate = Arc::new(Gate::default());
        let delay = Arc::new(AtomicU64::new(0));
        let (stop, stopping) = watch::channel(false);
        let faults = Arc::new(Faults::default());
        let (link, jobs) = Link::new(
            stopping,
            Arc::clone(&gate),
            Arc::clone(&delay),
            Arc::clone(&faults),
        );
        if config.accounts.is_empty() {
            let own = config.credentials.take();
            config.accounts = vec![AccountConfig {
                name: DEFAULT_ACCOUNT.into(),
                keys: vec![own.unwrap_or_else(sign::credentials).into()],
                balance: config.initial_balance,
                restrictions: ApiRestrictions::default(),
            }];
        }
        accounts::check(&config.accounts)?;
        let keys = config.accounts.iter().flat_map(|a| &a.keys);
        let credentials = keys.filter_map(ApiKey::credentials).next();
        let credentials = credentials.unwrap_or_else(|| ApiCredentials {
            key: String::new(),
            secret: String::new(),
        });
        let venue = build(config, gate, delay, faults)?;
        let label = venue.source.label();
        let actor = tokio::spawn(actor::run(venue, jobs));
        tokio::spawn(http::listen(exchange, Port::Exchange, link.clone()));
        tokio::spawn(http::listen(admin, Port::Admin, link.clone()));
        Ok(VenueHandle {
            addr,
            admin: admin_addr,
            credentials,
            label,
            link,
            stop,
            actor,
        })
    }
}

/// Refuses what is no speed.
pub(super) fn check_speed(speed: f64) -> Result<(), VenueServerError> {
    if speed.is_finite() && speed > 0.0 && speed <= 100_000.0 {
        Ok(())
    } else {
        Err(VenueServerError::BadSpeed { speed })
    }
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, VenueServerError> {
    TcpListener::bind(addr).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => VenueServerError::PortInUse { addr },
        _ => VenueServerError::Bind { addr, source: e },
    })
}

fn local(l: &TcpListener) -> Result<SocketAddr, VenueServerError> {
    l.local_addr().map_err(|e| VenueServerError::Bind {
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        source: e,
    })
}

/// A running venue. Dropping it without [`VenueHandle::shutdown`] stops the venue without saving.
pub struct VenueHandle {
    addr: SocketAddr,
    admin: SocketAddr,
    credentials: ApiCredentials,
    label: String,
    link: Link,
    stop: watch::Sender<bool>,
    actor: JoinHandle<()>,
}

impl VenueHandle {
    /// `http://127.0.0.1:<port>`, to which `/fapi/...` is appended.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Base of the unrouted form.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// Base of the public route: `/ws` or `/stream` is appended.
    pub fn ws_public_url(&self) -> String {
        format!("ws://{}/public", self.addr)
    }

    /// Base of the market route.
    pub fn ws_market_url(&self) -> String {
        format!("ws://{}/market", self.addr)
    }

    /// Base of the private route.
    pub fn ws_private_url(&self) -> String {
        format!("ws://{}/private", self.addr)
    }

    /// `http://127.0.0.1:<port>` of the administration port.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Key and secret of the first account that has an HMAC key; empty where every account signs by Ed25519.
    pub fn credentials(&self) -> &ApiCredentials {
        &self.credentials
    }

    /// What the market is, in the words every output carries.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Lets market time go. Does nothing when it goes already.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn start_market(&self) -> Result<(), VenueServerError> {
        self.link.call(|v| v.clock.start(Instant::now())).await
    }

    /// Changes the speed from now on.
    ///
    /// # Errors
    /// [`VenueServerError::BadSpeed`], [`VenueServerError::Stopped`].
    pub async fn set_speed(&self, speed: f64) -> Result<(), VenueServerError> {
        check_speed(speed)?;
        self.link.call(move |v| v.set_speed(speed)).await
    }

    /// Takes this key from now on, instead of the first account's first one until now.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn renew(&self, key: ApiCredentials) -> Result<(), VenueServerError> {
        let renew = move |v: &mut Venue| {
            if let Some(first) = v.accounts.of_mut(v.first).keys.first_mut() {
                *first = key.into();
            }
        };
        self.link.call(renew).await
    }

    /// Time, speed, sockets.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn stats(&self) -> Result<VenueStats, VenueServerError> {
        self.link.call(|v| v.stats()).await
    }

    /// What the venue's own log says about unprotected time of the first account.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn audit(&self) -> Result<AuditReport, VenueServerError> {
        let report = |v: &mut Venue| v.accounts.of(v.first).audit.report(v.at());
        self.link.call(report).await
    }

    /// The venue's own books of the first account.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn ledger(&self) -> Result<Ledger, VenueServerError> {
        self.link.call(|v| v.ledger(v.first)).await
    }

    /// Writes the state to the configured directory; does nothing without one.
    ///
    /// # Errors
    /// [`VenueServerError::State`], [`VenueServerError::Stopped`].
    pub async fn save(&self) -> Result<(), VenueServerError> {
        self.link.call(|v| v.save()).await?
    }

    /// Saves the state if a directory is configured, closes every connection and waits for the tasks to end.
    ///
    /// # Errors
    /// [`VenueServerError::State`] when saving failed; the venue has stopped nevertheless.
    pub async fn shutdown(self) -> Result<(), VenueServerError> {
        let saved = self.save().await;
        let Self {
            link,
            stop,
            mut actor,
            ..
        } = self;
        let _ = stop.send(true);
        drop(link);
        // The actor ends when the last connection has let go of it.
        if tokio::time::timeout(PATIENCE, &mut actor).await.is_err() {
            actor.abort();
        }
        saved
    }
}
