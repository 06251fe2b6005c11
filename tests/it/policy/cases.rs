//! A case: a write that the recordings lack, and the verdict that it must get.

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::Review;
use driftwall_core::policy::{NamespaceRule, Outcome};

/// Git beside the recorded content.
pub(crate) const GIT: &str = include_str!("git.yaml");

/// A write, and what becomes of it.
pub(crate) struct WriteCase {
    pub(crate) name: &'static str,
    presets: Vec<&'static str>,
    strict: bool,
    review: Review,
    verdict: &'static str,
}

/// A write with the verdict that it deserves.
pub(crate) fn case(name: &'static str, review: Review, verdict: &'static str) -> WriteCase {
    WriteCase { name, presets: Vec::new(), strict: false, review, verdict }
}

impl WriteCase {
    /// In a cluster that has this tool.
    pub(crate) fn preset(self, name: &'static str) -> Self {
        Self { presets: vec![name], ..self }
    }

    /// In a namespace that takes only what Git declares.
    pub(crate) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }
}

/// Evaluates every case; all that are answered otherwise are named at once.
pub(crate) fn check(cases: Vec<WriteCase>, answer: Outcome) {
    let mut wrong = Vec::new();
    for WriteCase { name, presets, strict, review, verdict } in cases {
        let mut evaluator = Evaluator::new(GIT, &presets);
        if strict {
            evaluator.policy.unmanaged = vec![NamespaceRule::new(&["prod".into()], Outcome::Deny).unwrap()];
        }
        let got = evaluator.evaluate(&review);
        if (got.verdict.as_str(), got.outcome) != (verdict, answer) {
            wrong.push(format!(
                "{name}: {} ({}) {:?} {}{}",
                got.verdict,
                got.outcome.as_str(),
                got.fields,
                got.reason,
                got.message()
            ));
        }
        assert_eq!(got.response["allowed"], got.outcome != Outcome::Deny, "{name}");
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Nobody may deny these, or even be warned about them.
pub(crate) fn assert_allowed(cases: Vec<WriteCase>) {
    check(cases, Outcome::Allow);
}

/// Nobody may do these.
pub(crate) fn assert_denied(cases: Vec<WriteCase>) {
    check(cases, Outcome::Deny);
}
