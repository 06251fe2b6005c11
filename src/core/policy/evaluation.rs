//! The verdict: what a write is, whatever the mode.

use std::fmt;

use serde_json::Value;

use super::EvaluationError;
use super::settings::Outcome;
use crate::actor::Class;
use crate::desired::{Source, SourceLocation};
use crate::diff::{ChangeKind, Path};

/// What a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It moves nothing away from Git.
    Conforms,
    /// It moves something away from Git.
    Drift,
    /// It could not be judged.
    Error,
    /// The writer is let through by identity.
    Exempt,
    /// It is an event of running, not a change of configuration.
    Runtime,
    /// Git does not know the object.
    Unmanaged,
}

/// A verdict, and what is needed to say why.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// Who wrote.
    pub class: Class,
    /// What the write does.
    pub violation: Violation,
    /// The fields that drift.
    pub findings: Vec<Finding>,
    /// The source that declares what is drifted from.
    pub source: Option<&'a Source>,
    /// A newer commit changes what is declared here, and cannot be read.
    pub unsettled: bool,
    /// The object's kind, where something is to be said of it: that of the
    /// object itself, also where the review brings a `Scale` of it.
    pub kind: String,
    /// The object's name, as `kind`.
    pub name: String,
}

/// What a write does, apart from the fields that it moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Violation {
    /// It asks for a token whose bearer is let through.
    ExemptToken {
        /// The service account whose token it is.
        account: String,
        /// As what the bearer is let through.
        class: Class,
    },
    /// It creates a declared object, unlike Git says.
    CreateDiffers,
    /// It deletes a declared object.
    DeleteDeclared(SourceLocation),
    /// It changes what belongs to a declared object.
    ChangeDerived {
        /// The declared object, as kubectl would name it.
        owner: String,
    },
    /// It moves fields of a declared object.
    #[default]
    ChangeDeclared,
    /// It deletes what holds declared objects: a Namespace, a CustomResourceDefinition.
    CascadingDelete {
        /// How many.
        objects: usize,
    },
    /// It aims a controller at a declared object.
    TargetDeclared {
        /// The declared object, as kubectl would name it.
        target: String,
    },
    /// It could not be judged, and why.
    NotEvaluated(String),
    /// It brings an object that Git does not know.
    CreateUndeclared,
}

/// One field that a write moves away from Git.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The field.
    pub path: Path,
    /// How it is moved.
    pub nature: ChangeKind,
    /// The value that the write brings.
    pub sent: Option<Value>,
    /// Git's value.
    pub declared: Option<Value>,
    /// Where Git says so.
    pub place: Option<SourceLocation>,
    /// Whether the values are secret.
    pub secret: bool,
    /// The hardest answer that the field alone deserves.
    pub hardest: Outcome,
}

impl Verdict {
    /// The verdict's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Drift => "drift",
            Self::Error => "error",
            Self::Exempt => "exempt",
            Self::Runtime => "runtime",
            Self::Unmanaged => "unmanaged",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'a> Assessment<'a> {
    pub(crate) fn new(verdict: Verdict, class: Class) -> Self {
        let (kind, name) = (String::new(), String::new());
        let (violation, findings) = (Violation::default(), Vec::new());
        Self { verdict, class, violation, findings, source: None, unsettled: false, kind, name }
    }

    pub(crate) fn error(class: Class, error: &EvaluationError) -> Self {
        let words = error.to_string();
        Self::new(Verdict::Error, class).about(Violation::NotEvaluated(words))
    }

    pub(crate) fn about(mut self, violation: Violation) -> Self {
        self.violation = violation;
        self
    }

    pub(crate) fn finding(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    pub(crate) fn named(mut self, kind: String, name: String) -> Self {
        (self.kind, self.name) = (kind, name);
        self
    }

    pub(crate) fn of(mut self, source: &'a Source) -> Self {
        self.source = Some(source);
        self
    }

    pub(crate) fn unsettled(mut self, is: bool) -> Self {
        self.unsettled = is;
        self
    }

    /// Why the write could not be judged.
    pub fn reason(&self) -> Option<&str> {
        match &self.violation {
            Violation::NotEvaluated(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether there is something to say of the object.
    pub(crate) fn tells(&self) -> bool {
        matches!(self.verdict, Verdict::Drift | Verdict::Error) || self.violation == Violation::CreateUndeclared
    }

    /// The hardest answer that the drift deserves: that of its hardest field,
    /// or a denial where it is not about fields.
    pub(crate) fn hardest(&self) -> Outcome {
        self.findings.iter().map(|finding| finding.hardest).max().unwrap_or(Outcome::Deny)
    }
}
