//! What the tests of several modules need.

pub(crate) mod evaluator;
pub(crate) mod http_client;
pub(crate) mod managed_fields;
pub(crate) mod reviews;
pub(crate) mod snapshots;
pub(crate) mod waiting;
