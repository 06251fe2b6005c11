//! Look-ups for one review: none begins when its time is over, or none that takes time at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use driftwall_core::admission::Resource;
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{ClusterLookup, LookupError, Owner};
use serde_json::Value;

/// A look-up that answers until the review's deadline.
pub(super) struct DeadlineLookup<'c> {
    pub(super) cluster: &'c dyn ClusterLookup,
    pub(super) deadline: Instant,
}

impl DeadlineLookup<'_> {
    /// Nobody waits for the answer of a review that is answered already.
    fn in_time(&self, what: impl FnOnce() -> String) -> Result<(), LookupError> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(LookupError { what: what(), reason: "the time for the review is over".into() })
    }
}

impl ClusterLookup for DeadlineLookup<'_> {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        self.in_time(|| format!("the owner of {object}"))?;
        self.cluster.owner(object)
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        self.in_time(|| format!("the CustomResourceDefinition of {kind}.{group}"))?;
        self.cluster.custom_resource(group, kind)
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        self.in_time(|| format!("the kind of {plural}.{group}"))?;
        self.cluster.kind_of(group, plural)
    }

    fn object(&self, key: ObjectKey<'_>, resource: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        self.in_time(|| format!("{key}"))?;
        self.cluster.object(key, resource)
    }
}

/// Look-ups for a review that is answered at once, or later with all that has to be asked for.
pub(super) struct InstantLookup<'c> {
    cluster: &'c dyn ClusterLookup,
    has_failed: AtomicBool,
}

impl<'c> InstantLookup<'c> {
    pub(super) fn new(cluster: &'c dyn ClusterLookup) -> Self {
        Self { cluster: cluster.known().unwrap_or(cluster), has_failed: AtomicBool::new(false) }
    }

    /// Whether something would have had to be asked for, so that what was evaluated with this says nothing.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    fn note<T>(&self, answer: Result<T, LookupError>) -> Result<T, LookupError> {
        answer.inspect_err(|_| self.has_failed.store(true, Ordering::Relaxed))
    }
}

impl ClusterLookup for InstantLookup<'_> {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        self.note(self.cluster.owner(object))
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        self.note(self.cluster.custom_resource(group, kind))
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        self.note(self.cluster.kind_of(group, plural))
    }

    fn object(&self, key: ObjectKey<'_>, resource: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        self.note(self.cluster.object(key, resource))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use driftwall_core::policy::NoCluster;

    use super::*;

    #[test]
    fn nothing_is_looked_up_when_the_time_is_over() {
        let object = ObjectKey { group: "apps", kind: "ReplicaSet", namespace: "prod", name: "web" };
        for (left, is_asked) in [(Duration::from_mins(1), true), (Duration::ZERO, false)] {
            let lookup = DeadlineLookup { cluster: &NoCluster, deadline: Instant::now() + left };
            assert_eq!(lookup.owner(object).is_ok(), is_asked);
            assert_eq!(lookup.custom_resource("example.org", "Thing").is_ok(), is_asked);
            assert_eq!(lookup.kind_of("apps", "deployments").is_ok(), is_asked);
            assert_eq!(lookup.object(object, &Resource::default()).is_ok(), is_asked);
        }
    }

    #[test]
    fn what_would_have_to_be_asked_for_is_noted() {
        struct Asking(NothingKnown);
        struct NothingKnown;
        fn fail<T>() -> Result<T, LookupError> {
            Err(LookupError { what: "it".into(), reason: "nobody was asked".into() })
        }
        macro_rules! answer {
            ($lookup:ty, $answer:expr $(, $known:item)?) => {
                impl ClusterLookup for $lookup {
                    fn owner(&self, _: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
                        $answer
                    }
                    fn custom_resource(&self, _: &str, _: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
                        $answer
                    }
                    fn kind_of(&self, _: &str, _: &str) -> Result<Option<String>, LookupError> {
                        $answer
                    }
                    fn object(&self, _: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
                        $answer
                    }
                    $($known)?
                }
            };
        }
        answer!(NothingKnown, fail());
        answer!(
            Asking,
            Ok(None),
            fn known(&self) -> Option<&dyn ClusterLookup> {
                Some(&self.0)
            }
        );
        let asking = Asking(NothingKnown);
        for (cluster, is_known) in [(&NoCluster as &dyn ClusterLookup, true), (&asking, false)] {
            let object = ObjectKey { group: "apps", kind: "ReplicaSet", namespace: "prod", name: "web" };
            let asks: [fn(&InstantLookup<'_>, ObjectKey<'_>) -> bool; 4] = [
                |lookup, object| lookup.owner(object).is_ok(),
                |lookup, object| lookup.custom_resource(object.group, object.kind).is_ok(),
                |lookup, object| lookup.kind_of(object.group, object.kind).is_ok(),
                |lookup, object| lookup.object(object, &Resource::default()).is_ok(),
            ];
            for ask in asks {
                let lookup = InstantLookup::new(cluster);
                assert!(!lookup.has_failed());
                assert_eq!((ask(&lookup, object), lookup.has_failed()), (is_known, !is_known));
            }
        }
    }
}
