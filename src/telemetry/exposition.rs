//! The formats in which metrics are shown.

use std::fmt::Write as _;

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// `OpenMetrics`, which Prometheus asks for since 2.5.
    OpenMetrics,
    /// Prometheus' own text format, for whoever asks for nothing: `curl`, older scrapers.
    Text,
}

impl MetricsFormat {
    /// The format to answer a request with this `Accept` header in.
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let ranges = accept.split(',').filter(|range| media_type(range).eq_ignore_ascii_case(wanted));
            ranges.map(quality).fold(0.0, f32::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") { Self::OpenMetrics } else { Self::Text }
    }

    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

fn media_type(range: &str) -> &str {
    range.split(';').next().unwrap_or_default().trim()
}

/// The `q` of a media range: 1 where none is given or it cannot be read.
fn quality(range: &str) -> f32 {
    let given = range.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    given.and_then(|q| q.trim().parse().ok()).unwrap_or(1.0)
}

/// The text format of metrics in `OpenMetrics`. The samples are the same. What differs is what is said of them:
/// there a counter is called as in its sample, with `_total`, and `# UNIT` and `# EOF` are unknown.
pub(super) fn to_text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(named) = line.strip_prefix("# HELP ") {
            help = named.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_are_for_those_who_ask_for_them() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let protobuf_first = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                              q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        for (accept, format) in [
            (prometheus, MetricsFormat::OpenMetrics),
            (protobuf_first, MetricsFormat::OpenMetrics),
            ("application/openmetrics-text", MetricsFormat::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", MetricsFormat::OpenMetrics),
            ("", MetricsFormat::Text),
            ("*/*", MetricsFormat::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", MetricsFormat::Text),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", MetricsFormat::Text),
            ("text/plain, application/openmetrics-text;q=0.2", MetricsFormat::Text),
            ("application/openmetrics-text;q=0", MetricsFormat::Text),
            ("application/openmetrics-text-2", MetricsFormat::Text),
            (",;,q=,;q=", MetricsFormat::Text),
        ] {
            assert_eq!(MetricsFormat::accepted(accept), format, "{accept}");
        }
    }

    #[test]
    fn in_the_text_format_a_counter_has_the_name_of_its_sample() {
        let open_metrics = "# HELP a_reviews Reviews # answered.\n# TYPE a_reviews counter\n# UNIT a_reviews b\n\
                            a_reviews_total{b=\"# TYPE c counter\"} 1\n# HELP a_age Age.\n# TYPE a_age gauge\n\
                            a_age 1.5\n# EOF\n";
        let text = "# HELP a_reviews_total Reviews # answered.\n# TYPE a_reviews_total counter\n\
                    a_reviews_total{b=\"# TYPE c counter\"} 1\n# HELP a_age Age.\n# TYPE a_age gauge\na_age 1.5\n";
        assert_eq!(to_text_format(open_metrics), text);
        assert_eq!(to_text_format(""), "");
    }
}
