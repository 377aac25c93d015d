//! What everybody feels: these run alone.

mod nats;
mod nodes;
mod operators;

pub use nodes::{Outside, THREE, on_spare};
