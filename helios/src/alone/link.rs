//! The client of a role that runs alone: where the venue is, with which key, at which speed.

use super::keys::{self, KeyType};
use anyhow::{Context, Result, bail};
use clap::Args;
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType as SignedBy, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{RateBudget, RateLimits, RestClient, RestConfig};
use helios_crds::{HeliosAccount, Venue};
use std::path::PathBuf;

/// Where the venue is.
#[derive(Clone, Debug, Args)]
pub struct LinkArgs {
    /// Base address of the venue, e.g. http://127.0.0.1:9181; without it the credentials file's, then the manifest's
    #[arg(long, value_name = "URL")]
    pub venue_url: Option<String>,
    /// File with the venue's key, as `helios venue` writes it; mode 0600
    #[arg(long, value_name = "FILE", default_value = keys::DEFAULT_FILE)]
    pub credentials_file: PathBuf,
    /// Directory with the venue's key as a Secret is mounted, instead: files apiKey, apiSecret, keyType (Hmac or Ed25519)
    #[arg(long, value_name = "DIR", conflicts_with = "credentials_file")]
    pub credentials_dir: Option<PathBuf>,
    /// Market seconds a wall second at that venue; without it the credentials file's, then the manifest's
    #[arg(long, value_name = "N")]
    pub speed: Option<f64>,
}

/// Connects to the venue of an account and takes its time.
///
/// # Errors
/// In words: what is missing, or that nobody answers.
pub async fn connect(account: &HeliosAccount, args: &LinkArgs) -> Result<RestClient> {
    let (name, spec) = (&account.metadata.name, &account.spec);
    if spec.venue != Venue::Simulated {
        bail!(
            "account {name}: this version trades the built-in venue only: write venue: Simulated"
        );
    }
    let (keys, from) = match &args.credentials_dir {
        Some(dir) => (keys::read_dir(dir)?, dir),
        None => (keys::read(&args.credentials_file)?, &args.credentials_file),
    };
    let url = [&args.venue_url, &keys.url, &spec.simulated.url]
        .into_iter()
        .find_map(Clone::clone);
    let url = url.context("where is the venue? say --venue-url http://127.0.0.1:PORT")?;
    let speed = args.speed.or(keys.speed);
    let speed = speed.unwrap_or(f64::from(spec.simulated.speed));
    if !(speed.is_finite() && speed > 0.0) {
        bail!("--speed {speed}: write a number above 0");
    }
    let key_type = match keys.key_type {
        KeyType::Hmac => SignedBy::Hmac,
        KeyType::Ed25519 => SignedBy::Ed25519,
    };
    let credentials = Credentials::new(&keys.api_key, Secret::new(keys.api_secret), key_type)
        .with_context(|| format!("{}", from.display()))?;
    let rest = RestClient::new(
        endpoints(&url)?,
        Some(credentials),
        // A market that may stand still or run fast is never extrapolated: its time is what it said last.
        VenueClock::sampled(speed),
        RateBudget::new(limits(speed)),
        RestConfig::default(),
    )
    .context("no client for the venue")?;
    rest.sync_clock()
        .await
        .with_context(|| format!("no venue answers at {url}: is `helios venue` running there?"))?;
    tracing::info!(url, speed, "venue answers");
    Ok(rest)
}

/// What the exchange allows, until it says so itself. A venue that runs faster than real time allows so much more; a start
/// that did not know would take what its other clients use for too much, and wait a minute while a position is unwatched.
fn limits(speed: f64) -> RateLimits {
    let d = RateLimits::default();
    let times = |n: u32| n.saturating_mul(speed.ceil().max(1.0) as u32);
    RateLimits {
        weight_1m: times(d.weight_1m),
        orders_10s: times(d.orders_10s),
        orders_1m: times(d.orders_1m),
    }
}

/// All addresses of a venue that serves REST and the three WebSocket routes under one.
fn endpoints(url: &str) -> Result<Endpoints> {
    let rest = url.trim_end_matches('/');
    let ws = match rest.split_once("://") {
        Some(("http", host)) if !host.is_empty() => format!("ws://{host}"),
        Some(("https", host)) if !host.is_empty() => format!("wss://{host}"),
        _ => bail!("\"{url}\" is no address: write http://127.0.0.1:PORT"),
    };
    Ok(Endpoints::for_local(rest, &ws))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_fast_venue_allows_more() {
        assert_eq!(limits(0.5), RateLimits::default());
        assert_eq!(limits(14.5).weight_1m, 15 * 2400);
    }

    #[test]
    fn one_address_gives_rest_and_the_three_routes() {
        let e = endpoints("http://127.0.0.1:9181/").unwrap();
        assert_eq!(
            (e.rest.as_str(), e.ws_private.as_str()),
            ("http://127.0.0.1:9181", "ws://127.0.0.1:9181/private")
        );
        assert_eq!(
            endpoints("https://venue").unwrap().ws_public,
            "wss://venue/public"
        );
        for bad in ["127.0.0.1:9181", "ws://127.0.0.1", "http://", ""] {
            assert!(endpoints(bad).is_err(), "{bad}");
        }
    }
}
