//! Frame bytes to market events in ticks and lots.
//!
//! [`decode_combined`] opens the envelope, [`head`] says what the payload is, a [`Decoder`] of its contract reads it.
//! Numbers are parsed exactly from their digits; a number off the grid, negative or no number is an error, never rounded.
//! Borders: pure functions over bytes; no sockets, no clock, no book.

mod frame;
mod grid;
mod market;
mod number;
#[cfg(test)]
mod tests;

pub use frame::{Combined, Head, Kind, decode_combined, head};
pub use grid::GridGuess;
pub use market::{Decoder, MarketEvent, mark_price, mark_prices};
pub use number::{Grid, NumberError, Scale};

/// Why bytes could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the JSON expected.
    #[error("byte {offset}: {message}")]
    Json {
        /// Where, in the bytes given.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// A field that must be there is not.
    #[error("field {0:?} is missing")]
    Missing(&'static str),
    /// A number that is none, or none of this contract's.
    #[error("field {field:?}, byte {offset}: {text:?} is {why}")]
    Number {
        /// The wire's field name.
        field: &'static str,
        /// Where, in the bytes given.
        offset: usize,
        /// The text (its start).
        text: String,
        /// What is wrong with it.
        why: NumberError,
    },
    /// The contract's own grid is unusable.
    #[error("{symbol}: tick or step size can't be used")]
    Grid {
        /// The contract.
        symbol: String,
    },
}

impl DecodeError {
    /// True when a finer grid would have read the number.
    pub fn is_off_grid(&self) -> bool {
        matches!(
            self,
            Self::Number {
                why: NumberError::OffGrid,
                ..
            }
        )
    }
}
