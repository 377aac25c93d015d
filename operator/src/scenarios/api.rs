//! An API server small enough for a test: objects by kind and name, the verbs that the operator uses, and a list of all that
//! was asked, in words. What it shall refuse, change or leave unanswered is told to it beforehand.

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How a request is refused.
#[derive(Clone)]
pub enum Refusal {
    /// With a status code, a reason and words.
    Says(u16, &'static str, &'static str),
    /// No answer ever comes.
    Silence,
}

/// What it holds and what it was asked.
#[derive(Default)]
pub struct Api {
    /// By `resource/name`.
    pub objects: BTreeMap<String, Value>,
    /// Every request in words, and its body.
    pub asked: Vec<(String, Value)>,
    /// What is refused: everything whose words begin so.
    pub refuses: Vec<(String, Refusal)>,
    /// What something else on the cluster writes into an object as soon as it is applied: key, pointer, value.
    pub spoils: Vec<(String, &'static str, Value)>,
    /// What happens elsewhere while it is asked something whose words begin so.
    pub meanwhile: Vec<(String, Box<dyn Fn() + Send>)>,
    /// When the namespace was deleted, if it is.
    pub namespace_deleted: Option<String>,
    version: u64,
}

pub type Shared = Arc<Mutex<Api>>;

/// A client of it.
pub fn start() -> (Client, Shared) {
    let api = Shared::default();
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = api.clone();
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some((request, answer)) = handle.next_request().await {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let accepts = head.headers.get(http::header::CONTENT_TYPE);
            let apply = accepts.is_some_and(|t| t == "application/apply-patch+yaml");
            let said = server
                .lock()
                .unwrap()
                .answer(&head.method, head.uri.path(), apply, body);
            match said {
                Some((code, body)) => {
                    let mut r = Response::new(Body::from(body.to_string().into_bytes()));
                    *r.status_mut() = StatusCode::from_u16(code).unwrap();
                    answer.send_response(r);
                }
                None => unanswered.push(answer),
            }
        }
    });
    (Client::new(service, "t"), api)
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
    (code, body)
}

/// A merge patch (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

impl Api {
    /// Puts an object there, as somebody else would.
    pub fn put(&mut self, key: &str, mut object: Value) {
        self.version += 1;
        let before = self.objects.get(key);
        let uid = before.and_then(|b| b["metadata"]["uid"].as_str().map(str::to_string));
        let m = &mut object["metadata"];
        if m["uid"].is_null() {
            m["uid"] = json!(uid.unwrap_or_else(|| format!("uid-{}", self.version)));
        }
        m["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(key.into(), object);
    }

    /// Changes an object, as somebody else would.
    pub fn change(&mut self, key: &str, change: impl FnOnce(&mut Value)) {
        let mut o = self.objects[key].clone();
        change(&mut o);
        self.put(key, o);
    }

    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        apply: bool,
        body: Value,
    ) -> Option<(u16, Value)> {
        let rest = path.split_once("/namespaces/t").map_or(path, |(_, r)| r);
        let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
        let name = match parts.get(1) {
            Some(n) => (*n).to_string(),
            None => body["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_string(),
        };
        let key = format!("{}/{name}", parts[0]);
        let now = body["gracePeriodSeconds"] == 0;
        let verb = match (method.as_str(), parts.get(2)) {
            ("GET", _) => "get",
            ("POST", _) => "create",
            ("DELETE", _) if now => "strike",
            ("DELETE", _) => "delete",
            (_, Some(&"status")) => "status",
            _ if apply => "apply",
            _ => "finalizers",
        };
        let asked = match key.as_str() {
            "/" => "get namespace".to_string(),
            _ => format!("{verb} {key}"),
        };
        self.asked.push((asked.clone(), body.clone()));
        for (_, happens) in self.meanwhile.iter().filter(|(p, _)| asked.starts_with(p)) {
            happens();
        }
        let refusal = self.refuses.iter().find(|(p, _)| asked.starts_with(p));
        if let Some((_, refusal)) = refusal {
            return match refusal.clone() {
                Refusal::Says(code, reason, words) => Some(failure(code, reason, words)),
                Refusal::Silence => None,
            };
        }
        if asked == "get namespace" {
            let mut n = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t"}});
            if let Some(at) = &self.namespace_deleted {
                n["metadata"]["deletionTimestamp"] = json!(at);
            }
            return Some((200, n));
        }
        let there = self.objects.get(&key).cloned();
        let Some(there) = there else {
            return Some(match verb {
                "create" | "apply" => {
                    self.put(&key, body);
                    self.spoil(&key);
                    (201, self.objects[&key].clone())
                }
                _ => failure(404, "NotFound", "there is none"),
            });
        };
        Some(self.on(verb, &key, there, body))
    }

    fn spoil(&mut self, key: &str) {
        for (_, pointer, value) in self.spoils.clone().iter().filter(|(k, _, _)| k == key) {
            self.change(key, |o| *o.pointer_mut(pointer).unwrap() = value.clone());
        }
    }

    fn on(&mut self, verb: &str, key: &str, mut there: Value, body: Value) -> (u16, Value) {
        match verb {
            "get" => {}
            "create" => return failure(409, "AlreadyExists", "there is one"),
            "apply" => {
                let over = &body["metadata"]["resourceVersion"];
                if !over.is_null() && *over != there["metadata"]["resourceVersion"] {
                    return failure(409, "Conflict", "it was changed");
                }
                let mut new = body;
                new["metadata"]["uid"] = there["metadata"]["uid"].clone();
                if !there["status"].is_null() {
                    new["status"] = there["status"].clone();
                }
                self.put(key, new);
                self.spoil(key);
            }
            "status" => {
                merge(&mut there["status"], &body["status"]);
                self.put(key, there);
            }
            "finalizers" => {
                let seen = &body["metadata"]["resourceVersion"];
                if *seen != there["metadata"]["resourceVersion"] {
                    return failure(409, "Conflict", "it was changed");
                }
                there["metadata"]["finalizers"] = body["metadata"]["finalizers"].clone();
                let bare = there["metadata"]["finalizers"] == json!([]);
                if bare && !there["metadata"]["deletionTimestamp"].is_null() {
                    self.objects.remove(key);
                } else {
                    self.put(key, there.clone());
                }
                let m = self.objects.get(key).unwrap_or(&there)["metadata"].clone();
                let part = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": m});
                return (200, part);
            }
            _ => {
                let uid = &body["preconditions"]["uid"];
                if !uid.is_null() && *uid != there["metadata"]["uid"] {
                    return failure(409, "Conflict", "the uid is another");
                }
                if verb == "delete" && key.starts_with("pods/") {
                    there["metadata"]["deletionTimestamp"] = json!("2027-01-15T08:00:00Z");
                    self.put(key, there);
                } else {
                    self.objects.remove(key);
                    return (
                        200,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                    );
                }
            }
        }
        (200, self.objects[key].clone())
    }
}
