//! Scripted scenarios: leads, grants, doubts, ladder, stops of last resort, latches.
#![allow(clippy::unwrap_used)]

mod calming;
mod doubting;
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
