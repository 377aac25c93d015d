//! What of the objects at an API server can be used, by the same rules as files. Pure.
//!
//! A file set is used whole or not at all; here each object stands for itself. An account that can't be used, or is gone,
//! leaves the last good one in force: a guard goes on guarding. A strategy that can't be used is left out; one that could be
//! before stays as it was and opens nothing, because its positions are still to be guarded.

use super::watch::{Found, Now};
use crate::manifests::{Counted, Objects, uid};
use helios_crds::kube::HeliosStrategy as Resource;
use helios_crds::validate::{self, Problem};
use helios_crds::{HeliosAccount, HeliosStrategy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};

/// What was said of each object, so that it is said once.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, String>);

impl Told {
    fn tell(&mut self, who: &str, now: Option<String>, words: &mut Vec<String>) {
        let before = self.0.get(who);
        if before == now.as_ref() {
            return;
        }
        match now {
            Some(why) => {
                words.push(format!("{who} {why}"));
                self.0.insert(who.into(), why);
            }
            None => {
                words.push(format!("{who} can be used again"));
                self.0.remove(who);
            }
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// Takes what can be used in; says what changed and what is left out, in words.
pub(super) fn accept(
    objects: &mut Objects,
    account: &str,
    now: &Now<'_>,
    told: &mut Told,
) -> Vec<String> {
    let mut words = Vec::new();
    take_account(objects, account, now, told, &mut words);
    let Some((current, _)) = objects.accounts.get(account) else {
        return words;
    };
    let current = current.clone();
    let namespace = account.split('/').next().unwrap_or_default();
    let mut there = BTreeSet::new();
    for (bare, found) in now.strategies {
        let name = format!("{namespace}/{bare}");
        if judge(objects, &current, &name, found, told, &mut words) {
            there.insert(name);
        }
    }
    objects.strategies.retain(|name, _| {
        let stays = there.contains(name);
        if !stays {
            words.push(format!("strategy {name} is gone"));
        }
        stays
    });
    words
}

fn take_account(
    objects: &mut Objects,
    account: &str,
    now: &Now<'_>,
    told: &mut Told,
    words: &mut Vec<String>,
) {
    let usable = match now.account {
        None => Err("is not there".to_string()),
        Some(Err(e)) => Err(format!("does not parse: {}", e.error)),
        Some(Ok(a)) => {
            let m = a.to_manifest();
            match validate::account(&m).as_slice() {
                [] => Ok(m),
                wrong => Err(format!("can't be used: {}", listed(wrong))),
            }
        }
    };
    let known = objects.accounts.contains_key(account);
    let who = format!("account {account}");
    match usable {
        Ok(m) => {
            told.tell(&who, None, words);
            replace_account(objects, account, m, words);
        }
        Err(why) if known => {
            told.tell(
                &who,
                Some(format!("{why}; the last good one stays in force")),
                words,
            );
        }
        Err(why) => told.tell(&who, Some(why), words),
    }
}

fn replace_account(
    objects: &mut Objects,
    account: &str,
    new: HeliosAccount,
    words: &mut Vec<String>,
) {
    let generation = new.metadata.generation.unwrap_or(1);
    if let Some((old, before)) = objects.accounts.get(account) {
        if old.spec != new.spec {
            words.push(format!(
                "account {account}: generation {before} → {generation}"
            ));
        }
        if old.spec.simulated != new.spec.simulated {
            words.push(format!(
                "account {account}: spec.simulated is read at the start only: restart to change the market"
            ));
        }
    }
    objects.accounts.insert(account.into(), (new, generation));
}

/// Judges one strategy; true when it is one of this account's that is in force, in whichever shape.
fn judge(
    objects: &mut Objects,
    account: &HeliosAccount,
    name: &str,
    found: &Found<Resource>,
    told: &mut Told,
    words: &mut Vec<String>,
) -> bool {
    let who = format!("strategy {name}");
    let account_name = account.metadata.full_name();
    let (meta, usable) = match found {
        Ok(s) => {
            let m = s.to_manifest();
            if m.account_name() != account_name {
                return false;
            }
            let mut wrong = validate::strategy(&m);
            wrong.extend(validate::pair(account, &m));
            let usable = if wrong.is_empty() {
                Ok(m)
            } else {
                Err(format!("can't be used: {}", listed(&wrong)))
            };
            (&s.metadata, usable)
        }
        Err(e) => (&e.metadata, Err(format!("does not parse: {}", e.error))),
    };
    let deleting = meta.deletion_timestamp.is_some();
    match usable {
        Ok(m) => {
            told.tell(&who, None, words);
            insert(objects, name, m, meta, deleting, words);
            true
        }
        Err(why) => {
            let same = objects
                .strategies
                .get_mut(name)
                .filter(|c| c.object.metadata.uid == meta.uid);
            let Some(c) = same else {
                told.tell(&who, Some(format!("is left out: {why}")), words);
                return false;
            };
            c.stalled = true;
            c.deleting = deleting;
            c.object.metadata.annotations = meta.annotations.clone().unwrap_or_default();
            let why = format!("{why}; it stays as it was before and opens nothing");
            told.tell(&who, Some(why), words);
            true
        }
    }
}

fn insert(
    objects: &mut Objects,
    name: &str,
    object: HeliosStrategy,
    meta: &ObjectMeta,
    deleting: bool,
    words: &mut Vec<String>,
) {
    let generation = object.metadata.generation.unwrap_or(1);
    let created = meta.creation_timestamp.as_ref();
    match objects.strategies.get(name) {
        Some(c) if uid(&c.object) != uid(&object) => {
            words.push(format!("strategy {name} is another one of that name"));
        }
        Some(c) if c.generation != generation && c.object.spec != object.spec => {
            words.push(format!(
                "strategy {name}: generation {} → {generation}",
                c.generation
            ))
        }
        Some(_) => {}
        None => words.push(format!("strategy {name} is new")),
    }
    let before = objects.strategies.get(name).is_some_and(|c| c.deleting);
    if deleting && !before {
        words.push(format!(
            "strategy {name} is to go: its positions are left as onDelete says"
        ));
    }
    let counted = Counted {
        object,
        generation,
        created_ms: created.map_or(0, |t| t.0.as_millisecond()),
        deleting,
        stalled: false,
        published: None,
    };
    objects.strategies.insert(name.into(), counted);
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
