//! Ways to talk to a cluster: clients as the administrator, as somebody else or as a service account; kubectl; helm.

use crate::audit::Audit;
use crate::cluster::ControlPlane;
use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Life of a service account's token: longer than any test.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// Somebody to act as: a user and its groups.
pub(crate) type Somebody<'a> = (&'a str, &'a [&'a str]);

/// A client of the runtime that this is called on.
pub(crate) async fn client(kubeconfig: &Path, acting_as: Option<Somebody<'_>>) -> Result<Client> {
    Ok(Client::try_from(config(kubeconfig, acting_as).await?)?)
}

async fn config(kubeconfig: &Path, acting_as: Option<Somebody<'_>>) -> Result<Config> {
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("kubeconfig {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    if let Some((user, groups)) = acting_as {
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            Some(groups.iter().map(|g| (*g).to_owned()).collect());
    }
    Ok(config)
}

impl ControlPlane {
    /// A client of the administrator. A client lives as long as the runtime that made it, so each test makes its own.
    pub async fn client(&self) -> Result<Client> {
        client(self.kubeconfig_path(), None).await
    }

    /// A client that acts as somebody, with the rights of that user and those groups alone.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        client(self.kubeconfig_path(), Some((user, groups))).await
    }

    /// The harness's own client, whose writes an audit does not take for the scenario's.
    pub(crate) async fn harness(&self) -> Result<Client> {
        client(self.harness_kubeconfig(), None).await
    }

    /// The same without trying again: to the client a refused eviction looks like a busy server.
    pub(crate) async fn harness_once(&self) -> Result<Client> {
        let mut config = config(self.harness_kubeconfig(), None).await?;
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// A kubeconfig of a service account, with a token of its own: for a program that runs here as it would in its pod.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let api = Api::<ServiceAccount>::namespaced(self.harness().await?, namespace);
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..Default::default()
            }),
            ..Default::default()
        };
        let given = api
            .create_token_request(account, &PostParams::default(), &wanted)
            .await?;
        let token = given.status.and_then(|s| s.token);
        let token = token.context("a token request without a token")?;
        // The administrator's with another user in it, so that it serves an existing cluster too.
        let view = "config view --minify --raw --flatten -o json";
        let view = self.own_kubectl(&view.split(' ').collect::<Vec<_>>())?;
        let mut file: Value = serde_json::from_str(&view)?;
        file["users"][0]["user"] = json!({"token": token});
        let name = format!("{namespace}.{account}.kubeconfig");
        self.home.write(&name, &format!("{file:#}\n"))
    }

    /// A client of a service account.
    pub async fn client_of(&self, namespace: &str, account: &str) -> Result<Client> {
        client(&self.kubeconfig_of(namespace, account).await?, None).await
    }

    /// Runs kubectl as the administrator and returns what it printed; blocks until it ends.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.run("kubectl", self.kubeconfig_path(), args, "")
    }

    /// `kubectl apply` of manifests.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let args = ["apply", "-f", "-"];
        self.run("kubectl", self.kubeconfig_path(), &args, manifests)
    }

    /// Runs helm as the administrator and returns what it printed; blocks until it ends.
    pub fn helm(&self, args: &[&str]) -> Result<String> {
        self.run("helm", self.kubeconfig_path(), args, "")
    }

    /// kubectl as the harness.
    pub(crate) fn own_kubectl(&self, args: &[&str]) -> Result<String> {
        self.run("kubectl", self.harness_kubeconfig(), args, "")
    }

    fn run(&self, program: &str, kubeconfig: &Path, args: &[&str], input: &str) -> Result<String> {
        let caches = self.directory().join("caches");
        let mut child = Command::new(self.programs.join(program))
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            // Caches and settings of whoever runs the tests stay out of it.
            .env("HOME", &caches)
            .env("KUBECACHEDIR", &caches)
            .env("HELM_CACHE_HOME", &caches)
            .env("HELM_CONFIG_HOME", &caches)
            .env("HELM_DATA_HOME", &caches)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|s| {
            // Apart, so that a program that writes before it has read everything does not stop.
            s.spawn(move || stdin.map(|mut i| i.write_all(input.as_bytes())));
            child.wait_with_output()
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {}: {}", args.join(" "), words.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where the audit log ends now.
    pub fn audit_mark(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.audit_log()?)?.len())
    }

    /// The requests since a mark. A request that was answered is in it.
    pub fn audit_since(&self, mark: u64) -> Result<Audit> {
        Audit::parse(&self.audit_text(mark)?)
    }

    /// Those whose lines have one of these words in them, such as the name of a user: a whole log takes seconds to parse.
    pub fn audit_about(&self, mark: u64, words: &[String]) -> Result<Audit> {
        let text = self.audit_text(mark)?;
        let about = |l: &&str| words.iter().any(|w| l.contains(w.as_str()));
        Audit::parse(&text.split_inclusive('\n').filter(about).collect::<String>())
    }

    fn audit_text(&self, mark: u64) -> Result<String> {
        let mut file = std::fs::File::open(self.audit_log()?)?;
        file.seek(SeekFrom::Start(mark))?;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|e| anyhow!("the audit log cannot be read: {e}"))?;
        Ok(text)
    }
}
