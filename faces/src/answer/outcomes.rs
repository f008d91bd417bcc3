//! What became of advice on requests, in words: the same in each face.

use tanso_crds::carbon_policy::status::{AdviceOutcome, AdviceState, MeasuredEffect};

use crate::report::{Language, figure};

/// How far advice was followed.
#[must_use]
pub const fn state(language: Language, state: AdviceState) -> &'static str {
    match state {
        AdviceState::NotTaken => language.pick("not taken", "미이행"),
        AdviceState::NotKnown => language.pick("not known", "확인 불가"),
        AdviceState::PartlyTaken => language.pick("partly taken", "일부 이행"),
        AdviceState::TakenTooEarly => {
            language.pick("taken, too few days to compare", "이행(비교 일수 부족)")
        }
        AdviceState::Measured => language.pick("taken, measured", "이행(효과 측정)"),
    }
}

/// Which request: `CPU (main)`.
#[must_use]
pub fn request(language: Language, one: &AdviceOutcome) -> String {
    let resource = match one.resource.as_str() {
        "cpu" => "CPU",
        "memory" => language.pick("memory", "메모리"),
        other => other,
    };
    format!("{resource} ({})", one.container)
}

/// The days on which it was told, UTC: `2026-08-01 – 2026-08-09`.
#[must_use]
pub fn days_told(one: &AdviceOutcome) -> String {
    let (first, last) = (day(&one.first_told), day(&one.last_told));
    if first == last {
        first
    } else {
        format!("{first} – {last}")
    }
}

/// The first of them.
#[must_use]
pub fn first_day(one: &AdviceOutcome) -> String {
    day(&one.first_told)
}

fn day(at: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time) -> String {
    at.0.to_string().chars().take("2026-08-01".len()).collect()
}

/// The difference per hour with its bounds: `-12.86 J (-16.44 J – -9.273 J)`;
/// less was used where it is negative.
#[must_use]
pub fn change(effect: &MeasuredEffect) -> String {
    let change = &effect.change_microjoules_per_hour;
    format!(
        "{} ({} – {})",
        figure::energy(change.value),
        figure::energy(change.low),
        figure::energy(change.high)
    )
}

/// CPU time of an hour before and after, seconds: `40.0 → 39.0 s`.
#[must_use]
pub fn cpu(effect: &MeasuredEffect) -> String {
    let seconds = |ms: i64| figure::fraction(i128::from(ms), 1_000, 1);
    format!(
        "{} → {} s",
        seconds(effect.cpu_before_milliseconds_per_hour),
        seconds(effect.cpu_after_milliseconds_per_hour)
    )
}

/// Where the energy comes from, if not all was measured: `, modelled`.
#[must_use]
pub fn source(language: Language, effect: &MeasuredEffect) -> String {
    match effect.provenance.as_str() {
        "modelled" => format!(", {}", language.provenance(1)),
        "simulated" => format!(", {}", language.provenance(2)),
        _ => String::new(),
    }
}

/// All of it in a sentence.
#[must_use]
pub fn sentence(language: Language, one: &AdviceOutcome) -> String {
    let now = one.asked_now.as_deref().unwrap_or("-");
    let said = format!(
        "{}: {} → {}, {} {}: {}",
        request(language, one),
        one.asked,
        one.advised,
        language.pick("told", "권고일"),
        days_told(one),
        state(language, one.state)
    );
    let told = match (&one.taken_at, language) {
        // How far it went is all that there is to say of it.
        (None, _) if one.state == AdviceState::PartlyTaken => {
            format!(" ({} {now})", language.pick("now", "현재"))
        }
        (None, _) => String::new(),
        (Some(at), Language::English) => format!(" ({}, now {now})", at.0),
        (Some(at), Language::Korean) => format!("({}, 현재 {now})", at.0),
    };
    let back = match (&one.kept_until, language) {
        (None, _) => String::new(),
        (Some(at), Language::English) => format!("; the request went back at {}", at.0),
        (Some(at), Language::Korean) => format!("; {}에 요청량이 되돌려졌다", at.0),
    };
    let said = said + &told + &back;
    match &one.effect {
        Some(effect) => said + &measured(language, one, effect),
        None => said,
    }
}

fn measured(language: Language, one: &AdviceOutcome, effect: &MeasuredEffect) -> String {
    let (before, after) = (
        figure::energy(effect.before_microjoules_per_hour),
        figure::energy(effect.after_microjoules_per_hour),
    );
    let (change, cpu, source) = (change(effect), cpu(effect), source(language, effect));
    let (days_before, days_after) = (one.days_before, one.days_after);
    match language {
        Language::English => format!(
            "; an hour used {before} before and {after} after{source}: {change}, 90 %; CPU time {cpu} an hour; same hours of the same weekdays of {days_before} and {days_after} days; an association, not causal"
        ),
        Language::Korean => format!(
            "; 시간당 전력량 변경 전 {before}, 변경 후 {after}{source}, 차이 {change}(90 %), 시간당 CPU 시간 {cpu}; 변경 전 {days_before}일과 변경 후 {days_after}일을 같은 요일·같은 시간대로 비교한 것으로, 연관성일 뿐 인과관계를 뜻하지 않는다"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(effect: Option<serde_json::Value>) -> AdviceOutcome {
        let figure = serde_json::json!({"low": 1, "value": 2, "high": 3});
        let mut one = serde_json::json!({
            "resource": "memory", "container": "main", "asked": "512Mi", "advised": "256Mi",
            "firstTold": "2026-08-01T00:00:00Z", "lastTold": "2026-08-09T00:00:00Z",
            "predictedMilligramsPerDay": figure, "state": "NotTaken",
        });
        if let Some(effect) = effect {
            one["state"] = "Measured".into();
            one["takenAt"] = "2026-08-09T10:00:00Z".into();
            one["askedNow"] = "256Mi".into();
            one["daysBefore"] = 28.into();
            one["daysAfter"] = 14.into();
            one["effect"] = effect;
        }
        serde_json::from_value(one).unwrap()
    }

    fn effect() -> serde_json::Value {
        serde_json::json!({
            "beforeMicrojoulesPerHour": 100_000_000, "afterMicrojoulesPerHour": 87_142_857,
            "changeMicrojoulesPerHour": {"low": -16_440_907, "value": -12_857_143, "high": -9_273_379},
            "cpuBeforeMillisecondsPerHour": 40_000, "cpuAfterMillisecondsPerHour": 39_000,
            "weekdays": 7, "provenance": "modelled", "basis": "",
        })
    }

    #[test]
    fn what_was_measured_is_said_to_be_no_cause_in_either_language() {
        let one = outcome(Some(effect()));
        assert_eq!(
            sentence(Language::English, &one),
            "memory (main): 512Mi → 256Mi, told 2026-08-01 – 2026-08-09: taken, measured (2026-08-09T10:00:00Z, now 256Mi); an hour used 100.0 J before and 87.14 J after, modelled: -12.86 J (-16.44 J – -9.273 J), 90 %; CPU time 40.0 → 39.0 s an hour; same hours of the same weekdays of 28 and 14 days; an association, not causal"
        );
        let korean = sentence(Language::Korean, &one);
        assert!(
            korean.starts_with("메모리 (main): 512Mi → 256Mi, 권고일 2026-08-01"),
            "{korean}"
        );
        assert!(korean.ends_with("인과관계를 뜻하지 않는다"), "{korean}");
    }

    #[test]
    fn advice_that_nobody_followed_has_no_figures() {
        let one = outcome(None);
        let said = sentence(Language::English, &one);
        assert_eq!(
            said,
            "memory (main): 512Mi → 256Mi, told 2026-08-01 – 2026-08-09: not taken"
        );
    }

    #[test]
    fn of_advice_that_was_partly_followed_it_is_told_how_far() {
        let mut one = outcome(None);
        one.state = AdviceState::PartlyTaken;
        one.asked_now = Some("448Mi".to_owned());
        let said = sentence(Language::English, &one);
        assert!(said.ends_with(": partly taken (now 448Mi)"), "{said}");
        let said = sentence(Language::Korean, &one);
        assert!(said.ends_with(": 일부 이행 (현재 448Mi)"), "{said}");
    }
}
