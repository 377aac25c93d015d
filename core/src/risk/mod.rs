//! Risk: brackets and margin, Kelly, sizing, stops, costs, exits, protections.

pub mod costs;
pub mod exits;
pub mod kelly;
pub mod protections;
pub mod sizing;
pub mod stops;
