//! The report as one HTML page that holds all it needs: no script, no outside resource; to be read on a screen of any
//! width, light or dark, or printed on A4.
//!
//! Every text is escaped as the page is made; what steers or reorders is spelt out.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::timeline::prose::visible;

use super::layout::{Block, Cell, Fact, Page, Section, Table, Tone};

/// What a browser may load for the page: nothing but its own style and an empty icon.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
const STYLE: &str = include_str!("report.css");

/// The page as HTML, ended by a newline.
#[must_use]
pub fn render(page: &Page) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (visible(&page.title)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (visible(&page.title)) }
                    p class={ "verdict " (class(page.tone)) } { (visible(&page.verdict)) }
                    (facts(&page.head))
                }
                nav aria-label="Contents" {
                    ol { @for section in &page.sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                }
                main { @for section in &page.sections { (write_section(section)) } }
            }
        }
    };
    let mut text = markup.into_string();
    text.push('\n');
    text
}

fn write_section(of: &Section) -> Markup {
    html! {
        section id=(of.id) aria-labelledby={ (of.id) "-title" } {
            h2 id={ (of.id) "-title" } { (of.title) }
            @for block in &of.blocks { (write_block(block)) }
        }
    }
}

fn write_block(block: &Block) -> Markup {
    match block {
        Block::Words(words) => html! { p { (visible(words)) } },
        Block::Heading(words) => html! { h3 { (visible(words)) } },
        Block::List(items) => html! { ul { @for item in items { li { (visible(item)) } } } },
        Block::Facts(of) => facts(of),
        Block::Table(of) => table(of),
        Block::Listing { caption, text } => html! {
            figure {
                figcaption { (visible(caption)) }
                pre tabindex="0" { (visible(text)) }
            }
        },
    }
}

fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl {
            @for Fact { name, value } in facts {
                div { dt { (name) } dd class=(class(value.tone)) { (lines(value)) } }
            }
        }
    }
}

/// A table that is wider than the screen scrolls in its box, by keyboard too.
fn table(of: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(visible(&of.caption)) {
            table {
                caption { (visible(&of.caption)) }
                thead { tr { @for column in of.columns { th scope="col" { (column) } } } }
                tbody {
                    @for row in &of.rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 {
                                    th scope="row" class=(class(cell.tone)) { (lines(cell)) }
                                } @else {
                                    td class=(class(cell.tone)) { (lines(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn lines(cell: &Cell) -> Markup {
    html! {
        @for line in &cell.lines {
            @if line.is_code {
                code.line { (visible(&line.text)) }
            } @else {
                span.line { (visible(&line.text)) }
            }
            " "
        }
    }
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Line;
    use super::*;

    const HOSTILE: &str = "</pre></td><script>alert(1)</script>\"'&\u{202e}\u{1b}";

    fn page() -> Page {
        let cell = Cell {
            lines: vec![
                Line { text: HOSTILE.into(), is_code: false },
                Line { text: HOSTILE.into(), is_code: true },
            ],
            tone: Tone::Bad,
        };
        let rows = vec![vec![cell.clone(), cell.clone()]];
        let blocks = vec![
            Block::Words(HOSTILE.into()),
            Block::Heading(HOSTILE.into()),
            Block::List(vec![HOSTILE.into()]),
            Block::Facts(vec![Fact { name: "n", value: cell.clone() }]),
            Block::Table(Table { caption: HOSTILE.into(), columns: &["a", "b"], rows }),
            Block::Listing { caption: HOSTILE.into(), text: HOSTILE.into() },
        ];
        Page {
            title: HOSTILE.into(),
            verdict: HOSTILE.into(),
            tone: Tone::Bad,
            head: vec![Fact { name: "n", value: cell }],
            sections: vec![Section { id: "s", title: "S", blocks }],
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        let shown = render(&page());
        assert!(!shown.contains("<script"), "{shown}");
        assert!(!shown.contains(['\u{202e}', '\u{1b}']), "{shown}");
        assert_eq!(shown.matches("&lt;script&gt;").count(), 18, "{shown}");
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let shown = render(&page());
        for outside in ["src=", "http:", "https:", "@import", "url("] {
            assert!(!shown.contains(outside), "{outside}");
        }
    }

    #[test]
    fn tables_name_their_rows_and_columns() {
        let shown = render(&page());
        assert_eq!(shown.matches("scope=\"col\"").count(), 2);
        assert_eq!(shown.matches("scope=\"row\"").count(), 1);
        assert_eq!(shown.matches("<caption>").count(), 1);
    }
}
