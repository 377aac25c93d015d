//! The trader against a small venue of its own: sentences, then random days.
#![allow(clippy::unwrap_used)]

mod faults;
mod ledger;
mod model;
pub(super) mod rig;
mod scenarios;
