//! The client of a role that runs alone: where the venue is, with which key, at which speed.

use super::keys::{self, KeyType};
use super::secret_dir::{LOOK, SecretDir};
use crate::metrics::Waits;
use anyhow::{Context, Result, bail};
use clap::Args;
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType as SignedBy, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::rest::{RateBudget, RateLimits, RestClient, RestConfig};
use helios_crds::{HeliosAccount, Venue};
use helios_venue::server::KNOWN_KEY;
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
    /// Instead: a directory with the files apiKey, apiSecret and keyType (Hmac where absent), as a mounted Secret has them. A start
    /// without them waits for them, and keys that are replaced are used at once; so does one whose venue does not answer yet
    #[arg(long, value_name = "DIR", conflicts_with = "credentials_file")]
    pub credentials_dir: Option<PathBuf>,
    /// Instead: the key that everybody knows, of a `helios venue --known-key`; needs --venue-url or the manifest's address. A
    /// start waits for that venue
    #[arg(long, conflicts_with_all = ["credentials_file", "credentials_dir"])]
    pub known_key: bool,
    /// Market seconds a wall second at that venue; without it the credentials file's, then the manifest's
    #[arg(long, value_name = "N")]
    pub speed: Option<f64>,
}

/// A key, and what its file says of the venue.
struct Found {
    credentials: Credentials,
    url: Option<String>,
    speed: Option<f64>,
    /// Where it came from, if that is looked at for others.
    dir: Option<SecretDir>,
}

/// Connects to the venue of an account and takes its time. With --credentials-dir or --known-key the start waits, in words,
/// for keys and venue.
///
/// # Errors
/// In words: what is missing, or that nobody answers.
pub async fn connect(
    account: &HeliosAccount,
    args: &LinkArgs,
    waits: &Waits,
) -> Result<RestClient> {
    let (name, spec) = (&account.metadata.name, &account.spec);
    if args.known_key && spec.venue != Venue::Simulated {
        bail!("account {name}: --known-key is for venue: Simulated alone");
    }
    let foreign = spec.venue != Venue::Simulated;
    let only = || {
        format!(
            "account {name}: this version trades the built-in venue only: write venue: Simulated"
        )
    };
    // Keys that nobody is to give are not waited for.
    if foreign && spec.credentials_secret_ref.is_none() {
        bail!(only());
    }
    let found = find(account, args, waits).await?;
    if foreign {
        bail!(only());
    }
    let url = [&args.venue_url, &found.url, &spec.simulated.url]
        .into_iter()
        .find_map(Clone::clone);
    let url = url.context("where is the venue? say --venue-url http://127.0.0.1:PORT")?;
    let speed = args.speed.or(found.speed);
    let speed = speed.unwrap_or(f64::from(spec.simulated.speed));
    if !(speed.is_finite() && speed > 0.0) {
        bail!("--speed {speed}: write a number above 0");
    }
    let rest = RestClient::new(
        endpoints(&url)?,
        Some(found.credentials),
        // A market that may stand still or run fast is never extrapolated: its time is what it said last.
        VenueClock::sampled(speed),
        RateBudget::new(limits(speed)),
        RestConfig::default(),
    )
    .context("no client for the venue")?;
    while let Err(e) = rest.sync_clock().await {
        let why = format!("no venue answers at {url}");
        if !args.waits() {
            return Err(e).context(format!("{why}: is `helios venue` running there?"));
        }
        waits.set(Some(&format!("{why}: {e}")));
        tokio::time::sleep(LOOK).await;
    }
    waits.set(None);
    tracing::info!(url, speed, "venue answers");
    if let Some(dir) = found.dir {
        tokio::spawn(dir.follow(rest.clone()));
    }
    Ok(rest)
}

impl LinkArgs {
    /// Who runs in a pod is started before what it needs is there, and would only be started again.
    const fn waits(&self) -> bool {
        self.known_key || self.credentials_dir.is_some()
    }
}

/// The key that the arguments name.
async fn find(account: &HeliosAccount, args: &LinkArgs, waits: &Waits) -> Result<Found> {
    if let Some(dir) = &args.credentials_dir {
        let secret = account.spec.credentials_secret_ref.as_ref();
        let mut dir = SecretDir::new(dir, secret.map(|s| s.name.as_str()));
        let credentials = dir.wait(|why| waits.set(Some(why))).await;
        return Ok(Found {
            credentials,
            url: None,
            speed: None,
            dir: Some(dir),
        });
    }
    if args.known_key {
        let secret = Secret::new(KNOWN_KEY.into());
        return Ok(Found {
            credentials: Credentials::new(KNOWN_KEY, secret, SignedBy::Hmac)
                .context("--known-key")?,
            url: None,
            speed: None,
            dir: None,
        });
    }
    let keys = keys::read(&args.credentials_file)?;
    let key_type = match keys.key_type {
        KeyType::Hmac => SignedBy::Hmac,
        KeyType::Ed25519 => SignedBy::Ed25519,
    };
    let credentials = Credentials::new(&keys.api_key, Secret::new(keys.api_secret), key_type);
    Ok(Found {
        credentials: credentials.with_context(|| format!("{}", args.credentials_file.display()))?,
        url: keys.url,
        speed: keys.speed,
        dir: None,
    })
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

    fn account(spec: &str) -> HeliosAccount {
        let text = format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: a}}\nspec: {spec}\n"
        );
        let m = helios_crds::manifest::parse(&[("f.yaml".into(), text)]).unwrap();
        m.accounts[0].object.clone()
    }

    fn by(known_key: bool, dir: Option<PathBuf>) -> LinkArgs {
        LinkArgs {
            venue_url: Some("http://127.0.0.1:1".into()),
            credentials_file: "/gone.json".into(),
            credentials_dir: dir,
            known_key,
            speed: None,
        }
    }

    #[tokio::test]
    async fn the_known_key_is_for_simulated_accounts_and_keys_nobody_is_to_give_are_not_waited_for()
    {
        let waits = Waits::default();
        let binance = account("{venue: BinanceUsdm, environment: Paper}");
        let why = connect(&binance, &by(true, None), &waits)
            .await
            .unwrap_err();
        assert!(why.to_string().contains("--known-key"), "{why}");
        let dir = Some("/gone".into());
        let why = connect(&binance, &by(false, dir), &waits)
            .await
            .unwrap_err();
        assert!(why.to_string().contains("built-in venue"), "{why}");
        let sim = account("{venue: Simulated}");
        assert!(connect(&sim, &by(false, None), &waits).await.is_err());
        assert_eq!(waits.get(), None);
    }

    #[tokio::test]
    async fn a_start_in_a_pod_waits_for_keys_and_venue_and_says_so() {
        let waits = Waits::default();
        let sim = account("{venue: Simulated, credentialsSecretRef: {name: keys}}");
        let dir = tempfile::tempdir().unwrap();
        let args = by(false, Some(dir.path().into()));
        let start = connect(&sim, &args, &waits);
        tokio::pin!(start);
        assert!(tokio::time::timeout(LOOK / 2, &mut start).await.is_err());
        let why = "credentials missing: Secret keys has no apiKey, apiSecret: write";
        assert!(waits.get().unwrap().starts_with(why));
        let known = by(true, None);
        let start = connect(&sim, &known, &waits);
        assert!(tokio::time::timeout(LOOK, start).await.is_err());
        let why = waits.get().unwrap();
        assert!(
            why.starts_with("no venue answers at http://127.0.0.1:1"),
            "{why}"
        );
    }

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
