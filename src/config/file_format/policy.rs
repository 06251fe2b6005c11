//! What is written of answers: modes, writers, fields and namespaces.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use driftwall_core::actor::{Class, preset_names};
use driftwall_core::policy;

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Drift is denied.
    #[default]
    Enforce,
    /// Drift passes, with a warning to the client.
    Warn,
    /// Drift passes in silence, and is recorded.
    Audit,
}

#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// The write passes.
    Allow,
    /// The write passes, with a warning to the client.
    Warn,
    /// The write is denied if the mode is `enforce`.
    Deny,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// The write passes, with a warning to the client.
    #[default]
    Allow,
    /// The write is denied if the mode is `enforce`.
    Deny,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DryRun {
    /// The dry run passes.
    Allow,
    /// The dry run passes, with a warning to the client.
    #[default]
    Warn,
    /// The dry run is answered as the write itself would be.
    Deny,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeRule {
    /// Globs of namespaces. Without any, the rule is for all, and for objects without a namespace.
    #[schemars(example = ["staging-*"])]
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// Globs of kinds, as `Kind` or `Kind.group`. Without any, the rule is for all.
    #[schemars(example = ["ConfigMap", "*.networking.k8s.io"])]
    #[serde(default)]
    pub(crate) kinds: Vec<String>,
    /// Globs of applications: names of sources; and, from labels and annotations in Git, of Argo CD's Applications,
    /// Flux's Kustomizations and Helm's releases, as `NAME` or `NAMESPACE/NAME`. A mark that only the
    /// object in the cluster carries counts where it makes the answer stricter. Without any, the rule is for all.
    #[schemars(example = ["shop", "team-a/*"])]
    #[serde(default)]
    pub(crate) applications: Vec<String>,
    /// Labels that Git declares on the object, or on the declared object that it belongs to; values are globs, and
    /// all of them must match. Without any, the rule is for all.
    #[schemars(example = BTreeMap::from([("tier", "critical")]))]
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// Classes of writers. Without any, the rule is for all.
    #[schemars(schema_with = "classes", example = ["workload"])]
    #[serde(default)]
    pub(crate) actors: Vec<String>,
    /// The mode.
    #[schemars(example = &"audit")]
    pub(crate) mode: Mode,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Actor {
    /// What the writers count as. `gitops`: a GitOps tool, exempt. `control plane`: exempt. `autoscaler`: exempt on
    /// `*/scale` and status. `controller`: may change the `fields` given here. `workload`: evaluated on declared
    /// fields only. `person`: evaluated on everything.
    #[schemars(schema_with = "class", example = &"gitops")]
    pub(crate) class: String,
    /// Globs of user names.
    #[schemars(example = ["system:serviceaccount:ci:deployer"])]
    #[serde(default)]
    pub(crate) users: Vec<String>,
    /// Globs of groups. A writer belongs to the class by its user name or by one of its groups.
    #[schemars(example = ["system:serviceaccounts:ci"])]
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Fields that these writers may change, whatever Git says.
    #[serde(default)]
    pub(crate) fields: Vec<FieldGrant>,
    /// Kinds whose objects these writers may delete, whatever Git says.
    #[serde(default)]
    pub(crate) deletes: Vec<DeleteGrant>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteGrant {
    /// Glob of API groups; empty for the core group.
    #[schemars(example = &"batch")]
    #[serde(default = "any")]
    pub(crate) group: String,
    /// Glob of kinds.
    #[schemars(example = &"Job")]
    pub(crate) kind: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldGrant {
    /// Glob of API groups; empty for the core group.
    #[schemars(example = &"apps")]
    #[serde(default = "any")]
    pub(crate) group: String,
    /// Glob of kinds.
    #[schemars(example = &"Deployment")]
    #[serde(default = "any")]
    pub(crate) kind: String,
    /// Paths of fields, with everything below them: `spec.replicas`, `spec.containers[*].image`, or JSON pointers.
    #[schemars(example = ["spec.template.spec.containers[*].resources"])]
    pub(crate) paths: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IgnoreRule {
    /// Glob of API groups; empty for the core group.
    #[schemars(example = &"apps")]
    #[serde(default = "any")]
    pub(crate) group: String,
    /// Glob of kinds.
    #[schemars(example = &"Deployment")]
    #[serde(default = "any")]
    pub(crate) kind: String,
    /// Glob of namespaces.
    #[schemars(example = &"web-*")]
    #[serde(default = "any")]
    pub(crate) namespace: String,
    /// Glob of names.
    #[schemars(example = &"*")]
    #[serde(default = "any")]
    pub(crate) name: String,
    /// Paths of fields, with everything below them: `spec.replicas`, `spec.containers[*].image`, or JSON pointers.
    #[schemars(example = ["spec.replicas"])]
    #[serde(default)]
    pub(crate) paths: Vec<String>,
}

fn any() -> String {
    "*".into()
}

/// One answer for all namespaces, or rules for some.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum AnswerOrRules {
    Answer(Answer),
    Rules(Vec<NamespaceRule>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamespaceRule {
    /// Globs of namespaces. Without any, the rule is for all.
    #[schemars(example = ["prod"])]
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// The answer in these namespaces.
    #[schemars(example = &"deny")]
    pub(crate) answer: Answer,
}

/// One answer for all namespaces, or rules for some.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum UnmanagedAnswer {
    Answer(Answer),
    Rules(Vec<UnmanagedRule>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnmanagedRule {
    /// Globs of namespaces. Without any, the rule is for all.
    #[schemars(example = ["prod"])]
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// Classes of writers. Without any, the rule is for persons: controllers make Secrets, `ConfigMaps` and Jobs
    /// everywhere.
    #[schemars(schema_with = "classes", example = ["person", "workload"])]
    #[serde(default)]
    pub(crate) actors: Vec<String>,
    /// The answer in these namespaces.
    #[schemars(example = &"deny")]
    pub(crate) answer: Answer,
}

impl Default for UnmanagedAnswer {
    fn default() -> Self {
        Self::Rules(Vec::new())
    }
}

impl UnmanagedAnswer {
    /// One answer for all is a rule without namespaces.
    pub(crate) fn into_rules(self) -> Vec<UnmanagedRule> {
        match self {
            Self::Answer(answer) => vec![UnmanagedRule { namespaces: Vec::new(), actors: Vec::new(), answer }],
            Self::Rules(rules) => rules,
        }
    }
}

/// Keys that are denied, or both tiers of them.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ProtectedKeys {
    Denied(Vec<String>),
    Tiers(ProtectedKeyTiers),
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProtectedKeyTiers {
    /// Globs of keys whose setting is denied.
    #[schemars(example = ["acme.example.org/*"])]
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    /// Globs of keys whose setting is warned about.
    #[schemars(example = ["acme.example.org/note-*"])]
    #[serde(default)]
    pub(crate) warn: Vec<String>,
    /// Whether these stand in place of the default ones. What steers GitOps tools and driftwall stays protected.
    #[schemars(example = true)]
    #[serde(default)]
    pub(crate) replace: bool,
}

impl Default for ProtectedKeys {
    fn default() -> Self {
        Self::Denied(Vec::new())
    }
}

impl ProtectedKeys {
    /// A list is the denied tier, in addition to the default keys.
    pub(crate) fn into_tiers(self) -> ProtectedKeyTiers {
        match self {
            Self::Denied(deny) => ProtectedKeyTiers { deny, ..ProtectedKeyTiers::default() },
            Self::Tiers(tiers) => tiers,
        }
    }
}

/// The schema of a class of writers.
fn class(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": Class::ALL.map(Class::as_str)})
}

fn classes(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": class(generator)})
}

/// The schema of a list of presets.
pub(super) fn presets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "enum": preset_names().collect::<Vec<_>>()}})
}

impl Default for AnswerOrRules {
    fn default() -> Self {
        Self::Rules(Vec::new())
    }
}

impl AnswerOrRules {
    /// One answer for all is a rule without namespaces.
    pub(crate) fn into_rules(self) -> Vec<NamespaceRule> {
        match self {
            Self::Answer(answer) => vec![NamespaceRule { namespaces: Vec::new(), answer }],
            Self::Rules(rules) => rules,
        }
    }
}

impl From<Mode> for policy::Mode {
    fn from(written: Mode) -> Self {
        match written {
            Mode::Audit => Self::Audit,
            Mode::Enforce => Self::Enforce,
            Mode::Warn => Self::Warn,
        }
    }
}

impl From<Answer> for policy::Outcome {
    fn from(written: Answer) -> Self {
        match written {
            Answer::Allow => Self::Allow,
            Answer::Deny => Self::Deny,
            Answer::Warn => Self::Warn,
        }
    }
}

impl From<OnError> for policy::Outcome {
    fn from(written: OnError) -> Self {
        match written {
            OnError::Allow => Self::Allow,
            OnError::Deny => Self::Deny,
        }
    }
}

impl From<DryRun> for policy::Outcome {
    fn from(written: DryRun) -> Self {
        match written {
            DryRun::Allow => Self::Allow,
            DryRun::Deny => Self::Deny,
            DryRun::Warn => Self::Warn,
        }
    }
}
