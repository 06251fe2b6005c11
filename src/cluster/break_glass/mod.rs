//! `BreakGlass` objects: created by the command, watched by the server.

mod create;
mod watch;

use kube::api::ApiResource;
use kube::core::GroupVersionKind;

use driftwall_core::policy::{BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BREAK_GLASS_VERSION};

pub use create::{BreakGlassRequest, CreateError, CreatedBreakGlass, create};
pub use watch::watch;

fn api_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(BREAK_GLASS_GROUP, BREAK_GLASS_VERSION, "BreakGlass");
    ApiResource::from_gvk_with_plural(&kind, BREAK_GLASS_PLURAL)
}
