//! What Argo CD and Flux deploy, as their own objects say: Applications, Kustomizations and
//! HelmReleases, each with the objects that it deploys, what it leaves alone, and who writes for it.
//!
//! Nothing is rendered here. What a tool has applied is read from the object under review itself
//! (`policy`, the *applied* grade); an application says which objects are its own.

mod application;
pub mod argocd;
mod fields;
pub mod flux;
mod ignored;
mod index;
mod loosened;
mod name_pattern;
mod observed;
mod rule_budget;
mod selector;

pub use application::{
    Account, Application, ApplicationKind, ApplicationName, Destination, FieldManagers, ListedObject, ListedObjects,
    MAX_LISTED_OBJECTS, Release, SyncState,
};
pub use argocd::{InstanceMark, Permissions};
pub(crate) use ignored::IgnoredOfObject;
pub use ignored::{DifferenceRule, IgnoredDifferences};
pub use index::{Applications, ApplicationsChange};
pub use loosened::Loss;
pub(crate) use loosened::{Loosened, loosened};
pub(crate) use observed::ARGOCD_SETTINGS;
pub use observed::{ObservedKind, ObservedTools};
