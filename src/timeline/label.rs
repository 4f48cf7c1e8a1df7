//! Text as a picture can show it: nothing that steers or reorders, no wider than its place.
//!
//! A picture is made without a font at hand, so widths are estimated: rather too wide than too narrow.

use unicode_width::UnicodeWidthChar as _;

use super::prose::visible;
use crate::event::text::is_deceptive;

/// Text on one line of a picture or page: what steers or reorders is spelt out, lines are joined, and what XML cannot
/// hold is replaced. A line with right-to-left letters is isolated, so that what stands beside it keeps its place.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    let text: String =
        visible(text).chars().map(|c| if matches!(c, '\n' | '\t') { ' ' } else { in_xml(c) }).collect();
    isolated(text)
}

/// Text of several lines, safe as [`on_one_line`] is.
#[must_use]
pub fn on_lines(text: &str) -> String {
    visible(text).chars().map(in_xml).collect()
}

/// As much of a text on one line as fits in `width` pixels at a font size; an ellipsis stands for the rest. None where
/// not even two characters and an ellipsis fit.
#[must_use]
pub fn fitted(text: &str, width: f64, font_px: f64) -> Option<String> {
    /// Longer texts than this fit no picture: no more of one is looked at.
    const CHARACTERS_MAX: usize = 400;
    let text: String = on_one_line(text).chars().filter(|&c| !is_deceptive(c)).take(CHARACTERS_MAX).collect();
    if width_px(&text, font_px) <= width {
        return Some(isolated(text));
    }
    let mut cut = String::new();
    let mut left = width - width_px("…", font_px);
    for c in text.chars() {
        left -= character_px(c, font_px);
        if left < 0.0 {
            break;
        }
        cut.push(c);
    }
    let cut = cut.trim_end();
    (cut.chars().count() >= 2).then(|| isolated(format!("{cut}…")))
}

/// How wide a text is, estimated for the fonts that systems show pages in.
#[must_use]
pub fn width_px(text: &str, font_px: f64) -> f64 {
    text.chars().map(|c| character_px(c, font_px)).sum()
}

/// In parts of the font size: capitals and wide letters are wider than the rest, ideographs are square.
fn character_px(c: char, font_px: f64) -> f64 {
    let parts = match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.36,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '-' | '/' => 0.44,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' | '…' => 1.0,
        'A'..='Z' => 0.74,
        _ if c.is_ascii() => 0.62,
        _ => match c.width() {
            Some(0) | None => 0.0,
            Some(1) => 0.8,
            Some(_) => 1.15,
        },
    };
    parts * font_px
}

/// XML 1.0 has no way to write these two.
const fn in_xml(c: char) -> char {
    match c {
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c => c,
    }
}

/// Between the isolates FSI and PDI (UAX 9), where a letter is of a right-to-left script.
fn isolated(text: String) -> String {
    let is_rtl = |c| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}');
    if text.chars().any(is_rtl) { format!("\u{2068}{text}\u{2069}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_spelt_out_and_lines_are_joined() {
        assert_eq!(on_one_line("a\nb\tc"), "a b c");
        assert_eq!(on_one_line("a\u{202e}b\u{0}"), "a\\u{202e}b\\u{0}");
        assert_eq!(on_one_line("\u{fffe}x\u{ffff}"), "\u{fffd}x\u{fffd}");
        assert_eq!(on_lines("a\nb\u{1b}"), "a\nb\\u{1b}");
    }

    #[test]
    fn right_to_left_text_is_isolated_however_it_is_cut() {
        let name = "נמל".repeat(20);
        assert_eq!(on_one_line(&name), format!("\u{2068}{name}\u{2069}"));
        let cut = fitted(&name, 60.0, 12.0).unwrap();
        assert!(cut.starts_with('\u{2068}') && cut.ends_with("…\u{2069}"), "{cut:?}");
        assert_eq!(cut.matches('\u{2068}').count(), 1);
    }

    #[test]
    fn a_text_fits_its_place_or_is_left_out() {
        for text in ["short", &"x".repeat(9000), &"模型".repeat(90), "MWMWMWMWMWMWMW", ""] {
            for width in [0.0, 10.0, 40.0, 90.0, 300.0] {
                let Some(shown) = fitted(text, width, 12.0) else { continue };
                assert!(width_px(&shown, 12.0) <= width, "{shown}");
                assert!(shown == text || shown.ends_with('…'), "{shown}");
            }
        }
        assert_eq!(fitted("long enough", 10.0, 12.0), None);
    }
}
