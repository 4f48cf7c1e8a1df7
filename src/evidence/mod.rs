//! Pure checks of what stands beside a release: no I/O, no clock.

pub mod model_files;
pub mod model_signature;
