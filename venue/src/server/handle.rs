//! Starting a venue in this process and talking to it.

use super::audit::{At, Audit, AuditReport};
use super::clock::Clock;
use super::config::{ApiCredentials, Ledger, VenueConfig, VenueServerError, VenueStats};
use super::frames::SymbolText;
use super::http::{self, Port};
use super::hub::Hub;
use super::klines::Klines;
use super::limits::Limits;
use super::link::Link;
use super::outbox::Gate;
use super::path::PathSource;
use super::venue::Venue;
use super::{actor, sign, state};
use crate::engine::{Engine, EngineConfig, SymbolId, SymbolSpec};
use crate::market::MarketSource as _;
use helios_core::fixed::Money;
use std::collections::{BTreeMap, VecDeque};
use std::fs::OpenOptions;
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
        if !config.admin.ip().is_loopback() {
            return Err(VenueServerError::AdminNotLoopback { addr: config.admin });
        }
        let exchange = bind(config.listen).await?;
        let admin = bind(config.admin).await?;
        let (addr, admin_addr) = (local(&exchange)?, local(&admin)?);
        let gate = Arc::new(Gate::default());
        let delay = Arc::new(AtomicU64::new(0));
        let (stop, stopping) = watch::channel(false);
        let (link, jobs) = Link::new(stopping, Arc::clone(&gate), Arc::clone(&delay));
        let own = config.credentials.take();
        let credentials = own.unwrap_or_else(sign::credentials);
        config.credentials = Some(credentials.clone());
        let venue = build(config, gate, delay)?;
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

fn texts(specs: &[SymbolSpec]) -> Result<Vec<SymbolText>, VenueServerError> {
    let bad = |why: String| VenueServerError::BadSource { why };
    if specs.is_empty() {
        return Err(bad("it has no symbols".into()));
    }
    specs
        .iter()
        .map(|s| {
            SymbolText::of(s).ok_or_else(|| {
                bad(format!(
                    "{}: its name, tick or step can't be sent",
                    s.instrument.symbol
                ))
            })
        })
        .collect()
}

fn build(
    config: VenueConfig,
    gate: Arc<Gate>,
    delay_ns: Arc<AtomicU64>,
) -> Result<Venue, VenueServerError> {
    let specs = config.source.symbols();
    let symbols = texts(&specs)?;
    let mut source = PathSource::new(config.source, &specs);
    let saved = match &config.state_dir {
        Some(dir) => state::load(dir, &source)?,
        None => None,
    };
    let mut initial_balance = config.initial_balance;
    let mut realised = BTreeMap::new();
    let mut now_ms = source.start_ms();
    let engine = match saved {
        Some(s) => {
            while source.peek_ms().is_some_and(|ms| ms <= s.now_ms) {
                source.next_event();
            }
            source.set_shifts(&s.shifts);
            (now_ms, initial_balance, realised) = (s.now_ms, s.initial_balance, s.realised);
            s.engine
        }
        None => Engine::new(EngineConfig {
            symbols: specs,
            auto_cancel_orphan_stops: config.auto_cancel_orphan_stops,
            countdown_cancels_algo: config.countdown_cancels_algo,
        }),
    };
    let audit_file = config.audit_file.as_ref().map(|path| {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map_err(|e| VenueServerError::State {
            path: path.clone(),
            why: e.to_string(),
        })
    });
    let known = config.known_key.then(ApiCredentials::known);
    let id = |i: usize| SymbolId(i as u16);
    let names = || symbols.iter().enumerate().map(|(i, s)| (i, &s.name));
    let mut venue = Venue {
        account: crate::engine::AccountId(0),
        engine,
        clock: Clock::new(now_ms, config.speed),
        source,
        hub: Hub::default(),
        audit: Audit::new(audit_file.transpose()?),
        limits: Limits::new(config.enforce_limits, config.speed, Instant::now()),
        klines: Klines::default(),
        credentials: [config.credentials, known].into_iter().flatten().collect(),
        listen_key: None,
        upper: names().map(|(i, n)| (n.clone(), id(i))).collect(),
        lower: names().map(|(i, n)| (n.to_lowercase(), id(i))).collect(),
        trades: symbols.iter().map(|_| VecDeque::new()).collect(),
        initial_balance,
        state_dir: config.state_dir,
        requests: 0,
        refused: 0,
        started: Instant::now(),
        gate,
        delay_ns,
        latency_ms: config.latency_ms,
        tops: symbols.iter().map(|_| None).collect(),
        seen_wallet: Money::ZERO,
        realised,
        marks: (0, Vec::new()),
        scratch: Vec::new(),
        symbols,
    };
    venue.open();
    venue.set_speed(config.speed);
    Ok(venue)
}

impl Venue {
    /// Brings the venue to where market time stands: the account, the first snapshots, what a loaded state holds.
    fn open(&mut self) {
        let now = self.clock.now_ms();
        let mut events = Vec::new();
        if self.engine.accounts().next().is_none() {
            self.engine.advance(now, &mut events);
            self.account = self.engine.open_account(self.initial_balance);
        }
        // The books stand before the market starts: clients synchronise against them while time waits.
        while self.source.peek_ms().is_some_and(|ms| ms <= now) {
            if let Some((ms, symbol, input)) = self.source.next_event() {
                self.engine.on_market(ms, symbol, input, &mut events);
            }
        }
        events.clear();
        let at = At {
            market_ms: now,
            wall_ns: 0,
        };
        for p in self.engine.positions(self.account).unwrap_or_default() {
            let stops = self.engine.open_stops(self.account, Some(p.symbol));
            let anchors: Vec<_> = stops
                .iter()
                .filter(|s| s.stop.qty.is_none() && !s.take_profit)
                .map(|s| (s.stop.algo_id, s.stop.side))
                .collect();
            self.audit.seed(p.symbol, p.qty, &anchors, at);
        }
        if let Ok(a) = self.engine.account(self.account) {
            self.seen_wallet = a.wallet;
        }
    }
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

    /// The account's key and secret.
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

    /// Takes this key from now on, instead of the account's one until now.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn renew(&self, key: ApiCredentials) -> Result<(), VenueServerError> {
        let renew = move |v: &mut Venue| v.credentials[0] = key;
        self.link.call(renew).await
    }

    /// Time, speed, sockets.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn stats(&self) -> Result<VenueStats, VenueServerError> {
        self.link.call(|v| v.stats()).await
    }

    /// What the venue's own log says about unprotected time.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn audit(&self) -> Result<AuditReport, VenueServerError> {
        self.link.call(|v| v.audit.report(v.at())).await
    }

    /// The venue's own books of the account.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn ledger(&self) -> Result<Ledger, VenueServerError> {
        self.link.call(|v| v.ledger()).await
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
