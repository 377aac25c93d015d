//! Where the record lies: read, and replace if it is still the one that was read. Kubernetes' get, create and replace with
//! a resourceVersion have the same shape.

use crate::record::LeaseRecord;
use async_trait::async_trait;

/// Names one write of the record. Opaque: equal means the same write, nothing else follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The record is not the expected one any more; nothing was written.
    #[error("somebody else wrote the lease in between")]
    Conflict,
    /// Reading or writing failed. A write may have happened all the same, or may still happen.
    #[error("{0}")]
    Io(String),
    /// There is something, but not a record. Never read as "no record": that would give the lock away.
    #[error("{0}: not a lease record; nobody leads until it is repaired or removed")]
    Damaged(String),
    /// No answer in time. A write may have happened all the same, or may still happen.
    #[error("the lease store did not answer in time")]
    Timeout,
}

/// A place for one record. Every implementation passes [`crate::conformance`].
#[async_trait]
pub trait LeaseStore: Send + Sync + std::fmt::Debug {
    /// The record and its version; `None` when there is none.
    ///
    /// # Errors
    /// [`LeaseError::Io`], [`LeaseError::Damaged`].
    async fn read(&self) -> Result<Option<(LeaseRecord, Version)>, LeaseError>;

    /// Writes `record` if the present version is still `expected` (`None`: if there is no record). Returns the version it
    /// has now, which no other write ever had.
    ///
    /// # Errors
    /// [`LeaseError::Conflict`] when it is another; [`LeaseError::Io`] or [`LeaseError::Damaged`] when it can't be done.
    async fn write(
        &self,
        expected: Option<&Version>,
        record: &LeaseRecord,
    ) -> Result<Version, LeaseError>;
}
