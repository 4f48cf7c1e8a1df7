//! A process of a test's own, which does not outlive the test.

use std::ops::{Deref, DerefMut};
use std::process::Child;

/// A child that is killed, and waited for, when this is dropped; nothing happens where it has ended.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Deref for Killed {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Killed {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}
