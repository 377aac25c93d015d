//! The auth callout before a real NATS server: what each role may do, and that it may do nothing else.
#![allow(clippy::unwrap_used)]

mod permissions;
mod service;
mod world;
