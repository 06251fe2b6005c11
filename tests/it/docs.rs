//! The documentation: its links lead somewhere, and it names what there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const METRICS: &str = "docs/metrics.md";
/// Names that are no longer there are what a changelog is about.
const CHANGELOG: &str = "CHANGELOG.md";

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&read(&page)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { folder_of(&page).join(file) };
            if !target.exists() {
                broken.push(format!("{}: {link}", page.display()));
            } else if !anchor.is_empty() && !anchors(&read(&target)).contains(anchor) {
                broken.push(format!("{}: {link}: there is no such heading", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_has_at_most_150_lines() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!(lines <= 150, "{lines} lines");
}

#[test]
fn every_metric_is_documented() {
    let documented = metrics_named_in(&read(Path::new(METRICS)));
    for name in registered_metrics() {
        let is_it = |documented: &String| exposed_names(&name).contains(documented);
        assert!(documented.iter().any(is_it), "{name} is not in {METRICS}");
    }
}

#[test]
fn every_page_names_only_metrics_that_exist() {
    let exposed: BTreeSet<String> = registered_metrics().iter().flat_map(|name| exposed_names(name)).collect();
    for page in pages().into_iter().filter(|page| page != Path::new(CHANGELOG)) {
        for name in metrics_named_in(&read(&page)) {
            assert!(exposed.contains(&name), "{}: there is no metric {name}", page.display());
        }
    }
}

#[test]
fn every_alert_is_documented() {
    let page = read(Path::new(METRICS));
    let rules = read(Path::new("deploy/monitoring/prometheusrule.yaml"));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not in {METRICS}");
    }
}

#[test]
fn every_documented_log_message_is_in_the_sources() {
    // The names of fields begin with a small letter.
    let is_message = |text: &String| text.starts_with(|c: char| c.is_ascii_uppercase());
    let messages = described_texts("docs/logs.md").into_iter().filter(is_message);
    assert_texts_are_in_the_sources(messages.collect());
}

#[test]
fn every_documented_message_to_users_is_in_the_sources() {
    assert_texts_are_in_the_sources(described_texts("docs/troubleshooting.md"));
}

#[test]
fn every_page_names_only_alerts_that_exist() {
    let rules = read(Path::new("deploy/monitoring/prometheusrule.yaml"));
    let alerts: BTreeSet<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    for page in pages().into_iter().filter(|page| page != Path::new(CHANGELOG)) {
        for word in read(&page).split(|character: char| !character.is_ascii_alphanumeric()) {
            let is_alert = word.strip_prefix("Driftwall").is_some_and(|rest| !rest.is_empty());
            assert!(!is_alert || alerts.contains(word), "{}: there is no alert {word}", page.display());
        }
    }
}

/// The texts in code style in the first column of a page's tables.
fn described_texts(page: &str) -> Vec<String> {
    let page = read(Path::new(page));
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next().map(str::to_owned));
    let in_code_style = |cell: String| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    cells.flat_map(in_code_style).collect()
}

/// `…` stands for what differs from message to message; the words between are compared.
fn assert_texts_are_in_the_sources(texts: Vec<String>) {
    let code: String = files_below(Path::new("src"), "rs").iter().map(|file| read(file)).collect();
    // A text over several lines is one text, and a brace is doubled in a format.
    let mut joined = String::new();
    for (index, part) in code.split("\\\n").enumerate() {
        joined.push_str(if index == 0 { part } else { part.trim_start() });
    }
    let sources = joined.replace("{{", "{").replace("}}", "}");
    assert!(!texts.is_empty());
    for text in texts {
        let fragments = text.split('…').map(|part| part.trim_matches([' ', ':', '.', ',']));
        for fragment in fragments.filter(|fragment| fragment.len() > 5) {
            assert!(sources.contains(fragment), "`{text}`: there is no `{fragment}` in the sources");
        }
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All pages of the repository, by their paths in it.
fn pages() -> Vec<PathBuf> {
    let at_the_top = std::fs::read_dir(".").unwrap().map(|entry| PathBuf::from(entry.unwrap().file_name()));
    let mut pages: Vec<_> = at_the_top.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    for folder in ["certs", "deploy", "docs", "tests"] {
        pages.extend(files_below(Path::new(folder), "md"));
    }
    assert!(pages.contains(&PathBuf::from("README.md")) && pages.contains(&PathBuf::from(METRICS)));
    pages
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|there| there == ending) {
            files.push(path);
        }
    }
    files
}

fn folder_of(page: &Path) -> &Path {
    page.parent().unwrap_or(Path::new(""))
}

/// Lines outside of fenced code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Targets of links within the repository.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        for after in line.split("](").skip(1) {
            let target = after.split(')').next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Names under which the program registers metrics: a name, and what it means.
fn registered_metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files_below(Path::new("src/telemetry"), "rs") {
        let text = read(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // Texts in quotes are every second part.
        let parts: Vec<_> = code.split('"').collect();
        for window in parts.windows(3).skip(1).step_by(2) {
            let [name, between, help] = window else { continue };
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let is_help = help.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
            if is_name && between.trim() == "," && is_help {
                names.insert((*name).to_owned());
            }
        }
    }
    assert!(names.contains("reviews") && names.contains("source_info"), "{names:?}");
    names
}

/// What the name of a metric can become in its text.
fn exposed_names(registered: &str) -> [String; 6] {
    ["", "_total", "_info", "_bucket", "_count", "_sum"].map(|suffix| format!("driftwall_{registered}{suffix}"))
}

fn metrics_named_in(page: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = page.split(|c| !is_part(c)).filter(|word| word.starts_with("driftwall_") && *word != "driftwall_core");
    words.map(str::to_owned).collect()
}
