//! How long a review may take.

use std::time::Duration;

/// The API server's own default, and what holds where it sends none.
const DEFAULT: Duration = Duration::from_secs(10);
/// The longest time-out that can be registered.
const LONGEST: Duration = Duration::from_secs(30);
/// The answer has to travel back: a tenth, though never more than this.
const MARGIN: Duration = Duration::from_millis(500);

/// The time within which a review must be answered, from its request's query.
///
/// The API server appends the registered time-out, `?timeout=5s`; what cannot be
/// read counts as absent. The margin for the way back is taken off.
pub(super) fn of(query: Option<&str>) -> Duration {
    let granted = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(parse)
        .map_or(DEFAULT, |asked| asked.min(LONGEST));
    granted.saturating_sub((granted / 10).min(MARGIN))
}

/// Reads Go's text of a duration (`5s`, `1m30s`, `1.5h`); none where it is
/// garbage or not above zero.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (unit, tail) = UNITS.iter().find_map(|(name, unit)| tail.strip_prefix(name).map(|tail| (unit, tail)))?;
        seconds += number * unit;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

/// Longer names before the names they begin with.
const UNITS: [(&str, f64); 8] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            ("+2s", 2_000),
            ("2000000us", 2_000),
            ("2000000µs", 2_000),
            ("3000000000ns", 3_000),
            ("1h", 3_600_000),
            (".5s", 500),
        ] {
            let want = Duration::from_millis(millis);
            assert_eq!(parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn garbage_is_no_duration() {
        for text in [
            "",
            "+",
            "s",
            "5",
            "-5s",
            "5 s",
            "5x",
            "1..5s",
            ".s",
            "0s",
            "0",
            "NaNs",
            "infs",
            "1e3s",
            "99999999999999999999999h",
            "5s5",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_margin_is_left_for_the_way_back() {
        for (query, millis) in [
            (None, 9_500),
            (Some(""), 9_500),
            (Some("timeout=5s"), 4_500),
            (Some("a=b&timeout=1s"), 900),
            (Some("timeout=500ms"), 450),
            (Some("timeout=1m30s"), 29_500),
            (Some("timeout=soon"), 9_500),
            (Some("xtimeout=1s"), 9_500),
        ] {
            assert_eq!(of(query), Duration::from_millis(millis), "{query:?}");
        }
    }
}
