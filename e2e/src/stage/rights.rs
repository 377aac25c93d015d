//! The rights of a stage's operators: those that the chart gives a release of this name, and no others. A right that lacks is a
//! refusal in whatever scenario needs it, and the end of a stage looks for refusals.

use super::{HOME, Stage};
use crate::audit::Request;
use crate::cluster::ControlPlane;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Templates of what the operator may do, and of what it gives to coordinators.
const RIGHTS: [&str; 3] = [
    "operator/service-account",
    "operator/rbac",
    "operator/coordinator-role",
];

/// What coordinators are refused in the course of things: a leader whose lock was deleted tries to write it again, which is the
/// operator's to do. Until it has, nobody leads.
fn in_the_course(r: &Request) -> bool {
    r.user.contains(":hc-") && r.verb == "create" && r.resource == "leases"
}

/// What the chart `helios` renders of some templates, for a release of a stage.
fn rendered(
    cluster: &ControlPlane,
    stage: &str,
    templates: &[&str],
    values: &[&str],
) -> Result<String> {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/helios");
    let mut args = vec!["template".into(), stage.into(), chart.into()];
    args.push(format!("--namespace={HOME}"));
    // The names of its parts begin with the stage's.
    args.push(format!("--set=fullnameOverride={stage}"));
    args.extend(values.iter().map(|v| format!("--set={v}")));
    args.extend(
        templates
            .iter()
            .map(|t| format!("--show-only=templates/{t}.yaml")),
    );
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cluster.helm(&args)
}

/// Gives a stage's operators their rights; returns the manifests, by which they are taken away.
pub(super) fn give(cluster: &ControlPlane, stage: &str, files: &Path) -> Result<PathBuf> {
    let file = files.join("rights.yaml");
    std::fs::write(&file, rendered(cluster, stage, &RIGHTS, &[])?)?;
    cluster.kubectl(&["apply", "-f", &file.display().to_string()])?;
    Ok(file)
}

/// Takes away what was given, and what else came from the chart.
pub(super) fn take(cluster: &ControlPlane, file: &Path) -> Result<()> {
    let file = file.display().to_string();
    cluster.kubectl(&["delete", "--ignore-not-found", "-f", &file])?;
    Ok(())
}

impl Stage<'_> {
    /// User names in the audit log of all that runs with rights of its own: the operators, and the coordinators of each account.
    pub fn users(&self) -> Vec<String> {
        let coordinators = self
            .accounts
            .keys()
            .map(|a| format!("system:serviceaccount:{}:hc-{a}", self.ns));
        coordinators.chain([self.operator_user()]).collect()
    }

    /// The roles that were given to the stage's operators and coordinators, as the API server has them.
    pub fn roles(&self) -> Result<Vec<Value>> {
        let of = format!("app.kubernetes.io/instance={}", self.ns);
        let get = ["get", "clusterroles,roles", "-A", "-o=json", "-l", &of];
        let list: Value = serde_json::from_str(&self.cluster.kubectl(&get)?)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Nobody of the stage has been refused anything for want of a right.
    pub(super) fn nobody_was_refused(&self) -> Result<()> {
        let Some(mark) = self.mark else {
            return Ok(());
        };
        let users = self.users();
        let audit = self.cluster.audit_about(mark, &users)?;
        let refused: Vec<_> = audit
            .requests
            .iter()
            .filter(|r| r.forbidden && users.contains(&r.user) && !in_the_course(r))
            .collect();
        ensure!(refused.is_empty(), "rights that lack: {refused:#?}");
        Ok(())
    }

    /// Applies templates of the chart as the stage's release would, for its namespace alone.
    pub fn chart(&mut self, templates: &[&str]) -> Result<()> {
        let watched = format!("watchNamespace={}", self.ns);
        let text = rendered(self.cluster, &self.ns, templates, &[&watched])?;
        let file = self
            .files
            .join(format!("chart-{}.yaml", self.applied.len()));
        std::fs::write(&file, text)?;
        self.cluster
            .kubectl(&["apply", "-f", &file.display().to_string()])?;
        self.applied.push(file);
        Ok(())
    }
}
