//! Which objects a rule of a tool is for.

use serde_json::Value;

use super::fields::text;
use super::name_pattern::{NamePattern, PatternError};
use super::rule_budget::RuleBudget;
use crate::desired::ObjectKey;
use crate::label_selector::LabelSelector;

/// Which objects a rule is for.
#[derive(Clone, Debug)]
pub(super) enum Selector {
    /// Argo CD's: group and kind are globs, name and namespace are exact; empty for any
    /// (`argoproj/argo-cd`, `pkg/apis/application/v1alpha1/types.go`, `ResourceIgnoreDifferences`).
    Argo(Box<ArgoSelector>),
    /// Flux's: regular expressions that match the whole text, and selectors of labels and annotations; empty for any
    /// (`fluxcd/pkg`, `apis/kustomize`, `Selector`).
    Flux(Box<FluxSelector>),
}

#[derive(Clone, Debug)]
pub(super) struct ArgoSelector {
    group: NamePattern,
    kind: NamePattern,
    namespace: String,
    name: String,
}

#[derive(Clone, Debug)]
pub(super) struct FluxSelector {
    group: NamePattern,
    kind: NamePattern,
    namespace: NamePattern,
    name: NamePattern,
    labels: LabelSelector,
    annotations: LabelSelector,
}

impl Selector {
    /// All objects.
    pub(super) fn any() -> Self {
        let any = || NamePattern::Any;
        Self::Argo(Box::new(ArgoSelector { group: any(), kind: any(), namespace: String::new(), name: String::new() }))
    }

    /// The objects that an entry of `ignoreDifferences` is for.
    pub(super) fn argo(entry: &Value, budget: &mut RuleBudget) -> Result<Self, PatternError> {
        Ok(Self::Argo(Box::new(ArgoSelector {
            group: NamePattern::glob(&text(entry, "/group"), budget)?,
            kind: NamePattern::glob(&text(entry, "/kind"), budget)?,
            namespace: text(entry, "/namespace"),
            name: text(entry, "/name"),
        })))
    }

    /// Objects of these groups and kinds, which are globs.
    pub(super) fn of_kind(group: &str, kind: &str, budget: &mut RuleBudget) -> Result<Self, PatternError> {
        let (group, kind) = (NamePattern::glob(group, budget)?, NamePattern::glob(kind, budget)?);
        Ok(Self::Argo(Box::new(ArgoSelector { group, kind, namespace: String::new(), name: String::new() })))
    }

    /// The objects that a `target` is for; all, where there is none.
    pub(super) fn flux(target: Option<&Value>, budget: &mut RuleBudget) -> Result<Self, PatternError> {
        let target = target.unwrap_or(&Value::Null);
        let mut pattern = |pointer: &str| NamePattern::whole_name(&text(target, pointer), budget);
        Ok(Self::Flux(Box::new(FluxSelector {
            group: pattern("/group")?,
            kind: pattern("/kind")?,
            namespace: pattern("/namespace")?,
            name: pattern("/name")?,
            labels: label_selector(&text(target, "/labelSelector"))?,
            annotations: label_selector(&text(target, "/annotationSelector"))?,
        })))
    }

    /// Whether the rule is for the object. `object` is asked for its labels and annotations.
    pub(super) fn matches(&self, key: ObjectKey<'_>, object: &Value) -> bool {
        match self {
            Self::Argo(selector) => {
                let ArgoSelector { group, kind, namespace, name } = &**selector;
                group.matches(key.group)
                    && kind.matches(key.kind)
                    && (namespace.is_empty() || namespace == key.namespace)
                    && (name.is_empty() || name == key.name)
            }
            Self::Flux(selector) => selector.matches(key, object),
        }
    }
}

impl FluxSelector {
    fn matches(&self, key: ObjectKey<'_>, object: &Value) -> bool {
        self.group.matches(key.group)
            && self.kind.matches(key.kind)
            && self.namespace.matches(key.namespace)
            && self.name.matches(key.name)
            && self.labels.matches(&object["metadata"]["labels"])
            && self.annotations.matches(&object["metadata"]["annotations"])
    }
}

fn label_selector(text: &str) -> Result<LabelSelector, PatternError> {
    LabelSelector::parse(text).map_err(|part| PatternError::Invalid(format!("`{part}` is not a requirement of labels")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: ObjectKey<'_> = ObjectKey { group: "apps", kind: "Deployment", namespace: "prod", name: "web-1" };

    #[test]
    fn a_target_of_flux_matches_whole_texts() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front"}, "annotations": {"a/b": "1"}}});
        for (target, matches) in [
            (json!(null), true),
            (json!({}), true),
            (json!({"kind": "Deployment"}), true),
            (json!({"kind": "Deploy"}), false),
            (json!({"kind": "Deploy.*"}), true),
            (json!({"name": "^web-.$", "namespace": "prod|test"}), true),
            (json!({"name": "web"}), false),
            (json!({"group": "apps", "labelSelector": "app=web,tier in (front, back)"}), true),
            (json!({"labelSelector": "app==web,!gone,tier"}), true),
            (json!({"labelSelector": "app!=web"}), false),
            (json!({"labelSelector": "tier notin (front)"}), false),
            (json!({"annotationSelector": "a/b=1"}), true),
            (json!({"annotationSelector": "a/b=2"}), false),
        ] {
            let selector = Selector::flux(Some(&target), &mut RuleBudget::default()).unwrap();
            assert_eq!(selector.matches(KEY, &object), matches, "{target}");
        }
    }

    #[test]
    fn a_target_that_cannot_be_read_is_an_error() {
        let too_large = "(a{1000}){1000}";
        for target in [
            json!({"name": "("}),
            json!({"name": too_large}),
            json!({"labelSelector": "a in b"}),
            json!({"labelSelector": "a b"}),
        ] {
            assert!(Selector::flux(Some(&target), &mut RuleBudget::default()).is_err(), "{target}");
        }
    }

    #[test]
    fn an_entry_of_argo_cd_matches_by_globs_and_exact_names() {
        for (entry, matches) in [
            (json!({"group": "apps", "kind": "Deployment"}), true),
            (json!({"group": "*", "kind": "*"}), true),
            (json!({"kind": "Deployment"}), false),
            (json!({"group": "apps", "kind": "*", "name": "web"}), false),
            (json!({"group": "apps", "kind": "*", "name": "web-1", "namespace": "prod"}), true),
            (json!({"group": "apps", "kind": "*", "namespace": "test"}), false),
        ] {
            let selector = Selector::argo(&entry, &mut RuleBudget::default()).unwrap();
            assert_eq!(selector.matches(KEY, &Value::Null), matches, "{entry}");
        }
    }
}
