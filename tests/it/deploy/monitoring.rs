//! The kustomization in `deploy/monitoring/`: alerts and a dashboard. That they use only existing metrics is tested
//! beside the metrics.

use std::collections::HashSet;

use serde_json::Value;

use crate::deploy::manifests::{Program, find, is_one_that_the_api_has, read};

#[test]
fn every_object_is_in_the_namespace_of_the_base() {
    let Some(kubectl) = Program::find("kubectl") else { return };
    let built = read("built", kubectl.print(&["kustomize", "deploy/monitoring"]).as_bytes());
    assert_eq!(built.len(), 3);
    for object in &built {
        is_one_that_the_api_has(object, "driftwall");
    }
    let base = std::fs::read("deploy/30-service.yaml").unwrap();
    let service = find(&read("base", &base), "Service").value.clone();
    let monitor = &find(&built, "ServiceMonitor").value;
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    let port = &monitor["spec"]["endpoints"][0]["port"];
    assert!(service["spec"]["ports"].as_array().unwrap().iter().any(|there| there["name"] == *port));
}

#[test]
fn every_alert_has_a_unique_name_a_severity_and_a_description() {
    let rule = read("rule", &std::fs::read("deploy/monitoring/prometheusrule.yaml").unwrap());
    let rules = rule[0].value["spec"]["groups"][0]["rules"].as_array().unwrap().clone();
    let mut names = HashSet::new();
    for rule in &rules {
        assert!(names.insert(rule["alert"].as_str().unwrap()), "{rule}");
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("critical" | "warning")), "{rule}");
        for words in ["summary", "description"] {
            assert!(rule["annotations"][words].as_str().is_some_and(|words| !words.is_empty()), "{rule}");
        }
        let expression = rule["expr"].as_str().unwrap();
        assert_eq!(expression.matches('(').count(), expression.matches(')').count(), "{expression}");
    }
    assert!(names.len() >= 7);
}

#[test]
fn the_panels_of_the_dashboard_do_not_cover_each_other() {
    let text = std::fs::read_to_string("deploy/monitoring/driftwall.json").unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut taken = HashSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
    }
}
