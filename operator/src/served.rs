//! Whether the API server serves the kinds as this operator knows them.
//!
//! An API server with an older schema would drop fields that this operator reads and writes, silently: it is refused, in
//! words. Kinds that are missing are waited for, as charts are installed in any order. A newer schema is fine, as it only adds
//! fields; an object that uses one of them is stalled as `Unreadable` until this operator is upgraded.

use helios_crds::kube::{HeliosAccount, HeliosStrategy, SCHEMA_NUMBER, SCHEMA_VERSION};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::CustomResourceExt;
use kube::{Api, Client};
use std::time::Duration;

/// Why the operator can't work with what is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// An older schema.
    #[error(
        "{name} is served with schema version {found}, this operator needs {SCHEMA_NUMBER}: upgrade the chart helios-crds first (helm upgrade helios-crds ...)"
    )]
    Older {
        /// Name of the definition.
        name: String,
        /// Its version; `none` where it has none.
        found: String,
    },
}

/// Looks at one definition: `None` is one that is missing or not served yet.
fn check(name: &str, found: Option<&CustomResourceDefinition>) -> Result<bool, NotServed> {
    let Some(crd) = found else { return Ok(false) };
    let noted = crd
        .metadata
        .annotations
        .as_ref()
        .and_then(|a| a.get(SCHEMA_VERSION));
    let version = noted.and_then(|v| v.parse::<u32>().ok());
    if version.is_none_or(|v| v < SCHEMA_NUMBER) {
        return Err(NotServed::Older {
            name: name.into(),
            found: noted.cloned().unwrap_or_else(|| "none".into()),
        });
    }
    let conditions = crd
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    Ok(conditions
        .into_iter()
        .any(|c| c.type_ == "Established" && c.status == "True"))
}

/// Waits until both kinds are served.
///
/// # Errors
/// One is served with an older schema.
pub async fn wait(client: &Client) -> Result<(), NotServed> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut said = false;
    for name in [HeliosAccount::crd_name(), HeliosStrategy::crd_name()] {
        loop {
            let found = tokio::time::timeout(Duration::from_secs(5), api.get_opt(name)).await;
            match found {
                Ok(Ok(crd)) if check(name, crd.as_ref())? => break,
                Ok(Ok(_)) if !said => {
                    said = true;
                    tracing::warn!(
                        "{name} is not served: install the chart helios-crds; waiting for it"
                    );
                }
                Ok(Err(e)) if !said => {
                    said = true;
                    tracing::warn!("{name} can't be looked at: {e}; trying on");
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn crd(version: Option<&str>, established: &str) -> CustomResourceDefinition {
        let crd = json!({
            "metadata": {"annotations": version.map(|v| json!({SCHEMA_VERSION: v}))},
            "spec": {"group": "g", "names": {"kind": "K", "plural": "ks"}, "scope": "Namespaced", "versions": []},
            "status": {"conditions": [{"type": "Established", "status": established}]},
        });
        serde_json::from_value(crd).unwrap()
    }

    #[test]
    fn an_older_schema_is_refused_in_words_and_a_newer_one_is_fine() {
        assert_eq!(check("x", None), Ok(false));
        assert_eq!(check("x", Some(&crd(Some("1"), "False"))), Ok(false));
        assert_eq!(check("x", Some(&crd(Some("1"), "True"))), Ok(true));
        assert_eq!(check("x", Some(&crd(Some("99"), "True"))), Ok(true));
        for old in [None, Some("0"), Some("x")] {
            let e = check("x", Some(&crd(old, "True"))).unwrap_err().to_string();
            assert!(e.contains("helm upgrade helios-crds"), "{e}");
        }
    }
}
