//! Scripted scenarios: grants, ladder, stops of last resort, latches.
#![allow(clippy::unwrap_used)]

mod granting;
mod ladder;
mod protecting;
mod races;
mod slicing;
mod watching;
