//! Logs and metrics, and what the metrics ask of the program. Uses no other module.

mod applications;
mod called;
mod certificates;
mod drift;
mod exposition;
mod health;
mod labels;
mod log_filter;
mod log_limit;
mod log_writer;
mod logging;
mod metrics;
mod registration;
mod reviews;
mod sources;
#[cfg(test)]
mod tests;

pub use called::CanaryDisplay;
pub use drift::DriftLabels;
pub use exposition::MetricsFormat;
pub use health::{
    ApplicationHealth, DiscoveryHealth, Health, MirrorHealth, NoSources, RecurringDrift, SelfCheckCounts,
    SkippedHealth, SourceHealth, WatchHealth,
};
pub use labels::ReviewLabels;
pub(crate) use log_limit::{LogChanges, LogLimiter};
pub use log_writer::LogGuard;
pub use logging::{LogError, LogFormat, init_logging, set_cluster_name};
pub use metrics::Metrics;
pub(crate) use metrics::unix_now;
