//! What everybody feels: these run alone.

mod nats;
mod nodes;
mod operators;
