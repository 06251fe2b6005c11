//! `driftwall config tables`: what driftwall knows of other programs, as Markdown, with sources.

use driftwall_core::actor::PRESETS;
use driftwall_core::policy::{HAND_OVERS, HandedFields, PROTECTED_KEYS, Place, ProtectedFrom, RUNTIME_ANNOTATIONS};

/// All tables, one after the other.
pub(super) fn tables() -> String {
    [protected_keys(), hand_overs(), runtime_annotations(), presets()].join("\n")
}

/// A table of these rows, each with its source in the last column.
fn table(title: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rules = vec!["---".to_owned(); heads.len()];
    let rows: String = rows.iter().map(|cells| line(cells)).collect();
    format!("## {title}\n\n{}{}{rows}", line(&heads), line(&rules))
}

fn code(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn kind(group: &str, kind: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    format!("{kind} ({group})").replace('*', "\\*")
}

fn protected_keys() -> String {
    let row = |row: &driftwall_core::policy::ProtectedKeys| {
        let from = match row.from {
            ProtectedFrom::Everyone => "persons and workloads",
            ProtectedFrom::People => "persons",
            ProtectedFrom::Tracking => "persons; workloads may not change it",
        };
        vec![
            code(row.keys),
            row.answer.as_str().to_owned(),
            from.to_owned(),
            row.does.to_owned(),
            row.source.to_owned(),
        ]
    };
    let heads = ["keys", "answer", "to", "what they do", "source"];
    table("Protected labels and annotations", &heads, &PROTECTED_KEYS.iter().map(row).collect::<Vec<_>>())
}

fn hand_overs() -> String {
    let row = |row: &driftwall_core::policy::HandOver| {
        let fields = match row.fields {
            HandedFields::Paths(paths) => code(paths),
            HandedFields::AcmeChallenges => "paths below `/.well-known/acme-challenge/`".to_owned(),
            HandedFields::TriggeredImages => "images that the annotation names".to_owned(),
            HandedFields::UpdatedImages => "`kustomize.images`, and `helm.parameters` that annotations name".to_owned(),
        };
        vec![code(&[row.mark]), kind(row.group, row.kind), fields, row.source.to_owned()]
    };
    let heads = ["label or annotation in Git", "kind", "fields that workloads may change", "source"];
    table("Handed over", &heads, &HAND_OVERS.iter().map(row).collect::<Vec<_>>())
}

fn runtime_annotations() -> String {
    let row = |row: &driftwall_core::policy::RuntimeAnnotation| {
        let place = match row.place {
            Place::Object => "the object",
            Place::ObjectOrTemplate => "the object or its Pod template",
        };
        vec![code(&[row.key]), place.to_owned(), row.does.to_owned(), row.source.to_owned()]
    };
    let heads = ["annotation", "on", "what it does, or who writes it", "source"];
    table("Annotations that are written at runtime", &heads, &RUNTIME_ANNOTATIONS.iter().map(row).collect::<Vec<_>>())
}

fn presets() -> String {
    let row = |preset: &driftwall_core::actor::Preset| {
        let fields = preset.fields.iter().map(|(group, name, paths)| format!("{}: {}", kind(group, name), code(paths)));
        let fields = if preset.fields.is_empty() { "–".to_owned() } else { fields.collect::<Vec<_>>().join("; ") };
        let class = preset.class.to_string();
        vec![code(&[preset.name]), class, code(preset.users), fields, preset.source.to_owned()]
    };
    let heads = ["preset", "class", "users", "fields that it may change", "source"];
    table("Presets", &heads, &PRESETS.iter().map(row).collect::<Vec<_>>())
}
