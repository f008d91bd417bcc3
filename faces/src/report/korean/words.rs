//! The engine's words in Korean: kinds, metrics, evidence, scopes, units, and
//! what the bundled rules say of themselves.

/// A word of the engine, or several with commas between.
pub(super) fn word(text: &str) -> Option<String> {
    if let Some(found) = lookup(WORDS, text) {
        return Some(found.to_owned());
    }
    if let Some(rest) = text.strip_prefix("market-based ") {
        return Some(format!("시장기반 {}", word(rest)?));
    }
    let parts = text.split(", ").map(|part| lookup(WORDS, part));
    let parts: Option<Vec<&str>> = parts.collect();
    parts.map(|parts| parts.join(", "))
}

/// What a bundled rule says of who issued it, where it stands and how it was
/// checked.
pub(super) fn text(text: &str) -> Option<&'static str> {
    lookup(OF_RULES, text)
}

/// Figures with their units as they are written in Korea.
pub(super) fn value(text: &str) -> String {
    text.replace(" to ", " ~ ")
        .replace("CO2eq", "CO₂-eq")
        .replace(" percent", " %")
        .replace("/unit", "/기능 단위")
}

fn lookup(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    let found = table.iter().find(|(english, _)| *english == text);
    found.map(|(_, korean)| *korean)
}

const WORDS: &[(&str, &str)] = &[
    // Kinds of rule.
    ("a law", "법령"),
    ("a draft", "법령 초안"),
    ("voluntary", "자율 규범"),
    ("a policy target", "정책 목표"),
    ("a quoted target, not a law", "인용 목표로서 법령이 아님"),
    ("a standard", "표준"),
    ("an accounting factor", "산정 계수"),
    // Whom a rule binds.
    ("a state", "국가"),
    ("a facility", "시설"),
    ("an operator", "사업자"),
    ("whoever reports emissions", "배출량 보고 의무자"),
    ("software", "소프트웨어"),
    ("nobody", "특정되지 않은 대상"),
    // Metrics.
    ("intensity of the consumed energy", "소비 전력의 배출계수"),
    ("PUE", "PUE"),
    ("facility energy", "시설 전력량"),
    ("emissions", "온실가스 배출량"),
    ("reduction against the base year", "기준연도 대비 감축률"),
    ("emissions per functional unit", "기능 단위당 배출량"),
    ("renewable share", "재생에너지 사용 비율"),
    ("WUE", "물사용효율(WUE)"),
    ("energy reuse factor", "에너지 재사용률(ERF)"),
    ("renewable energy factor", "재생에너지 계수(REF)"),
    ("duty", "의무"),
    // Evidence.
    ("measured", "측정값"),
    ("from a certificate", "인증서에 기재된 값"),
    ("published for the region", "해당 지역의 공표값"),
    ("only the provider's average", "사업자 전체 평균값"),
    ("only assumed", "가정값"),
    // What a PUE covers.
    ("annual PUE", "연간 PUE"),
    (
        "interim PUE (iPUE, under twelve months)",
        "12개월 미만의 PUE(iPUE)",
    ),
    (
        "partial PUE (pPUE, a part of the site)",
        "사업장 일부의 PUE(pPUE)",
    ),
    ("design PUE (dPUE)", "설계 PUE(dPUE)"),
    ("PUE at 25 % IT load", "IT 부하 25 % 기준 PUE"),
    ("PUE at 100 % IT load", "IT 부하 100 % 기준 PUE"),
    (
        "category 1 (IT metered at the UPS)",
        "1등급(UPS 출력에서 계량)",
    ),
    (
        "category 2 (IT metered at the PDU)",
        "2등급(PDU 출력에서 계량)",
    ),
    (
        "category 3 (IT metered at the device)",
        "3등급(장비 입력에서 계량)",
    ),
    ("one site", "단일 사업장"),
    (
        "the sum of all the operator's sites",
        "사업자의 전체 사업장 합계",
    ),
    // What a figure needs.
    ("contracts and a residual mix", "계약 자료와 잔여 믹스"),
    ("the emissions of the base year", "기준연도 배출량"),
    (
        "the embodied emissions (M) of the hardware",
        "하드웨어의 내재 탄소(M)",
    ),
    ("the number of functional units", "기능 단위 수"),
    ("a stated figure", "제출된 값"),
    // What does nothing.
    ("idle", "유휴"),
    ("zombie", "장기 유휴"),
    // Boundaries of intensity.
    ("life-cycle", "전과정"),
    ("direct", "직접배출"),
];

const OF_RULES: &[(&str, &str)] = &[
    // How a source was checked.
    ("primary text read", "원문 확인"),
    ("an excerpt of the primary text", "원문 발췌본 확인"),
    ("one stored copy of the statute", "법령 저장본 1건 확인"),
    ("checked against data", "자료와 대조하여 확인"),
    ("one secondary page", "2차 자료 1건으로 확인"),
    (
        "two independent secondary pages",
        "서로 독립된 2차 자료 2건으로 확인",
    ),
    (
        "three independent secondary pages",
        "서로 독립된 2차 자료 3건으로 확인",
    ),
    (
        "four independent secondary pages",
        "서로 독립된 2차 자료 4건으로 확인",
    ),
    (
        "five independent secondary pages",
        "서로 독립된 2차 자료 5건으로 확인",
    ),
    (
        "scope read in an excerpt of the primary text; formula from memory",
        "적용 범위는 원문 발췌본으로 확인, 산식은 원문 미확인",
    ),
    (
        "standard, dates and grade 3 = limit looked up; the three numbers from memory",
        "표준, 일자, 3등급이 한도임은 확인, 세 수치는 원문 미확인",
    ),
    // Who issued a rule.
    ("Republic of Korea", "대한민국"),
    (
        "national greenhouse gas statistics committee",
        "국가 온실가스 통계관리위원회",
    ),
    (
        "Korea IT service industry association",
        "한국IT서비스산업협회",
    ),
    ("European Commission", "유럽연합 집행위원회"),
    ("European Union", "유럽연합"),
    ("Federal Republic of Germany", "독일연방공화국"),
    (
        "Standardization Administration of China",
        "중국 국가표준화관리위원회",
    ),
    ("NDRC and others", "중국 국가발전개혁위원회 등"),
    ("Ministry of Economy, Trade and Industry", "일본 경제산업성"),
    (
        "EDB and IMDA",
        "싱가포르 경제개발청(EDB), 정보통신미디어개발청(IMDA)",
    ),
    (
        "BCA and IMDA",
        "싱가포르 건축건설청(BCA), 정보통신미디어개발청(IMDA)",
    ),
    ("IMDA", "싱가포르 정보통신미디어개발청(IMDA)"),
    (
        "Climate Neutral Data Centre Pact",
        "기후중립 데이터센터 협약(CNDCP)",
    ),
    ("GHG Protocol", "GHG 프로토콜"),
    ("ISO/IEC", "ISO/IEC"),
    (
        "ISO/IEC; Green Software Foundation",
        "ISO/IEC, Green Software Foundation",
    ),
    (
        "nobody; quoted in public demonstrations of 2025",
        "제정 기관 없음(2025년 공개 시연에서 인용)",
    ),
    (
        "nobody; quoted as if from the Energy Use Rationalization Act",
        "제정 기관 없음(「에너지이용 합리화법」의 내용처럼 인용)",
    ),
    (
        "the policy's owner, after Art. 8(1) of the Act",
        "정책 소유자(「탄소중립기본법」 제8조제1항 참고)",
    ),
    // Clauses of Korean rules.
    ("Art. 8(1) and Enforcement Decree", "제8조제1항 및 시행령"),
    (
        "Art. 8(1), Constitutional Court 2020Hun-Ma389 of 2024-08-29",
        "제8조제1항, 헌법재판소 2024. 8. 29. 2020헌마389 결정",
    ),
    (
        "as amended 2026-09-08, Act No. 21893",
        "2026. 9. 8. 일부개정, 법률 제21893호",
    ),
    (
        "national GHG statistics committee, published 2025-12-18, yearly from then on",
        "국가 온실가스 통계관리위원회 2025. 12. 18. 공표, 이후 매년 공표",
    ),
    ("series in the same announcement", "같은 공표의 연도별 값"),
    (
        "three-year mean, published 2025-03",
        "3개년 평균, 2025년 3월 공표",
    ),
    (
        "decided 2025-11-05 by the Energy Commission",
        "2025. 11. 5. 에너지위원회 심의·의결",
    ),
    ("scoring of 2012-10-31", "2012. 10. 31. 배점 기준"),
    ("scoring from 2014", "2014년부터의 배점 기준"),
    ("power-system impact assessment", "전력계통영향평가"),
    // Where Korean rules were read.
    (
        "a public demonstration project of 2025, configuration and code",
        "2025년 공개 시연 사업의 설정과 코드",
    ),
    (
        "KBS World 2022-03 (40 percent); econotimes 2021-08 (35 or more)",
        "KBS World 2022년 3월(40 %), 이코노타임즈 2021년 8월(35 % 이상)",
    ),
    (
        "Kim & Chang 2024-09-25; Shin & Kim newsletter",
        "김·장 법률사무소 2024. 9. 25., 법무법인(유) 세종 소식지",
    ),
    ("stored copy of the statute text", "법령 본문 저장본"),
    (
        "Yonhap 2025-12-18; newstree; Hwankyung Ilbo",
        "연합뉴스 2025. 12. 18., 뉴스트리, 환경일보",
    ),
    ("newstree 2025-12-18", "뉴스트리 2025. 12. 18."),
    ("Yonhap 2025-12-18", "연합뉴스 2025. 12. 18."),
    (
        "Korea Economic TV 2025-11-05; ZERECO notice",
        "한국경제TV 2025. 11. 5., ZERECO 공지",
    ),
    (
        "Digital Daily 2012-10-22 and 2012-10-25; etnews 2013-01",
        "디지털데일리 2012. 10. 22.·10. 25., 전자신문 2013년 1월",
    ),
    ("ZDNet Korea 2014-12-16", "지디넷코리아 2014. 12. 16."),
    (
        "scoring of the private Green Data Center certification of 2012: Digital Daily 2012-10-22 and 2012-10-25; etnews 2013-01; ZDNet Korea 2014-12-16",
        "2012년 민간 그린 데이터센터 인증의 배점: 디지털데일리 2012. 10. 22.·10. 25., 전자신문 2013년 1월, 지디넷코리아 2014. 12. 16.",
    ),
    (
        "Asia Economy 2024-12; ZDNet Korea 2026-02-24",
        "아시아경제 2024년 12월, 지디넷코리아 2026. 2. 24.",
    ),
    ("Hwankyung Ilbo (hkbs) 2025-11", "환경일보 2025년 11월"),
    // Notes of Korean rules.
    (
        "No Korean statute sets a limit per kWh. The number is about the average of the grid itself (life-cycle 2024 and 2025: 423), so it describes the grid more than it limits a workload; a workload meets it by when it runs.",
        "kWh당 한도를 정한 국내 법령은 없다. 이 값은 전력 계통의 평균(2024년과 2025년 전과정 423)에 가까워 워크로드를 제한하기보다 계통을 나타내며, 워크로드는 실행 시간대에 따라 이를 충족한다.",
    ),
    (
        "No PUE limit was found in the Act. 1.4 is the top step of the private certificate of the IT service industry association: PUE 1.8 gave 50 points, 1.7 60, 1.6 70, 1.5 80, under 1.4 90 of 100; 60 points pass, so about 1.7 to 1.75 is enough. From 2014 the weights are 80 for PUE and 20 for activities.",
        "법에서 PUE 한도를 찾지 못하였다. 1.4는 한국IT서비스산업협회 민간 인증의 최고 구간이다. 100점 가운데 PUE 1.8은 50점, 1.7은 60점, 1.6은 70점, 1.5는 80점, 1.4 미만은 90점이며, 60점 이상이면 인증되므로 1.7 ~ 1.75 정도면 충분하다. 2014년부터 배점은 PUE 80점, 활동 20점이다.",
    ),
    (
        "The Act binds the state, not a company or a workload: it says 35 % or more, the Enforcement Decree sets 40 %. The straight line and its use for a workload are a choice of the policy.",
        "이 법은 기업이나 워크로드가 아니라 국가에 적용되며, 법률은 35 % 이상, 시행령은 40 %로 정한다. 직선 경로와 이를 워크로드에 적용하는 것은 정책의 선택이다.",
    ),
    (
        "published in March 2025; the day is not known",
        "2025년 3월 공표(일자 미확인)",
    ),
    (
        "piloted from August 2024; the day is not known",
        "2024년 8월부터 시범 운영(일자 미확인)",
    ),
];
