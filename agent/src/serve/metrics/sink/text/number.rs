//! Numbers as texts want them: the shortest decimal that reads back the same.
//!
//! Nearly all figures are whole microjoules, microwatts or nanoseconds shown in
//! base units, so nearly all have a short decimal that whole numbers give.

use std::io::Write as _;

/// The units below the base that figures are whole in, and their digits.
const SCALES: [(f64, u32); 2] = [(1e6, 6), (1e9, 9)];
/// Decimals of so many digits in all differ if their numbers do: the first one
/// found is the shortest.
const DISTINCT: std::ops::Range<f64> = 0.0..1e15;

/// Writes a value at the line's end.
pub(super) fn write(line: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        line.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        line.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if let Some((whole, places)) = scaled(value) {
        decimal(line, whole, places);
    } else {
        // Writing to memory cannot fail.
        let _ = write!(line, "{value}");
    }
}

/// The value as a whole number over a power of ten, if it is one.
#[expect(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is to read back the same to the last bit; the range is checked"
)]
fn scaled(value: f64) -> Option<(u64, u32)> {
    SCALES.iter().find_map(|&(scale, places)| {
        let whole = (value * scale).round();
        // Both are exact, so the quotient is the double next to the decimal.
        let same = whole / scale == value;
        (DISTINCT.contains(&whole) && same).then_some((whole as u64, places))
    })
}

/// Room for a decimal: fifteen digits, a point, and a zero before it.
const ROOM: usize = 20;

/// `whole` with `places` digits after the point, without zeros at the end.
fn decimal(line: &mut Vec<u8>, whole: u64, places: u32) {
    // From the last digit on, so from the room's end.
    let mut room = [0_u8; ROOM];
    let mut free = room.iter_mut().rev();
    let mut put = |byte: u8| {
        if let Some(place) = free.next() {
            *place = byte;
        }
    };
    let mut rest = whole;
    let mut shown = false;
    for _ in 0..places {
        let digit = take(&mut rest);
        shown |= digit != b'0';
        if shown {
            put(digit);
        }
    }
    if shown {
        put(b'.');
    }
    loop {
        put(take(&mut rest));
        if rest == 0 {
            break;
        }
    }
    let begin = free.len();
    line.extend_from_slice(room.get(begin..).unwrap_or_default());
}

/// Takes the last digit off.
fn take(rest: &mut u64) -> u8 {
    let [digit, ..] = (*rest % 10).to_le_bytes();
    *rest /= 10;
    b'0' + digit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        let mut line = b"x ".to_vec();
        write(&mut line, value);
        String::from_utf8(line).unwrap().split_off(2)
    }

    #[test]
    fn ends_of_the_range_and_what_is_no_number() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (10.0, "10"),
            (1.5, "1.5"),
            (0.000_001, "0.000001"),
            (0.000_000_001, "0.000000001"),
            (1_234.050_6, "1234.0506"),
            (999_999_999.999_999, "999999999.999999"),
            (999_999.999_999_999, "999999.999999999"),
            (0.000_000_999, "0.000000999"),
            (-3.25, "-3.25"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    proptest! {
        #[test]
        fn whole_small_units_are_as_the_library_writes_them(
            number in 0..u64::MAX,
            shift in 0..64_u32,
            scale in prop::sample::select(vec![1.0, 1e3, 1e6, 1e9]),
        ) {
            #[expect(clippy::cast_precision_loss, reason = "any number will do")]
            let value = (number >> shift) as f64 / scale;
            prop_assert_eq!(written(value), value.to_string());
        }

        #[test]
        fn any_number_reads_back_the_same(value in prop::num::f64::NORMAL) {
            let read: f64 = written(value).parse().unwrap();
            prop_assert_eq!(read.to_bits(), value.to_bits());
        }
    }
}
