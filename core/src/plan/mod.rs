//! What should run: placement, claims, drain, replacement, finalizer steps, as `step(observed) -> actions`.
//!
//! Drives `helios up`'s tasks and the operator's pods alike.
