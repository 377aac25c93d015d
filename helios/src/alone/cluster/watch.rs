//! The objects as last seen: two watches, and a shelf for what each shows.
//!
//! A shelf changes by single objects, or whole after a new listing; it never shows half a listing. A watch that fails goes on
//! trying by itself, and the shelf keeps what it has. What nobody here looks at is dropped as it comes in, statuses above all:
//! the operator writes them all the time, and each would have everything judged anew.

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use helios_lease::kubernetes::WATCH_SECONDS;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// An object, or the metadata of one that does not parse and why not.
pub(super) type Found<K> = Result<K, Box<InvalidObject>>;
type Guarded<K> = DeserializeGuard<K>;
type Events<K> = BoxStream<'static, Result<Event<Guarded<K>>, watcher::Error>>;

/// What is there now.
pub(super) struct Now<'a> {
    /// The account, if there is one.
    pub(super) account: Option<&'a Found<HeliosAccount>>,
    /// Those of its namespace's strategies that name it, and those that don't parse, by name.
    pub(super) strategies: &'a BTreeMap<String, Found<HeliosStrategy>>,
}

/// Takes out of an object what is not looked at; false when it is not looked at at all.
type Trim<K> = Box<dyn Fn(&mut K) -> bool + Send>;

/// Objects of one kind, by name.
struct Shelf<K> {
    what: &'static str,
    trim: Trim<K>,
    now: BTreeMap<String, Found<K>>,
    /// A listing that is not complete yet.
    next: Option<BTreeMap<String, Found<K>>>,
    listed: bool,
    trouble: Option<String>,
}

impl<K: Resource + PartialEq> Shelf<K> {
    fn new(what: &'static str, trim: impl Fn(&mut K) -> bool + Send + 'static) -> Self {
        Self {
            what,
            trim: Box::new(trim),
            now: BTreeMap::new(),
            next: None,
            listed: false,
            trouble: None,
        }
    }

    /// Takes one event in; true when what is there may be another now.
    fn take(&mut self, event: Event<Guarded<K>>) -> bool {
        let named = |k: Guarded<K>| {
            let name = k.meta().name.clone().unwrap_or_default();
            let bare = |m: &mut ObjectMeta| (m.resource_version, m.managed_fields) = (None, None);
            let found = match k.0 {
                Ok(mut k) => {
                    bare(k.meta_mut());
                    (self.trim)(&mut k).then_some(Ok(k))
                }
                Err(mut e) => {
                    bare(&mut e.metadata);
                    Some(Err(Box::new(e)))
                }
            };
            (name, found)
        };
        match event {
            Event::Init => {
                self.next = Some(BTreeMap::new());
                false
            }
            Event::InitApply(k) => {
                if let (name, Some(found)) = named(k) {
                    self.next.get_or_insert_default().insert(name, found);
                }
                false
            }
            Event::InitDone => {
                self.now = self.next.take().unwrap_or_default();
                self.listed = true;
                true
            }
            Event::Apply(k) => {
                let (name, found) = named(k);
                let same = match (self.now.get(&name), &found) {
                    (Some(Ok(before)), Some(Ok(now))) => before == now,
                    (Some(Err(before)), Some(Err(now))) => {
                        (&before.error, &before.metadata) == (&now.error, &now.metadata)
                    }
                    (before, None) => before.is_none(),
                    _ => false,
                };
                match found {
                    Some(found) => drop(self.now.insert(name, found)),
                    None => drop(self.now.remove(&name)),
                }
                !same && self.listed
            }
            Event::Delete(k) => {
                let name = k.meta().name.clone().unwrap_or_default();
                self.now.remove(&name).is_some() && self.listed
            }
        }
    }

    /// The same for what a watch says; a failure is told once.
    fn hear(&mut self, said: Result<Event<Guarded<K>>, watcher::Error>) -> bool {
        match said {
            Ok(event) => {
                if self.trouble.take().is_some() {
                    tracing::info!("the watch of {} works again", self.what);
                }
                self.take(event)
            }
            Err(e) => {
                let why = words(&e);
                if self.trouble.as_ref() != Some(&why) {
                    tracing::warn!(
                        error = why,
                        "the watch of {} fails: what is known stays in force",
                        self.what
                    );
                    self.trouble = Some(why);
                }
                false
            }
        }
    }
}

/// Why a watch fails, without the whole of what the server said twice.
fn words(e: &watcher::Error) -> String {
    match e {
        watcher::Error::InitialListFailed(e)
        | watcher::Error::WatchStartFailed(e)
        | watcher::Error::WatchFailed(e) => helios_lease::kubernetes::words(e),
        other => other.to_string(),
    }
}

/// Both watches with their shelves.
pub(super) struct Seen {
    name: String,
    accounts: (Events<HeliosAccount>, Shelf<HeliosAccount>),
    strategies: (Events<HeliosStrategy>, Shelf<HeliosStrategy>),
}

fn events<K>(client: &Client, namespace: &str, config: watcher::Config) -> Events<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api: Api<Guarded<K>> = Api::namespaced(client.clone(), namespace);
    let config = config.timeout(WATCH_SECONDS);
    watcher::watcher(api, config).default_backoff().boxed()
}

/// Of the strategies of a namespace those that name the account, without their statuses.
fn naming(name: &str) -> impl Fn(&mut HeliosStrategy) -> bool + Send + 'static {
    let name = name.to_string();
    move |s| {
        s.status = None;
        s.spec.account_ref.name == name
    }
}

impl Seen {
    /// Begins to watch; needs `list` and `watch` on both kinds in the namespace (of the account, by its name).
    pub(super) fn start(client: Client, namespace: &str, name: &str) -> Self {
        let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let all = watcher::Config::default();
        Self {
            name: name.into(),
            accounts: (
                events(&client, namespace, one),
                Shelf::new("the account", |a: &mut HeliosAccount| {
                    a.status = None;
                    true
                }),
            ),
            strategies: (
                events(&client, namespace, all),
                Shelf::new("the strategies", naming(name)),
            ),
        }
    }

    /// The next thing a watch says; true when what is there may be another now.
    async fn hear(&mut self) -> bool {
        // The watches never end; were they to, nothing would change any more.
        tokio::select! {
            Some(said) = self.accounts.0.next() => self.accounts.1.hear(said),
            Some(said) = self.strategies.0.next() => self.strategies.1.hear(said),
            else => std::future::pending().await,
        }
    }

    /// Waits until both have been listed and something is another.
    pub(super) async fn changed(&mut self) {
        while !(self.hear().await && self.accounts.1.listed && self.strategies.1.listed) {}
        // What is said already belongs to it: of a commit that changes fifty strategies, each is not a change of its own.
        while self.hear().now_or_never().is_some() {}
    }

    /// What is there.
    pub(super) fn now(&self) -> Now<'_> {
        Now {
            account: self.accounts.1.now.get(&self.name),
            strategies: &self.strategies.1.now,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::stream;
    use serde_json::json;

    fn strategy(name: &str, spec: serde_json::Value) -> Guarded<HeliosStrategy> {
        let object = json!({
            "apiVersion": "helios.trading/v1alpha1", "kind": "HeliosStrategy",
            "metadata": {"name": name, "namespace": "ns", "uid": format!("u-{name}")}, "spec": spec,
        });
        serde_json::from_value(object).unwrap()
    }

    fn good(name: &str) -> Guarded<HeliosStrategy> {
        strategy(name, json!({"accountRef": {"name": "a"}}))
    }

    fn names(s: &Shelf<HeliosStrategy>) -> Vec<&str> {
        s.now.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_new_listing_replaces_what_was_there_when_it_is_complete_and_not_before() {
        let mut s = Shelf::new("x", naming("a"));
        for e in [
            Event::Init,
            Event::InitApply(good("a")),
            Event::InitApply(good("b")),
        ] {
            assert!(!s.take(e));
        }
        assert!(names(&s).is_empty() && s.take(Event::InitDone));
        assert_eq!(names(&s), ["a", "b"]);
        // The watch was lost; meanwhile `a` went.
        s.take(Event::Init);
        s.take(Event::InitApply(good("b")));
        assert_eq!(names(&s), ["a", "b"]);
        s.take(Event::InitDone);
        assert_eq!(names(&s), ["b"]);
        assert!(s.take(Event::Apply(good("c"))) && s.take(Event::Delete(good("b"))));
        assert_eq!(names(&s), ["c"]);
    }

    #[test]
    fn what_does_not_parse_is_there_with_its_reason_and_hides_nobody_else() {
        let mut s = Shelf::new("x", naming("a"));
        s.take(Event::Init);
        s.take(Event::InitApply(good("a")));
        s.take(Event::InitApply(strategy("b", json!({"accountRef": 7}))));
        s.take(Event::InitDone);
        assert!(s.now["a"].is_ok());
        let b = s.now["b"].as_ref().unwrap_err();
        assert_eq!(b.metadata.uid.as_deref(), Some("u-b"));
        assert!(!b.error.is_empty());
        // Its status was written: another version, and nothing that counts.
        let Err(mut same) = strategy("b", json!({"accountRef": 7})).0 else {
            unreachable!()
        };
        same.metadata.resource_version = Some("2".into());
        let same = DeserializeGuard(Err(same));
        assert!(!s.take(Event::Apply(same)), "it is no change, either");
        assert!(s.take(Event::Apply(strategy("b", json!({"accountRef": "x"})))));
    }

    #[test]
    fn neither_a_status_nor_another_accounts_strategy_is_a_change() {
        let written = |version: &str, spec: serde_json::Value, ready: i64| {
            let Ok(mut k) = strategy("a", spec).0 else {
                unreachable!()
            };
            k.metadata.resource_version = Some(version.into());
            k.status = serde_json::from_value(json!({"readyWorkers": ready})).unwrap();
            Event::Apply(DeserializeGuard(Ok(k)))
        };
        let mine = || json!({"accountRef": {"name": "a"}});
        let mut s = Shelf::new("x", naming("a"));
        s.take(Event::Init);
        s.take(Event::InitDone);
        assert!(s.take(written("1", mine(), 0)));
        assert!(!s.take(written("2", mine(), 1)), "a status");
        let edit = json!({"accountRef": {"name": "a"}, "priority": 7});
        assert!(s.take(written("3", edit, 1)));
        let others = || json!({"accountRef": {"name": "b"}});
        assert!(s.take(written("4", others(), 1)), "it has left");
        assert!(names(&s).is_empty());
        assert!(!s.take(written("5", others(), 2)));
        let Event::Apply(k) = written("6", others(), 2) else {
            unreachable!()
        };
        assert!(!s.take(Event::Delete(k)));
    }

    /// Watches that say this and then nothing more.
    fn seen(
        accounts: Vec<Event<Guarded<HeliosAccount>>>,
        strategies: Vec<Event<Guarded<HeliosStrategy>>>,
    ) -> Seen {
        fn says<K: Send + 'static>(all: Vec<Event<Guarded<K>>>) -> Events<K> {
            let all = stream::iter(all).map(Ok);
            all.chain(stream::pending()).boxed()
        }
        Seen {
            name: "a".into(),
            accounts: (
                says(accounts),
                Shelf::new("x", |_: &mut HeliosAccount| true),
            ),
            strategies: (says(strategies), Shelf::new("y", naming("a"))),
        }
    }

    #[test]
    fn what_is_said_already_is_one_change_and_nothing_of_it_is_lost_when_the_wait_is_given_up() {
        let fifty = (0..50).map(|n| Event::Apply(good(&format!("s{n}"))));
        let strategies = [Event::Init, Event::InitDone].into_iter().chain(fifty);
        let mut s = seen(vec![Event::Init, Event::InitDone], strategies.collect());
        assert!(s.changed().now_or_never().is_some());
        assert_eq!(s.now().strategies.len(), 50);
        assert!(s.changed().now_or_never().is_none(), "nothing more is said");
        // Before both have been listed nothing has changed, whatever one of them says.
        let half = vec![Event::Init, Event::InitDone, Event::Apply(good("s"))];
        let mut s = seen(vec![Event::Init], half);
        for _ in 0..3 {
            assert!(s.changed().now_or_never().is_none());
        }
        assert_eq!(s.now().strategies.len(), 1);
    }

    #[test]
    fn a_watch_that_fails_changes_nothing() {
        let mut s = Shelf::new("x", naming("a"));
        s.take(Event::Init);
        s.take(Event::InitApply(good("a")));
        s.take(Event::InitDone);
        assert!(!s.hear(Err(watcher::Error::NoResourceVersion)));
        assert_eq!(names(&s), ["a"]);
        assert!(s.trouble.is_some());
        s.hear(Ok(Event::Init));
        assert!(s.trouble.is_none() && s.listed);
    }
}
