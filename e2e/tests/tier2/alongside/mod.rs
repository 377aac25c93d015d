//! What happens to one account and harms no other: these run beside each other.

mod coordinators;
mod deletion;
mod margin;
mod parameters;
mod workers;
