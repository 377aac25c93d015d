//! The built-in venue of an account: its market source and its server.

use super::args::Args;
use anyhow::{Context, Result, bail};
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{RateBudget, RateLimits, RestClient, RestConfig};
use helios_crds::{HeliosAccount, Venue};
use helios_venue::market::{Generator, GeneratorConfig, MarketSource, Profile, Replay};
use helios_venue::server::{VenueConfig, VenueHandle, VenueServer};
use rust_decimal::prelude::ToPrimitive;
use std::path::Path;

/// A running venue and the client that everything of the account shares.
pub struct RunningVenue {
    /// The server.
    pub handle: VenueHandle,
    /// Client on its loopback address: one budget, one clock.
    pub rest: RestClient,
    /// Market seconds a wall second.
    pub speed: f64,
    /// Words every output carries.
    pub label: String,
}

/// Starts the venue an account asks for, with the command line's overrides.
///
/// # Errors
/// In words: what can't be started and what to write instead.
pub async fn start(account: &HeliosAccount, args: &Args) -> Result<RunningVenue> {
    let spec = &account.spec;
    if spec.venue != Venue::Simulated {
        bail!(
            "account {}: `helios up` trades the built-in venue only: write venue: Simulated",
            account.metadata.name
        );
    }
    if let Some(url) = &spec.simulated.url {
        bail!(
            "account {}: spec.simulated.url {url}: leave it out, `helios up` starts its own venue",
            account.metadata.name
        );
    }
    let speed = args.speed.unwrap_or(f64::from(spec.simulated.speed));
    let source = source(account, args)?;
    let label = source.label();
    let mut config = VenueConfig::new(source);
    config.listen = args.venue;
    config.speed = speed;
    config.latency_ms = args.latency.unwrap_or(spec.simulated.latency_ms.into());
    config.initial_balance = spec.simulated.initial_balance.0;
    config.state_dir = args
        .state
        .as_deref()
        .map(|d| state_dir(d, account).join("venue"));
    let handle = VenueServer::start(config)
        .await
        .context("the venue can't start")?;
    let rest = client(&handle, speed).context("the venue's client can't start")?;
    rest.sync_clock()
        .await
        .context("the venue doesn't tell its time")?;
    Ok(RunningVenue {
        handle,
        rest,
        speed,
        label,
    })
}

/// Where an account's state lies under `--state DIR`.
pub fn state_dir(dir: &Path, account: &HeliosAccount) -> std::path::PathBuf {
    dir.join(account.metadata.full_name().replace('/', "-"))
}

fn source(account: &HeliosAccount, args: &Args) -> Result<Box<dyn MarketSource>> {
    if let Some(path) = &args.replay {
        let replay =
            Replay::open(path).with_context(|| format!("{} can't be replayed", path.display()))?;
        return Ok(Box::new(replay));
    }
    let sim = &account.spec.simulated;
    let edge = args.edge.or(sim.edge.0.to_f64()).unwrap_or(0.0);
    let profile = Profile::named(&sim.profile).with_context(|| {
        format!(
            "\"{}\" is no market profile: write demo or btc-like",
            sim.profile
        )
    })?;
    let config = GeneratorConfig::new(args.seed.unwrap_or(sim.seed), edge, profile);
    Ok(Box::new(
        Generator::new(config).context("the market can't be generated")?,
    ))
}

fn client(handle: &VenueHandle, speed: f64) -> Result<RestClient> {
    let key = handle.credentials();
    let credentials = Credentials::new(&key.key, Secret::new(key.secret.clone()), KeyType::Hmac)?;
    let endpoints = Endpoints {
        rest: handle.rest_url(),
        ws_public: handle.ws_public_url(),
        ws_market: handle.ws_market_url(),
        ws_private: handle.ws_private_url(),
        ..Endpoints::for_local(&handle.rest_url(), &handle.ws_public_url())
    };
    // A market that may stand still or run fast is never extrapolated: its time is what it said last.
    let clock = VenueClock::sampled(speed);
    let budget = RateBudget::new(RateLimits::default());
    Ok(RestClient::new(
        endpoints,
        Some(credentials),
        clock,
        budget,
        RestConfig::default(),
    )?)
}
