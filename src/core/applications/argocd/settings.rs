//! The settings of Argo CD that say what it leaves alone: the ConfigMap `argocd-cm`
//! (`argoproj/argo-cd`, `util/settings/settings.go`).

use std::sync::Arc;

use globset::GlobSet;
use regex::Regex;
use serde_json::Value;

use super::super::application::ListedObject;
use super::super::fields::{items, texts};
use super::super::ignored::{DifferenceRule, OwnRules};
use super::super::name_pattern::{PatternError, expression as compile};
use super::super::rule_budget::{RuleBudget, TooMuch};
use super::super::selector::Selector;
use super::ignore_differences;
use crate::glob;
use crate::manifest;

/// The settings, as far as they matter here.
#[derive(Clone, Debug, Default)]
pub struct ArgocdSettings {
    /// What is ignored in all applications.
    pub(super) ignored: Vec<Arc<DifferenceRule>>,
    excluded: Vec<KindFilter>,
    included: Vec<KindFilter>,
    /// How objects are marked.
    pub(super) tracking: Arc<Tracking>,
    /// Whether syncs write as accounts of the project.
    pub(in super::super) has_impersonation: bool,
    /// What of them is not understood.
    pub notes: Vec<String>,
}

/// How Argo CD marks the objects that it deploys
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tracking {
    /// Whether by the label, and not by the annotation.
    pub(crate) is_by_label: bool,
    pub(crate) label: String,
    /// Which of several Argo CDs this is; empty for the only one.
    pub(crate) installation: String,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { is_by_label: false, label: "app.kubernetes.io/instance".to_owned(), installation: String::new() }
    }
}

/// Kinds that Argo CD leaves alone, or that it looks at alone.
#[derive(Clone, Debug)]
struct KindFilter {
    groups: GlobSet,
    kinds: GlobSet,
}

/// The older form of what is ignored.
const CUSTOMIZATIONS: &str = "resource.customizations";

const IGNORE_PREFIX: &str = "resource.customizations.ignoreDifferences.";

impl ArgocdSettings {
    /// Reads the ConfigMap. What cannot be read is noted, and changes nothing.
    pub fn parse(config_map: &Value) -> Self {
        let mut settings = Self::default();
        let mut own = OwnRules::default();
        let mut budget = RuleBudget::default();
        for (key, value) in config_map["data"].as_object().into_iter().flatten() {
            let Some(value) = value.as_str() else { continue };
            match key.as_str() {
                "application.sync.impersonation.enabled" => settings.has_impersonation = value.trim() == "true",
                "application.resourceTrackingMethod" => {
                    Arc::make_mut(&mut settings.tracking).is_by_label = value.trim() == "label";
                }
                "application.instanceLabelKey" if !value.trim().is_empty() => {
                    value.trim().clone_into(&mut Arc::make_mut(&mut settings.tracking).label);
                }
                "installationID" => value.trim().clone_into(&mut Arc::make_mut(&mut settings.tracking).installation),
                "resource.exclusions" => settings.excluded = settings.filters(key, value),
                "resource.inclusions" => settings.included = settings.filters(key, value),
                CUSTOMIZATIONS => settings.add_customizations(value, &mut own, &mut budget),
                _ => {
                    if let Some(target) = key.strip_prefix(IGNORE_PREFIX) {
                        let target = target.split_once('_').unwrap_or(("", target));
                        add_ignored(key, target, value, &mut own, &mut budget);
                    }
                }
            }
        }
        let OwnRules { rules, notes } = own;
        settings.ignored = rules;
        settings.notes.extend(notes);
        settings
    }

    /// The older form: one document, with `GROUP/KIND` as its keys.
    fn add_customizations(&mut self, value: &str, own: &mut OwnRules, budget: &mut RuleBudget) {
        let customizations = self.yaml(CUSTOMIZATIONS, value);
        for (target, customization) in customizations.as_object().into_iter().flatten() {
            if let Some(rule) = customization["ignoreDifferences"].as_str() {
                add_ignored(CUSTOMIZATIONS, customized_target(target), rule, own, budget);
            }
        }
    }

    fn filters(&mut self, key: &str, value: &str) -> Vec<KindFilter> {
        let list = self.yaml(key, value);
        let mut filters = Vec::new();
        for entry in items(&list, "") {
            let or_any = |globs: Vec<String>| if globs.is_empty() { vec!["*".to_owned()] } else { globs };
            let (groups, kinds) = (or_any(texts(entry, "/apiGroups")), or_any(texts(entry, "/kinds")));
            // One for certain clusters may be for another one.
            let clusters = texts(entry, "/clusters");
            if !clusters.is_empty() && !clusters.iter().any(|cluster| cluster == "*") {
                continue;
            }
            match (glob::set(&groups), glob::set(&kinds)) {
                (Ok(groups), Ok(kinds)) => filters.push(KindFilter { groups, kinds }),
                _ => self.notes.push(format!("{key}: an entry has a pattern that cannot be read")),
            }
        }
        filters
    }

    fn yaml(&mut self, key: &str, value: &str) -> Value {
        match manifest::parse_value(value) {
            Ok(value) => value,
            Err(reason) => {
                self.notes.push(format!("{key} cannot be read: {reason}"));
                Value::Null
            }
        }
    }

    /// Whether Argo CD looks at objects of this kind.
    pub(super) fn watches(&self, object: &ListedObject) -> bool {
        self.watches_kind(&object.group, &object.kind)
    }

    /// The same of a kind.
    pub(in super::super) fn watches_kind(&self, group: &str, kind: &str) -> bool {
        let is_in = |filters: &[KindFilter]| {
            filters.iter().any(|filter| filter.groups.is_match(group) && filter.kinds.is_match(kind))
        };
        !is_in(&self.excluded) && (self.included.is_empty() || is_in(&self.included))
    }
}

/// A rule of what is ignored in all objects of a kind, as it is written.
#[derive(Clone, Debug)]
pub(in super::super) struct IgnoredEntry {
    /// The key of the ConfigMap.
    pub(in super::super) key: String,
    /// Group and kind, as globs.
    pub(in super::super) target: (String, String),
    text: String,
    /// `None` where it cannot be read.
    pub(in super::super) rule: Option<Value>,
}

impl IgnoredEntry {
    fn new(key: &str, (group, kind): (&str, &str), text: &str) -> Self {
        let (group, kind) = if (group, kind) == ("", "all") { ("*", "*") } else { (group, kind) };
        let target = (group.to_owned(), kind.to_owned());
        Self { key: key.to_owned(), target, text: text.to_owned(), rule: manifest::parse_value(text).ok() }
    }

    /// Whether both are written alike.
    pub(in super::super) fn is_same(&self, other: &Self) -> bool {
        self.target == other.target && self.text == other.text
    }
}

/// The rules of what is ignored in a ConfigMap, as they are written.
pub(in super::super) fn ignored_entries(config_map: &Value) -> Vec<IgnoredEntry> {
    let mut entries = Vec::new();
    for (key, value) in config_map["data"].as_object().into_iter().flatten() {
        let Some(value) = value.as_str() else { continue };
        if let Some(target) = key.strip_prefix(IGNORE_PREFIX) {
            entries.push(IgnoredEntry::new(key, target.split_once('_').unwrap_or(("", target)), value));
        } else if key == CUSTOMIZATIONS {
            let customizations = manifest::parse_value(value).unwrap_or_default();
            for (target, customization) in customizations.as_object().into_iter().flatten() {
                if let Some(rule) = customization["ignoreDifferences"].as_str() {
                    entries.push(IgnoredEntry::new(key, customized_target(target), rule));
                }
            }
        }
    }
    entries
}

/// Group and kind of a key of the older form.
fn customized_target(target: &str) -> (&str, &str) {
    match target {
        "all" | "*/*" => ("", "all"),
        target => target.split_once('/').unwrap_or(("", target)),
    }
}

/// Adds what is ignored in objects of a kind; `all` is every kind.
fn add_ignored(key: &str, (group, kind): (&str, &str), value: &str, own: &mut OwnRules, budget: &mut RuleBudget) {
    let (group, kind) = if (group, kind) == ("", "all") { ("*", "*") } else { (group, kind) };
    let rule = match Selector::of_kind(group, kind, budget) {
        Ok(selector) => match manifest::parse_value(value) {
            Ok(rule) => ignore_differences::read(&rule, selector, budget),
            Err(reason) => {
                let note = format!("it cannot be read ({reason}): drift of its objects is a warning at most");
                Ok((DifferenceRule::unknown(selector), vec![note]))
            }
        },
        Err(PatternError::Invalid(reason)) => Ok((DifferenceRule::unknown(Selector::any()), vec![reason])),
        Err(PatternError::TooMuch) => Err(TooMuch),
    };
    match rule {
        Ok((rule, notes)) => {
            own.push(rule);
            for note in notes {
                own.note(format!("{key}: {note}"));
            }
        }
        Err(TooMuch) => own.cut_short(key),
    }
}

/// The namespaces from which the controller takes Applications, beside its own: `application.namespaces` of
/// `argocd-cmd-params-cm`, globs and regular expressions between slashes
/// (<https://argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace/>).
#[derive(Clone, Debug, Default)]
pub struct ApplicationNamespaces {
    globs: GlobSet,
    expressions: Vec<Regex>,
}

impl ApplicationNamespaces {
    /// Reads the ConfigMap; an entry that cannot be read names no namespace.
    pub fn parse(config_map: &Value) -> Self {
        let list = config_map["data"]["application.namespaces"].as_str().unwrap_or_default();
        Self::of_list(&list.split(',').collect::<Vec<_>>())
    }

    /// The namespaces that a list names.
    pub(super) fn of_list(list: &[impl AsRef<str>]) -> Self {
        let (mut globs, mut expressions, mut budget) = (Vec::new(), Vec::new(), RuleBudget::default());
        for entry in list.iter().map(|entry| entry.as_ref().trim()).filter(|entry| !entry.is_empty()) {
            match entry.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
                Some(expression) => {
                    expressions.extend(compile(expression, &mut budget).ok().flatten());
                }
                None if glob::matcher(entry).is_ok() => globs.push(entry),
                None => {}
            }
        }
        Self { globs: glob::set(&globs).unwrap_or_default(), expressions }
    }

    /// Whether the namespace is one of them.
    pub(in super::super) fn contain(&self, namespace: &str) -> bool {
        self.globs.is_match(namespace) || self.expressions.iter().any(|expression| expression.is_match(namespace))
    }
}
