//! Situations that platform engineers meet: `tests/data/situations` has a row for each, with the write as the
//! API server would send it and the answer that is right. `docs/situations.md` is made of the same rows.

mod day_in_audit;
mod git;
mod review;
mod row;

use std::fmt::Write as _;

use crate::harness::evaluator::{Evaluated, Evaluator};
use driftwall::config::Config;
use review::reviews;
use row::{Page, Row};

const DOCUMENT: &str = "docs/situations.md";
/// What follows it is made of the rows.
const MARKER: &str = "<!-- made of tests/data/situations -->\n";

#[test]
fn every_situation_is_answered_as_its_row_says() {
    let mut wrong = Vec::new();
    for page in Page::read_all() {
        for row in &page.rows {
            let Some(evaluator) = evaluator(&page, row) else { continue };
            for (index, review) in reviews(&page, row).iter().enumerate() {
                let got = evaluator.evaluate(review);
                if !row.is_as_expected(&got) {
                    wrong.push(describe(&page, row, index, &got));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn describe(page: &Page, row: &Row, index: usize, got: &Evaluated) -> String {
    let Evaluated { verdict, outcome, fields, reason, .. } = got;
    let (answer, wanted) = (outcome.as_str(), row.answer.as_str());
    format!("{}: {} ({index}): {answer} instead of {wanted}: {verdict} {fields:?} {reason}", page.file, row.write)
}

/// Git, presets and configuration as the row has them; none where a program is missing that renders it.
fn evaluator(page: &Page, row: &Row) -> Option<Evaluator> {
    evaluator_with(page, row, &row.config)
}

/// The same with another configuration.
fn evaluator_with(page: &Page, row: &Row, config: &str) -> Option<Evaluator> {
    let mut evaluator = Evaluator::with_sources(vec![git::contents(page, row)?], &[]);
    let presets = if row.presets.is_empty() { &page.presets } else { &row.presets };
    let mut config: serde_json::Value = serde_saphyr::from_str(config).unwrap_or_default();
    if !config.is_object() {
        config = serde_json::json!({});
    }
    if config["presets"].is_null() {
        config["presets"] = serde_json::json!(presets);
    }
    config["sources"] = serde_json::json!([{"name": "prod", "repo": "/r"}]);
    let config = Config::parse(config.to_string(), std::path::Path::new("driftwall.yaml")).unwrap();
    evaluator.actors = config.actors;
    evaluator.policy = config.policy;
    evaluator.cluster = Box::new(review::cluster(page, row));
    if row.break_glass {
        evaluator.context.break_glass = Some(review::break_glass());
    }
    Some(evaluator)
}

#[test]
fn the_document_has_exactly_these_rows() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, tables) = document.split_once(MARKER).unwrap();
    let expected = tables_of(&Page::read_all());
    if std::env::var_os("DRIFTWALL_RENEW").is_some() {
        std::fs::write(DOCUMENT, format!("{before}{MARKER}{expected}")).unwrap();
        return;
    }
    assert!(tables == expected, "renew it: DRIFTWALL_RENEW=1 cargo test --test it situations::");
}

fn tables_of(pages: &[Page]) -> String {
    let mut text = String::new();
    for page in pages {
        write!(text, "\n## {}\n\n", page.title).unwrap();
        let has_reports = page.rows.iter().any(|row| !row.reports.is_empty());
        let (head, rule) = if has_reports { (" | reported |", " --- |") } else { (" |", "") };
        writeln!(text, "| the write | answer | why{head}\n| --- | --- | --- |{rule}").unwrap();
        for row in &page.rows {
            let reports: Vec<_> = row.reports.iter().map(|report| link_to(report)).collect();
            let reports = if has_reports { format!(" {} |", reports.join(", ")) } else { String::new() };
            let Row { write, answer, why, .. } = row;
            writeln!(text, "| {write} | {} | {why} |{reports}", answer.in_words()).unwrap();
        }
    }
    text
}

/// `OWNER/REPOSITORY#NUMBER` as a link; an address as it is.
fn link_to(report: &str) -> String {
    match report.split_once('#') {
        Some((repository, number)) if !report.starts_with("https://") => {
            format!("[{report}](https://github.com/{repository}/issues/{number})")
        }
        _ => format!("<{report}>"),
    }
}

#[test]
fn every_row_says_why_and_no_two_are_alike() {
    let mut seen = std::collections::BTreeSet::new();
    for page in Page::read_all() {
        assert!(!page.rows.is_empty(), "{}", page.file);
        for row in &page.rows {
            let is_told = !row.why.is_empty() && !row.write.contains(['|', '\n']) && !row.why.contains(['|', '\n']);
            assert!(is_told, "{}: {}", page.file, row.write);
            assert!(seen.insert(row.write.clone()), "{}: {} is there twice", page.file, row.write);
            for report in &row.reports {
                let is_issue = report.split_once('#').is_some_and(|(repository, number)| {
                    repository.matches('/').count() == 1 && number.parse::<u32>().is_ok()
                });
                assert!(is_issue || report.starts_with("https://"), "{}: {report} is no report", page.file);
            }
        }
    }
}
