//! What an API server admits and what the Rust rules accept are the same: the definitions' schema with its CEL rules against
//! [`helios_crds::validate`], object by object.
#![cfg(feature = "kubernetes")]
#![allow(clippy::unwrap_used, missing_docs)]

mod fields;
mod property;
mod rules;
mod shape;
mod structural;
mod values;
mod verdict;
