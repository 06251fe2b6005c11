//! Writes that change thousands of fields: a bounded number is named, and the answer is that to all of them.

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, review_of_yaml};
use driftwall_core::policy::{IgnoreRule, NamespaceRule, Outcome, Verdict};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const GIT: &str = "
apiVersion: example.com/v1
kind: Widget
metadata: {name: gadget, namespace: prod}
spec: {size: 2, zone: a}
";

/// As many fields are named.
const MAX_NAMED: usize = 1000;

fn write() -> Review {
    review_of_yaml("widgets", GIT)
}

fn many(prefix: &str, count: usize, value: &Value) -> Map<String, Value> {
    (0..count).map(|number| (format!("{prefix}{number:06}"), value.clone())).collect()
}

fn evaluator(extras: Outcome, ignored: &[&str]) -> Evaluator {
    let mut evaluator = Evaluator::new(GIT, &[]);
    evaluator.policy.extras = vec![NamespaceRule::new(&[], extras).unwrap()];
    let paths: Vec<_> = ignored.iter().map(|path| (*path).to_owned()).collect();
    if !paths.is_empty() {
        evaluator.policy.ignore = vec![IgnoreRule::new("*", "*", "*", "*", &paths).unwrap()];
    }
    evaluator
}

#[test]
fn declared_drift_behind_thousands_of_other_fields_is_denied_and_named() {
    // `aaa…` come before the declared fields, `zzz…` after them.
    for prefix in ["aaa", "zzz"] {
        for (field, value) in [("size", json!(3)), ("zone", json!("b"))] {
            let review = write().by("alice").with_object(|object| {
                object["spec"].as_object_mut().unwrap().extend(many(prefix, 5000, &json!("x")));
                object["spec"][field] = value;
            });
            let found = evaluator(Outcome::Warn, &[]).evaluate(&review);
            assert_eq!((found.verdict, found.outcome), (Verdict::Drift, Outcome::Deny), "{prefix} {field}");
            assert_eq!(found.fields.len(), MAX_NAMED);
            assert_eq!(found.fields[0], format!("spec.{field}"), "what makes the answer is named first");
            assert!(found.message().contains(&format!("spec.{field}")), "{}", found.message());
            let message = found.message();
            assert!(message.contains("more"), "{message}");
        }
    }
}

#[test]
fn thousands_of_fields_that_are_no_drift_stay_none() {
    let junk = |object: &mut Value| {
        object["spec"]["free"] = many("a", 5000, &json!({"deep": {"er": [1, 2, {"x": "y"}]}})).into();
    };
    let review = |user: &str| {
        write().by(user).with_both(|object| object["spec"]["free"] = json!({"a000000": {}})).with_object(junk)
    };
    assert_eq!(evaluator(Outcome::Deny, &["spec.free"]).evaluate(&review("alice")).verdict, Verdict::Conforms);
    assert_eq!(evaluator(Outcome::Deny, &[]).evaluate(&review("ci/deployer")).verdict, Verdict::Conforms);
    assert_eq!(evaluator(Outcome::Warn, &[]).evaluate(&review("alice")).outcome, Outcome::Warn);
    assert_eq!(evaluator(Outcome::Deny, &[]).evaluate(&review("alice")).outcome, Outcome::Deny);
    // However long their names are together, and however deep they are.
    let name = "n".repeat(20_000);
    let long = |object: &mut Value| object["spec"]["free"] = many(&name, 1500, &json!(1)).into();
    let deep = |object: &mut Value| {
        let mut value = json!(many("a", 3000, &json!(1)));
        for _ in 0..500 {
            value = json!({"a": value});
        }
        object["spec"]["free"] = value;
    };
    for edit in [&long as &dyn Fn(&mut Value), &deep] {
        let before = |object: &mut Value| {
            edit(object);
            set_leaves(&mut object["spec"]["free"]);
        };
        let review = write().by("alice").with_both(before).with_object(edit);
        assert_eq!(evaluator(Outcome::Deny, &["spec.free"]).evaluate(&review).verdict, Verdict::Conforms);
        let named = evaluator(Outcome::Deny, &[]).evaluate(&review);
        assert_eq!(named.outcome, Outcome::Deny);
        assert!(named.fields.iter().map(String::len).sum::<usize>() < 10 << 20, "the names are bounded together");
    }
}

/// Changes an object.
type Edit = Box<dyn Fn(&mut Value)>;

/// Gives every leaf another value.
fn set_leaves(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(set_leaves),
        leaf => *leaf = json!(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The answer to many changes is the strictest of the answers to each alone.
    #[test]
    fn the_answer_is_the_strictest_of_all(
        extras in prop::sample::select(vec![Outcome::Allow, Outcome::Warn, Outcome::Deny]),
        changes_size in any::<bool>(),
        labels in 0..1200_usize,
        before in 0..1200_usize,
        after in 0..1200_usize,
        by_machine in any::<bool>(),
    ) {
        let evaluator = evaluator(extras, &["metadata.annotations[\"b*\"]"]);
        let user = if by_machine { "ci/deployer" } else { "alice" };
        let parts: [(bool, Edit); 4] = [
            (labels > 0, Box::new(move |object| object["metadata"]["labels"] = many("a", labels, &json!("x")).into())),
            (before > 0, Box::new(move |object| object["spec"].as_object_mut().unwrap().extend(many("a", before, &json!(1))))),
            (after > 0, Box::new(move |object| object["spec"].as_object_mut().unwrap().extend(many("z", after, &json!([1]))))),
            (changes_size, Box::new(|object| object["spec"]["size"] = json!(3))),
        ];
        let mut strictest = Outcome::Allow;
        let mut all = write().by(user);
        for (is_made, edit) in &parts {
            if *is_made {
                strictest = strictest.max(evaluator.evaluate(&write().by(user).with_object(edit)).outcome);
                all = all.with_object(edit);
            }
        }
        prop_assert_eq!(evaluator.evaluate(&all).outcome, strictest);
    }
}
