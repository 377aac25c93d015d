//! Risk: brackets and margin, Kelly, sizing, stops, costs, exits, protections.

pub mod brackets;
pub mod costs;
pub mod exits;
pub mod kelly;
pub mod margin;
pub mod protections;
pub mod sizing;
pub mod stops;
