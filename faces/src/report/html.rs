//! A document as one HTML file: nothing is loaded from elsewhere, no script,
//! light and dark on a screen, black on white on paper.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart;
use super::document::{Block, Document, Sheet};

const STYLE: &str = include_str!("html/style.css");

/// Writes the document.
pub(super) fn write(document: &Document) -> String {
    let language = document.language;
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (document.title) }
                style { (PreEscaped(STYLE)) (PreEscaped(chart::STYLE)) }
            }
            body {
                header {
                    h1 { (document.title) }
                    p { (document.subtitle) }
                    @if let Some(warning) = &document.warning {
                        p.warning role="note" { (warning) }
                    }
                    dl.headline {
                        @for (label, figure) in &document.headline {
                            div { dt { (label) } dd { (figure) } }
                        }
                    }
                    nav aria-label=(language.pick("Contents", "목차")) {
                        ol {
                            @for section in &document.sections {
                                li { a href=(format!("#{}", section.id)) { (section.title) } }
                            }
                        }
                    }
                }
                main {
                    @for section in &document.sections {
                        section id=(section.id) {
                            h2 { (section.title) }
                            @for part in &section.blocks { (block(part)) }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// A part of a section.
fn block(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Text(text) => p { (text) },
            Block::Facts(facts) => dl.facts {
                @for (label, text) in facts { div { dt { (label) } dd { (text) } } }
            },
            Block::Sheet(table) => (sheet(table)),
            Block::Chart { svg, summary } => figure {
                (PreEscaped(svg))
                figcaption { (summary) }
            },
            Block::Command(command) => pre tabindex="0" { code { (command) } },
        }
    }
}

/// A table that scrolls within its own box where the page is narrow.
pub(crate) fn sheet(sheet: &Sheet) -> Markup {
    let class = |is_number: bool| is_number.then_some("n");
    html! {
        div.scroll role="group" tabindex="0" aria-label=(sheet.caption) {
            table {
                caption { (sheet.caption) }
                thead { tr {
                    @for column in &sheet.columns {
                        th scope="col" class=[class(column.is_number)] { (column.title) }
                    }
                } }
                tbody {
                    @for row in &sheet.rows { tr { (cells(sheet, row)) } }
                }
                @if let Some(sum) = &sheet.sum {
                    tfoot { tr { (cells(sheet, sum)) } }
                }
            }
        }
    }
}

fn cells(sheet: &Sheet, row: &[String]) -> Markup {
    html! {
        @for (index, (column, text)) in sheet.columns.iter().zip(row).enumerate() {
            @if index == 0 {
                th scope="row" class=[column.is_number.then_some("n")] { (text) }
            } @else {
                td class=[column.is_number.then_some("n")] { (text) }
            }
        }
    }
}
