//! The comparison, from manifest to answer: what one write does to an object,
//! held against what Git declares of it. A case is a line or two of YAML.

mod harness;
mod hostile;
mod lists;
mod places;
mod presence;
mod properties;

// Tables: a case is a line, however long.
#[rustfmt::skip]
mod classes;
#[rustfmt::skip]
mod equality;
#[rustfmt::skip]
mod filled;
#[rustfmt::skip]
mod metadata;
#[rustfmt::skip]
mod verdicts;
