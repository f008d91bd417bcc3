//! Particles that follow the last letter of a word: 은 or 는, 이 or 가.

/// Particles after a consonant and after a vowel, as a wording writes them
/// where the word before is a place.
const PAIRS: [(&str, &str, &str); 4] = [
    ("은(는)", "은", "는"),
    ("이(가)", "이", "가"),
    ("을(를)", "을", "를"),
    ("(으)로", "으로", "로"),
];

/// The first and the last syllable of Unicode's block.
const SYLLABLES: (u32, u32) = (0xac00, 0xd7a3);
/// Syllables with one first consonant and vowel: one for each last consonant.
const ENDINGS: u32 = 28;
/// The last consonant ㄹ, after which 로 stands.
const RIEUL: u32 = 8;

/// Whether a letter is of the Korean alphabet.
pub(super) fn is_hangul(letter: char) -> bool {
    (SYLLABLES.0..=SYLLABLES.1).contains(&u32::from(letter))
}

/// Puts texts into the places `{0}`, `{1}` of a wording, with the particle
/// that fits; after a letter of another alphabet both stay.
pub(super) fn fill(wording: &str, texts: &[String]) -> String {
    let mut filled = String::with_capacity(wording.len() + 64);
    let mut rest = wording;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((number, behind)) = after.split_once('}') else {
            break;
        };
        let text = number.parse().ok().and_then(|at: usize| texts.get(at));
        filled.push_str(text.map_or("", String::as_str));
        rest = behind;
        if let Some((pair, chosen)) = particle(behind, &filled) {
            filled.push_str(chosen);
            rest = behind.strip_prefix(pair).unwrap_or(behind);
        }
    }
    filled.push_str(rest);
    filled
}

/// The pair that follows, and which of it fits after the text.
fn particle(behind: &str, text: &str) -> Option<(&'static str, &'static str)> {
    let (pair, consonant, vowel) = PAIRS
        .into_iter()
        .find(|(pair, ..)| behind.starts_with(pair))?;
    // What stands in brackets or quotes at the end is spoken with what is before it.
    let spoken = text.trim_end_matches(['」', '"', '\'', ' ']);
    let spoken = match (spoken.ends_with(')'), spoken.rfind('(')) {
        (true, Some(open)) => spoken.get(..open).unwrap_or(spoken).trim_end(),
        _ => spoken,
    };
    let last = spoken.chars().last().filter(|letter| is_hangul(*letter));
    let Some(last) = last else {
        return Some((pair, pair));
    };
    let ending = (u32::from(last) - SYLLABLES.0) % ENDINGS;
    let open = ending == 0 || (consonant == "으로" && ending == RIEUL);
    Some((pair, if open { vowel } else { consonant }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_particle_fits_the_last_letter() {
        let filled = |wording: &str, text: &str| fill(wording, &[text.to_owned()]);
        assert_eq!(filled("{0}은(는) 초안이다", "법령"), "법령은 초안이다");
        assert_eq!(filled("{0}은(는) 초안이다", "계수"), "계수는 초안이다");
        assert_eq!(
            filled("{0}이(가) 없다", "내재 탄소(M)"),
            "내재 탄소가 없다".replace("탄소", "탄소(M)")
        );
        assert_eq!(filled("{0}(으)로 한다", "서울"), "서울로 한다");
        assert_eq!(filled("{0}(으)로 한다", "기준"), "기준으로 한다");
        assert_eq!(filled("「{0}」은(는)", "법"), "「법」은(는)");
        assert_eq!(
            filled("{0}을(를) 실행", "Deployment shop/web"),
            "Deployment shop/web을(를) 실행"
        );
    }
}
