//! The frame of every page, and the parts that recur: verdicts, figures,
//! tables, states without data.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};
use tanso_crds::carbon_policy::status::Verdict;

use crate::letters;
use crate::report::document::Sheet;
use crate::report::{self, Language};
use crate::view::{LeftOut, Missing};

/// Most objects that a page names as left out.
const LEFT_OUT: usize = 20;

/// What a page knows of its reader.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The language.
    pub(super) language: Language,
    /// Now.
    pub(super) now: Timestamp,
    /// The path, for the menu.
    pub(super) path: String,
    /// The request's head.
    pub(super) parts: Parts,
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            language: language(parts),
            now: Timestamp::now(),
            path: parts.uri.path().to_owned(),
            parts: parts.clone(),
        })
    }
}

/// The language that the address or the browser asks for.
fn language(parts: &Parts) -> Language {
    let asked = parts.uri.query().unwrap_or_default();
    if let Some(asked) = asked.split('&').find_map(|pair| pair.strip_prefix("lang=")) {
        return if asked == "ko" {
            Language::Korean
        } else {
            Language::English
        };
    }
    let accepted = parts.headers.get(header::ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or("");
    let first = accepted.split(',').next().unwrap_or_default();
    if first.trim().starts_with("ko") {
        Language::Korean
    } else {
        Language::English
    }
}

impl Frame {
    /// The text of the reader's language.
    pub(super) fn pick<'a>(&self, english: &'a str, korean: &'a str) -> &'a str {
        self.language.pick(english, korean)
    }

    /// An address that keeps the language.
    pub(super) fn link(&self, path: &str) -> String {
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}lang={}", self.language.tag())
    }

    /// The same page in another language: what else the address asks for stays.
    fn in_language(&self, tag: &str) -> String {
        let query = self.parts.uri.query().unwrap_or_default();
        let kept = query.split('&');
        let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("lang="));
        let kept: String = kept.flat_map(|pair| [pair, "&"]).collect();
        format!("{}?{kept}lang={tag}", self.path)
    }

    /// How long ago something was, in words.
    pub(super) fn age(&self, at: Timestamp) -> String {
        let seconds = self.now.as_second().saturating_sub(at.as_second()).max(0);
        let (count, english, korean) = match seconds {
            0..120 => (seconds, "s old", "초 전"),
            120..7_200 => (seconds / 60, "min old", "분 전"),
            7_200..172_800 => (seconds / 3_600, "h old", "시간 전"),
            _ => (seconds / 86_400, "days old", "일 전"),
        };
        match self.language {
            Language::English => format!("{count} {english}"),
            Language::Korean => format!("{count}{korean}"),
        }
    }
}

/// The menu: address, words.
const MENU: [(&str, &str, &str); 5] = [
    ("/", "Overview", "개요"),
    ("/policies", "Policies", "정책"),
    ("/nodes", "Nodes", "노드"),
    ("/regions", "Regions", "리전"),
    ("/study", "Studies", "실험"),
];

/// A whole page.
pub(super) fn page(frame: &Frame, title: &str, banner: Option<&str>, body: &Markup) -> Markup {
    let other = if frame.language == Language::Korean {
        ("en", "English")
    } else {
        ("ko", "한국어")
    };
    html! {
        (DOCTYPE)
        html lang=(frame.language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – tanso" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                script src="/assets/script.js" defer {}
            }
            body {
                a.skip href="#main" { (frame.pick("Skip to content", "본문으로 건너뛰기")) }
                header {
                    p.name { "tanso " span lang="ko" { "탄소" } }
                    nav aria-label=(frame.pick("Main", "주 메뉴")) {
                        ul {
                            @for (path, english, korean) in MENU {
                                li {
                                    a href=(frame.link(path)) aria-current=[is_here(frame, path).then_some("page")] {
                                        (frame.pick(english, korean))
                                    }
                                }
                            }
                        }
                    }
                    p.tools {
                        a href=(frame.in_language(other.0)) lang=(other.0) hreflang=(other.0) { (other.1) }
                        button type="button" id="reload" hidden { (frame.pick("Reload each minute", "1분마다 새로 고침")) }
                        button type="button" id="theme" hidden { (frame.pick("Light or dark", "밝게/어둡게")) }
                    }
                }
                @if let Some(banner) = banner { p.banner role="note" { (banner) } }
                main id="main" tabindex="-1" { h1 { (title) } (body) }
            }
        }
    }
}

fn is_here(frame: &Frame, path: &str) -> bool {
    if path == "/" {
        frame.path == "/"
    } else {
        frame.path.starts_with(path)
    }
}

/// A page that says why there is none.
pub(super) fn fault(frame: &Frame, why: &str) -> Markup {
    let title = frame.pick("No page", "페이지 없음");
    page(
        frame,
        title,
        None,
        &html! { p role="status" lang="en" { (why) } },
    )
}

/// What a page does not show, since this version cannot read it; nothing where
/// all can be read.
pub(super) fn left_out(frame: &Frame, all: &[LeftOut]) -> Markup {
    let english = (frame.language != Language::English).then_some("en");
    let more = all.len().saturating_sub(LEFT_OUT);
    html! {
        @if !all.is_empty() {
            div.empty role="status" {
                p { (frame.pick("Not shown, since they cannot be read:", "읽을 수 없어 표시하지 않는 객체:")) }
                ul {
                    @for one in all.iter().take(LEFT_OUT) {
                        li { (letters::line(&one.title())) ": " span lang=[english] { (letters::line(&one.why())) } }
                    }
                    @if more > 0 { li { (frame.pick("more: ", "그 밖에: ")) (more) } }
                }
            }
        }
    }
}

/// How many workloads of a policy a page does not show, and why; nothing where
/// it shows all.
pub(super) fn missing(frame: &Frame, missing: Option<&Missing>) -> Markup {
    let english = (frame.language != Language::English).then_some("en");
    html! {
        @if let Some(missing) = missing {
            div.empty role="status" {
                p {
                    (frame.pick("Workloads of this policy that are not shown: ", "표시하지 않은 이 정책의 워크로드 수: "))
                    (missing.workloads) ". "
                    span lang=[english] { (letters::line(&missing.reason)) }
                }
            }
        }
    }
}

/// A sentence of the engine in the reader's language; what has no Korean wording
/// is marked as the English that it is.
pub(super) fn said(frame: &Frame, sentence: &str) -> Markup {
    let korean = || report::korean(sentence);
    match frame.language {
        Language::English => html! { (sentence) },
        Language::Korean => korean().map_or_else(
            || html! { span lang="en" { (sentence) } },
            |korean| html! { (korean) },
        ),
    }
}

/// A verdict: shape, colour and word.
pub(super) fn verdict(frame: &Frame, verdict: Verdict) -> Markup {
    let (class, shape) = match verdict {
        Verdict::Compliant => ("v-ok", "●"),
        Verdict::NonCompliant => ("v-no", "▲"),
        Verdict::Inconclusive => ("v-open", "◆"),
        Verdict::Unknown => ("v-unknown", "○"),
        Verdict::NotYetBinding => ("v-later", "◇"),
    };
    html! {
        span.v.(class) { span aria-hidden="true" { (shape) } " " (frame.language.verdict(verdict)) }
    }
}

/// A figure with its label and what belongs to it.
pub(super) fn figure(label: &str, value: &Markup, more: &str) -> Markup {
    html! { div { dt { (label) } dd { strong { (value) } @if !more.is_empty() { " " span.more { (more) } } } } }
}

/// What stands where there is nothing: why, and the next command.
pub(super) fn empty(why: &str, command: &str) -> Markup {
    html! { div.empty { p { (why) } @if !command.is_empty() { pre tabindex="0" { code { (command) } } } } }
}

/// A table whose first column holds markup.
pub(super) struct Rows<'a> {
    /// Captions and columns.
    pub(super) sheet: &'a Sheet,
    /// The cells, row by row.
    pub(super) cells: Vec<Vec<Markup>>,
    /// The column by which they are sorted, and which way.
    pub(super) sorted: Option<(usize, &'static str)>,
}

impl Rows<'_> {
    /// The table.
    pub(super) fn table(&self) -> Markup {
        let sheet = self.sheet;
        let sort = |index: usize| {
            self.sorted
                .filter(|(of, _)| *of == index)
                .map(|(_, way)| way)
        };
        html! {
            div.scroll role="group" tabindex="0" aria-label=(sheet.caption) {
                table {
                    caption { (sheet.caption) }
                    thead { tr {
                        @for (index, column) in sheet.columns.iter().enumerate() {
                            th scope="col" class=[column.is_number.then_some("n")] aria-sort=[sort(index)] { (column.title) }
                        }
                    } }
                    tbody {
                        @for row in &self.cells {
                            tr {
                                @for (index, (column, cell)) in sheet.columns.iter().zip(row).enumerate() {
                                    @if index == 0 {
                                        th scope="row" { (cell) }
                                    } @else {
                                        td class=[column.is_number.then_some("n")] { (cell) }
                                    }
                                }
                            }
                        }
                    }
                    @if let Some(sum) = &sheet.sum {
                        tfoot { tr {
                            @for (index, (column, text)) in sheet.columns.iter().zip(sum).enumerate() {
                                @if index == 0 { th scope="row" { (text) } } @else {
                                    td class=[column.is_number.then_some("n")] { (text) }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// Text as a cell.
pub(super) fn cell(text: impl AsRef<str>) -> Markup {
    let text = text.as_ref();
    let shown = if text.is_empty() { "-" } else { text };
    html! { (shown) }
}
