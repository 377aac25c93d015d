//! Whole looks at an account, against an API server that keeps what it is sent and an index that sees it: each scenario
//! says what was asked, in order, and that nothing else was.
#![allow(clippy::unwrap_used)]

mod api;
mod bench;
mod canary;
mod first;
mod late;
mod leaving;
mod network;
mod refused;
mod trouble;
mod unreadable;
mod watches;
mod words;
