//! The objects of an account and its strategies as they shall be.

use super::Plan;
use crate::build;
use crate::config::PodSettings;
use crate::facts::OwnedKind;
use crate::pipeline::dereference::World;
use crate::pipeline::validate::{Account, Validated};
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

/// A simulated exchange that runs keeps the image it has: its state lives in its pod, and a new release must not end the market
/// in which an account holds positions.
fn keep_image(world: &World, venue: &mut Object) {
    const IMAGE: &str = "/spec/template/spec/containers/0/image";
    let key = (venue.kind, venue.full_name.clone());
    let there = world.owned.get(&key).and_then(|t| t.content.pointer(IMAGE));
    if let (Some(there), Some(image)) = (there, venue.content.pointer_mut(IMAGE)) {
        *image = there.clone();
    }
}

pub(super) fn of_account(
    p: &mut Plan,
    world: &World,
    account: &Account,
    v: &Validated,
    s: &PodSettings,
) {
    let a = &account.manifest;
    let mut own = |kind, content| p.objects.push(Object::new(kind, None, content));
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
        if let Some(venue) = p.objects.last_mut() {
            keep_image(world, venue);
        }
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
