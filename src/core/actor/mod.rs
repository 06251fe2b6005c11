//! Who writes: a user's class, and what it is allowed. Only `userInfo` is
//! authenticated: a field manager, a label or an annotation is the client's own
//! claim and decides nothing.

mod control_plane;
mod presets;

use std::fmt;
use std::str::FromStr;

use globset::{GlobMatcher, GlobSet};

use crate::admission::{Resource, User};
use crate::diff::{Path, PathError, Pattern};
use crate::glob;

pub use control_plane::{COMPONENTS, CONTROLLERS};
pub use presets::names as preset_names;

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
}

/// The rules by which writers are classified, those of the configuration first.
#[derive(Debug, Default)]
pub struct ActorRules {
    rules: Vec<ActorRule>,
}

/// The users and groups of a class.
#[derive(Debug)]
pub struct ActorRule {
    class: Class,
    users: GlobSet,
    groups: GlobSet,
    grants: Vec<Grant>,
}

/// Fields of some kinds that a controller may change.
#[derive(Debug)]
pub struct Grant {
    group: GlobMatcher,
    kind: GlobMatcher,
    paths: Vec<Pattern>,
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

    /// Whether a rule grants the writer this field.
    pub fn may_change(&self, group: &str, kind: &str, path: &Path) -> bool {
        self.grants.iter().any(|grant| {
            grant.group.is_match(group)
                && grant.kind.is_match(kind)
                && grant.paths.iter().any(|pattern| pattern.covers(path))
        })
    }
}

// === impl ActorRules ===

impl ActorRules {
    /// The rules, of which the first match counts: those of the configuration, then the presets'.
    pub fn new(configured: Vec<ActorRule>, preset_names: &[String]) -> Result<Self, ActorError> {
        let mut rules = configured;
        for name in preset_names {
            rules.push(presets::rule(name)?);
        }
        Ok(Self { rules })
    }

    /// Classifies the writer of an object in `namespace`.
    pub fn classify(&self, user: &User<'_>, namespace: &str) -> Actor<'_> {
        let account = user.service_account();
        if account.is_none() && user.name.starts_with("system:serviceaccount:") {
            // The name of a service account without its groups is only claimed.
            return Actor { class: Class::Person, grants: &[] };
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(user)) {
            return Actor { class: rule.class, grants: &rule.grants };
        }
        let class = match account {
            Some(("kube-system", "horizontal-pod-autoscaler")) => Class::Autoscaler,
            Some(("kube-system", name)) if CONTROLLERS.contains(&name) => Class::ControlPlane,
            // Argo CD's server writes on behalf of the person at its user interface;
            // only to Applications, in its own namespace, does it write for itself.
            Some((own_namespace, name)) if name.ends_with("argocd-server") && own_namespace != namespace => {
                Class::Person
            }
            Some(_) => Class::Workload,
            None if control_plane::is_component(user) => Class::ControlPlane,
            None if is_machine(&user.name) => Class::Workload,
            None => Class::Person,
        };
        Actor { class, grants: &[] }
    }
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

// === impl ActorRule and Grant ===

impl ActorRule {
    /// A rule for the users and groups that these globs name.
    pub fn new(
        class: Class,
        users: &[impl AsRef<str>],
        groups: &[impl AsRef<str>],
        grants: Vec<Grant>,
    ) -> Result<Self, ActorError> {
        Ok(Self { class, users: glob::set(users)?, groups: glob::set(groups)?, grants })
    }

    fn matches(&self, user: &User<'_>) -> bool {
        self.users.is_match(&*user.name) || user.groups.iter().any(|group| self.groups.is_match(&*group.0))
    }
}

impl Grant {
    /// Fields of the kinds that these globs name.
    pub fn new(group: &str, kind: &str, paths: &[impl AsRef<str>]) -> Result<Self, ActorError> {
        Ok(Self {
            group: glob::matcher(group)?,
            kind: glob::matcher(kind)?,
            paths: paths.iter().map(|path| path.as_ref().parse()).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::CowStr;

    fn user<'a>(name: &'a str, groups: &[&'a str]) -> User<'a> {
        User { name: name.into(), groups: groups.iter().map(|group| CowStr((*group).into())).collect() }
    }

    fn account(namespace: &str, name: &str) -> User<'static> {
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        User {
            name: format!("system:serviceaccount:{namespace}:{name}").into(),
            groups: groups.into_iter().map(|group| CowStr(group.into())).collect(),
        }
    }

    #[test]
    fn every_user_has_a_class() {
        let presets = ["argocd".to_owned(), "flux".to_owned(), "keda".to_owned()];
        let actors = ActorRules::new(Vec::new(), &presets).unwrap();
        for (who, expected) in [
            (account("argocd", "argocd-application-controller"), Class::Gitops),
            (account("flux-system", "kustomize-controller"), Class::Gitops),
            (account("keda", "keda-operator"), Class::Controller),
            (account("kube-system", "horizontal-pod-autoscaler"), Class::Autoscaler),
            (account("kube-system", "deployment-controller"), Class::ControlPlane),
            (account("kube-system", "generic-garbage-collector"), Class::ControlPlane),
            (account("kube-system", "tiller"), Class::Workload),
            (account("prod", "deployment-controller"), Class::Workload),
            (account("argocd", "argocd-server"), Class::Person),
            (account("prod", "argocd-server"), Class::Workload),
            (
                user("system:serviceaccount:argocd:argocd-application-controller", &["system:authenticated"]),
                Class::Person,
            ),
            (user("system:kube-controller-manager", &[]), Class::ControlPlane),
            (user("system:kube-scheduler", &[]), Class::ControlPlane),
            (user("system:apiserver", &["system:masters"]), Class::ControlPlane),
            (user("system:node:n1", &["system:nodes"]), Class::ControlPlane),
            (user("system:node:n1", &["developers"]), Class::Workload),
            (user("eks:addon-manager", &[]), Class::Workload),
            (user("aksService", &["system:masters"]), Class::Workload),
            (user("k3s-cloud-controller-manager", &[]), Class::Workload),
            (user("rke2-cloud-controller-manager", &["system:authenticated"]), Class::Workload),
            (user("openstack-cloud-controller-manager", &[]), Class::Workload),
            (user("cloud-controller-manager", &[]), Class::Workload),
            (user("mycloud-controller-manager", &[]), Class::Person),
            (user("cloud-controller-manager-admin", &[]), Class::Person),
            (user("system:admin", &["system:masters"]), Class::Person),
            (user("system:anonymous", &[]), Class::Person),
            (user("kubernetes-admin", &["system:masters"]), Class::Person),
            (user("alice", &["system:nodes"]), Class::Person),
            (user("", &[]), Class::Person),
        ] {
            assert_eq!(actors.classify(&who, "prod").class, expected, "{}", who.name);
        }
        let without = ActorRules::default();
        let argocd = account("argocd", "argocd-application-controller");
        assert_eq!(
            without.classify(&argocd, "prod").class,
            Class::Workload,
            "without a preset the name is not trusted"
        );
    }

    #[test]
    fn configured_rules_come_first_and_grant_fields() {
        let grant = Grant::new("apps", "Deploy*", &["spec.template.spec.containers[*].resources"]).unwrap();
        let rules = vec![
            ActorRule::new(Class::Controller, &["system:serviceaccount:ops:*"], &[""; 0], vec![grant]).unwrap(),
            ActorRule::new(Class::Gitops, &[""; 0], &["deploy-bots"], Vec::new()).unwrap(),
        ];
        let actors = ActorRules::new(rules, &[]).unwrap();
        let tuner = account("ops", "tuner");
        let actor = actors.classify(&tuner, "prod");
        let path = |text: &str| text.parse::<Path>().unwrap();
        let cpu = path("spec.template.spec.containers[name=\"a\"].resources.limits.cpu");
        assert_eq!(actor.class, Class::Controller);
        assert!(actor.may_change("apps", "Deployment", &cpu));
        assert!(!actor.may_change("apps", "StatefulSet", &cpu));
        assert!(!actor.may_change("apps", "Deployment", &path("spec.replicas")));
        assert_eq!(actors.classify(&user("bot", &["deploy-bots"]), "prod").class, Class::Gitops);
    }

    #[test]
    fn every_preset_is_valid_and_an_unknown_one_is_named_in_the_error() {
        for name in presets::names() {
            presets::rule(name).unwrap();
        }
        let error = ActorRules::new(Vec::new(), &["argo".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`argo`") && error.contains("argocd"), "{error}");
    }
}
