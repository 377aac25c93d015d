//! `helios venue`: the simulated exchange as a process of its own.

use super::keys::{self, KeyType, Keys};
use super::venue_faults::Faults;
use super::venue_market::{self, Start};
use super::venue_rules::Rules;
use super::{accounts_file, asked_to_end, block_on, say};
use crate::metrics::{self, Beat, Shown};
use anyhow::{Context, Result};
use clap::Args;
use helios_venue::market::{
    DEMO_SYMBOLS, Generator, GeneratorConfig, MarketSource, Profile, Replay,
};
use helios_venue::server::{
    ApiCredentials, KNOWN_KEY, VenueConfig, VenueHandle, VenueServer, saved_start,
};
use rust_decimal::Decimal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two looks whether the venue answers.
const LOOK: Duration = Duration::from_secs(1);

/// Arguments of `helios venue`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The key and its secret are written to --credentials-file, mode 0600, and never shown. A file that is there is used\n\
again, so that clients survive a restart of the venue; with --state so do wallet, positions and orders.\n\
The administration port (docs/venue.md) sets a price path, drops sockets, pauses streams, changes the speed.\n\n\
Examples:\n  helios venue --speed 60 --edge 0.5\n  helios venue --replay capture.jsonl.gz --speed 10 --wait"
)]
pub struct VenueArgs {
    /// Address of REST and WebSocket; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9181")]
    listen: SocketAddr,
    /// Loopback address of the administration port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9182")]
    admin: SocketAddr,
    /// Seed of the generated market: the same seed is the same market
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Predictive edge of order book imbalance in the generated market, 0 (none) to 1
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    edge: f64,
    /// Profile of the generated market
    #[arg(long, value_name = "NAME", default_value = "demo", value_parser = clap::builder::PossibleValuesParser::new(Profile::NAMES))]
    profile: String,
    /// Contracts of the generated market: the eight of the demo, then made-up ones (C9USDT, C10USDT, ...)
    #[arg(long, value_name = "N", default_value_t = DEMO_SYMBOLS.len(), value_parser = contracts)]
    symbols: usize,
    /// Replay a recorded market instead: a raw capture, `<local ns> <combined stream json>` a line, plain or gz
    #[arg(long, value_name = "CAPTURE", conflicts_with_all = ["seed", "edge", "profile", "symbols"])]
    replay: Option<PathBuf>,
    /// Market seconds a wall second
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Round trip of an order, market ms
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Wallet at the start, USDT; a loaded state overrides it
    #[arg(long, value_name = "USDT", default_value = "10000")]
    balance: Decimal,
    /// Load the venue's state from here if it is there, save it here at the end
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Save the state this often too, wall seconds: a venue that is killed comes back as it was then
    #[arg(long, value_name = "S", requires = "state", value_parser = clap::value_parser!(u64).range(1..=3600))]
    save_every: Option<u64>,
    /// Serve /metrics, /healthz and /readyz here, e.g. 127.0.0.1:9184; no password
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Where key and secret are written for `helios coordinator` and `helios worker`
    #[arg(long, value_name = "FILE", default_value = keys::DEFAULT_FILE)]
    credentials_file: PathBuf,
    /// Take the api key `simulated` with the secret `simulated`, which everybody knows; no credentials file is written. Whoever
    /// reaches --listen trades, so the network must say who does
    #[arg(long, conflicts_with_all = ["credentials_file", "credentials_dir"])]
    known_key: bool,
    /// Directory with the key that the venue takes, as a Secret is mounted: files apiKey and apiSecret; nothing is written then.
    /// A key that is replaced is taken at once, and the one before no more
    #[arg(long, value_name = "DIR", conflicts_with = "credentials_file")]
    credentials_dir: Option<PathBuf>,
    /// The venue's accounts instead of one: a YAML or JSON list of name, keys and balance (docs/venue.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["credentials_file", "credentials_dir", "known_key"])]
    accounts: Option<PathBuf>,
    /// When the generated market begins: `now`, or a time such as 2026-01-05T00:00:00Z. `now` at speed 1, else that one, unless told
    #[arg(long, value_name = "TIME", conflicts_with = "replay", value_parser = venue_market::start)]
    start: Option<Start>,
    /// Append the log of fills and protective stops here, one JSON object a line
    #[arg(long, value_name = "FILE")]
    audit_file: Option<PathBuf>,
    /// Market time stands until `POST /start` on the administration port
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    faults: Faults,
    /// Count request weight and orders, but never refuse for them
    #[arg(long)]
    no_limits: bool,
    /// Print the addresses as one JSON line, and the books as another at the end
    #[arg(long)]
    json: bool,
}

/// Runs `helios venue`.
///
/// # Errors
/// A refused start, or a state that can't be saved, in words.
pub fn run(args: VenueArgs) -> Result<ExitCode> {
    block_on(serve(args))
}

async fn serve(args: VenueArgs) -> Result<ExitCode> {
    let market = market(&args)?;
    let mut config = VenueConfig::new(market.source);
    config.in_step = market.in_step;
    config.listen = args.listen;
    config.admin = args.admin;
    config.speed = args.speed;
    config.latency_ms = args.latency;
    config.initial_balance = args.balance;
    config.known_key = args.known_key;
    let mut door = Door::default();
    config.credentials = match &args.credentials_dir {
        _ if args.known_key || args.accounts.is_some() => None,
        Some(dir) => door.look(dir)?,
        None => keys::reuse(&args.credentials_file)?,
    };
    if let Some(file) = &args.accounts {
        config.accounts = accounts_file::read(file, args.balance)?;
    }
    config.state_dir.clone_from(&args.state);
    config.audit_file.clone_from(&args.audit_file);
    args.rules.apply(&mut config);
    args.faults.apply(&mut config)?;
    config.enforce_limits = !args.no_limits;
    let venue = VenueServer::start(config)
        .await
        .context("the venue can't start")?;
    if !args.known_key && args.credentials_dir.is_none() && args.accounts.is_none() {
        hand_over(&args, &venue)?;
    }
    let end = asked_to_end()?;
    let port = Arc::new(Port(Beat::default()));
    port.0.beat();
    if let Some(addr) = args.metrics {
        metrics::serve(addr, port.clone()).await?;
    }
    announce(&args, &venue);
    if !args.wait {
        venue.start_market().await?;
    }
    let why = tokio::select! {
        why = end => why,
        () = watched(&args, &venue, &port.0, door) => "it has stopped",
    };
    tracing::info!("leaving: {why}");
    let (ledger, stats) = (venue.ledger().await?, venue.stats().await?);
    let saved = venue.shutdown().await;
    if args.json {
        say(&serde_json::json!({"ledger": ledger, "stats": stats}).to_string());
    } else {
        say(&format!(
            "wallet {} of {}: realised {}, fees {}, other {}; {} fills, {} positions open; {:.0} market seconds, {} requests, {} refused",
            ledger.wallet,
            ledger.initial_balance,
            ledger.realised,
            ledger.fees,
            ledger.other,
            ledger.fills,
            ledger.positions.len(),
            stats.market_elapsed_ms as f64 / 1000.0,
            stats.requests,
            stats.refused,
        ));
    }
    saved.context("the venue's state can't be saved")?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the venue's own key down for its clients.
fn hand_over(args: &VenueArgs, venue: &VenueHandle) -> Result<()> {
    let key = venue.credentials();
    let keys = Keys {
        api_key: key.key.clone(),
        api_secret: key.secret.clone(),
        key_type: KeyType::Hmac,
        url: Some(venue.rest_url()),
        speed: Some(args.speed),
    };
    keys::write(&args.credentials_file, &keys)
}

/// The key of a directory, which may be replaced while the venue runs.
#[derive(Default)]
struct Door {
    used: Option<ApiCredentials>,
    /// What was wrong last, so that it is told once.
    wrong: Option<String>,
}

impl Door {
    /// The key that is there, unless it was given out before.
    fn look(&mut self, dir: &Path) -> Result<Option<ApiCredentials>> {
        let now = Some(keys::built_in(keys::read_dir(dir)?, dir)?);
        if now == self.used {
            return Ok(None);
        }
        self.used.clone_from(&now);
        Ok(now)
    }

    /// Has the venue take the key that is there. One that can't be used changes nothing.
    async fn follow(&mut self, dir: &Path, venue: &VenueHandle) {
        let wrong = match self.look(dir) {
            Ok(Some(key)) => {
                tracing::info!("the key was replaced: the one before is taken no more");
                venue.renew(key).await.err().map(|e| e.to_string())
            }
            Ok(None) => None,
            Err(e) => Some(format!("{e:#}")),
        };
        if wrong != self.wrong {
            if let Some(why) = &wrong {
                tracing::error!("{why}; the key before is taken still");
            }
            self.wrong = wrong;
        }
    }
}

/// Looks whether the venue answers and which key it is to take, and saves its state as often as it shall; ends when it has
/// stopped.
async fn watched(args: &VenueArgs, venue: &VenueHandle, beat: &Beat, mut door: Door) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saved = Instant::now();
    while venue.stats().await.is_ok() {
        beat.beat();
        if let Some(dir) = &args.credentials_dir {
            door.follow(dir, venue).await;
        }
        let due = |s: u64| saved.elapsed() >= Duration::from_secs(s);
        if args.save_every.is_some_and(due) {
            saved = Instant::now();
            if let Err(e) = venue.save().await {
                tracing::error!(error = %e, "the state can't be saved: a venue that is killed now comes back as it was before");
            }
        }
        look.tick().await;
    }
}

/// What a venue shows: that it answers. Its numbers are on the administration port.
struct Port(Beat);

impl Shown for Port {
    fn text(&self) -> Result<String> {
        Ok("# the numbers of a venue are on its administration port: GET /state\n".into())
    }

    fn lives(&self) -> bool {
        self.0.lives()
    }

    fn ready(&self) -> Result<(), String> {
        if self.lives() {
            Ok(())
        } else {
            Err("it does not answer".into())
        }
    }
}

/// What is traded, and whether its time keeps in step with the system's clock.
struct Market {
    source: Box<dyn MarketSource>,
    in_step: bool,
}

fn contracts(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=512) => Ok(n),
        _ => Err("write a number from 1 to 512".into()),
    }
}

fn market(args: &VenueArgs) -> Result<Market> {
    if let Some(path) = &args.replay {
        let replay =
            Replay::open(path).with_context(|| format!("{} can't be replayed", path.display()))?;
        return Ok(Market {
            source: Box::new(replay),
            in_step: false,
        });
    }
    let profile = Profile::named(&args.profile).context("no such profile")?;
    let mut config = GeneratorConfig::new(args.seed, args.edge, profile);
    let made_up = (config.symbols.len() + 1..=args.symbols).map(|n| format!("C{n}USDT"));
    config.symbols.extend(made_up);
    config.symbols.truncate(args.symbols);
    let saved = match &args.state {
        Some(dir) => saved_start(dir)?,
        None => None,
    };
    let in_step;
    (config.start_ms, in_step) = venue_market::begins(args.start, saved, args.speed)?;
    let source = Generator::new(config).context("the market can't be generated")?;
    Ok(Market {
        source: Box::new(source),
        in_step,
    })
}

fn announce(args: &VenueArgs, v: &VenueHandle) {
    let file = args
        .credentials_dir
        .as_ref()
        .unwrap_or(&args.credentials_file);
    let file = args.accounts.as_ref().unwrap_or(file);
    let file = (!args.known_key).then(|| file.display().to_string());
    if args.json {
        let line = serde_json::json!({
            "market": v.label(), "rest": v.rest_url(), "ws": v.ws_url(), "wsPublic": v.ws_public_url(),
            "wsMarket": v.ws_market_url(), "wsPrivate": v.ws_private_url(), "admin": v.admin_url(),
            "credentialsFile": file, "speed": args.speed,
        });
        say(&line.to_string());
        return;
    }
    say(v.label());
    say(&format!("rest         {}/fapi/...", v.rest_url()));
    say(&format!("ws public    {}", v.ws_public_url()));
    say(&format!("ws market    {}", v.ws_market_url()));
    say(&format!("ws private   {}", v.ws_private_url()));
    say(&format!("admin        {}", v.admin_url()));
    say(&match file {
        Some(f) if args.accounts.is_some() => format!("accounts     {f}"),
        Some(f) => format!("credentials  {f} (mode 0600)"),
        None => format!("credentials  key and secret are \"{KNOWN_KEY}\": --known-key"),
    });
    say(&if args.wait {
        format!(
            "market time stands: curl -X POST {}/start lets it go",
            v.admin_url()
        )
    } else {
        format!(
            "market time runs at speed {}; Ctrl-C ends the venue",
            args.speed
        )
    });
}
