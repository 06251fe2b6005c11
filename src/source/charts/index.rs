//! The index of an HTTP chart repository, `index.yaml`. It lists every version of
//! every chart and may have tens of megabytes, so only the entries of the charts that
//! are wanted are kept, and it is read as a stream.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::version::VersionRange;

/// The most bytes of an index.
pub(super) const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A version of a chart, as an index lists it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct IndexEntry {
    #[serde(default)]
    pub(super) version: String,
    /// Where its archive is, absolute or relative to the repository; the first counts.
    #[serde(default)]
    pub(super) urls: Vec<String>,
    /// The SHA-256 of the archive in hexadecimal; empty in indexes of old tools.
    #[serde(default)]
    pub(super) digest: Option<String>,
}

/// The versions of charts by their names, in the index's order. A chart that the index does not have is missing.
pub(super) type IndexedCharts = HashMap<String, Vec<IndexEntry>>;

/// Reads the versions of these charts from an index.
///
/// # Errors
///
/// It is no index of a chart repository; the text says why.
pub(super) fn read(index: impl Read, charts: &BTreeSet<&str>) -> Result<IndexedCharts, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(usize::try_from(MAX_INDEX_BYTES).unwrap_or(usize::MAX)),
            // Indexes of thousands of versions are common; what is kept of them is bounded by their bytes.
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_documents: 1,
        },
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_reader_with_options(index, options, |deserializer| {
        IndexSeed { charts }.deserialize(deserializer)
    })
    .map_err(|error| driftwall_core::text::truncate(&error.to_string(), 300))
}

impl IndexEntry {
    /// The entry of the newest version in a range.
    pub(super) fn newest<'e>(entries: &'e [Self], range: &VersionRange) -> Option<&'e Self> {
        range.newest(entries, |entry| &entry.version)
    }

    /// The digest in lower case, without the name of the algorithm.
    pub(super) fn sha256(&self) -> Option<String> {
        let digest = self.digest.as_deref()?.trim().to_ascii_lowercase();
        let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
        (!digest.is_empty()).then(|| digest.to_owned())
    }
}

struct IndexSeed<'c> {
    charts: &'c BTreeSet<&'c str>,
}

impl<'de> DeserializeSeed<'de> for IndexSeed<'_> {
    type Value = IndexedCharts;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<IndexedCharts, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for IndexSeed<'_> {
    type Value = IndexedCharts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an index of charts, with `entries`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IndexedCharts, A::Error> {
        let mut listing = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "entries" {
                listing = Some(map.next_value_seed(EntriesSeed { charts: self.charts })?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        listing.ok_or_else(|| serde::de::Error::custom("it has no `entries`"))
    }
}

struct EntriesSeed<'c> {
    charts: &'c BTreeSet<&'c str>,
}

impl<'de> DeserializeSeed<'de> for EntriesSeed<'_> {
    type Value = IndexedCharts;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<IndexedCharts, D::Error> {
        // A repository without charts has nothing here.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed<'_> {
    type Value = IndexedCharts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("charts by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IndexedCharts, A::Error> {
        let mut listing = IndexedCharts::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.charts.contains(key.as_str()) {
                listing.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(listing)
    }

    fn visit_unit<E>(self) -> Result<IndexedCharts, E> {
        Ok(IndexedCharts::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "apiVersion: v1
entries:
  other:
  - {name: other, version: 9.0.0, urls: [other-9.0.0.tgz], maintainers: [{name: a}], annotations: {x: \"1\"}}
  web:
  - name: web
    version: 1.2.0
    appVersion: 1.10
    created: \"2024-01-01T00:00:00Z\"
    digest: SHA256:ABCD
    urls:
    - charts/web-1.2.0.tgz
    - https://mirror.example/web-1.2.0.tgz
  - {name: web, version: 1.3.0-rc.1, urls: [\"https://cdn.example/web.tgz\"]}
generated: \"2024-01-01T00:00:00Z\"
";

    fn versions(index: &str, chart: &str) -> Vec<IndexEntry> {
        read(index.as_bytes(), &[chart].into()).unwrap().remove(chart).expect("it is listed")
    }

    #[test]
    fn the_versions_of_one_chart_are_read() {
        let entries = versions(INDEX, "web");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].urls[0], "charts/web-1.2.0.tgz");
        assert_eq!(entries[0].sha256().unwrap(), "abcd");
        assert_eq!(entries[1].sha256(), None);
        let newest = |range: &str| IndexEntry::newest(&entries, &range.parse().unwrap());
        assert_eq!(newest("^1").unwrap().version, "1.2.0");
        assert_eq!(newest(">=1.2.0-0").unwrap().version, "1.3.0-rc.1");
        assert_eq!(newest("2.x"), None);
        assert_eq!(read(INDEX.as_bytes(), &["db"].into()).unwrap(), IndexedCharts::new());
        assert_eq!(read("entries:\n".as_bytes(), &["db"].into()).unwrap(), IndexedCharts::new());
        assert_eq!(read("entries: {}\n".as_bytes(), &["db"].into()).unwrap(), IndexedCharts::new());
    }

    #[test]
    fn an_index_in_json_is_read() {
        let json = r#"{"apiVersion":"v1","entries":{"web":[{"version":"1.0.0","urls":["a.tgz"],"digest":null}]}}"#;
        assert_eq!(versions(json, "web")[0].version, "1.0.0");
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for (index, words) in [
            ("<html><body>Sign in</body></html>", ""),
            ("apiVersion: v1\n", "entries"),
            ("entries: [web]\n", ""),
            ("- a\n", ""),
            ("", ""),
            ("entries: {web: 3}", ""),
            ("entries:\n  web: [", ""),
        ] {
            let error = read(index.as_bytes(), &["web"].into()).unwrap_err();
            assert!(error.contains(words), "{index}: {error}");
        }
    }

    #[test]
    fn an_index_larger_than_most_documents_is_read_whole() {
        let keywords = "a, ".repeat(300_000);
        let index =
            format!("entries:\n  db: [{{keywords: [{keywords}b]}}]\n  web: [{{version: 1.0.0, urls: [w.tgz]}}]\n");
        assert_eq!(versions(&index, "web").len(), 1);
    }
}
