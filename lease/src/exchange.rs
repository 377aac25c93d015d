//! What goes into an elector, and what comes out.

use crate::record::LeaseRecord;
use crate::store::{LeaseError, Version};

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Time has passed; wanted at [`crate::Elector::next_ns`] at the latest.
    Tick,
    /// Answer to [`Output::Read`].
    ReadDone(Result<Option<(LeaseRecord, Version)>, LeaseError>),
    /// Answer to [`Output::Write`].
    WriteDone(Result<Version, LeaseError>),
    /// Hand the lead over, or stop being a candidate. Can't be taken back.
    Release,
}

/// Why the lead was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No renewal succeeded in time.
    Deadline,
    /// The record shows another term than this one, of this holder.
    Taken(Option<String>),
    /// [`Input::Release`].
    Released,
}

/// What to do, and what became true.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Read the record; answer with [`Input::ReadDone`]. At most one read or write is asked for at a time.
    Read,
    /// Write the record if its version is the expected one; answer with [`Input::WriteDone`].
    Write(Option<Version>, LeaseRecord),
    /// Leads from now on.
    Became {
        /// Number of the term.
        transitions: u64,
        /// Own monotonic clock, ns: at this instant the lead is over, whatever is known by then.
        until: u64,
    },
    /// Still leads, for longer.
    Renewed {
        /// As in [`Output::Became`].
        until: u64,
    },
    /// Leads no more. Always the first output of its step.
    Lost {
        /// Why.
        why: Why,
    },
}
