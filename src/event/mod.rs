//! What can be recorded: the event header, every kind of body, and their canonical bytes.
//!
//! An event is `header ‖ kind (u32) ‖ body` (docs/format.md, "Event"). Every type here is parsed
//! once: a value that exists is within its bounds. What an event *means* stands in
//! [`crate::lifecycle`]; who signed it, in [`crate::signing`].

pub mod authority;
pub mod body;
pub mod glob;
pub mod header;
pub mod incident;
pub mod infra;
pub mod list;
pub mod model;
pub mod number;
pub mod release;
pub mod remark;
pub mod text;
