//! How often drift was seen, by where and by whom.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use driftwall_core::text::truncate;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// So many places have a series of their own, each for every actor and answer that occurs there. What is new then is
/// counted as `other`: whoever may create namespaces must not be able to fill the memory of Prometheus.
const MAX_PLACES: usize = 500;
const OTHER: &str = "other";
/// Characters of a label: a namespace and a kind have at most 63.
const MAX_LABEL_CHARS: usize = 63;

/// The labels under which drift is counted. None names a user or an object: every pod may read them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DriftLabels {
    /// The source in the configuration, or the tool that applied what is declared; empty where there is neither.
    pub source: String,
    /// The namespace of the object; empty where it has none. `namespace` is what Prometheus calls that of the pod.
    pub object_namespace: String,
    /// The kind.
    pub kind: String,
    /// The class of the writer, such as `person`.
    pub actor: &'static str,
    /// What was answered: `allow`, `warn` or `deny`.
    pub answer: &'static str,
}

/// Drift by place, actor and answer.
#[derive(Debug, Default)]
pub(super) struct DriftMetrics {
    counts: Family<DriftLabels, Counter>,
    /// Sources, namespaces and kinds that have series of their own.
    places: Mutex<HashSet<[String; 3]>>,
}

impl DriftMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("drift", "Reviews with the verdict drift, by place and writer", self.counts.clone());
    }

    pub(super) fn count(&self, labels: &DriftLabels) {
        let DriftLabels { source, object_namespace, kind, actor, answer } = labels;
        let [source, object_namespace, kind] =
            self.place([source, object_namespace, kind].map(|label| truncate(label, MAX_LABEL_CHARS)));
        let labels = DriftLabels { source, object_namespace, kind, actor, answer };
        self.counts.get_or_create(&labels).inc();
    }

    /// The place itself where there is room for it.
    fn place(&self, place: [String; 3]) -> [String; 3] {
        // Nothing here can panic half way.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.contains(&place) {
            if places.len() >= MAX_PLACES {
                return [OTHER; 3].map(str::to_owned);
            }
            places.insert(place.clone());
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_are_bounded_whatever_is_written() {
        let metrics = DriftMetrics::default();
        let count = |source: &str, namespace: String, actor| {
            let (source, kind) = (source.to_owned(), "ConfigMap".to_owned());
            metrics.count(&DriftLabels { source, object_namespace: namespace, kind, actor, answer: "deny" });
        };
        let value = |source: &str, namespace: &str, kind: &str, actor| {
            let (source, namespace, kind) = (source.to_owned(), namespace.to_owned(), kind.to_owned());
            metrics
                .counts
                .get(&DriftLabels { source, object_namespace: namespace, kind, actor, answer: "deny" })
                .map(|count| count.get())
        };
        count("prod", "web".into(), "person");
        for number in 0..2 * MAX_PLACES {
            count("prod", format!("n{number}"), "person");
        }
        count("prod", "web".into(), "workload");
        count("late", "web".into(), "person");
        assert_eq!(value("prod", "web", "ConfigMap", "person"), Some(1));
        assert_eq!(value("prod", "web", "ConfigMap", "workload"), Some(1), "a place that is known stays");
        assert_eq!(value("prod", "n0", "ConfigMap", "person"), Some(1));
        let others = u64::try_from(MAX_PLACES + 2).unwrap();
        assert_eq!(value(OTHER, OTHER, OTHER, "person"), Some(others));
        assert_eq!(metrics.places.lock().unwrap().len(), MAX_PLACES);
        let long = DriftMetrics::default();
        let namespace = "a".repeat(1000);
        let (source, kind) = (String::new(), "Pod".to_owned());
        long.count(&DriftLabels { source, object_namespace: namespace, kind, actor: "person", answer: "warn" });
        let places = long.places.lock().unwrap();
        assert!(places.iter().all(|[_, namespace, _]| namespace.chars().count() == MAX_LABEL_CHARS));
    }
}
