//! Rendering: kustomizations and charts with the real programs, and misbehaving programs in their place.

mod checkout;
mod corpus;
pub(crate) mod fixtures;
mod helm;
mod kept;
mod kustomize;
mod kustomize_charts;
mod limits;
pub(crate) mod renderer;
mod subprocess;
