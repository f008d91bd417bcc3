use super::*;

fn watts(w: f64) -> Watts {
    Watts::try_from_watts(w).unwrap()
}

fn point(u: f64, low: f64, value: f64, high: f64) -> CurvePoint {
    let power = Estimate {
        low: watts(low),
        value: watts(value),
        high: watts(high),
    };
    CurvePoint {
        utilisation: Utilisation::try_new(u).unwrap(),
        power,
    }
}

pub(super) fn document() -> ModelDocument {
    ModelDocument {
        schema: SCHEMA.into(),
        name: "twin of a test machine".into(),
        domain: Domain::WallSpecpower,
        machine: MachineFeatures {
            threads: Some(8),
            ..MachineFeatures::default()
        },
        curve: vec![
            point(0.0, 40.0, 50.0, 70.0),
            point(0.5, 70.0, 90.0, 120.0),
            point(1.0, 100.0, 140.0, 190.0),
        ],
        refined: None,
        error: ModelError {
            level: 0.9,
            mape_percent: 12.5,
            method: "leave one family out".into(),
        },
        training_digest: "sha256:00".into(),
        origin: "a test".into(),
        explanation: "because".into(),
    }
}

#[test]
fn power_is_linear_between_points_and_exact_on_them() {
    let model = document();
    let at = |u: f64| model.power_at(Utilisation::try_new(u).unwrap());
    assert_eq!(at(0.0).value, watts(50.0));
    assert_eq!(
        at(0.25),
        Estimate {
            low: watts(55.0),
            value: watts(70.0),
            high: watts(95.0)
        }
    );
    assert_eq!(at(0.5).value, watts(90.0));
    assert_eq!(at(1.0).high, watts(190.0));
}

#[test]
fn a_document_survives_its_own_json_under_the_same_name() {
    let model = document();
    let again = ModelDocument::parse(&model.to_json().unwrap()).unwrap();
    assert_eq!(again, model);
    assert_eq!(again.digest().unwrap(), model.digest().unwrap());
}

#[test]
fn a_curve_that_falls_is_refused() {
    let mut model = document();
    model.curve[1] = point(0.5, 30.0, 45.0, 60.0);
    assert_eq!(model.check(), Err(ModelFault::Curve("falls with load")));
}

#[test]
fn another_schema_is_refused_by_name() {
    let mut model = document();
    model.schema = "elsewhere/v9".into();
    assert!(
        model
            .check()
            .unwrap_err()
            .to_string()
            .contains("elsewhere/v9")
    );
}

#[test]
fn only_powers_at_the_plug_may_take_each_others_place() {
    let all = [
        Domain::WallSpecpower,
        Domain::Wall,
        Domain::Rapl,
        Domain::Instance,
    ];
    let mut pairs = 0;
    for one in all {
        for other in all {
            assert_eq!(one.same_boundary(other), other.same_boundary(one));
            assert!(one.measured() == other.measured() || !one.same_boundary(other));
            pairs += usize::from(one.same_boundary(other));
        }
    }
    assert_eq!(pairs, 6, "each with itself, and the two of the plug");
}

/// A guest's figures were said to be of the whole machine at its plug.
#[test]
fn a_guests_figures_are_said_to_be_its_share() {
    let mut document = document();
    assert!(document.boundary().starts_with("the whole machine"));
    document.machine.virtual_machine = Some(true);
    for domain in [Domain::WallSpecpower, Domain::Wall] {
        document.domain = domain;
        assert!(document.boundary().starts_with("the guest's share"));
    }
    document.domain = Domain::Rapl;
    assert_eq!(document.boundary(), Domain::Rapl.boundary());
    document.domain = Domain::Wall;
    document.machine.threads = None;
    assert_eq!(document.boundary(), Domain::Wall.boundary());
}
