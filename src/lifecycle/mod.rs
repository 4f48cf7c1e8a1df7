//! What may happen: state, rules, policy and authority, as a pure function.
//!
//! [`rules::apply`] judges one event on a state and says what changes, or why it may not be. The
//! ledger calls it before it writes, the verifier calls it again on a state of its own. Nothing
//! here does I/O or reads a clock (decision 7; docs/lifecycle.md).

pub mod attachments;
pub mod authority;
pub mod git_signer;
pub mod observation;
pub mod onlooker;
pub mod policy;
pub mod refusal;
pub mod rules;
mod seen;
pub mod state;
