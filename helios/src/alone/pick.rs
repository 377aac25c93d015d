//! Which account and which strategy of the manifests a process stands for, and what it is started with.

use crate::manifests;
use anyhow::{Context, Result, bail};
use helios_core::messages::ParamsDocument;
use helios_crds::manifest::{self, Manifests};
use helios_crds::{HeliosAccount, HeliosStrategy, convert};
use std::path::PathBuf;

/// Reads the manifests.
///
/// # Errors
/// Every problem found, with file, line, field and what to write.
pub fn load(files: &[PathBuf]) -> Result<Manifests> {
    manifest::load(files).context("the manifests can't be used")
}

/// `namespace/name` of a name.
pub fn full(name: &str) -> String {
    if name.contains('/') {
        name.into()
    } else {
        format!("default/{name}")
    }
}

fn one<'a, T>(
    what: &str,
    flag: &str,
    all: impl Iterator<Item = (String, &'a T)>,
    wanted: Option<&str>,
) -> Result<&'a T> {
    let all: Vec<_> = all.collect();
    let names: Vec<&str> = all.iter().map(|(n, _)| n.as_str()).collect();
    match (wanted, all.as_slice()) {
        (_, []) => bail!("the manifests hold no {what}"),
        (None, [(_, only)]) => Ok(only),
        (None, _) => bail!("say which {what} with {flag}: {}", names.join(", ")),
        (Some(w), _) => all
            .iter()
            .find(|(n, _)| *n == full(w))
            .map(|(_, o)| *o)
            .with_context(|| format!("no {what} is called {w}: there is {}", names.join(", "))),
    }
}

/// The account of that name, or the only one.
///
/// # Errors
/// There is none, or several and none was named.
pub fn account<'a>(m: &'a Manifests, name: Option<&str>) -> Result<&'a HeliosAccount> {
    let all = m
        .accounts
        .iter()
        .map(|a| (a.object.metadata.full_name(), &a.object));
    one("account", "--account", all, name)
}

/// The strategy of that name, or the only one.
///
/// # Errors
/// There is none, or several and none was named.
pub fn strategy<'a>(m: &'a Manifests, name: Option<&str>) -> Result<&'a HeliosStrategy> {
    let all = m
        .strategies
        .iter()
        .map(|s| (s.object.metadata.full_name(), &s.object));
    one("strategy", "--strategy", all, name)
}

/// A strategy's identity and its parameters as of before the first published generation: whatever is published is newer.
pub fn params(s: &HeliosStrategy) -> (String, ParamsDocument) {
    let uid = manifests::uid(s);
    let document = convert::params_document(s, &uid, 0, 1);
    (uid, document)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn two() -> Manifests {
        let mut text = String::new();
        for account in ["a", "b"] {
            text += &format!(
                "---\napiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: {account}}}\nspec: {{venue: Simulated}}\n"
            );
            text += &format!(
                "---\napiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: s-{account}}}\nspec: {{accountRef: {{name: {account}}}}}\n"
            );
        }
        manifest::parse(&[("f.yaml".into(), text)]).unwrap()
    }

    #[test]
    fn the_only_one_is_taken_and_one_of_several_must_be_named() {
        let m = two();
        assert_eq!(account(&m, Some("b")).unwrap().metadata.name, "b");
        assert_eq!(account(&m, Some("default/a")).unwrap().metadata.name, "a");
        let why = account(&m, None).unwrap_err().to_string();
        assert!(
            why.contains("--account") && why.contains("default/b"),
            "{why}"
        );
        let why = strategy(&m, Some("c")).unwrap_err().to_string();
        assert!(why.contains("default/s-a"), "{why}");
        let only = Manifests {
            accounts: m.accounts[..1].to_vec(),
            strategies: Vec::new(),
        };
        assert_eq!(account(&only, None).unwrap().metadata.name, "a");
        assert!(strategy(&only, None).is_err());
    }
}
