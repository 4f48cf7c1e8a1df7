//! Keys and signatures: who signs, over which bytes, and what counts as valid.

pub mod agent;
pub mod envelope;
pub mod key_file;
pub mod public_key;
pub mod signer;
pub mod strict;
pub mod verify;
