//! The answers to many writes at once, in a cluster that runs Argo CD, Flux and KEDA.

use driftwall_core::policy::Outcome;

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::Review;

/// A write, and how it is answered.
pub(super) struct AnswerCase {
    name: &'static str,
    review: Review,
    answer: Outcome,
}

impl AnswerCase {
    pub(super) fn is_denied(&self) -> bool {
        self.answer == Outcome::Deny
    }
}

/// A write that is allowed in silence.
pub(super) fn allowed(name: &'static str, review: Review) -> AnswerCase {
    AnswerCase { name, review, answer: Outcome::Allow }
}

/// A write that is warned about.
pub(super) fn warned(name: &'static str, review: Review) -> AnswerCase {
    AnswerCase { name, review, answer: Outcome::Warn }
}

/// A write that is denied.
pub(super) fn denied(name: &'static str, review: Review) -> AnswerCase {
    AnswerCase { name, review, answer: Outcome::Deny }
}

/// Evaluates every case where Git declares `git`; all that are answered otherwise are named at once.
pub(super) fn check(git: &str, cases: Vec<AnswerCase>) {
    check_with(&Evaluator::new(git, &["argocd", "flux", "keda"]), cases);
}

/// The same in a cluster of the test's own.
pub(super) fn check_with(evaluator: &Evaluator, cases: Vec<AnswerCase>) {
    let mut wrong = Vec::new();
    for AnswerCase { name, review, answer } in cases {
        let got = evaluator.evaluate(&review);
        for line in got.warnings() {
            assert!(line.chars().count() < 120, "{name}: {line}");
        }
        if got.outcome != answer {
            wrong.push(format!("{name}: {} instead of {}: {got:?}", got.outcome.as_str(), answer.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
