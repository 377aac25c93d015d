//! What the operator knows: facts of the objects it watches, as small as decisions need them.
//!
//! Watches feed the [`Index`]; reconciles read it and never list. It is pure: an event in, the names of the accounts that
//! it concerns out. Nothing is decided here, and before every first list is in ([`Index::synced`]) nothing may be: an
//! object that is not known yet looks the same as one that is gone.

mod bare;
mod index;
mod object;
mod pod;
mod shelf;
mod unreadable;

pub use bare::{BareNode, BarePod};
pub use index::{Index, Owned, OwnedKind};
pub use object::{AccountFact, DocumentFact, NodeFact, StrategyFact};
pub use pod::{PodFact, PodLife};
pub use shelf::{News, Shelf};
pub use unreadable::{Parsed, Unreadable};
