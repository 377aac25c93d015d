//! The exchange itself, as one deterministic machine.

mod types;

pub use types::{
    AccountId, EngineConfig, EngineEvent, MarketInput, OrderRef, Request, Response, SymbolId,
    SymbolSpec, UserEvent, VenueError,
};
