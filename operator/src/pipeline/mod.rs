//! One look at one account, in five steps, one file each.
//!
//! | step | | client |
//! |---|---|---|
//! | [`dereference`] | what is known of the account, its strategies, pods and objects | no: the index and the board are at hand |
//! | [`validate`] | which objects can be used, and what is wrong with the others | no |
//! | [`plan`] | what is to be done: `core::plan` and the objects as they shall be | no |
//! | [`apply`] | doing it | yes |
//! | [`update_status`] | saying how it is | yes, where something differs |
//!
//! No step waits for the world: what takes time is found done, or not, by a later look.

pub mod apply;
mod beside;
pub mod dereference;
pub mod plan;
pub mod status;
pub mod update_status;
pub mod validate;
