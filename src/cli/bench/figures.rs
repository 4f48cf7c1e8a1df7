//! Figures beside their floors, for people and as JSON.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// How long something takes.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    what: String,
    /// For each one of it.
    seconds: f64,
    per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Beside>,
}

/// What a figure is measured against.
#[derive(Debug, Clone, Serialize)]
struct Beside {
    what: String,
    seconds: f64,
    /// The figure's time over this one's.
    ratio: f64,
}

impl Figure {
    /// What takes `seconds` for each.
    #[must_use]
    pub fn new(what: impl Into<String>, seconds: f64) -> Self {
        Self { what: what.into(), seconds, per_second: 1.0 / seconds, beside: None }
    }

    /// The same, beside something that takes `seconds` for each.
    #[must_use]
    pub fn beside(self, what: impl Into<String>, seconds: f64) -> Self {
        let ratio = self.seconds / seconds;
        Self { beside: Some(Beside { what: what.into(), seconds, ratio }), ..self }
    }

    fn line(&self) -> String {
        let Self { what, seconds, per_second, beside } = self;
        let figure = format!("{what:<32} {:>9} {per_second:>9.0}/s", time_text(*seconds));
        match beside {
            Some(Beside { what, seconds, ratio }) => {
                format!("{figure}  {ratio:>5.2} × {what} ({})", time_text(*seconds))
            }
            None => figure,
        }
    }
}

/// A time with three digits.
fn time_text(seconds: f64) -> String {
    let (number, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}

/// Prints figures that were measured in `dir`.
///
/// # Errors
/// Stdout is closed.
pub fn print(context: &Context, dir: &Path, figures: &[Figure]) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if context.json() {
        return context.print_json(&json!({ "directory": dir, "cores": cores, "figures": figures }));
    }
    context.print(format_args!("in {} on {cores} cores; medians, each beside its floor", dir.display()))?;
    figures.iter().try_for_each(|figure| context.print(figure.line()))
}

/// The median in seconds; of an even number, the upper one in the middle.
#[must_use]
pub fn median(times: impl IntoIterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let cases = [
            (0.000_012_34, "12.3 µs"),
            (0.001_5, "1.50 ms"),
            (0.123_4, "123 ms"),
            (2.0, "2.00 s"),
            (75.0, "75.0 s"),
        ];
        for (seconds, text) in cases {
            assert_eq!(time_text(seconds), text);
        }
    }

    #[test]
    fn a_figure_stands_beside_its_floor() {
        let line = Figure::new("one append", 0.003).beside("a bare one", 0.002).line();
        assert_eq!(
            line,
            "one append                         3.00 ms       333/s   1.50 × a bare one (2.00 ms)"
        );
        assert!((median([3, 1, 2].map(Duration::from_secs)) - 2.0).abs() < f64::EPSILON);
    }
}
