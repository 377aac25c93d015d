//! Who wrote what: the API server's audit log, counted.
//!
//! An operator is judged by its writes. Reads are recorded of service accounts alone, and kept apart. So is what every component
//! does all the time (renewing leases, telling events, asking what it may do), and so are refusals and dry runs, which write
//! nothing.
//! A window is measured between [`ControlPlane::audit_mark`](crate::ControlPlane::audit_mark) and
//! [`ControlPlane::audit_since`](crate::ControlPlane::audit_since).

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Who: of an impersonation, the one acted for.
    pub user: String,
    /// `create`, `update`, `patch`, `delete`, `deletecollection`, `get`, `list` or `watch`.
    pub verb: String,
    /// API group, empty for the core one.
    pub group: String,
    /// Plural, as in `pods`.
    pub resource: String,
    /// As in `status`; empty for the object itself.
    pub subresource: String,
    /// Empty for what is in no namespace.
    pub namespace: String,
    /// Empty where the server chose it or there is none.
    pub name: String,
    /// Status of the answer.
    pub code: u64,
    /// It was refused because its user may not do that. A namespace that goes refuses too, and is not meant.
    pub forbidden: bool,
    /// What it is counted as.
    pub kind: Kind,
}

/// What a request is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Changed an object.
    Write,
    /// Renewed or took a lease.
    Lease,
    /// Told an event.
    Event,
    /// Asked who somebody is or what they may do.
    Review,
    /// Looked.
    Read,
    /// Only tried.
    DryRun,
    /// Changed nothing, because the server said no.
    Refused,
}

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// See [`Request::user`].
    pub user: String,
    /// See [`Request::verb`].
    pub verb: String,
    /// See [`Request::resource`].
    pub resource: String,
    /// See [`Request::subresource`].
    pub subresource: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.user, self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        Ok(())
    }
}

/// The requests of a window.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// In the order of their answers.
    pub requests: Vec<Request>,
}

impl Audit {
    /// Of a log's text, one JSON object a line. A last line without its end is still being written and is left out.
    pub fn parse(text: &str) -> Result<Self> {
        let mut requests = Vec::new();
        for line in text.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            let event: Value = serde_json::from_str(line).context("a line of the audit log")?;
            requests.extend(request(&event));
        }
        Ok(Self { requests })
    }

    /// Those of one user.
    pub fn of(&self, user: &str) -> Self {
        self.only(|r| r.user == user)
    }

    /// Those in one namespace.
    pub fn within(&self, namespace: &str) -> Self {
        self.only(|r| r.namespace == namespace)
    }

    /// Those of one kind.
    pub fn kind(&self, kind: Kind) -> Self {
        self.only(|r| r.kind == kind)
    }

    /// How many of one kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.requests.iter().filter(|r| r.kind == kind).count()
    }

    /// Real writes by user, verb, resource and subresource.
    pub fn writes(&self) -> BTreeMap<Key, usize> {
        let mut counts = BTreeMap::new();
        for r in self.requests.iter().filter(|r| r.kind == Kind::Write) {
            let key = Key {
                user: r.user.clone(),
                verb: r.verb.clone(),
                resource: r.resource.clone(),
                subresource: r.subresource.clone(),
            };
            *counts.entry(key).or_default() += 1;
        }
        counts
    }

    fn only(&self, keep: impl Fn(&Request) -> bool) -> Self {
        let kept = self.requests.iter().filter(|r| keep(r)).cloned();
        Self {
            requests: kept.collect(),
        }
    }
}

/// A table of the writes, then the sums of what is kept apart.
impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, count) in self.writes() {
            writeln!(f, "{count:6}  {key}")?;
        }
        write!(
            f,
            "apart: {} of leases, {} of events, {} reviews, {} dry runs, {} refused",
            self.count(Kind::Lease),
            self.count(Kind::Event),
            self.count(Kind::Review),
            self.count(Kind::DryRun),
            self.count(Kind::Refused),
        )
    }
}

fn request(event: &Value) -> Option<Request> {
    let at = |path: &str| {
        let found = event.pointer(path).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    // Other stages are of the same request. A watch ends minutes later, or with the log: its begin counts.
    let counted = match at("/verb").as_str() {
        "watch" => at("/stage") == "ResponseStarted",
        _ => matches!(at("/stage").as_str(), "ResponseComplete" | "Panic"),
    };
    if !counted {
        return None;
    }
    let mut user = at("/impersonatedUser/username");
    if user.is_empty() {
        user = at("/user/username");
    }
    let code = event.pointer("/responseStatus/code");
    let mut request = Request {
        user,
        verb: at("/verb"),
        group: at("/objectRef/apiGroup"),
        resource: at("/objectRef/resource"),
        subresource: at("/objectRef/subresource"),
        namespace: at("/objectRef/namespace"),
        name: at("/objectRef/name"),
        code: code.and_then(Value::as_u64).unwrap_or_default(),
        forbidden: false,
        kind: Kind::Write,
    };
    request.forbidden =
        request.code == 403 && !at("/responseStatus/message").contains("being terminated");
    request.kind = match request.group.as_str() {
        _ if request.code >= 400 || request.code == 0 => Kind::Refused,
        _ if ["get", "list", "watch"].contains(&request.verb.as_str()) => Kind::Read,
        _ if at("/requestURI").contains("dryRun=") => Kind::DryRun,
        "coordination.k8s.io" => Kind::Lease,
        "events.k8s.io" => Kind::Event,
        "" if request.resource == "events" => Kind::Event,
        "authentication.k8s.io" | "authorization.k8s.io" => Kind::Review,
        // A token is handed out; nothing is stored.
        "" if request.subresource == "token" => Kind::Review,
        _ => Kind::Write,
    };
    Some(request)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(user: &str, verb: &str, group: &str, resource: &str, code: u64, uri: &str) -> String {
        let event = serde_json::json!({
            "stage": "ResponseComplete", "verb": verb, "user": {"username": user}, "requestURI": uri,
            "objectRef": {"apiGroup": group, "resource": resource, "namespace": "n", "name": "x"},
            "responseStatus": {"code": code},
        });
        format!("{event}\n")
    }

    #[test]
    fn writes_are_counted_and_everything_else_is_kept_apart() {
        let mut text = String::new();
        text += &line("a", "create", "", "pods", 201, "/");
        text += &line("a", "create", "", "pods", 201, "/");
        text += &line("a", "create", "", "pods", 409, "/");
        text += &line("a", "patch", "", "pods", 200, "/?dryRun=All");
        text += &line("b", "update", "coordination.k8s.io", "leases", 200, "/");
        text += &line("b", "create", "", "events", 201, "/");
        text += &line("b", "patch", "events.k8s.io", "events", 200, "/");
        let review = "subjectaccessreviews";
        text += &line("b", "create", "authorization.k8s.io", review, 201, "/");
        text += "{\"stage\":\"ResponseComplete\",\"half";
        let audit = Audit::parse(&text).unwrap();
        assert_eq!(audit.requests.len(), 8);
        let counts = audit.of("a").writes();
        let shown = counts.iter().map(|(k, n)| format!("{k}: {n}"));
        assert_eq!(shown.collect::<Vec<_>>(), ["a create pods: 2"]);
        assert_eq!(audit.of("b").writes().len(), 0);
        assert!(
            audit
                .to_string()
                .ends_with("apart: 1 of leases, 2 of events, 1 reviews, 1 dry runs, 1 refused")
        );
    }

    #[test]
    fn a_watch_counts_when_it_begins_and_a_namespace_that_goes_forbids_nothing() {
        let mut text = line("a", "watch", "", "pods", 200, "/");
        text += &line("a", "watch", "", "pods", 200, "/").replace("Complete", "Started");
        text += &line("a", "list", "", "secrets", 403, "/");
        let going = "\"responseStatus\":{\"message\":\"n is being terminated\",";
        text += &line("a", "create", "", "pods", 403, "/").replace("\"responseStatus\":{", going);
        let audit = Audit::parse(&text).unwrap();
        let shown = audit.requests.iter().map(|r| (r.kind, r.forbidden));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                (Kind::Read, false),
                (Kind::Refused, true),
                (Kind::Refused, false)
            ]
        );
    }

    #[test]
    fn an_impersonated_request_is_counted_for_the_one_acted_for() {
        let text = "{\"stage\":\"ResponseComplete\",\"verb\":\"create\",\"user\":{\"username\":\"admin\"},\
            \"impersonatedUser\":{\"username\":\"ann\"},\"objectRef\":{\"resource\":\"pods\"},\"responseStatus\":{\"code\":201}}\n";
        assert_eq!(Audit::parse(text).unwrap().requests[0].user, "ann");
    }
}
