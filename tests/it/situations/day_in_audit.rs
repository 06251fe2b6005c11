//! A day in audit mode, of the same rows: every machine that meets Git there writes again and again, people beside it.
//! What `driftwall suggest` then prints, pasted into the configuration, lets each machine's write pass and no person's.

use std::fmt::Write as _;

use driftwall_core::actor::{Class, passes_on_what_people_tell};
use driftwall_core::diff::Path;
use driftwall_core::drift_memory::{DriftMemory, suggestion};
use driftwall_core::policy::{Verdict, takes_object_away};
use serde_json::Value;

use super::review::reviews;
use super::row::{Page, Row};
use super::{evaluator, evaluator_with};
use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::Review;

/// How often each write is seen.
const TIMES: usize = 3;

/// The suggestion after a day of these writes, each with the evaluator that judges it.
fn suggested<'a>(writes: impl IntoIterator<Item = (&'a Evaluator, &'a Review)>, presets: &[String]) -> String {
    let mut memory = DriftMemory::default();
    for (evaluator, review) in writes {
        for _ in 0..TIMES {
            evaluator.record(review, &mut memory);
        }
    }
    suggestion(&memory.recurrences(), presets, TIMES as u64)
}

/// A row's configuration with a suggestion: its items come first.
fn pasted(row: &Row, suggestion: &str) -> String {
    let parse = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap_or_default();
    let (mut config, suggested) = (parse(&row.config), parse(suggestion));
    if !config.is_object() {
        config = serde_json::json!({});
    }
    for (key, value) in suggested.as_object().into_iter().flatten() {
        let mut items = value.as_array().unwrap().clone();
        items.extend(config[key].as_array().cloned().unwrap_or_default());
        config[key] = items.into();
    }
    config.to_string()
}

/// Presets are the row's and the page's: the suggestion names them all.
fn presets<'a>(page: &'a Page, row: &'a Row) -> &'a [String] {
    if row.presets.is_empty() { &page.presets } else { &row.presets }
}

/// Whether a field is a label or annotation that takes an object from its tool or from driftwall for everybody.
fn is_mark(field: &str) -> bool {
    let path: Path = field.parse().unwrap();
    path.starts_with(&["metadata"]) && path.last_field().is_some_and(takes_object_away)
}

fn is_of_people(class: Class, review: &Review) -> bool {
    class == Class::Person || passes_on_what_people_tell(review.0["request"]["userInfo"]["username"].as_str().unwrap())
}

#[test]
fn what_is_suggested_lets_each_machine_pass_and_no_person() {
    let mut wrong = Vec::new();
    let (mut machines, mut people) = (0, 0);
    let mut table =
        String::from("| writer | kind | fields | times | entry | before | after |\n|---|---|---|---|---|---|---|\n");
    for page in Page::read_all() {
        for row in &page.rows {
            let Some(before) = evaluator(&page, row) else { continue };
            let reviews = reviews(&page, row);
            let text = suggested(reviews.iter().map(|review| (&before, review)), presets(&page, row));
            let Some(after) = evaluator_with(&page, row, &pasted(row, &text)) else { continue };
            for review in &reviews {
                let (was, is) = (before.evaluate(review), after.evaluate(review));
                // What a dry run would drift is not remembered: it changes nothing.
                if was.verdict != Verdict::Drift || review.0["request"]["dryRun"] == true {
                    continue;
                }
                let by_people = is_of_people(was.class, review);
                *if by_people { &mut people } else { &mut machines } += 1;
                let stays = by_people || was.fields.iter().any(|field| is_mark(field));
                let is_right = (is.verdict == Verdict::Drift && is.outcome == was.outcome) == stays;
                if !is_right {
                    wrong.push(format!("{}: {}: {} {:?}\n{text}", page.file, row.write, is.verdict, is.fields));
                }
                if !by_people {
                    let request = &review.0["request"];
                    let user = request["userInfo"]["username"].as_str().unwrap();
                    let entry: Vec<_> =
                        text.lines().filter(|line| !line.trim_start().starts_with('#')).map(str::trim).collect();
                    writeln!(
                        table,
                        "| {user} | {} {} | {} | {TIMES} | {} | {} | {} |",
                        request["operation"].as_str().unwrap(),
                        request["kind"]["kind"].as_str().unwrap(),
                        was.fields.join(", "),
                        entry.join(" "),
                        was.outcome.as_str(),
                        is.outcome.as_str(),
                    )
                    .unwrap();
                }
            }
        }
    }
    if let Some(file) = std::env::var_os("DRIFTWALL_DAY_TABLE") {
        std::fs::write(file, table).unwrap();
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(machines >= 20 && people >= 100, "{machines} {people}");
}

#[test]
fn what_is_suggested_for_all_machines_of_a_page_lets_no_person_pass() {
    for page in Page::read_all() {
        let rows: Vec<_> = page.rows.iter().filter(|row| row.presets.is_empty() && row.config.is_empty()).collect();
        let judged: Vec<_> = rows.iter().filter_map(|row| Some((row, evaluator(&page, row)?))).collect();
        let reviews: Vec<_> = judged.iter().map(|(row, _)| reviews(&page, row)).collect();
        let writes = judged.iter().zip(&reviews);
        let writes = writes.flat_map(|((_, evaluator), reviews)| reviews.iter().map(move |review| (evaluator, review)));
        let text = suggested(writes, &page.presets);
        for ((row, before), reviews) in judged.iter().zip(&reviews) {
            let after = evaluator_with(&page, row, &pasted(row, &text)).unwrap();
            for review in reviews {
                let was = before.evaluate(review);
                if was.verdict == Verdict::Drift && is_of_people(was.class, review) {
                    let is = after.evaluate(review);
                    assert_eq!((is.verdict, is.outcome), (was.verdict, was.outcome), "{}\n{text}", row.write);
                    assert_eq!(is.fields, was.fields, "{}\n{text}", row.write);
                }
            }
        }
    }
}
