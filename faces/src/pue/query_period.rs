//! The time that the figure of a `PromQL` query is made of, read from the query
//! itself; pure. Nothing is evaluated.

/// Twelve months, seconds: what an annual PUE must be made of.
pub(super) const YEAR_S: u64 = 365 * 86_400;

/// The shortest range within a query, seconds: `sum(increase(a[365d])) /
/// sum(increase(b[1h]))` is a figure of an hour. `None` if there is none, as
/// in `facility_watts / it_watts`: a figure of the moment.
pub(super) fn shortest_range(query: &str) -> Option<u64> {
    let mut shortest: Option<u64> = None;
    let mut rest = without_strings(query);
    while let Some(open) = rest.find('[') {
        let after = rest.split_off(open + 1);
        let inside = after.split([']', ':']).next().unwrap_or_default();
        // What cannot be read counts as a moment, so that nothing is judged by it.
        let seconds = seconds(inside.trim()).unwrap_or(0);
        shortest = Some(shortest.map_or(seconds, |least| least.min(seconds)));
        rest = after;
    }
    shortest
}

/// The query without what stands in quotes: labels may hold brackets.
fn without_strings(query: &str) -> String {
    let mut bare = String::with_capacity(query.len());
    let mut letters = query.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match quote {
            None if matches!(letter, '"' | '\'' | '`') => quote = Some(letter),
            None => bare.push(letter),
            Some('"' | '\'') if letter == '\\' => {
                letters.next();
            }
            Some(open) if open == letter => quote = None,
            Some(_) => {}
        }
    }
    bare
}

/// Seconds of a `PromQL` duration such as `1y`, `365d` or `1d12h`.
fn seconds(text: &str) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let after = rest.get(digits..)?;
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let unit = match after.get(..end)? {
            "ms" => return Some(sum),
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            "y" => YEAR_S,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = after.get(end..)?;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_range_of_a_query_is_the_time_of_its_figure() {
        let year =
            "sum(increase(facility_joules_total[365d])) / sum(increase(it_joules_total[1y]))";
        assert_eq!(shortest_range(year), Some(YEAR_S));
        let mixed = "sum(increase(facility[365d])) / sum(increase(it[1h]))";
        assert_eq!(shortest_range(mixed), Some(3_600));
        assert_eq!(shortest_range("avg_over_time(pue[52w1d:5m])"), Some(YEAR_S));
        assert_eq!(shortest_range("rate(a[1d12h])"), Some(129_600));
    }

    #[test]
    fn a_query_without_a_range_is_a_figure_of_the_moment() {
        assert_eq!(shortest_range("facility_watts / it_watts"), None);
        // Brackets of a label are no range.
        assert_eq!(shortest_range("pue{room=~\"[365d]\\\"[1y]\"}"), None);
        assert_eq!(shortest_range("pue{room='[1y]'} / pue{a=`[1y]\\`}"), None);
        // What cannot be read is not taken for long.
        assert_eq!(shortest_range("rate(a[$__range])"), Some(0));
        assert_eq!(shortest_range("rate(a["), Some(0));
    }
}
