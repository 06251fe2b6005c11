//! Rendering: kustomizations and charts with the real programs, and everything
//! that can go wrong with programs that are not.

mod bounds;
mod checkout;
mod corpus;
mod harness;
mod helm;
mod kustomize;
