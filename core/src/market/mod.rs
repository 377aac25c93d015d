//! Market data and what is computed from it: events, order book, depth synchronisation, NOBI, bars, ATR.

mod event;

pub use event::{AggTrade, Bar, BookLevels, BookTicker, DepthSnapshot, DepthUpdate, MarkPrice};
