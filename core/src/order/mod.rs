//! Orders: what is sent, what comes back, and the life between.

pub mod client_id;
pub mod filters;
mod lifecycle;
pub mod refusal;
mod types;

pub use client_id::{IdMaker, Role};
pub use lifecycle::ABSENCE_MARGIN_MS;
pub use lifecycle::{EndReason, OrderState, Orders, OrdersOut, Origin};
pub use refusal::{Refusal, RefusalClass};
pub use types::{
    AlgoOrder, AlgoStatus, AlgoUpdate, CancelTarget, ClientId, EntryKind, ExecType, NewOrder,
    NewStop, OpenOrder, OrderKind, OrderStatus, OrderUpdate, PositionUpdate, ReplyTo, TimeInForce,
    TradeFill, VenuePosition, VenueReply, VenueState,
};
