//! Market data and what is computed from it: events, order book, depth synchronisation, NOBI, bars, ATR.

mod atr;
mod bars;
mod book;
mod event;
mod nobi;
mod sync;

pub use atr::{AtrTracker, WilderAtr};
pub use bars::{BarBuilder, aggregate};
pub use book::{BadLevel, Book, MAX_LEVEL};
pub use event::{AggTrade, Bar, BookLevels, BookTicker, DepthSnapshot, DepthUpdate, MarkPrice};
pub use nobi::nobi;
pub use sync::{DepthOutcome, DepthSync, SnapshotOutcome, SyncStats};
