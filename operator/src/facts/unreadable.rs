//! Objects that this operator can't parse: one that uses a field of a newer schema, most often.
//!
//! Their envelope can be read all the same: what they are called, on which account they are, and what was said of them. So
//! that what runs under them goes on, and that people are told why it does not follow the object any more.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::api::DynamicObject;
use kube::core::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Characters of a parser's words that are kept.
const WORDS: usize = 300;

/// An object that can't be parsed, and what of it can be.
#[derive(Clone, Debug)]
pub struct Unreadable<S> {
    /// What is wrong, in the parser's words.
    pub why: String,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its status, without the fields that can't be parsed; `None` when it has none.
    pub status: Option<S>,
    /// Fields of its status that can't be parsed.
    pub spoilt: Vec<String>,
    /// Its spec can be parsed: the status alone is what is wrong.
    pub status_alone: bool,
    /// Name of the account that a strategy's spec names.
    pub account: Option<String>,
    /// For events.
    pub reference: ObjectReference,
}

/// An object, or what can be read of it.
pub type Parsed<K, S> = Result<Arc<K>, Arc<Unreadable<S>>>;

impl<S: Clone + DeserializeOwned> Unreadable<S> {
    /// Parses an object of the kind `K`.
    pub fn parse<K>(object: &DynamicObject) -> Parsed<K, S>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        // Only the API server keeps books by it.
        let mut metadata = object.metadata.clone();
        metadata.managed_fields = None;
        let data = |field: &str| object.data.get(field).cloned().unwrap_or_default();
        let whole = |status: Value| {
            let whole = serde_json::json!({
                "apiVersion": K::api_version(&()),
                "kind": K::kind(&()),
                "metadata": to_value(&metadata),
                "spec": data("spec"),
                "status": status,
            });
            serde_json::from_value::<K>(whole)
        };
        let e = match whole(data("status")) {
            Ok(o) => return Ok(Arc::new(o)),
            Err(e) => e,
        };
        let (status, spoilt) = lenient(&data("status"));
        let account = object.data.pointer("/spec/accountRef/name");
        let reference = object.object_ref(&kube::api::ApiResource::erase::<K>(&()));
        Err(Arc::new(Self {
            why: in_short(&e.to_string()),
            status,
            spoilt,
            status_alone: whole(Value::Null).is_ok(),
            account: account.and_then(Value::as_str).map(str::to_string),
            reference,
            metadata,
        }))
    }

    /// What people are told: what is wrong, what mends it, and what happens meanwhile.
    pub fn words(&self, meanwhile: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let why = &self.why;
        if self.status_alone {
            return format!(
                "this operator ({version}) can't read its status: {why}: that part is taken out and written anew; {meanwhile}"
            );
        }
        let goes = match self.metadata.deletion_timestamp {
            Some(_) => "; it is not let go before",
            None => "",
        };
        format!(
            "this operator ({version}) can't read it: {why}: upgrade the release helios, or take out what it does not know{goes}; {meanwhile}"
        )
    }

    /// It says something else than what was known of it: who wrote its status is no news.
    fn is_news_after(&self, before: Option<&Self>) -> bool {
        let of = |u: &Self| {
            let m = &u.metadata;
            (m.uid.clone(), m.generation, u.why.clone())
        };
        before.is_none_or(|b| of(b) != of(self))
    }
}

/// Logs of changes, each as before and after, what can't be parsed and was not known to be so.
pub(super) fn log<F, K, S>(changes: &[(Option<F>, Option<F>)], object: impl Fn(&F) -> &Parsed<K, S>)
where
    S: Clone + DeserializeOwned,
{
    let unreadable = |f: &Option<F>| f.as_ref().and_then(|f| object(f).as_ref().err().cloned());
    for (before, after) in changes {
        let Some(now) = unreadable(after) else {
            continue;
        };
        if now.is_news_after(unreadable(before).as_deref()) {
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            tracing::warn!(
                kind = text(&now.reference.kind),
                namespace = text(&now.metadata.namespace),
                name = text(&now.metadata.name),
                why = now.why,
                "an object can't be read: what runs under it goes on as it is"
            );
        }
    }
}

/// A status without the fields that can't be parsed, and the names of those.
fn lenient<S: DeserializeOwned>(status: &Value) -> (Option<S>, Vec<String>) {
    let Value::Object(all) = status else {
        return (None, Vec::new());
    };
    let alone = |(key, value): &(&String, &Value)| {
        let one = Map::from_iter([((*key).clone(), (*value).clone())]);
        serde_json::from_value::<S>(one.into()).is_ok()
    };
    let (good, spoilt): (Vec<_>, Vec<_>) = all.iter().partition(alone);
    let good: Map<String, Value> = good
        .into_iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let spoilt = spoilt.into_iter().map(|(k, _)| k.clone()).collect();
    (serde_json::from_value(good.into()).ok(), spoilt)
}

/// Without the list of all fields there are, and not longer than people read.
fn in_short(words: &str) -> String {
    let short = match words.split_once(", expected ") {
        Some((short, _)) if words.starts_with("unknown field") => short,
        _ => words,
    };
    short.chars().take(WORDS).collect()
}

fn to_value<T: Serialize>(o: &T) -> Value {
    // Metadata that came from JSON goes back into it.
    serde_json::to_value(o).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::facts::{Index, News, StrategyFact};
    use helios_crds::kube::{HeliosStrategy, StrategyStatus};
    use serde_json::json;

    fn object(spec: Value, status: Value, version: &str, generation: i64) -> DynamicObject {
        let books = json!([{"manager": "kubectl"}]);
        let o = json!({
            "metadata": {"name": "nobi", "namespace": "t", "uid": "u", "generation": generation,
                "resourceVersion": version, "managedFields": books},
            "spec": spec, "status": status,
        });
        serde_json::from_value(o).unwrap()
    }

    fn parse(o: &DynamicObject) -> Parsed<HeliosStrategy, StrategyStatus> {
        Unreadable::parse(o)
    }

    fn newer() -> Value {
        json!({"accountRef": {"name": "paper"}, "ofTheNextVersion": "x"})
    }

    #[test]
    fn what_can_be_parsed_is_without_the_api_servers_books() {
        let o = object(json!({"accountRef": {"name": "paper"}}), json!({}), "1", 1);
        let s = parse(&o).unwrap();
        assert_eq!(s.metadata.name.as_deref(), Some("nobi"));
        assert_eq!(s.metadata.managed_fields, None);
        assert_eq!(s.spec.account_ref.name, "paper");
    }

    #[test]
    fn of_what_cannot_be_parsed_the_rest_is_kept() {
        let status = json!({"ready": "5/5", "symbols": "A", "rollout": {"outcome": "New"}});
        let u = parse(&object(newer(), status, "1", 3)).unwrap_err();
        assert_eq!(u.why, "unknown field `ofTheNextVersion`");
        assert_eq!(u.account.as_deref(), Some("paper"));
        assert_eq!(u.metadata.generation, Some(3));
        assert_eq!(u.metadata.managed_fields, None);
        assert_eq!(u.status.as_ref().unwrap().ready.as_deref(), Some("5/5"));
        assert_eq!(u.spoilt, ["rollout", "symbols"]);
        assert_eq!(u.reference.kind.as_deref(), Some("HeliosStrategy"));
        let spec = json!({"accountRef": {"name": "paper"}});
        let u = parse(&object(spec, json!({"ready": 5}), "1", 1)).unwrap_err();
        assert!(u.status_alone && u.words("").contains("can't read its status: "));
        let none = parse(&object(json!("x"), json!("x"), "1", 1)).unwrap_err();
        assert!(none.status.is_none() && none.account.is_none() && !none.status_alone);
        let long = parse(&object(
            json!({"suspend": "x".repeat(9999)}),
            json!({}),
            "1",
            1,
        ));
        assert_eq!(long.unwrap_err().why.chars().count(), WORDS);
    }

    #[test]
    fn it_is_news_once_whoever_writes_its_status() {
        let at = |version, generation| {
            parse(&object(newer(), json!({}), version, generation)).unwrap_err()
        };
        let first = at("1", 1);
        assert!(first.is_news_after(None));
        assert!(!at("2", 1).is_news_after(Some(&first)));
        assert!(at("3", 2).is_news_after(Some(&first)));
    }

    #[test]
    fn it_wakes_the_account_that_it_names() {
        let mut i = Index::default();
        let mut hear = |spec: Value, version| {
            let fact = StrategyFact::of(&object(spec, json!({}), version, 1), "t/nobi");
            let woken = i.strategy(News::Changed("t/nobi".into(), fact));
            woken.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(hear(newer(), "1"), ["t/paper"]);
        assert!(hear(newer(), "1").is_empty(), "the same version again");
        assert_eq!(hear(json!(5), "2"), ["t/paper"], "where it was");
        assert!(hear(json!(6), "3").is_empty(), "it names none");
    }
}
