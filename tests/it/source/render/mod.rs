//! Rendering: kustomizations and charts with the real programs, and everything
//! that can go wrong with programs that are not.

mod checkout;
mod corpus;
mod fixtures;
mod helm;
mod kustomize;
mod subprocess;
