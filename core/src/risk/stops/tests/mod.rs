//! Tests of the stop keeper: named scenes, and properties over a small model of the venue.

#![allow(clippy::unwrap_used)]

mod judge;
mod late_news;
mod model;
mod network;
mod properties;
mod scene;
mod scenes;
mod venue;
