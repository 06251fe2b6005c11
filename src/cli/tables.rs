//! `driftwall config tables`: what driftwall knows of other programs, as Markdown, with sources.

use driftwall_core::actor::PRESETS;
use driftwall_core::policy::{
    HAND_OVERS, HandedFields, Place, ProtectedFrom, RUN_CONTROLS, RUNTIME_ANNOTATIONS, protected_keys,
};

/// All tables, one after the other.
pub(super) fn tables() -> String {
    [keys(), hand_overs(), runtime_annotations(), run_controls(), presets()].join("\n")
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

fn keys() -> String {
    let mut rows = Vec::new();
    for row in protected_keys() {
        let from = match row.from {
            ProtectedFrom::Everyone => "persons and workloads",
            ProtectedFrom::People => "persons",
            ProtectedFrom::Tracking => "persons; workloads may not change it",
        };
        // A line for each tool: each has its own source.
        for of_tool in row.keys {
            let cells = [&code(of_tool.keys), row.answer.as_str(), from, row.does, of_tool.source];
            rows.push(cells.map(str::to_owned).to_vec());
        }
    }
    let heads = ["keys", "answer", "to", "what they do", "source"];
    table("Protected labels and annotations", &heads, &rows)
}

fn hand_overs() -> String {
    let row = |row: &driftwall_core::policy::HandOver| {
        let fields = match row.fields {
            HandedFields::Paths(paths) => code(paths),
            HandedFields::AcmeChallenges => "paths below `/.well-known/acme-challenge/`".to_owned(),
            HandedFields::ImageChanges => "images of the containers that it names".to_owned(),
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

fn run_controls() -> String {
    let row = |row: &driftwall_core::policy::RunControl| {
        vec![kind(row.group, row.kind), code(&[&format!("spec.{}", row.field)]), row.source.to_owned()]
    };
    let heads = ["run of what Git declares", "field that ends or holds it", "source"];
    table("Runs", &heads, &RUN_CONTROLS.iter().map(row).collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of each row of each table.
    fn rows(text: &str) -> Vec<Vec<&str>> {
        let mut rows = Vec::new();
        for table in text.split("## ").skip(1) {
            let lines = table.lines().filter(|line| line.starts_with('|'));
            let cells: Vec<Vec<_>> = lines.map(|line| line.trim_matches(['|', ' ']).split(" | ").collect()).collect();
            assert!(cells.len() > 2 && cells.iter().all(|row| row.len() == cells[0].len()), "{table}");
            // Below the head and its rule.
            rows.extend_from_slice(&cells[2..]);
        }
        rows
    }

    #[test]
    fn every_row_is_printed_whole_and_says_where_it_is_written() {
        let text = tables();
        assert_eq!(text.matches("## ").count(), 5);
        for row in rows(&text) {
            assert!(row.iter().all(|cell| !cell.trim().is_empty()), "{row:?}");
            let source = row[row.len() - 1];
            assert!(source.starts_with("https://") || source == "driftwall", "{row:?}");
        }
    }

    #[test]
    fn everything_that_is_known_of_other_programs_is_printed() {
        let text = tables();
        let keys = protected_keys().flat_map(driftwall_core::policy::ProtectedKeys::globs);
        let others = HAND_OVERS.iter().map(|row| row.mark).chain(RUNTIME_ANNOTATIONS.iter().map(|row| row.key));
        for name in keys.chain(others).chain(PRESETS.iter().map(|preset| preset.name)) {
            assert!(text.contains(&format!("`{name}`")), "{name} is not printed");
        }
        for preset in PRESETS {
            for user in preset.users {
                assert!(text.contains(&format!("`{user}`")), "{user} is not printed");
            }
        }
    }

    #[test]
    fn no_key_is_protected_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for key in protected_keys().flat_map(driftwall_core::policy::ProtectedKeys::globs) {
            assert!(seen.insert(key), "{key} is in two rows");
        }
    }
}
