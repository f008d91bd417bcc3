//! The rules that come with tanso, as text built into the program: one engine,
//! one set, whoever asks. Nothing here parses or judges.

/// A file of `config/regulations` with its name.
macro_rules! bundled {
    ($file:literal) => {
        (
            $file,
            include_str!(concat!("../../../config/regulations/", $file)),
        )
    };
}

/// File name and text of each bundled rule.
pub const BUNDLED: &[(&str, &str)] = &[
    bundled!("cn-gb40879.yaml"),
    bundled!("cn-gb40879-grade-1.yaml"),
    bundled!("cn-gb40879-grade-2.yaml"),
    bundled!("cn-plan-2024.yaml"),
    bundled!("cndcp-existing-cool.yaml"),
    bundled!("cndcp-existing-warm.yaml"),
    bundled!("cndcp-new-cool.yaml"),
    bundled!("cndcp-new-warm.yaml"),
    bundled!("cndcp-renewable.yaml"),
    bundled!("cndcp-water.yaml"),
    bundled!("de-enefg-draft-2026.yaml"),
    bundled!("de-enefg-existing.yaml"),
    bundled!("de-enefg-new.yaml"),
    bundled!("de-enefg-renewable.yaml"),
    bundled!("de-enefg-reuse-2026.yaml"),
    bundled!("de-enefg-reuse-2027.yaml"),
    bundled!("de-enefg-reuse-2028.yaml"),
    bundled!("eu-eed-reporting.yaml"),
    bundled!("eu-minimum-standards-draft.yaml"),
    bundled!("eu-rating-draft.yaml"),
    bundled!("ghg-protocol-scope2.yaml"),
    bundled!("iso-21031-sci.yaml"),
    bundled!("iso-30134-2-pue.yaml"),
    bundled!("jp-benchmark.yaml"),
    bundled!("jp-new-2029.yaml"),
    bundled!("kr-carbon-2050.yaml"),
    bundled!("kr-carbon-neutrality-act.yaml"),
    bundled!("kr-emission-factor.yaml"),
    bundled!("kr-energy-plan7.yaml"),
    bundled!("kr-green-datacenter.yaml"),
    bundled!("kr-green-datacenter-certificate.yaml"),
    bundled!("kr-grid-impact.yaml"),
    bundled!("kr-ndc-2030.yaml"),
    bundled!("kr-ndc-2035.yaml"),
    bundled!("sg-dc-cfa2.yaml"),
    bundled!("sg-green-dc-roadmap.yaml"),
    bundled!("sg-green-mark-goldplus.yaml"),
    bundled!("sg-green-mark-platinum.yaml"),
];
