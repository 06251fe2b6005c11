//! Who writes: a user's class, and what it is allowed. Only `userInfo` is
//! authenticated: a field manager, a label or an annotation is the client's own
//! claim and decides nothing.

mod control_plane;
mod gitops_tool;
mod grant;
mod preset_table;
mod presets;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use globset::GlobSet;

use crate::admission::{CowStr, Resource, User};
use crate::diff::{Path, PathError};
use crate::glob;

pub use control_plane::{COMPONENTS, CONTROLLERS};
pub use gitops_tool::GitopsTool;
pub use grant::{Grant, WrittenGrant};
pub use presets::{PRESETS, Preset, names as preset_names, naming as presets_naming};

/// The class of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The HorizontalPodAutoscaler's controller.
    Autoscaler,
    /// The API server, the scheduler, nodes, kube-controller-manager's controllers.
    ControlPlane,
    /// A configured or preset controller, with the fields that it may change.
    Controller,
    /// A GitOps tool: Argo CD, Flux.
    Gitops,
    /// Everyone else, including cluster admins.
    Person,
    /// Any other service account or machine: a pipeline, an operator.
    Workload,
}

/// A writer: the class, and what its rule grants.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The class.
    pub class: Class,
    grants: &'a [Grant],
    /// Whether the writer passes on what people tell it: Argo CD's API server.
    is_intermediary: bool,
    /// The preset that names the writer.
    preset: Option<&'static str>,
}

/// The rules by which writers are classified, those of the configuration first.
#[derive(Debug, Default)]
pub struct ActorRules {
    rules: Vec<ActorRule>,
    tools: BTreeSet<GitopsTool>,
}

/// The users and groups of a class.
#[derive(Debug)]
pub struct ActorRule {
    class: Class,
    users: GlobSet,
    groups: GlobSet,
    grants: Vec<Grant>,
    preset: Option<&'static str>,
}

/// A rule for writers that is not valid.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    /// Not one of the classes.
    #[error("`{0}` is not a class of writers: use gitops, control plane, autoscaler, controller, workload or person")]
    Class(String),
    /// Not a glob.
    #[error("failed to parse the pattern: {0}")]
    Glob(#[from] globset::Error),
    /// Not a path to a field.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Not one of the presets.
    #[error("there is no preset `{0}`: use {known}", known = presets::names().collect::<Vec<_>>().join(", "))]
    Preset(String),
}

// === impl Class ===

impl Class {
    /// All classes, those first that are exempt.
    pub const ALL: [Self; 6] =
        [Self::Gitops, Self::ControlPlane, Self::Autoscaler, Self::Controller, Self::Workload, Self::Person];

    /// The class's name in configuration, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Autoscaler => "autoscaler",
            Self::ControlPlane => "control plane",
            Self::Controller => "controller",
            Self::Gitops => "gitops",
            Self::Person => "person",
            Self::Workload => "workload",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self, ActorError> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| ActorError::Class(text.to_owned()))
    }
}

// === impl Actor ===

impl Actor<'_> {
    /// Whether the writer is exempt because of its class.
    pub fn is_exempt(&self, resource: &Resource<'_>) -> bool {
        match self.class {
            Class::ControlPlane | Class::Gitops => true,
            Class::Autoscaler => matches!(&*resource.subresource, "scale" | "status"),
            Class::Controller | Class::Person | Class::Workload => false,
        }
    }

    /// Whether all that the writer changes is compared, not only declared fields.
    pub fn is_person(&self) -> bool {
        self.class == Class::Person
    }

    /// Whether the writer passes on what people tell it to, so that it is a person in
    /// some fields of an object and a workload in the others.
    pub(crate) fn is_intermediary(&self) -> bool {
        self.is_intermediary
    }

    /// Whether a preset names the writer.
    pub(crate) fn is_preset(&self) -> bool {
        self.preset.is_some()
    }

    /// The preset that names the writer.
    pub(crate) fn preset(&self) -> Option<&'static str> {
        self.preset
    }

    /// Whether a rule grants the writer this field.
    pub fn may_change(&self, group: &str, kind: &str, path: &Path) -> bool {
        self.grants.iter().any(|grant| grant.covers(group, kind, path))
    }

    /// Whether a rule grants the writer to delete objects of this kind.
    pub fn may_delete(&self, group: &str, kind: &str) -> bool {
        self.grants.iter().any(|grant| grant.covers_deletion(group, kind))
    }

    /// What a rule grants the writer.
    pub fn grants(&self) -> &[Grant] {
        self.grants
    }
}

// === impl ActorRules ===

impl ActorRules {
    /// The rules, of which the first match counts: those of the configuration, then the presets'.
    pub fn new(configured: Vec<ActorRule>, preset_names: &[String]) -> Result<Self, ActorError> {
        let mut rules = configured;
        let mut tools = BTreeSet::new();
        for name in preset_names {
            rules.push(presets::rule(name)?);
            tools.extend(presets::tool(name));
        }
        Ok(Self { rules, tools })
    }

    /// The presets in use.
    pub fn presets(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().filter_map(|rule| rule.preset)
    }

    /// What each rule of the configuration grants.
    pub(crate) fn configured_grants(&self) -> impl Iterator<Item = &[Grant]> {
        self.rules.iter().filter(|rule| rule.preset.is_none()).map(|rule| &*rule.grants)
    }

    /// The rule that names a user by name, whatever its groups.
    pub(crate) fn rule_naming(&self, user: &str) -> Option<&ActorRule> {
        self.rules.iter().find(|rule| rule.users.is_match(user))
    }

    /// The GitOps tools whose presets are in use.
    pub fn tools(&self) -> &BTreeSet<GitopsTool> {
        &self.tools
    }

    /// Whether a service account may count as a person, by a configured rule.
    pub fn may_make_accounts_persons(&self) -> bool {
        self.rules.iter().any(|rule| rule.class == Class::Person)
    }

    /// Classifies a service account, by its name alone.
    pub(crate) fn classify_account(&self, namespace: &str, name: &str) -> Actor<'_> {
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
        let user = User {
            name: format!("system:serviceaccount:{namespace}:{name}").into(),
            groups: groups.into_iter().map(|group| CowStr(group.to_owned().into())).collect(),
        };
        self.classify(&user, &Resource::default())
    }

    /// Classifies the writer of a resource.
    pub fn classify(&self, user: &User<'_>, resource: &Resource<'_>) -> Actor<'_> {
        let of_class = |class| Actor { class, grants: &[], is_intermediary: false, preset: None };
        let account = user.service_account();
        if account.is_none() && user.name.starts_with("system:serviceaccount:") {
            // The name of a service account without its groups is only claimed.
            return of_class(Class::Person);
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(user)) {
            return Actor { grants: &rule.grants, preset: rule.preset, ..of_class(rule.class) };
        }
        let class = match account {
            Some(("kube-system", "horizontal-pod-autoscaler")) => Class::Autoscaler,
            Some(("kube-system", name)) if CONTROLLERS.contains(&name) => Class::ControlPlane,
            // What is deployed, Argo CD's server writes for the person at its web page or
            // command; its own Secrets and ConfigMaps, for itself.
            Some((_, name))
                if gitops_tool::is_argocd_server(name)
                    && gitops_tool::is_argocd_resource(&resource.group, &resource.plural) =>
            {
                return Actor { is_intermediary: true, ..of_class(Class::Person) };
            }
            Some(_) => Class::Workload,
            None if control_plane::is_component(user) => Class::ControlPlane,
            None if is_machine(&user.name) => Class::Workload,
            None => Class::Person,
        };
        of_class(class)
    }
}

/// Whether a user of this name passes on what people tell it: the account of Argo CD's API server.
pub fn passes_on_what_people_tell(user: &str) -> bool {
    let account = user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    account.is_some_and(|(_, name)| gitops_tool::is_argocd_server(name))
}

/// Whether the name of a user looks like that of a GitOps tool's own controller, in whatever namespace.
pub fn looks_like_gitops_tool(user: &str) -> bool {
    let account = user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    account.is_some_and(|(_, name)| gitops_tool::is_syncing_controller(name))
}

/// Whether a user that is not a service account is a machine: a cloud provider's
/// own component, or one of Kubernetes' reserved names but those that people use.
fn is_machine(name: &str) -> bool {
    let used_by_people = ["system:admin", "system:anonymous"];
    // Cloud controllers that log in with a client certificate: k3s, RKE2, and clouds' own names.
    let is_cloud_controller =
        name.strip_suffix("cloud-controller-manager").is_some_and(|vendor| vendor.is_empty() || vendor.ends_with('-'));
    is_cloud_controller
        || name.starts_with("eks:")
        || name == "aksService"
        || (name.starts_with("system:") && !used_by_people.contains(&name))
}

// === impl ActorRule ===

impl ActorRule {
    /// A rule for the users and groups that these globs name.
    pub fn new(
        class: Class,
        users: &[impl AsRef<str>],
        groups: &[impl AsRef<str>],
        grants: Vec<Grant>,
    ) -> Result<Self, ActorError> {
        Ok(Self { class, users: glob::set(users)?, groups: glob::set(groups)?, grants, preset: None })
    }

    /// Whether nothing that the rule's writers do is compared.
    pub(crate) fn is_exempt(&self) -> bool {
        matches!(self.class, Class::ControlPlane | Class::Gitops)
    }

    /// What the rule grants.
    pub(crate) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    fn matches(&self, user: &User<'_>) -> bool {
        self.users.is_match(&*user.name) || user.groups.iter().any(|group| self.groups.is_match(&*group.0))
    }
}

#[cfg(test)]
mod tests;
