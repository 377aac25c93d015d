//! Who may do what on NATS: the answers to the server's auth callout.
//!
//! The server asks this service about every connection ([`callout`]); a [`validator`] says whose token it is, [`permissions`]
//! turns the [`role`] into the exact subjects, [`jwt`] puts them into a signed answer. The NATS server itself stores two
//! public keys and no credential.
//!
//! Border: decides about connections only. It carries no message of the trading, holds no state that a restart loses, and
//! while it is down nobody new gets in and everybody connected goes on.

pub mod callout;
pub mod files;
pub mod jwt;
pub mod keys;
pub mod origin;
pub mod permissions;
pub mod role;
pub mod setup;
pub mod tokens;
pub mod validator;

pub use callout::{Callout, Counts, Options, Placement};
pub use permissions::Permissions;
pub use role::{Identity, Role};
pub use tokens::StaticTokens;
pub use validator::{ClientInfo, Refused, Validator};
