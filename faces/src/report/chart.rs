//! Drawings as SVG: energy and intensity over the same hours in two panels,
//! a reduction path, shares as a bar, a curve as a sparkline.
//!
//! Never two axes on one panel; zero is the base of bars; what is modelled is
//! hatched, what is missing an outline, what is expected dotted. Colours come
//! from classes, so that a page's theme reaches them; a drawing stands alone
//! with the colours of its own style.

mod axis;
mod hours;
mod path;
mod share;

pub use axis::escape;
pub use hours::{Now, hours};
pub use path::path;
pub use share::{share, spark};

/// The style of a drawing: light first, dark where it is asked for.
pub const STYLE: &str = "\
.tc{--tx:#1b1f24;--mu:#57606a;--en:#0072b2;--in:#b34700;--bg:#fff;--gr:#d0d7de;display:block;width:100%;height:auto}\
.tc text{fill:var(--tx);font:13px system-ui,sans-serif}.tc .mu{fill:var(--mu);font-size:12px}\
.tc .num{font-variant-numeric:tabular-nums}\
.tc .grid{stroke:var(--gr);stroke-width:1}.tc .base{stroke:var(--mu);stroke-width:1}\
.tc .en{fill:var(--en)}.tc .mod{fill:url(#tc-hatch)}.tc .mods{fill:url(#tc-hatch-s)}.tc .sim{fill:none;stroke:var(--en);stroke-dasharray:2 2}\
.tc .miss{fill:none;stroke:var(--mu);stroke-dasharray:3 3}\
.tc .hl{stroke:var(--en);stroke-width:2}.tc .hb{fill:var(--bg)}\
.tc .line{fill:none;stroke:var(--in);stroke-width:2}.tc .est{stroke-dasharray:6 3}.tc .fc{stroke-dasharray:1 4;stroke-linecap:round;stroke-width:2.5}\
.tc .now{stroke:var(--tx);stroke-width:1}.tc .best{fill:var(--in);opacity:.13}\
.tc .dot{fill:var(--in)}\
@media (prefers-color-scheme:dark){:root:not([data-theme=light]) .tc{--tx:#e6edf3;--mu:#9da7b3;--en:#56b4e9;--in:#f5a25d;--bg:#0f1419;--gr:#30363d}}\
:root[data-theme=dark] .tc{--tx:#e6edf3;--mu:#9da7b3;--en:#56b4e9;--in:#f5a25d;--bg:#0f1419;--gr:#30363d}\
@media print{.tc{--tx:#000;--mu:#444;--en:#0072b2;--in:#b34700;--bg:#fff;--gr:#ccc}}\
@media (forced-colors:active){.tc{forced-color-adjust:none}}";
