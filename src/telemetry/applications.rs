//! The metrics of the applications that were found.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::health::{ApplicationHealth, DiscoveryHealth, WatchHealth};
use super::labels::{ApplicationLabels, ToolLabel, WatchLabel};

/// Counts of applications, not a series for each: there may be thousands.
pub(super) fn register_applications(registry: &mut Registry, discovery: &DiscoveryHealth) {
    let DiscoveryHealth { applications, watches } = discovery;
    let count = Family::<ApplicationLabels, Gauge>::default();
    let objects = Family::<ToolLabel, Gauge>::default();
    let partly = Family::<ToolLabel, Gauge>::default();
    let in_step = Family::<WatchLabel, Gauge>::default();
    for ApplicationHealth { tool, grade, objects: listed, notes, .. } in applications {
        count.get_or_create(&ApplicationLabels { tool, grade }).inc();
        objects.get_or_create(&ToolLabel { tool }).inc_by(i64::try_from(*listed).unwrap_or(i64::MAX));
        partly.get_or_create(&ToolLabel { tool }).inc_by(i64::from(!notes.is_empty()));
    }
    for WatchHealth { name, is_in_step, error } in watches {
        in_step.get_or_create(&WatchLabel { watch: name.clone() }).set(i64::from(*is_in_step && error.is_none()));
    }
    registry.register("applications", "Applications of GitOps tools that were found", count);
    registry.register("application_objects", "Objects that the applications list", objects);
    registry.register("applications_partly_understood", "Applications of which something is not understood", partly);
    registry.register("discovery_in_step", "1 if the watch sees all that there is", in_step);
}
