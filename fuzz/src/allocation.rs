//! An allocator that counts, so that a target can bound what a reader holds at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes held now, by every thread.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The most that were held since [`within`] began.
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn take(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

fn give(bytes: usize) {
    LIVE.fetch_sub(bytes, Relaxed);
}

// Safety: everything is the system allocator's; what is added are two numbers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give(layout.size());
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both may be there while it is copied.
        take(new_size);
        give(layout.size());
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

/// Runs `act`, which must never hold more than `bytes_max` bytes beyond what is held already.
///
/// # Panics
/// Where it held more.
pub fn within<T>(bytes_max: usize, act: impl FnOnce() -> T) -> T {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let value = act();
    let held = PEAK.load(Relaxed).saturating_sub(before);
    assert!(held <= bytes_max, "{held} bytes were held at once, at most {bytes_max} are allowed");
    value
}
