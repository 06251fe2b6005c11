//! The comparison, from manifest to answer: what one write does to an object,
//! held against what Git declares of it. A case is a line or two of YAML.

mod empty_or_absent;
mod hostile_review;
mod lists;
mod properties;
mod schema_lists;
mod table;

// Tables: a case is a line, however long.
#[rustfmt::skip]
mod equivalent_values;
#[rustfmt::skip]
mod value_equality;
#[rustfmt::skip]
mod server_defaults;
#[rustfmt::skip]
mod metadata;
#[rustfmt::skip]
mod verdicts;
