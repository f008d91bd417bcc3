//! Shares of a whole as one bar, and a curve in a line of text.

use std::fmt::Write as _;

use super::axis::escape;

/// A bar of measured, modelled and simulated percent with its words.
#[must_use]
pub fn share(percents: [i32; 3], words: &str) -> String {
    let mut svg = format!(
        "<svg class=\"tc\" viewBox=\"0 0 960 28\" role=\"img\" aria-label=\"{}\"><defs><pattern id=\"tc-hatch-s\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hb\" width=\"5\" height=\"5\"/><line class=\"hl\" x1=\"1\" y1=\"0\" x2=\"1\" y2=\"5\"/></pattern></defs><rect class=\"miss\" x=\"0.5\" y=\"4.5\" width=\"959\" height=\"19\"/>",
        escape(words)
    );
    let mut x = 0.0;
    for (percent, class) in percents.into_iter().zip(["en", "mods", "sim"]) {
        let width = f64::from(percent.clamp(0, 100)) * 9.6;
        if width > 0.0 {
            // Writing to a string cannot fail.
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"4\" width=\"{width:.1}\" height=\"20\"/>"
            );
        }
        x += width;
    }
    svg + "</svg>"
}

/// A curve as one line of blocks, lowest to highest of its own figures.
#[must_use]
pub fn spark(figures: &[i64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (Some(low), Some(high)) = (figures.iter().min(), figures.iter().max()) else {
        return String::new();
    };
    let span = i128::from(*high) - i128::from(*low);
    let block = |figure: &i64| {
        let share = (i128::from(*figure) - i128::from(*low)) * 7;
        let index = if span == 0 { 0 } else { share / span };
        usize::try_from(index)
            .ok()
            .and_then(|index| BLOCKS.get(index))
            .copied()
            .unwrap_or('▁')
    };
    figures.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_from_lowest_to_highest_block() {
        assert_eq!(spark(&[0, 7, 3, 7]), "▁█▄█");
        assert_eq!(spark(&[5, 5]), "▁▁");
        assert_eq!(spark(&[]), "");
    }
}
