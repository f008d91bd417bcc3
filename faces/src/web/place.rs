//! Whose grid figures priced a policy's energy: the site's, or those of each
//! place where it was used.

use maud::{Markup, html};
use tanso_crds::carbon_policy::status::{IntensityProvenance, PlaceFigures};

use super::layout::{self, Frame};
use crate::answer::places;
use crate::answer::sources::{told, with_year};
use crate::pue;
use crate::report::figure as words;
use crate::view::Policy;

/// The grid of the site or of the only place; of several a list of them.
pub(super) fn grids(frame: &Frame, policy: &Policy) -> Markup {
    let status = &policy.status;
    match places::grid(status) {
        Some(from) => of_grid(frame, from),
        None if status.places.is_empty() => html! { "-" },
        None => html! { ul { @for place in &status.places { li { (of_place(frame, place)) } } } },
    }
}

fn of_grid(frame: &Frame, from: &IntensityProvenance) -> Markup {
    html! {
        (from.zone) ", " (frame.language.intensity_kind(&from.method)) ", " (frame.language.intensity_kind(&from.boundary)) ", " (told(from, with_year("")))
        @if !from.filled_by.is_empty() { "; " (layout::said(frame, &from.filled_by)) }
    }
}

fn of_place(frame: &Frame, place: &PlaceFigures) -> Markup {
    let pue = match &place.pue_figure {
        Some(found) => pue::shown(found),
        None => place.pue.clone(),
    };
    html! {
        (place.region) ": " (words::kwh(place.energy_microjoules)) " kWh, PUE " (pue) ", " (of_grid(frame, &place.intensity))
    }
}
