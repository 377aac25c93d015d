//! The objects of an account and its strategies as they shall be.

use super::Plan;
use crate::build;
use crate::config::PodSettings;
use crate::facts::OwnedKind;
use crate::pipeline::dereference::World;
use crate::pipeline::validate::{Account, Validated};
use helios_crds::HeliosAccount;
use serde_json::Value;

/// An object as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: OwnedKind,
    /// `namespace/name`.
    pub full_name: String,
    /// `namespace/name` of the strategy it is for; `None` for the account's own.
    pub strategy: Option<String>,
    /// What is applied.
    pub content: Value,
}

impl Object {
    fn new(kind: OwnedKind, strategy: Option<&str>, content: Value) -> Self {
        let part = |p: &str| {
            content
                .pointer(p)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        Self {
            kind,
            full_name: format!("{}/{}", part("/metadata/namespace"), part("/metadata/name")),
            strategy: strategy.map(str::to_string),
            content,
        }
    }
}

/// A simulated exchange that has come up keeps its pod as it is, image, arguments and all: its state lives there, and neither a
/// new release nor another value of the chart may end a market in which an account holds positions. Another market does. One
/// that never came up has nothing to lose, and what keeps it from that may just be mended.
fn keep_market(world: &World, account: &HeliosAccount, venue: &mut Object) {
    const TEMPLATE: &str = "/spec/template";
    const ARGS: &str = "/spec/template/spec/containers/0/args";
    let key = (venue.kind, venue.full_name.clone());
    let Some(there) = world.owned.get(&key).map(|t| &t.content) else {
        return;
    };
    let runs_with = there.pointer(ARGS).and_then(Value::as_array);
    let market = build::market_args(account);
    let same = runs_with.is_some_and(|args| market.iter().all(|a| args.iter().any(|b| b == a)));
    let came_up = there.pointer("/status/cameUp") == Some(&Value::Bool(true));
    if let (true, Some(template), Some(wanted)) = (
        same && came_up,
        there.pointer(TEMPLATE),
        venue.content.pointer_mut(TEMPLATE),
    ) {
        *wanted = template.clone();
    }
}

/// What an account has for itself.
pub(in crate::pipeline) fn own(a: &HeliosAccount, s: &PodSettings) -> Vec<Object> {
    let mut all = Vec::new();
    let mut own = |kind, content| all.push(Object::new(kind, None, content));
    own(OwnedKind::ServiceAccount, build::coordinator_account(a));
    own(OwnedKind::ServiceAccount, build::workers_account(a));
    own(OwnedKind::RoleBinding, build::role_binding(a, s));
    own(OwnedKind::GuardianState, build::guardian_state(a));
    own(OwnedKind::Service, build::service(a));
    if let Some(n) = &s.network {
        for policy in [
            build::coordinator_policy(a, &s.nats_url, n),
            build::workers_policy(a, &s.nats_url, n),
        ] {
            own(OwnedKind::NetworkPolicy, policy);
        }
    }
    own(
        OwnedKind::PodDisruptionBudget,
        build::coordinator_budget(a, s),
    );
    own(OwnedKind::Deployment, build::deployment(a, s));
    if build::has_venue(a) {
        own(OwnedKind::Service, build::venue_service(a));
        if let Some(n) = &s.network {
            own(OwnedKind::NetworkPolicy, build::venue_policy(a, n));
        }
        own(OwnedKind::Deployment, build::venue(a, s));
    }
    all
}

pub(super) fn of_account(
    p: &mut Plan,
    world: &World,
    account: &Account,
    v: &Validated,
    s: &PodSettings,
) {
    let a = &account.manifest;
    p.objects.extend(own(a, s));
    if build::has_venue(a)
        && let Some(venue) = p.objects.last_mut()
    {
        keep_market(world, a, venue);
    }
    let strategies = v.strategies.iter().filter(|s| s.stall.is_none());
    for strategy in strategies.filter(|s| s.object.metadata.deletion_timestamp.is_none()) {
        let Some(claims) = &p.claims else { continue };
        let workers = claims.values().filter(|s| **s == strategy.name).count();
        let budget = build::budget(&strategy.manifest, workers);
        let o = Object::new(OwnedKind::PodDisruptionBudget, Some(&strategy.name), budget);
        // Without workers none is needed; one that is there is brought down to zero.
        let there = world.owned.contains_key(&(o.kind, o.full_name.clone()));
        if workers > 0 || there {
            p.objects.push(o);
        }
    }
}
