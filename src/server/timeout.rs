//! How long a review may take.

use std::time::Duration;

/// The API server's own default, used if the request names no time-out.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time-out that can be registered.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// The response has to travel back: a tenth of the time-out is kept for that, but not more than this.
const MAX_RESPONSE_MARGIN: Duration = Duration::from_millis(500);

/// How long the answer to a review may take, by the query of its request.
///
/// The API server appends the registered time-out, `?timeout=5s`; one that cannot be
/// parsed counts as absent. The margin for the response is already subtracted.
pub(super) fn review_timeout(query: Option<&str>) -> Duration {
    let granted = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(parse_go_duration)
        .map_or(DEFAULT_TIMEOUT, |timeout| timeout.min(MAX_TIMEOUT));
    granted.saturating_sub((granted / 10).min(MAX_RESPONSE_MARGIN))
}

/// Parses a duration as Go writes it (`5s`, `1m30s`, `1.5h`); none if the text is
/// anything else, or not above zero.
fn parse_go_duration(text: &str) -> Option<Duration> {
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

/// `ms` before `m`: the first that matches is taken.
const UNITS: [(&str, f64); 8] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_as_go_writes_them() {
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
            let expected = Duration::from_millis(millis);
            assert_eq!(parse_go_duration(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_durations() {
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
            assert_eq!(parse_go_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_margin_is_kept_for_the_response() {
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
            assert_eq!(review_timeout(query), Duration::from_millis(millis), "{query:?}");
        }
    }
}
