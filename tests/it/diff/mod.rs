//! The comparison, from manifest to answer: what one write does to an object,
//! compared with what Git declares of it. A case is a few lines of YAML.

mod admission_properties;
mod creates;
mod empty_or_absent;
mod equivalent_values;
mod hostile_review;
mod lists;
mod metadata;
mod order;
mod placeholders;
mod properties;
mod schema_lists;
mod server_defaults;
mod table;
mod value_equality;
mod verdicts;
mod way_back;
