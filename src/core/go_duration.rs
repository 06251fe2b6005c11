//! Go durations (`1h30m`, `1.5s`), as Kubernetes writes them in objects and in
//! the query of an admission request.

/// The nanoseconds of a Go duration; `None` where the text is none, or is out of
/// range. The rules are those of Go's `time.ParseDuration`.
pub fn nanoseconds(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    match rest {
        "" => return None,
        "0" => return Some(0),
        _ => {}
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c: char| !is_part_of_number(c))?);
        let (unit, behind) = behind.split_at(behind.find(is_part_of_number).unwrap_or(behind.len()));
        total = total.checked_add(scaled(number, nanoseconds_of(unit)?)?)?;
        rest = behind;
    }
    Some(sign * total)
}

fn is_part_of_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn nanoseconds_of(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A decimal number times `unit`, rounded towards zero.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    /// Finer digits are below a nanosecond even of hours.
    const MAX_PLACES: usize = 15;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mut amount = digits(whole)?.checked_mul(unit)?;
    let fraction = &fraction[..fraction.len().min(MAX_PLACES)];
    let places = u32::try_from(fraction.len()).ok()?;
    amount = amount.checked_add(digits(fraction)? * unit / 10_i128.pow(places))?;
    Some(amount)
}

/// The value of the digits; empty means 0.
fn digits(text: &str) -> Option<i128> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;
    const HOUR: i128 = 3_600 * SECOND;

    #[test]
    fn durations_are_parsed_as_go_writes_them() {
        for (text, expected) in [
            ("1h", HOUR),
            ("+1h", HOUR),
            ("-1h0m", -HOUR),
            ("0.5h30m", HOUR),
            ("5s", 5 * SECOND),
            ("1m30s", 90 * SECOND),
            ("1.5s", 3 * SECOND / 2),
            (".5s", SECOND / 2),
            ("5.s", 5 * SECOND),
            ("500ms", SECOND / 2),
            ("2000000us", 2 * SECOND),
            ("2000000µs", 2 * SECOND),
            ("2000000μs", 2 * SECOND),
            ("3000000000ns", 3 * SECOND),
            ("0", 0),
            ("0s", 0),
            ("0.5000000000000000000000000000000000000000000h", HOUR / 2),
        ] {
            assert_eq!(nanoseconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_go_does_not_parse_is_no_duration() {
        for text in [
            "",
            "-",
            "+",
            "1",
            "h",
            "s",
            ".s",
            "1..5s",
            "1d",
            "5x",
            "5 s",
            "1h ",
            "--1h",
            "5s5",
            "NaNs",
            "infs",
            "1e3s",
            "99999999999999999999999999999999999999999h",
        ] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
