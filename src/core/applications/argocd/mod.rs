//! Argo CD's objects: Applications, the projects that they are in, and the settings in `argocd-cm`.

mod application;
mod ignore_differences;
mod jq;
mod project;
mod settings;

pub(super) use application::{ArgocdContext, parse_application};
pub use application::{IN_CLUSTER, InstanceMark, Permissions, parse_listed_objects};
pub(super) use ignore_differences::parse_own_rules;
pub(super) use jq::JqPaths;
pub use project::{ArgocdProject, parse_project};
pub(crate) use settings::Tracking;
pub(super) use settings::ignored_entries;
pub use settings::{ApplicationNamespaces, ArgocdSettings};
