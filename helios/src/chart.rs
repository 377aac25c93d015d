//! `helios chart`: what the jobs of the chart `helios` do. Small steps at an API server that templates can't take: making the
//! keys of the NATS callout, looking whether anything is left before an uninstall, asking a port whether it is ready.
//!
//! They are here, and not a script in an image with a shell and a client, so that the one image serves and their rights are
//! a few verbs. None changes anything that is there already.

use crate::alone::block_on;
use crate::api_server;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use helios_bus::auth::setup::{self, Keys};
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// Longest that one question may take.
const CALL: Duration = Duration::from_secs(10);
/// Objects that are named where some are left.
const NAMED: usize = 10;
/// Keys of a Secret with the public halves, which the NATS server reads.
const PUBLIC: [&str; 3] = ["issuer.pub", "login.pub", "xkey.pub"];

/// Arguments of `helios chart`.
#[derive(Clone, Debug, Args)]
pub struct ChartArgs {
    #[command(subcommand)]
    job: Job,
}

/// Which job.
#[derive(Clone, Debug, Subcommand)]
enum Job {
    /// Make the Secret with the keys of the NATS callout, unless it is there
    NatsKeys {
        /// Namespace of the Secret
        #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
        namespace: String,
        /// Name of the Secret
        #[arg(long, value_name = "NAME")]
        secret: String,
    },
    /// Fail while HeliosStrategy or HeliosAccount objects exist
    UninstallCheck {
        /// Look into this namespace alone (default: all)
        #[arg(long, value_name = "NAMESPACE")]
        namespace: Option<String>,
    },
    /// Wait until an address answers 200
    Ready {
        /// The address, e.g. http://helios-operator:9184/readyz
        #[arg(long, value_name = "URL")]
        url: String,
        /// Seconds to wait for it
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        within: u64,
    },
}

/// Runs `helios chart`.
///
/// # Errors
/// What could not be done, or why an uninstall is refused, in words.
pub fn run(args: ChartArgs) -> Result<ExitCode> {
    block_on(async {
        match args.job {
            Job::NatsKeys { namespace, secret } => {
                nats_keys(api_server::client(CALL).await?, &namespace, &secret).await?;
            }
            Job::UninstallCheck { namespace } => {
                let client = api_server::client(CALL).await?;
                let scope = namespace.as_deref();
                let mut left = left::<HeliosStrategy>(&client, scope).await?;
                left.extend(self::left::<HeliosAccount>(&client, scope).await?);
                if let Some(why) = refusal(&left) {
                    bail!(why);
                }
                tracing::info!("no strategy and no account is left");
            }
            Job::Ready { url, within } => ready(&url, Duration::from_secs(within)).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs one question, not for ever.
async fn ask<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(CALL, call).await;
    answer
        .with_context(|| format!("{what}: no answer in {CALL:?}"))?
        .with_context(|| what.to_string())
}

/// The Secret with new keys. Immutable: half of a set that was edited fits to nothing.
fn secret(name: &str, keys: &Keys) -> Secret {
    let data = [
        (setup::ISSUER_SEED, keys.issuer_seed.as_str()),
        (setup::LOGIN_SEED, keys.login_seed.as_str()),
        (setup::XKEY_SEED, keys.xkey_seed.as_str()),
        (PUBLIC[0], &keys.issuer),
        (PUBLIC[1], &keys.login),
        (PUBLIC[2], &keys.xkey),
    ];
    let data = data.map(|(k, v)| (k.to_string(), ByteString(v.as_bytes().to_vec())));
    let labels = [
        ("app.kubernetes.io/name", "helios"),
        ("app.kubernetes.io/part-of", "helios"),
        ("app.kubernetes.io/component", "nats-keys"),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.into()),
            labels: Some(labels.map(|(k, v)| (k.into(), v.into())).into()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from(data)),
        immutable: Some(true),
        ..Secret::default()
    }
}

/// Keys that a Secret lacks.
fn lacks(secret: &Secret) -> Vec<&'static str> {
    let wanted = [setup::ISSUER_SEED, setup::LOGIN_SEED, setup::XKEY_SEED];
    let data = secret.data.as_ref();
    let there = |k: &str| data.and_then(|d| d.get(k)).is_some_and(|v| !v.0.is_empty());
    let all = wanted.into_iter().chain(PUBLIC);
    all.filter(|k| !there(k)).collect()
}

async fn nats_keys(client: Client, namespace: &str, name: &str) -> Result<()> {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let shown = format!("Secret {namespace}/{name}");
    // Twice: between looking and making it, another may have made it.
    for _ in 0..2 {
        if let Some(found) = ask(&shown, api.get_opt(name)).await? {
            let missing = lacks(&found);
            if !missing.is_empty() {
                bail!(
                    "{shown} lacks {}: delete it and a new one is made, or name another",
                    missing.join(", ")
                );
            }
            tracing::info!("{shown} is there and stays as it is");
            return Ok(());
        }
        let keys = Keys::generate().context("no keys can be made")?;
        let made = secret(name, &keys);
        let how = PostParams::default();
        let created = tokio::time::timeout(CALL, api.create(&how, &made)).await;
        match created.with_context(|| format!("{shown}: no answer in {CALL:?}"))? {
            Ok(_) => {
                tracing::info!("{shown} is made");
                return Ok(());
            }
            Err(kube::Error::Api(s)) if s.code == 409 => {}
            Err(e) => return Err(e).context(shown),
        }
    }
    bail!("{shown} comes and goes: who else makes it?")
}

/// Objects of a kind, as `Kind namespace/name`. A kind that is not served has none.
async fn left<K>(client: &Client, namespace: Option<&str>) -> Result<Vec<String>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug,
{
    let kind = K::kind(&()).into_owned();
    let api: Api<kube::core::PartialObjectMeta<K>> = match namespace {
        Some(one) => Api::namespaced(client.clone(), one),
        None => Api::all(client.clone()),
    };
    let params = ListParams::default();
    let listed = tokio::time::timeout(CALL, api.list_metadata(&params)).await;
    let listed = listed.with_context(|| format!("{kind}: no answer in {CALL:?}"))?;
    match listed {
        Ok(list) => Ok(list
            .iter()
            .map(|o| {
                let namespace = o.namespace().unwrap_or_default();
                format!("{kind} {namespace}/{}", o.name_any())
            })
            .collect()),
        Err(kube::Error::Api(s)) if s.code == 404 => Ok(Vec::new()),
        Err(e) => Err(e).with_context(|| format!("{kind} can't be listed")),
    }
}

/// Why an uninstall is refused; `None` when nothing is left.
fn refusal(left: &[String]) -> Option<String> {
    if left.is_empty() {
        return None;
    }
    let more = match left.len() - left.len().min(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let named = &left[..left.len().min(NAMED)];
    Some(format!(
        "uninstall refused, these are left: {}{more}. Without the operator their positions are not flattened and their \
         finalizers hold them for ever. Delete them first, strategies before accounts (kubectl delete heliosstrategies \
         --all -A, then heliosaccounts), and uninstall again. To do it all the same: helm uninstall --no-hooks, or \
         uninstall.force=true in an upgrade before",
        named.join(", ")
    ))
}

async fn ready(url: &str, within: Duration) -> Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2));
    let client = client.build().context("no client")?;
    let until = helios_clock::mono_ns() + u64::try_from(within.as_nanos()).unwrap_or(u64::MAX / 2);
    loop {
        let said = match client.get(url).send().await {
            Ok(r) if r.status().is_success() => {
                tracing::info!("{url} answers {}", r.status());
                return Ok(());
            }
            Ok(r) => {
                let status = r.status();
                format!("{status}: {}", r.text().await.unwrap_or_default().trim())
            }
            Err(e) => format!("{e}"),
        };
        if helios_clock::mono_ns() > until {
            bail!("{url} is not ready after {within:?}: {said}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_secret_holds_everything_that_callout_and_server_need_and_shows_no_seed() {
        let keys = Keys::generate().unwrap();
        let mut made = secret("k", &keys);
        assert!(lacks(&made).is_empty());
        assert_eq!(made.immutable, Some(true));
        assert!(keys.issuer.starts_with('A') && keys.issuer_seed.starts_with("SA"));
        assert!(keys.login.starts_with('U') && keys.xkey.starts_with('X'));
        assert!(!format!("{keys:?}").contains(keys.issuer_seed.as_str()));
        made.data.as_mut().unwrap().remove("xkey.pub");
        assert_eq!(lacks(&made), ["xkey.pub"]);
    }

    #[test]
    fn an_uninstall_is_refused_with_the_names_of_what_is_left_and_what_to_do() {
        assert_eq!(refusal(&[]), None);
        let left: Vec<String> = (0..12).map(|n| format!("HeliosStrategy ns/s{n}")).collect();
        let why = refusal(&left).unwrap();
        assert!(why.contains("HeliosStrategy ns/s0") && why.contains("and 2 more"));
        assert!(why.contains("uninstall.force=true"));
        assert!(!refusal(&left[..10]).unwrap().contains("more"));
    }
}
