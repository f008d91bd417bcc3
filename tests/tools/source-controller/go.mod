module tanso.dev/tests/tools/source-controller

go 1.26

tool github.com/fluxcd/source-controller

require (
	github.com/fluxcd/source-controller v1.7.3
	github.com/fluxcd/source-controller/api v1.7.3
)

// As upstream, whose replacements do not count in a dependency.
replace github.com/opencontainers/go-digest => github.com/opencontainers/go-digest v1.0.1-0.20220411205349-bde1400a84be
