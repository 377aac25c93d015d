//! Orders: what is sent, what comes back, and the life between.

mod types;

pub use types::{
    AlgoOrder, AlgoStatus, AlgoUpdate, CancelTarget, ClientId, EntryKind, ExecType, NewOrder,
    NewStop, OpenOrder, OrderKind, OrderStatus, OrderUpdate, PositionUpdate, Refusal, ReplyTo,
    TimeInForce, TradeFill, VenuePosition, VenueReply, VenueState,
};
