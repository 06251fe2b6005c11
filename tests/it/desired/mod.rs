//! What Git declares, of one source and of several.

mod corpus;
mod sources;
