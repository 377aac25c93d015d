//! The secrets of one cluster: an authority, the API server's certificate, the key that signs service account tokens, and
//! a token for each of those who talk to the API server. All of them new for each cluster.
//!
//! ECDSA keys throughout: Kubernetes takes them wherever it takes RSA, and they are made in microseconds.

use crate::home::Home;
use anyhow::{Result, anyhow};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fmt::Write;
use std::path::PathBuf;

/// Who has a token, and the groups it belongs to.
const USERS: [(&str, &str); 9] = [
    (ADMIN, "system:masters"),
    (HARNESS, "system:masters"),
    ("system:kube-controller-manager", ""),
    ("system:kube-scheduler", ""),
    ("kwok", "system:masters"),
    (NODE, "system:nodes"),
    (SPARE, "system:nodes"),
    ("system:kube-proxy", ""),
    ("coredns", "system:masters"),
];
/// The users of the real nodes' kubelets.
pub(crate) const NODE: &str = "system:node:e2e-node";
pub(crate) const SPARE: &str = "system:node:e2e-spare";
/// The user of a scenario.
pub(crate) const ADMIN: &str = "admin";
/// The user of the harness itself, so that an audit can tell the two apart.
pub(crate) const HARNESS: &str = "e2e-harness";

/// Files of the secrets.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// Certificate and key of the authority.
    pub(crate) ca: (PathBuf, PathBuf),
    /// Certificate and key of the API server.
    pub(crate) server: (PathBuf, PathBuf),
    /// Certificate and key with which the API server asks a kubelet for logs.
    pub(crate) to_kubelet: (PathBuf, PathBuf),
    /// Public and private key of the service account tokens.
    pub(crate) accounts: (PathBuf, PathBuf),
    /// The users' tokens.
    pub(crate) tokens: PathBuf,
    users: Vec<(&'static str, String)>,
}

impl Secrets {
    /// Makes and writes them.
    pub(crate) fn new(home: &Home) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "helios-e2e");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate()?;
        let ca = (
            home.write("ca.crt", &params.self_signed(&key)?.pem())?,
            home.write("ca.key", &key.serialize_pem())?,
        );
        let authority = Issuer::new(params, key);

        let names = [
            "127.0.0.1",
            "10.96.0.1",
            "10.88.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut params = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let server = (
            home.write("server.crt", &params.signed_by(&key, &authority)?.pem())?,
            home.write("server.key", &key.serialize_pem())?,
        );
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let to_kubelet = (
            home.write("to-kubelet.crt", &params.signed_by(&key, &authority)?.pem())?,
            home.write("to-kubelet.key", &key.serialize_pem())?,
        );
        let key = KeyPair::generate()?;
        let accounts = (
            home.write("accounts.pub", &key.public_key_pem())?,
            home.write("accounts.key", &key.serialize_pem())?,
        );

        let mut users = Vec::new();
        let mut file = String::new();
        for (user, groups) in USERS {
            let token = token()?;
            writeln!(file, "{token},{user},{user},\"{groups}\"")?;
            users.push((user, token));
        }
        let tokens = home.write("tokens.csv", &file)?;
        Ok(Self {
            ca,
            server,
            to_kubelet,
            accounts,
            tokens,
            users,
        })
    }

    /// A user's token.
    pub(crate) fn token(&self, user: &str) -> Result<&str> {
        let found = self.users.iter().find(|(u, _)| *u == user);
        found
            .map(|(_, token)| token.as_str())
            .ok_or_else(|| anyhow!("no user {user}"))
    }
}

fn token() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow!("no random bytes: {e}"))?;
    Ok(hex::encode(bytes))
}
