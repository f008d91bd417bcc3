//! Who reports about what: the statement and the boundary.

use tanso_crds::carbon_policy::spec::{MeteringPoint, Placement};

use super::Writer;
use crate::report::Language;
use crate::report::document::{Block, Section};

/// 1: who reports, for which time, checked by whom.
pub(super) fn statement(writer: &Writer<'_>) -> Section {
    let (statement, period) = (&writer.report.statement, &writer.report.period);
    let time = match writer.language {
        Language::English => format!(
            "{} to {}, {} hours, data up to {}; local times of {}",
            writer.local(&period.from),
            writer.local(&period.until),
            period.hours,
            writer.local(&period.data_through),
            period.time_zone
        ),
        Language::Korean => format!(
            "{}부터 {}까지 {}시간, 자료는 {}까지이며 시각은 {} 기준이다",
            writer.local(&period.from),
            writer.local(&period.until),
            period.hours,
            writer.local(&period.data_through),
            period.time_zone
        ),
    };
    let facts = vec![
        (
            writer.pick("Reporting organisation", "보고 조직"),
            writer.or_not_stated(&statement.organisation),
        ),
        (
            writer.pick("Responsible person", "책임자"),
            writer.or_not_stated(&statement.responsible),
        ),
        (
            writer.pick("Cluster", "클러스터"),
            writer.or_not_stated(&statement.cluster),
        ),
        (writer.pick("Period", "보고 기간"), time),
        (
            writer.pick("Verification", "검증"),
            writer.pick(
                "not verified by a third party; the digest at the end shows changes of this file only",
                "제3자 검증을 받지 않았다. 말미의 다이제스트는 이 파일의 변경 여부만 보여 준다",
            ),
        ),
        (
            writer.pick("Followed", "준용한 기준"),
            writer.pick(
                "ISO 14064-1:2018 cl. 9 (contents), GHG Protocol Scope 2 Guidance (both methods where contracts exist), ISO/IEC 21031:2024 (SCI); no conformity is claimed",
                "ISO 14064-1:2018 9절(보고서 구성), GHG 프로토콜 Scope 2 지침(계약이 있으면 두 방법 병기), ISO/IEC 21031:2024(SCI). 적합성을 주장하지 않는다",
            ),
        ),
        (
            writer.pick("Software", "소프트웨어"),
            statement.software.clone(),
        ),
    ];
    let title = ("Statement", "보고 개요");
    writer.section("statement", title, vec![Block::Facts(facts)])
}

/// 3: what is in and what is not.
pub(super) fn boundary(writer: &Writer<'_>) -> Section {
    let report = writer.report;
    let spec = &report.spec;
    let facts = vec![
        (writer.pick("Scope", "대상 범위"), scope(writer)),
        (
            writer.pick("Selection", "선정 조건"),
            selection(writer),
        ),
        (
            writer.pick("Workloads", "워크로드 수"),
            report.workloads.len().to_string(),
        ),
        (
            writer.pick("Metering point", "계량 지점"),
            match spec.site.metering {
                MeteringPoint::ItEquipment => writer.pick(
                    "at the IT equipment; the facility's share is added by the PUE",
                    "IT 장비. 시설 부담분은 PUE를 곱하여 더한다",
                ),
                MeteringPoint::Facility => writer.pick(
                    "at the facility's supply; the PUE is in it and is not applied",
                    "시설 인입점. PUE가 이미 포함되어 있어 곱하지 않는다",
                ),
            },
        ),
        (
            writer.pick("Place of use", "사용 장소"),
            match spec.site.placement {
                Placement::Site => writer.pick(
                    "all nodes are at the policy's site",
                    "모든 노드가 정책의 사업장에 있다",
                ),
                Placement::NodeRegion => writer.pick(
                    "each node is priced in the region of its label",
                    "노드마다 레이블의 리전 값으로 산정한다",
                ),
            },
        ),
        (
            writer.pick("Emission scope", "배출 구분"),
            writer.pick(
                "Scope 2, purchased electricity; fuel on site, refrigerants, networks and users' devices are not in it",
                "간접배출(Scope 2, 구매 전력). 사업장 내 연료, 냉매, 외부 네트워크, 이용자 단말은 제외한다",
            ),
        ),
        (
            writer.pick("Shared parts", "공용 부분"),
            writer.pick(
                "system energy of nodes stands apart, and idle energy too unless their PowerMonitor shares it (idleSharing: Requests or Use): then it is in the workloads' figures",
                "노드의 시스템 전력은 따로 적는다. 유휴 전력도 따로 적으나, PowerMonitor의 idleSharing이 Requests 또는 Use이면 워크로드 수치에 포함된다",
            ),
        ),
    ];
    let title = ("Boundary", "조직경계 및 산정 범위");
    writer.section("boundary", title, vec![Block::Facts(facts)])
}

fn scope(writer: &Writer<'_>) -> String {
    let namespace = writer.report.policy.namespace.as_deref();
    match (namespace, writer.language) {
        (Some(name), Language::English) => format!("namespace {name}"),
        (Some(name), Language::Korean) => format!("네임스페이스 {name}"),
        (None, Language::English) => "the namespaces that the policy's selector chooses".to_owned(),
        (None, Language::Korean) => "정책의 선택자가 고른 네임스페이스".to_owned(),
    }
}

fn selection(writer: &Writer<'_>) -> String {
    let selector = &writer.report.spec.selector;
    let mut parts = selector.kinds.clone();
    parts.extend(
        selector
            .match_labels
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    if parts.is_empty() {
        return writer.pick("all workloads", "모든 워크로드");
    }
    parts.join(", ")
}
