//! Scripted scenarios: leads, grants, doubts, ladder, stops of last resort, latches.
#![allow(clippy::unwrap_used)]

mod calming;
mod doubting;
mod fitness;
mod granting;
mod ladder;
mod leading;
mod losing;
mod money;
mod numbers;
mod protecting;
mod races;
mod reading;
mod sharing;
mod slicing;
mod unread;
mod watching;
mod worsening;

pub(in crate::guardian) use granting::report;

use super::GuardianEffect;
use crate::messages::AccountSnapshot;

/// The snapshots that were published, in their order.
fn published(out: &[GuardianEffect]) -> Vec<&AccountSnapshot> {
    let shown = out.iter().filter_map(|e| match e {
        GuardianEffect::Publish(s) => Some(&**s),
        _ => None,
    });
    shown.collect()
}
