//! What images are called: by tests and trials here, and by those who install a
//! release.

use super::Recipe;

/// Where the chart and the manifests have images from, unless they are told.
pub(crate) const REGISTRY: &str = "ghcr.io/tanso-dev";

/// What images are called within their archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// As tests and trials ask for them.
    Locally,
    /// As chart and manifests ask for them: who imports a release's archives on
    /// the nodes needs no registry.
    Publicly,
}

impl Called {
    /// The full reference.
    pub(super) fn reference(self, recipe: &Recipe) -> String {
        let name = recipe.name;
        match self {
            Self::Locally => format!("localhost/tanso/{name}:{}", recipe.tag),
            Self::Publicly => format!("{REGISTRY}/{name}:{}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// The archives' folder: those of a release never stand in the place of those
    /// that tests take.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::Locally => "images",
            Self::Publicly => "release-images",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Called;

    #[test]
    fn a_released_image_is_called_as_the_chart_asks_for_it_and_lies_apart() {
        let operator = super::super::recipe("tanso-operator").unwrap();
        assert_eq!(
            Called::Publicly.reference(operator),
            format!(
                "ghcr.io/tanso-dev/tanso-operator:{}",
                env!("CARGO_PKG_VERSION")
            )
        );
        assert_eq!(
            Called::Locally.reference(operator),
            "localhost/tanso/tanso-operator:dev"
        );
        assert_ne!(Called::Publicly.folder(), Called::Locally.folder());
    }
}
