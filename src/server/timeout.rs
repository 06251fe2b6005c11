//! How long a review may take.

use std::time::Duration;

use driftwall_core::go_duration;

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

/// Parses a Go duration (`5s`, `1m30s`, `1.5h`); `None` if it is not one, or not above zero.
fn parse_go_duration(text: &str) -> Option<Duration> {
    let nanoseconds = u128::try_from(go_duration::nanoseconds(text)?).ok()?;
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanoseconds % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest)).filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_go_duration_above_zero() {
        for (text, millis) in [("5s", 5_000), ("1m30s", 90_000), ("1.5s", 1_500), ("+2s", 2_000), ("1h", 3_600_000)] {
            assert_eq!(parse_go_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "soon", "0", "0s", "-5s", "99999999999999999999999h"] {
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
