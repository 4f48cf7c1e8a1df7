//! Progress of long work, drawn on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar in indicatif's `template`, whose length is told as the work goes on.
#[must_use]
pub fn bar(template: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("our templates are valid");
    ProgressBar::new(0).with_style(style)
}

/// The bar of a verification.
#[must_use]
pub fn verifying() -> ProgressBar {
    bar("verifying {bar:30} {pos}/{len} entries {per_sec} {eta}")
}

/// What work calls with how much is done, and how much there is in all.
pub fn follow(bar: &ProgressBar) -> impl Fn(u64, u64) + Sync {
    |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    }
}
