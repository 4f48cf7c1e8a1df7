//! Keys and signatures: who signs, over which bytes, and what counts as valid.

pub mod public_key;
