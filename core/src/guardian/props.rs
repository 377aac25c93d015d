//! Invariants of the guardian over random histories.
#![allow(clippy::unwrap_used)]

mod limits;
mod model;
mod robust;
mod seats;
mod shares;
