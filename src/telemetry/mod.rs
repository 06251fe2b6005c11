//! Logs and metrics, and what the metrics ask of the program. Uses no other module.

mod applications;
mod health;
mod labels;
mod log_filter;
mod log_limit;
mod logging;
mod metrics;
mod registration;

pub use health::{
    ApplicationHealth, DiscoveryHealth, Health, MirrorHealth, RecurringDrift, SkippedHealth, SourceHealth, WatchHealth,
};
pub use labels::ReviewLabels;
pub(crate) use log_limit::{LogChanges, LogLimiter};
pub use logging::{LogError, LogFormat, init_logging};
pub(crate) use metrics::unix_now;
pub use metrics::{METRICS_TYPE, Metrics};
