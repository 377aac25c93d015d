//! Rights as lines, as the golden file of the chart has them: role, API group and resource, verb, names.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Kind and name of the role, with its namespace.
    pub role: String,
    /// API group, `core` for the core one, and resource with its subresource.
    pub resource: String,
    /// The verb.
    pub verb: String,
    /// Of which objects: names with commas, or `any`.
    pub names: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            role,
            resource,
            verb,
            names,
        } = self;
        write!(f, "{role}: {resource} {verb} {names}")
    }
}

impl Right {
    /// Of a line.
    pub fn read(line: &str) -> Option<Self> {
        let (role, rest) = line.split_once(": ")?;
        let mut words = rest.split(' ').map(str::to_owned);
        Some(Self {
            role: role.into(),
            resource: words.next()?,
            verb: words.next()?,
            names: words.next()?,
        })
    }

    /// All that a Role or ClusterRole gives.
    pub fn of(role: &Value) -> BTreeSet<Self> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let strings =
            |v: &Value| -> Vec<String> { v.as_array().into_iter().flatten().map(text).collect() };
        let place = match role["metadata"]["namespace"].as_str() {
            Some(n) => format!("{n}/"),
            None => String::new(),
        };
        let (kind, name) = (text(&role["kind"]), text(&role["metadata"]["name"]));
        let mut all = BTreeSet::new();
        for rule in role["rules"].as_array().into_iter().flatten() {
            let names = match strings(&rule["resourceNames"]).join(",") {
                n if n.is_empty() => "any".into(),
                n => n,
            };
            for group in strings(&rule["apiGroups"]) {
                let group = if group.is_empty() { "core" } else { &group };
                for resource in strings(&rule["resources"]) {
                    for verb in strings(&rule["verbs"]) {
                        all.insert(Self {
                            role: format!("{kind} {place}{name}"),
                            resource: format!("{group}/{resource}"),
                            verb,
                            names: names.clone(),
                        });
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_read_from_its_own_line() {
        let role = serde_json::json!({
            "kind": "Role", "metadata": {"name": "r", "namespace": "n"},
            "rules": [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"], "resourceNames": ["a", "b"]}],
        });
        let all = Right::of(&role);
        let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "Role n/r: core/pods get a,b",
                "Role n/r: core/pods/log get a,b"
            ]
        );
        assert!(
            lines
                .iter()
                .zip(&all)
                .all(|(l, r)| Right::read(l).as_ref() == Some(r))
        );
    }
}
