//! Presets: well-known tools by their service accounts in default installations.
//! None applies unless the configuration names it: where a tool is not installed,
//! anyone who may create service accounts can take its name.

use super::{ActorError, ActorRule, Class, GitopsTool, Grant};
use crate::glob;

pub use super::preset_table::PRESETS;

/// A well-known tool.
#[derive(Debug)]
pub struct Preset {
    /// The name in the configuration.
    pub name: &'static str,
    /// What the tool's accounts count as.
    pub class: Class,
    /// Globs of user names.
    pub users: &'static [&'static str],
    /// What it may change: API group and kind as globs, paths.
    pub fields: &'static [PresetFields],
    /// Where it is written what the tool changes.
    pub source: &'static str,
}

/// API group, kind and paths of the fields that a tool may change.
pub(super) type PresetFields = (&'static str, &'static str, &'static [&'static str]);

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// The presets that name a user.
pub fn naming(user: &str) -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().filter(move |preset| glob::set(preset.users).is_ok_and(|users| users.is_match(user)))
}

/// The rule of a preset.
pub(super) fn rule(name: &str) -> Result<ActorRule, ActorError> {
    let preset =
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| ActorError::Preset(name.to_owned()))?;
    let grants = preset.fields.iter().map(|(group, kind, paths)| Grant::new(group, kind, paths));
    let rule = ActorRule::new(preset.class, preset.users, &[""; 0], grants.collect::<Result<_, _>>()?)?;
    Ok(ActorRule { preset: Some(preset.name), ..rule })
}

/// The GitOps tool that a preset is for, where it is for one.
pub(super) fn tool(name: &str) -> Option<GitopsTool> {
    match name {
        "argocd" => Some(GitopsTool::ArgoCd),
        "flux" => Some(GitopsTool::Flux),
        _ => None,
    }
}
