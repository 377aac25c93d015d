//! Every object that is built, against Kubernetes' own types and against golden files.
#![allow(clippy::unwrap_used)]
