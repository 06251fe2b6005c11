//! The alerts of `deploy/monitoring/`, as Prometheus' own tool evaluates them: each fires when it should, and not else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::programs;
use crate::deploy::manifests::read;

/// An alert, series under which it fires, and series under which it does not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    alert: String,
    fires: Situation,
    quiet: Vec<Situation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    /// When the alert is looked at, after the first sample.
    at: String,
    /// A sample for each minute, in promtool's notation.
    series: BTreeMap<String, String>,
    /// The labels of the alert that fires, but for its severity.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The groups of rules, as Prometheus reads them from a file.
fn groups() -> Value {
    let rule = read("rule", &std::fs::read("deploy/monitoring/prometheusrule.yaml").unwrap());
    json!({"groups": rule[0].value["spec"]["groups"]})
}

fn rules() -> Vec<Value> {
    groups()["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// What promtool says of files in a folder.
fn promtool(program: &Path, folder: &Path, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("SUCCESS"), "{said}");
}

/// A test of promtool's: the alert fires, as its rule says, or it does not.
fn test(rule: &Value, situation: &Situation, fires: bool) -> Value {
    let Situation { at, series, labels } = situation;
    let series: Vec<_> = series.iter().map(|(series, values)| json!({"series": series, "values": values})).collect();
    let mut expected = Vec::new();
    if fires {
        let mut all = labels.clone();
        all.insert("severity".to_owned(), rule["labels"]["severity"].as_str().unwrap().to_owned());
        let mut annotations = rule["annotations"].clone();
        for text in annotations.as_object_mut().unwrap().values_mut() {
            let filled = labels.iter().fold(text.as_str().unwrap().to_owned(), |text, (label, value)| {
                text.replace(&format!("{{{{ $labels.{label} }}}}"), value)
            });
            assert!(!filled.contains("{{"), "{filled}");
            *text = filled.into();
        }
        expected.push(json!({"exp_labels": all, "exp_annotations": annotations}));
    }
    json!({
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [{"eval_time": at, "alertname": rule["alert"], "exp_alerts": expected}],
    })
}

#[test]
fn every_alert_fires_when_it_should_and_not_else() {
    let Some(program) = programs::of_package("/usr/bin/promtool", "prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    // YAML has JSON in it.
    std::fs::write(folder.path().join("rules.yaml"), groups().to_string()).unwrap();
    promtool(program, folder.path(), &["check", "rules", "--lint-fatal", "rules.yaml"]);

    let cases: Vec<Case> = serde_saphyr::from_str(&std::fs::read_to_string("tests/data/alerts.yaml").unwrap()).unwrap();
    let mut rules: BTreeMap<_, _> =
        rules().into_iter().map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule)).collect();
    let mut tests = Vec::new();
    for Case { alert, fires, quiet } in &cases {
        let rule = rules.get(alert).unwrap_or_else(|| panic!("there is no alert {alert}"));
        tests.push(test(rule, fires, true));
        assert!(!quiet.is_empty(), "{alert}");
        tests.extend(quiet.iter().map(|situation| test(rule, situation, false)));
    }
    rules.retain(|alert, _| cases.iter().all(|case| case.alert != *alert));
    assert!(rules.is_empty(), "not in tests/data/alerts.yaml: {:?}", rules.keys());
    let file = json!({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests});
    std::fs::write(folder.path().join("tests.yaml"), file.to_string()).unwrap();
    promtool(program, folder.path(), &["test", "rules", "tests.yaml"]);
}

#[test]
fn every_alert_leads_to_its_entry_of_the_runbook() {
    let runbook = std::fs::read_to_string("deploy/RUNBOOK.md").unwrap();
    let headings: BTreeSet<_> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        assert!(headings.contains(alert), "deploy/RUNBOOK.md has no heading {alert}");
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        // The anchor that GitHub and GitLab give that heading.
        assert!(url.ends_with(&format!("/RUNBOOK.md#{}", alert.to_lowercase())), "{url}");
    }
}

#[test]
fn every_aggregation_keeps_the_cluster() {
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string("deploy/monitoring/driftwall.json").unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = panels.chain(&rules()).map(|with| with["expr"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(expressions.len() > 40);
    for expression in expressions {
        for labels in expression.split(" by (").skip(1) {
            assert!(labels.starts_with("cluster") || labels.starts_with("le)"), "{expression}");
        }
    }
}
