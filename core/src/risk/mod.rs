//! Risk: brackets and margin, Kelly, sizing, stops, costs, exits, protections.
