//! Who plays on a stage: operators, venues and coordinators, workers that trade, and the one that speaks for the rest.

use super::mount::Mount;
use super::voices::Voices;
use super::{Desk, HOME, Keys, Running, Stage, run};
use crate::wait_for;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::Value;
use std::time::Duration;

/// Longest that an operator may take until an account's objects are made, on a busy machine.
const MADE: Duration = Duration::from_secs(60);

impl Stage<'_> {
    /// Starts an operator for the namespace.
    pub async fn operator(&mut self) -> Result<()> {
        self.operator_of("helios:test").await
    }

    /// Starts an operator that makes pods of an image.
    pub async fn operator_of(&mut self, image: &str) -> Result<()> {
        let account = format!("{}-operator", self.ns);
        let kubeconfig = self.cluster.kubeconfig_of(HOME, &account).await?;
        let n = self.operators.len();
        let args = [
            "operator",
            &format!("--namespace={}", self.ns),
            &format!("--lease-namespace={HOME}"),
            &format!("--lease={account}"),
            &format!("--image={image}"),
            &format!("--coordinator-role={}-coordinator", self.ns),
            &format!("--nats={}", self.nats_url),
        ];
        let env = vec![
            ("KUBECONFIG".into(), kubeconfig.display().to_string()),
            ("POD_NAME".into(), format!("operator-{n}")),
            ("POD_UID".into(), format!("uid-{n}")),
        ];
        let name = format!("{account}-{n}");
        let started = run::start(self.cluster, &name, run::helios()?, &args, env)?;
        self.operators.push(started);
        Ok(())
    }

    /// Applies an account on a simulated venue, and starts its venue and its coordinator. `extra` is YAML of its spec.
    pub async fn account(&mut self, name: &str, extra: &str) -> Result<()> {
        self.account_at(name, &[], 1, extra).await
    }

    /// The same with more arguments of its venue, and a market that runs faster than time.
    pub async fn account_at(
        &mut self,
        name: &str,
        venue: &[&str],
        speed: u32,
        extra: &str,
    ) -> Result<()> {
        let keys = self.files.join(format!("{name}-venue.json"));
        let file = format!("--credentials-file={}", keys.display());
        let venue = [venue, &[&file]].concat();
        let (venue, url) = self.venue(name, &venue, speed)?;
        wait_for("the venue's key", Duration::from_secs(10), async || {
            ensure!(keys.exists(), "no file; {}", venue.tail());
            Ok(())
        })
        .await?;
        self.open(name, (venue, url), Keys::File(keys), speed, extra)
            .await
    }

    /// The same with keys of a Secret, which need not be there yet. The venue takes the key of the Secret `<name>-venue`, which
    /// must be, and of what it becomes.
    pub async fn account_of_secret(
        &mut self,
        name: &str,
        secret: &str,
        speed: u32,
        extra: &str,
    ) -> Result<()> {
        let own = format!("{name}-venue");
        let of_venue = self.mount(&own)?;
        wait_for("the venue's Secret", Duration::from_secs(10), async || {
            let there = of_venue.dir().join("apiKey").exists();
            ensure!(there, "Secret {own} has no apiKey");
            Ok(())
        })
        .await?;
        let keys = format!("--credentials-dir={}", of_venue.dir().display());
        let (venue, url) = self.venue(name, &[&keys], speed)?;
        self.mounts.push(of_venue);
        let mount = self.mount(secret)?;
        let extra = format!("  credentialsSecretRef: {{name: {secret}}}\n{extra}");
        self.open(name, (venue, url), Keys::Secret(mount), speed, &extra)
            .await
    }

    fn mount(&self, secret: &str) -> Result<Mount> {
        let secrets = Api::namespaced(self.client.clone(), &self.ns);
        Mount::start(secrets, secret.into(), self.files.join(secret))
    }

    fn venue(&self, name: &str, more: &[&str], speed: u32) -> Result<(Running, String)> {
        let listen = format!("127.0.0.1:{}", run::free_port()?);
        let (at, speed) = (format!("--listen={listen}"), format!("--speed={speed}"));
        let fills = self.files.join(format!("{name}-fills.jsonl"));
        let fills = format!("--audit-file={}", fills.display());
        let args = [
            "venue",
            "--edge=0.5",
            "--admin=127.0.0.1:0",
            &at,
            &speed,
            &fills,
        ];
        let log = format!("{}-venue-{name}", self.ns);
        let args = [&args[..], more].concat();
        let venue = run::start(self.cluster, &log, run::helios()?, &args, Vec::new())?;
        Ok((venue, format!("http://{listen}")))
    }

    async fn open(
        &mut self,
        name: &str,
        (venue, url): (Running, String),
        keys: Keys,
        speed: u32,
        extra: &str,
    ) -> Result<()> {
        self.apply(&format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: {name}}}\nspec:\n  venue: Simulated\n  simulated: {{url: \"{url}\", speed: {speed}}}\n{extra}"
        ))?;
        let desk = Desk {
            venue,
            url,
            coordinators: Vec::new(),
            keys,
        };
        self.accounts.insert(name.into(), desk);
        self.coordinator(name).await
    }

    /// Starts one more coordinator of an account, as its Deployment would: with the rights of its service account, once the
    /// operator has made what it stands on.
    pub async fn coordinator(&mut self, account: &str) -> Result<()> {
        let own = format!("hc-{account}");
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.ns);
        let made = wait_for("the coordinators' Deployment", MADE, async || {
            // The operator makes it last.
            deployments.get(&own).await.map(drop).map_err(Into::into)
        });
        made.await.with_context(|| self.logs())?;
        let kubeconfig = self.cluster.kubeconfig_of(&self.ns, &own).await?;
        let desk = self.accounts.get_mut(account).context("no such account")?;
        let n = desk.coordinators.len();
        let args = [
            "coordinator",
            "--kubernetes",
            "--json",
            &format!("--account={}/{account}", self.ns),
            &format!("--nats={}", self.nats_url),
            &desk.keys.arg(),
        ];
        let kubeconfig = kubeconfig.display().to_string();
        let env = vec![
            ("KUBECONFIG".into(), kubeconfig),
            ("POD_NAME".into(), format!("hc-{account}-{n}")),
            ("POD_UID".into(), format!("uid-{n}")),
        ];
        let name = format!("{}-coordinator-{account}-{n}", self.ns);
        let started = run::start(self.cluster, &name, run::helios()?, &args, env)?;
        desk.coordinators.push(started);
        Ok(())
    }

    /// The newest snapshot that an account's coordinators have published.
    pub fn snapshot(&self, account: &str) -> Result<Value> {
        let desk = self.accounts.get(account).context("no such account")?;
        for c in desk.coordinators.iter().rev() {
            let output = c.output();
            let mut lines = output.lines().rev().filter(|l| l.starts_with('{'));
            if let Some(found) = lines.find_map(|l| serde_json::from_str(l).ok()) {
                return Ok(found);
            }
        }
        anyhow::bail!("no coordinator of {account} has published anything")
    }

    /// Symbols in which an account has a position, as its coordinator sees it.
    pub fn positions(&self, account: &str) -> Result<Vec<String>> {
        let snapshot = self.snapshot(account)?;
        let held = snapshot["positions"].as_object().cloned();
        Ok(held
            .unwrap_or_default()
            .into_iter()
            .map(|(s, _)| s)
            .collect())
    }

    /// Runs a real worker for the pod of a symbol, from what the pod would mount: it trades.
    pub async fn trade(&mut self, account: &str, strategy: &str, symbol: &str) -> Result<()> {
        self.silence(&[symbol]);
        let uids = self.uids().await?;
        let uid = uids.get(symbol).context("it has no pod")?;
        let map = self.kubectl(&["get", "configmap", &format!("hs-{strategy}"), "-o", "json"])?;
        let map: Value = serde_json::from_str(&map)?;
        let dir = self.files.join(format!("pod-{uid}"));
        std::fs::create_dir_all(&dir)?;
        for file in ["manifests.yaml", "params.json"] {
            let text = map["data"][file]
                .as_str()
                .context("the ConfigMap lacks a file")?;
            std::fs::write(dir.join(file), text)?;
        }
        let desk = self.accounts.get(account).context("no such account")?;
        let args = [
            "worker",
            &dir.join("manifests.yaml").display().to_string(),
            &format!("--params={}", dir.join("params.json").display()),
            &format!("--strategy={}/{strategy}", self.ns),
            &format!("--symbol={symbol}"),
            &format!("--task-uid={uid}"),
            &format!("--nats={}", self.nats_url),
            &desk.keys.arg(),
        ];
        let name = format!("{}-trader-{symbol}-{}", self.ns, self.traders.len());
        let started = run::start(self.cluster, &name, run::helios()?, &args, Vec::new())?;
        self.traders.push(started);
        Ok(())
    }

    /// From now on every worker pod that is ready is spoken for.
    pub fn speak_for_workers(&mut self) -> Result<()> {
        let list = self.files.join("voices.json");
        std::fs::write(&list, "[]")?;
        let args = [
            "worker",
            "--listen-only",
            &format!("--speak-for={}", list.display()),
            &format!("--nats={}", self.nats_url),
        ];
        let name = format!("{}-voices", self.ns);
        let speaker = run::start(self.cluster, &name, run::helios()?, &args, Vec::new())?;
        let voices = Voices::start(self.client.clone(), self.ns.clone(), list, speaker);
        self.voices = Some(voices);
        Ok(())
    }

    /// Speaks for a worker of a strategy that has no pod: `early`.
    pub async fn speak_as(&self, account: &str, strategy: &str, symbol: &str) -> Result<()> {
        let object = self.object("HeliosStrategy", strategy).await?;
        let uid = object.context("no such strategy")?["metadata"]["uid"].clone();
        let voice = serde_json::json!({
            "account": format!("{}/{account}", self.ns),
            "strategy": format!("{}/{strategy}", self.ns),
            "strategyUid": uid,
            "symbol": symbol,
            "taskUid": "early",
        });
        if let Some(v) = &self.voices {
            v.more(Some(voice));
        }
        Ok(())
    }

    /// The one without a pod is silent again.
    pub fn speak_for_pods_alone(&self) {
        if let Some(v) = &self.voices {
            v.more(None);
        }
    }

    /// Symbols of which the workers are not to be spoken for.
    pub fn silence(&self, symbols: &[&str]) {
        if let Some(v) = &self.voices {
            v.silence(symbols);
        }
    }

    /// Speaks to the leader of an account, as a person does: `kill`, `release`, ...
    pub fn helios(&self, args: &[&str]) -> Result<String> {
        let out = std::process::Command::new(run::helios()?)
            .args(args)
            .args(["--nats", &self.nats_url])
            .output()?;
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        ensure!(
            out.status.success(),
            "helios {}: {}",
            args.join(" "),
            text(&out.stderr)
        );
        Ok(text(&out.stdout))
    }
}
