//! Kubernetes quantities (`500m`, `1.5Gi`): read and compared. The API server stores them in a
//! canonical form, so the same amount may come back in other letters than it was sent in.

use std::cmp::Ordering;

/// An amount in units of 10⁻⁹, the finest that Kubernetes keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

/// `None` for text that is no quantity.
pub fn parse(text: &str) -> Option<Amount> {
    let digits_end = text.find(|it: char| !matches!(it, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let (multiplier, divisor) = scale(suffix)?;
    let nanos = nanos(number)?;
    Some(Amount(nanos.checked_mul(multiplier)? / divisor))
}

/// `None` where one of the two is no quantity.
pub fn compare(left: &str, right: &str) -> Option<Ordering> {
    Some(parse(left)?.cmp(&parse(right)?))
}

/// Multiplier and divisor of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let decimal = |power: u32| 10i128.checked_pow(power);
    let binary = |power: u32| Some((1i128 << (10 * power), 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, decimal(9)?)),
        "u" => Some((1, decimal(6)?)),
        "m" => Some((1, decimal(3)?)),
        "k" => Some((decimal(3)?, 1)),
        "M" => Some((decimal(6)?, 1)),
        "G" => Some((decimal(9)?, 1)),
        "T" => Some((decimal(12)?, 1)),
        "P" => Some((decimal(15)?, 1)),
        "E" => Some((decimal(18)?, 1)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = decimal(power.unsigned_abs())?;
            Some(if power < 0 { (1, factor) } else { (factor, 1) })
        }
    }
}

fn nanos(number: &str) -> Option<i128> {
    let (sign, unsigned) = match number.as_bytes().first()? {
        b'-' => (-1, &number[1..]),
        b'+' => (1, &number[1..]),
        _ => (1, number),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(9)];
    let nanos: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(sign * whole.checked_mul(1_000_000_000)?.checked_add(nanos)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_in_other_letters_is_equal() {
        for (left, right) in [
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("1Gi", "1024Mi"),
            ("1k", "1e3"),
            (".5", "500m"),
            ("+2", "2"),
            ("0.1", "100m"),
            ("1500e-3", "1500m"),
            ("12E", "12e18"),
            ("5.", "5"),
        ] {
            assert_eq!(compare(left, right), Some(Ordering::Equal), "{left} and {right}");
        }
    }

    #[test]
    fn other_amounts_are_in_order() {
        for (less, more) in [("999m", "1"), ("1G", "1Gi"), ("-1", "0"), ("100Mi", "1Gi")] {
            assert_eq!(compare(less, more), Some(Ordering::Less), "{less} and {more}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "m", "1 Gi", "1gi", "1Kib", "--1", "1-", "0x10", "1e", "½", "9e99", "1.2.3", "1e999999"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
