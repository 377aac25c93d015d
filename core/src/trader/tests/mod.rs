//! The trader against a small venue of its own: sentences, then random days.
#![allow(clippy::unwrap_used)]

mod model;
mod rig;
mod scenarios;
