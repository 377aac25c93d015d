//! Versions of the vocabulary: readers accept this one and the one before, writers emit the lowest that any peer reports.
//!
//! A field that a schema adds is optional to read; [`Versioned::lower`] takes it out again for an older peer, so that an
//! upgrade needs no order: whoever is newer speaks the older language until all have caught up.

use serde::{Deserialize, Serialize};

/// Version of this vocabulary. 1: one process. 2: between processes, with the fence, rate shares, the account's numbers and health.
pub const SCHEMA: u32 = 2;

/// The oldest version that readers still accept.
pub const OLDEST_SCHEMA: u32 = SCHEMA - 1;

/// A message on its way, with the version its body is written in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Version of the body.
    pub schema: u32,
    /// The message.
    pub body: T,
}

/// A message that can be written for an older reader.
pub trait Versioned: Clone {
    /// Takes out what `schema` does not know. The default knows of no difference.
    fn lower(&mut self, _schema: u32) {}
}

/// What a writer emits to peers of these versions: the lowest of them, never below [`OLDEST_SCHEMA`] nor above [`SCHEMA`].
pub fn lowest_common(peers: impl IntoIterator<Item = u32>) -> u32 {
    let lowest = peers.into_iter().min().unwrap_or(SCHEMA);
    lowest.clamp(OLDEST_SCHEMA, SCHEMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_speaks_what_its_oldest_peer_understands() {
        assert_eq!(lowest_common([]), SCHEMA);
        assert_eq!(lowest_common([SCHEMA, OLDEST_SCHEMA]), OLDEST_SCHEMA);
        assert_eq!(lowest_common([SCHEMA + 1, SCHEMA]), SCHEMA);
        assert_eq!(lowest_common([0]), OLDEST_SCHEMA);
    }
}
