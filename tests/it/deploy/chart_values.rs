//! The table of values in the chart's README, which is made of `values.yaml`.

use std::fmt::Write as _;

const VALUES: &str = "deploy/chart/values.yaml";
const README: &str = "deploy/chart/README.md";
const MARK: &str = "<!-- made of values.yaml -->\n";

/// One value, with what is written about it.
struct ValueRow {
    path: String,
    default: String,
    description: String,
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The key of a line that begins an entry, and the rest of the line.
fn key(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = line.trim_start().split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_key.then_some((key, rest.trim()))
}

/// The value and the comment behind it.
fn value_and_comment(rest: &str) -> (&str, &str) {
    match rest.split_once("# ") {
        Some((value, comment)) => (value.trim(), comment.trim()),
        None => (rest, ""),
    }
}

fn rows(text: &str) -> Vec<ValueRow> {
    let mut rows: Vec<ValueRow> = Vec::new();
    let mut above: Vec<&str> = Vec::new();
    let mut parents: Vec<(usize, &str)> = Vec::new();
    // The indent of the list whose items are passed over.
    let mut in_list = None;
    for line in text.lines() {
        let depth = indent(line);
        if let Some(comment) = line.trim_start().strip_prefix('#') {
            above.push(comment.trim());
        } else if line.trim_start().starts_with("- ") {
            in_list = Some(depth);
            above.clear();
            "see values.yaml".clone_into(&mut rows.last_mut().unwrap().default);
        } else if in_list.is_some_and(|list| depth > list) {
            above.clear();
        } else if let Some((key, rest)) = key(line) {
            in_list = None;
            parents.retain(|(parent, _)| *parent < depth);
            let names = parents.iter().map(|(_, name)| *name).chain([key]);
            let (value, behind) = value_and_comment(rest);
            let words: Vec<_> = above.drain(..).chain([behind]).filter(|words| !words.is_empty()).collect();
            rows.push(ValueRow {
                path: names.collect::<Vec<_>>().join("."),
                default: value.to_owned(),
                description: words.join(" "),
            });
            parents.push((depth, key));
        } else {
            above.clear();
        }
    }
    rows
}

#[test]
fn the_readme_of_the_chart_describes_every_value() {
    let mut table = "| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for ValueRow { path, default, description } in rows(&std::fs::read_to_string(VALUES).unwrap()) {
        if default.is_empty() && description.is_empty() {
            continue;
        }
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        writeln!(table, "| `{path}` | {default} | {} |", description.replace('|', "\\|").replace('<', "&lt;")).unwrap();
    }
    let readme = std::fs::read_to_string(README).unwrap();
    let (before, made) = readme.split_once(MARK).unwrap();
    if std::env::var_os("DRIFTWALL_RENEW").is_some() {
        std::fs::write(README, format!("{before}{MARK}\n{table}")).unwrap();
        return;
    }
    assert_eq!(made, format!("\n{table}"), "{README} is not what {VALUES} says: run this test with DRIFTWALL_RENEW=1");
}
