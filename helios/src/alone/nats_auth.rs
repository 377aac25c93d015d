//! `helios nats-auth`: the service that tells a NATS server who may do what, and its first set of keys.

#[cfg(feature = "kubernetes")]
use super::token_review::{Both, TokenReviews};
use super::{asked_to_end, block_on, say};
use crate::metrics::{self, CalloutMetrics};
use anyhow::{Context, Result, bail};
use clap::Args;
use helios_bus::auth::keys::{Issuer, Login, Sealer};
use helios_bus::auth::setup::{self, Setup};
use helios_bus::auth::{Callout, Options, Placement, StaticTokens, Validator, callout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `helios nats-auth`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The NATS server asks this service about every connection (its auth callout). A client shows a token as its password;\n\
the answer is the exact list of subjects of its role: a worker asks, reports and hears for its own symbol only, only the\n\
coordinator of an account hears questions and can answer them. While the service is down nobody new gets in and whoever\n\
is connected goes on; several may run at once.\n\n\
Files in DIR, all mode 0600:\n  \
tokens.yaml       who may connect; read again when it changes\n  \
issuer.seed       signs the answers\n  \
login.seed        logs this service in\n  \
xkey.seed         opens the questions\n  \
*.token           written by --init, to hand to the roles; the service does not read them\n  \
nats-server.conf  written by --init; holds public keys only\n\n\
tokens.yaml:\n  \
tokens:\n  \
- {tokenSha256: 64 hex digits, role: Coordinator, account: default/paper}\n  \
- {tokenSha256: ..., role: Worker, account: default/paper, strategy: default/nobi, symbol: BTCUSDT}\n  \
- {tokenSha256: ..., role: Worker, account: default/paper, strategy: default/nobi, symbol: '*'}\n  \
- {tokenSha256: ..., role: Operator, account: default/paper}\n  \
- {tokenSha256: ..., role: Admin, account: default/paper, expires: 2030-01-31T00:00:00Z}\n\
A worker names its symbol by its user, worker:BTCUSDT; symbol '*' lets it be any one.\n\n\
Example:\n  helios nats-auth --init nats --account default/paper --strategy default/nobi\n  \
nats-server -c nats/nats-server.conf &\n  helios nats-auth nats"
)]
pub struct NatsAuthArgs {
    /// Directory of keys and tokens
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Write a first set of keys, tokens and a server configuration into DIR, and end
    #[arg(long)]
    init: bool,
    /// With --init: account of the tokens, `namespace/name`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default/paper",
        requires = "init"
    )]
    account: String,
    /// With --init: strategy of the workers' token, `namespace/name`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default/nobi",
        requires = "init"
    )]
    strategy: String,
    /// With --init: where the NATS server is to listen
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:4222",
        requires = "init"
    )]
    listen: String,
    /// Address of the NATS server
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// Certificate authority of the server (PEM); with it the connection is encrypted or not made
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Tokens, instead of DIR/tokens.yaml
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Seed that signs the answers, instead of DIR/issuer.seed
    #[arg(long, value_name = "FILE")]
    issuer_seed: Option<PathBuf>,
    /// Seed this service logs in with, instead of DIR/login.seed
    #[arg(long, value_name = "FILE")]
    login_seed: Option<PathBuf>,
    /// Seed that opens the questions, instead of DIR/xkey.seed
    #[arg(long, value_name = "FILE", conflicts_with = "no_xkey")]
    xkey_seed: Option<PathBuf>,
    /// Take unsealed questions: for a server whose auth_callout has no xkey
    #[arg(long)]
    no_xkey: bool,
    /// Seconds a connection lasts before its client connects again and its token is checked anew
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    lifetime: u64,
    /// Check pods' projected tokens by TokenReview, those of DIR/tokens.yaml too if it is there. Audience: helios-nats, of workers
    /// helios-nats:NAMESPACE/STRATEGY. Service accounts: hc-ACCOUNT for coordinators, hw-ACCOUNT for workers
    #[cfg(feature = "kubernetes")]
    #[arg(long)]
    kubernetes: bool,
    /// With --kubernetes: the operator's service account, `namespace/name` (default: there is none)
    #[cfg(feature = "kubernetes")]
    #[arg(long, value_name = "NAME", requires = "kubernetes", value_parser = full_name)]
    operator_service_account: Option<(String, String)>,
    /// Place all clients in this one NATS account, instead of one for each account of Helios (docs/nats.md says what that gives up)
    #[arg(long, value_name = "NAME")]
    nats_account: Option<String>,
    /// Serve /metrics (Prometheus), /healthz and /readyz here, e.g. 127.0.0.1:9184; no password
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
}

/// Runs `helios nats-auth`.
///
/// # Errors
/// A refused start, or the failure that ended it, in words.
pub fn run(args: NatsAuthArgs) -> Result<ExitCode> {
    if args.init {
        return init(&args);
    }
    block_on(serve(args))
}

fn init(args: &NatsAuthArgs) -> Result<ExitCode> {
    let setup = Setup {
        account: args.account.clone(),
        strategy: args.strategy.clone(),
        listen: args.listen.clone(),
    };
    let written = setup
        .write(&args.dir)
        .context("--init writes over nothing; choose another directory")?;
    for line in next_steps(args, &written) {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// What was written and what to do with it. Names files, never what is in them.
fn next_steps(args: &NatsAuthArgs, written: &[PathBuf]) -> Vec<String> {
    let dir = args.dir.display();
    let (conf, listen) = (setup::SERVER_CONF, &args.listen);
    let mut lines = vec![format!(
        "written for {} and {}, readable by you alone:",
        args.account, args.strategy
    )];
    lines.extend(written.iter().map(|p| format!("  {}", p.display())));
    lines.extend([
        String::new(),
        "next:".into(),
        format!("  nats-server -c {dir}/{conf}"),
        format!("  helios nats-auth {dir} --nats nats://{listen}"),
        format!(
            "then give {dir}/{} to the coordinator, {dir}/{} to its workers and {dir}/{} to people;",
            setup::COORDINATOR_TOKEN,
            setup::WORKER_TOKEN,
            setup::ADMIN_TOKEN
        ),
        format!(
            "the service itself needs {}, {}, {} and {} only.",
            setup::ISSUER_SEED,
            setup::LOGIN_SEED,
            setup::XKEY_SEED,
            setup::TOKENS
        ),
    ]);
    lines
}

/// Does the address leave this machine unencrypted?
fn open_to_readers(url: &str, ca: Option<&Path>) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let here = ["127.", "localhost", "[::1]"];
    ca.is_none() && !["tls", "wss"].contains(&scheme) && !here.iter().any(|h| rest.starts_with(h))
}

/// `namespace/name`.
#[cfg(feature = "kubernetes")]
fn full_name(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((ns, name)) if !ns.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((ns.into(), name.into()))
        }
        _ => Err("write namespace/name".into()),
    }
}

fn static_tokens(args: &NatsAuthArgs) -> Result<StaticTokens> {
    let file = args.tokens.clone();
    let file = file.unwrap_or_else(|| args.dir.join(setup::TOKENS));
    StaticTokens::open(file).context("the tokens")
}

/// Who checks the tokens, and in words by what.
async fn validator(args: &NatsAuthArgs) -> Result<(Arc<dyn Validator>, String)> {
    #[cfg(feature = "kubernetes")]
    if args.kubernetes {
        let client = super::cluster::client().await?;
        let reviews = TokenReviews::new(client, args.operator_service_account.clone());
        if args.tokens.is_none() && !args.dir.join(setup::TOKENS).exists() {
            return Ok((Arc::new(reviews), "the API server's word".into()));
        }
        let tokens = static_tokens(args)?;
        let known = format!("the API server's word and {} tokens", tokens.len());
        return Ok((Arc::new(Both { tokens, reviews }), known));
    }
    let tokens = static_tokens(args)?;
    if tokens.is_empty() {
        bail!("the token file admits nobody: see `helios nats-auth --help`");
    }
    let known = format!("{} tokens", tokens.len());
    Ok((Arc::new(tokens), known))
}

async fn serve(args: NatsAuthArgs) -> Result<ExitCode> {
    let dir = &args.dir;
    let file =
        |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| dir.join(name));
    let help = "is there a set of keys? helios nats-auth --init DIR writes one";
    let issuer = Issuer::read(&file(&args.issuer_seed, setup::ISSUER_SEED)).context(help)?;
    let login = Login::read(&file(&args.login_seed, setup::LOGIN_SEED)).context(help)?;
    let sealer = if args.no_xkey {
        None
    } else {
        let path = file(&args.xkey_seed, setup::XKEY_SEED);
        Some(Sealer::read(&path).context("without a curve key, say --no-xkey")?)
    };
    let (validator, known) = validator(&args).await?;
    if open_to_readers(&args.nats, args.ca.as_deref()) {
        tracing::warn!("the connection to NATS is not encrypted: say --ca FILE");
    }
    let options = Options {
        issuer,
        sealer,
        placement: args
            .nats_account
            .clone()
            .map_or(Placement::Own, Placement::Shared),
        lifetime: Duration::from_secs(args.lifetime),
    };
    let client = callout::connect(&args.nats, &login, args.ca.as_deref())
        .await
        .with_context(|| format!("{} can't be used", args.nats))?;
    let service = Arc::new(Callout::new(options, validator));
    let shown = Arc::new(CalloutMetrics::new(service.clone(), {
        let client = client.clone();
        move || callout::connected(&client)
    })?);
    if let Some(addr) = args.metrics {
        metrics::serve(addr, shown.clone()).await?;
    }
    let ready = || {
        shown.serving();
        say(&format!("answering {} with {known}", args.nats));
    };
    let beats = async {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            shown.beat.beat();
        }
    };
    let reason = tokio::select! {
        r = service.clone().serve(client.clone(), ready) => {
            r?;
            bail!("the connection to NATS is closed");
        }
        () = beats => bail!("its loop ended"),
        why = asked_to_end()? => why,
    };
    // The server forgets us, and whoever asks meanwhile is asked by another.
    let _ = tokio::time::timeout(Duration::from_secs(2), client.drain()).await;
    let c = service.counts();
    say(&format!(
        "{reason}: {} admitted, {} refused, {} questions dropped",
        c.admitted, c.refused, c.malformed
    ));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: NatsAuthArgs,
    }

    fn args(line: &[&str]) -> NatsAuthArgs {
        Cli::parse_from([&["nats-auth"], line].concat()).args
    }

    #[test]
    fn init_says_what_to_do_next_and_shows_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let set = dir.path().join("set");
        let a = args(&["--init", set.to_str().unwrap(), "--account", "ns/a"]);
        let setup = Setup {
            account: a.account.clone(),
            strategy: a.strategy.clone(),
            listen: a.listen.clone(),
        };
        let written = setup.write(&a.dir).unwrap();
        let said = next_steps(&a, &written).join("\n");
        assert!(said.contains("nats-server -c") && said.contains("helios nats-auth"));
        for p in written.iter().filter(|p| !p.ends_with(setup::SERVER_CONF)) {
            let text = std::fs::read_to_string(p).unwrap();
            assert!(!said.contains(text.trim()));
        }
        // A second time it is refused and changes nothing.
        let before = std::fs::read_to_string(set.join(setup::ISSUER_SEED)).unwrap();
        assert!(run(a).is_err());
        let after = std::fs::read_to_string(set.join(setup::ISSUER_SEED)).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn an_address_beyond_this_machine_without_encryption_is_noticed() {
        let ca = Path::new("ca.pem");
        assert!(open_to_readers("nats://nats.example:4222", None));
        assert!(open_to_readers("10.0.0.1:4222", None));
        assert!(!open_to_readers("nats://nats.example:4222", Some(ca)));
        assert!(!open_to_readers("tls://nats.example:4222", None));
        assert!(!open_to_readers("nats://127.0.0.1:4222", None));
    }
}
