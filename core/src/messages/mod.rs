//! What the parts tell each other: grants, reports, the account snapshot, parameters. serde only; `bus` carries the bytes.
//!
//! Nothing here is authority by itself: the venue is the truth, a grant dies by its deadline. Between processes each message
//! travels in an [`Envelope`] that names its schema; `docs/messages.md` lists subjects, keys and fields.

mod account;
mod admin;
mod alert;
mod document;
mod fence;
mod grant;
mod rates;
mod report;
mod schema;

pub use account::{
    AccountNumbers, AccountSnapshot, Health, LadderLevel, SymbolNumbers, WorkerHealth,
};
pub use admin::{AdminReply, AdminRequest};
pub use alert::{Alert, Severity};
pub use document::{Canary, ParamsDocument};
pub use fence::Fence;
pub use grant::{Command, DenyReason, Grant, GrantReply, GrantRequest, KellyStats};
pub use rates::{RateReport, RateShare};
pub use report::{ClosedTrade, ExitReason, WorkerReport, WorkerView};
pub use schema::{Envelope, OLDEST_SCHEMA, SCHEMA, Versioned, lowest_common};
