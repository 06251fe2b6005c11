//! Argo CD's objects: Applications, the projects that they are in, and the settings in `argocd-cm`.

mod application;
mod ignore_differences;
mod jq;
mod project;
mod settings;

pub use application::{ArgocdContext, IN_CLUSTER, parse_application, parse_listed_objects};
pub(super) use jq::JqPaths;
pub use project::{ArgocdProject, parse_project};
pub use settings::{ApplicationNamespaces, ArgocdSettings};
