//! Objects that a controller is led to by their names alone: the Services, routes and Ingresses of a rollout, the
//! workloads of a schedule. What the controller changes of them, its preset says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::declared_object::DeclaredObject;
use super::evaluation::Evaluation;
use crate::actor::PRESETS;
use crate::desired::ObjectKey;
use crate::glob;

/// A kind whose `spec` names objects that a controller changes.
pub(super) struct NamingKind {
    group: &'static str,
    kind: &'static str,
    /// The preset that has the controller's fields, by group and kind.
    preset: &'static str,
    /// The fields of `spec` in which names are.
    pub(super) fields: &'static [&'static str],
    /// Fields below these in which other names are.
    others: &'static [&'static str],
}

static NAMING_KINDS: [NamingKind; 3] = [
    // <https://argo-rollouts.readthedocs.io/en/stable/features/specification/>
    NamingKind {
        group: "argoproj.io",
        kind: "Rollout",
        preset: "argo-rollouts",
        fields: &["strategy"],
        others: &[
            "analysis",
            "antiAffinity",
            "canaryMetadata",
            "stableMetadata",
            "activeMetadata",
            "previewMetadata",
            "steps",
        ],
    },
    // It makes Services of the name of the workload, or of `service.name`.
    // <https://docs.flagger.app/usage/how-it-works>
    NamingKind {
        group: "flagger.app",
        kind: "Canary",
        preset: "flagger",
        fields: &["service", "targetRef", "upstreamRef"],
        others: &["headers", "match"],
    },
    // <https://github.com/moonbeam-nyc/snorlax#api>
    NamingKind {
        group: "snorlax.moonbeam.nyc",
        kind: "SleepSchedule",
        preset: "snorlax",
        fields: &["deployments", "ingresses"],
        others: &[],
    },
];

/// Names of one object that are read; it takes a handful.
const MAX_NAMES: usize = 200;

/// Levels of a `spec` in which names are looked for.
const MAX_DEPTH: usize = 16;

impl NamingKind {
    /// What names objects in objects of this kind.
    pub(super) fn of(evaluation: &Evaluation<'_, '_>) -> Option<&'static Self> {
        NAMING_KINDS.iter().find(|naming| evaluation.is_kind(naming.group, naming.kind))
    }

    /// A declared object that the controller would change by what it is granted.
    pub(super) fn declared<'a>(&self, evaluation: &Evaluation<'_, 'a>, object: &Value) -> Option<DeclaredObject<'a>> {
        let mut names = BTreeSet::new();
        for field in self.fields {
            self.names_in(&object["spec"][*field], MAX_DEPTH, &mut names);
        }
        let snapshot = evaluation.context.snapshot;
        for resource in snapshot.resources().into_iter().filter(|it| self.changes(it.group, it.kind)) {
            for name in &names {
                let key =
                    ObjectKey { group: resource.group, kind: resource.kind, namespace: evaluation.namespace, name };
                if let Some(found) = DeclaredObject::find(snapshot, key) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Whether the controller changes objects of a kind.
    fn changes(&self, group: &str, kind: &str) -> bool {
        let presets = PRESETS.iter().filter(|preset| preset.name == self.preset);
        let mut fields = presets.flat_map(|preset| preset.fields);
        fields.any(|(of, kinds, _)| *of == group && glob::is_within(kind, kinds))
    }

    fn names_in<'v>(&self, value: &'v Value, depth: usize, names: &mut BTreeSet<&'v str>) {
        if depth == 0 || names.len() >= MAX_NAMES {
            return;
        }
        match value {
            Value::String(name) => drop(names.insert(name)),
            Value::Array(items) => items.iter().for_each(|item| self.names_in(item, depth - 1, names)),
            Value::Object(fields) => {
                for (_, value) in fields.iter().filter(|(name, _)| !self.others.contains(&name.as_str())) {
                    self.names_in(value, depth - 1, names);
                }
            }
            Value::Bool(_) | Value::Null | Value::Number(_) => {}
        }
    }
}
