//! What the evaluation of a write comes to: a verdict, and what is needed to
//! explain it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::declared_object::DeclaredObject;
use super::error::EvaluationError;
use super::findings::Findings;
use super::mode::Outcome;
use super::object_marks::ObjectMarks;
use crate::actor::{Class, GitopsTool};
use crate::applications::Loss;
use crate::desired::{Declared, Source, SourceLocation, Uncertainty};
use crate::diff::{ChangeKind, Path};

/// What a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It moves nothing away from Git.
    Conforms,
    /// It moves something away from Git.
    Drift,
    /// It could not be evaluated.
    Error,
    /// The writer's identity is exempt: the write was not compared.
    Exempt,
    /// It is a runtime operation, not a change of configuration.
    Runtime,
    /// Git does not declare the object.
    Unmanaged,
}

/// A verdict, and what is needed to explain it.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// Who wrote.
    pub class: Class,
    /// What the write does.
    pub violation: Violation,
    /// The fields that drift: a bounded number, with the strictest among them.
    pub findings: Vec<Finding>,
    /// How many more fields drift.
    pub more_findings: usize,
    /// The strictest answer that the drift may get, whatever its fields may get.
    pub limit: Outcome,
    /// The source that declares what the write drifts from.
    pub source: Option<&'a Source>,
    /// The object that the write drifts from, where it is one: itself, or the declared one that it belongs to.
    pub declared: Option<&'a Declared>,
    /// The labels that a GitOps tool applied to the object, where only that is known of it.
    pub applied_labels: BTreeMap<String, String>,
    /// Why what Git declares here is not certain; then the write is warned about at most.
    pub uncertainty: Option<Uncertainty>,
    /// The name of a source that may declare the object in content that is not read.
    pub partly_unread: Option<&'a str>,
    /// The object's kind, where there is something to report of it: that of the
    /// object itself, also where the review brings a `Scale` of it.
    pub kind: String,
    /// The object's name, as `kind`.
    pub name: String,
}

/// What a write does, apart from the fields that it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Violation {
    /// It deletes an object that holds declared ones: a Namespace, a CustomResourceDefinition.
    CascadingDelete {
        /// How many declared objects it holds.
        objects: usize,
    },
    /// It changes a definition so that declared objects of its kind are served otherwise, or not at all.
    ChangeDefinition {
        /// How many declared objects there are of the kind.
        objects: usize,
    },
    /// It changes fields of a declared object.
    #[default]
    ChangeDeclared,
    /// It changes an object that a GitOps tool deploys, and nothing says what the tool applied.
    ChangeUnknown {
        /// The tool.
        tool: GitopsTool,
    },
    /// It changes an object that a declared object owns.
    ChangeDerived {
        /// The declared object, as kubectl would name it.
        owner: String,
    },
    /// It creates a declared object with other content than Git's.
    CreateDiffers,
    /// It creates an object that Git does not declare, where only declared ones are wanted.
    CreateUndeclared,
    /// It creates an object that a GitOps tool deploys, of which only the tool knows what Git says.
    CreateListed,
    /// It changes the status of an object of a GitOps tool, which is the tool's alone.
    ChangeToolStatus {
        /// The tool.
        tool: GitopsTool,
    },
    /// It deletes the definition of a kind by which a GitOps tool is told what to deploy.
    DeleteToolKind {
        /// The tool.
        tool: GitopsTool,
    },
    /// It deletes a declared object, which Git declares here.
    DeleteDeclared(Option<SourceLocation>),
    /// It evicts a declared Pod, which Git declares here.
    EvictDeclared(Option<SourceLocation>),
    /// It asks for a token of a service account that is exempt.
    ExemptToken {
        /// The service account.
        account: String,
        /// The class in which it is exempt.
        class: Class,
    },
    /// It asks Argo CD to deploy something else than its Application says.
    ForeignOperation,
    /// It takes from a GitOps tool what it knows of the object that it applied: it would not see the next change.
    ForgetApplied {
        /// The tool.
        tool: GitopsTool,
    },
    /// It could not be evaluated, and why: what the evaluation depends on could not be asked.
    NotEvaluated(String),
    /// It cannot be read or compared, and why: no person or workload gets past by that.
    NotReadable(String),
    /// It changes a declared object in another version than Git's, and the two cannot be compared.
    OtherVersion {
        /// Git's group and version, as in `apiVersion`.
        declared: String,
    },
    /// It tells a GitOps tool to leave an application alone.
    PauseTool {
        /// The tool.
        tool: GitopsTool,
    },
    /// It changes what a Namespace that holds declared objects says to machines.
    ChangeNamespace {
        /// How many there are.
        objects: usize,
    },
    /// It changes what driftwall believes of a GitOps tool, so that less of what the tool deploys is protected.
    ProtectLess {
        /// The tool.
        tool: GitopsTool,
        /// What is lost.
        loss: Loss,
    },
    /// It asks Argo CD to deploy again what an Application said before.
    Rollback,
    /// It lets something run as a service account that is exempt.
    RunAsExempt {
        /// The service account.
        account: String,
        /// The class in which it is exempt.
        class: Class,
    },
    /// It tells a GitOps tool what to deploy, by an object that Git does not declare.
    SteerTool {
        /// The tool.
        tool: GitopsTool,
    },
    /// It points a controller, such as an autoscaler, at a declared object.
    TargetDeclared {
        /// The declared object, as kubectl would name it.
        target: String,
    },
    /// It asks Argo CD to deploy a commit of which nobody knows whether it is the newest.
    UnknownRevision,
}

/// One field that a write moves away from Git.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The field.
    pub path: Path,
    /// How it changes.
    pub change: ChangeKind,
    /// The value that the write brings.
    pub new: Option<Value>,
    /// Git's value.
    pub declared: Option<Value>,
    /// Where Git declares it.
    pub location: Option<SourceLocation>,
    /// Whether the values are secret, so that they must not be shown.
    pub is_secret: bool,
    /// The strictest answer that this field alone may get.
    pub max_outcome: Outcome,
    /// Whether another admission webhook or a default of the API server may have made the
    /// value: it is not noted that the write itself sent it so.
    pub may_be_admission: bool,
}

impl Finding {
    /// Levels of a path that are named.
    pub(super) const MAX_LEVELS: usize = 64;
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
    pub(super) fn new(verdict: Verdict, class: Class) -> Self {
        Self {
            verdict,
            class,
            violation: Violation::default(),
            findings: Vec::new(),
            more_findings: 0,
            limit: Outcome::Deny,
            source: None,
            declared: None,
            applied_labels: BTreeMap::new(),
            uncertainty: None,
            partly_unread: None,
            kind: String::new(),
            name: String::new(),
        }
    }

    pub(super) fn error(class: Class, error: &EvaluationError) -> Self {
        let reason = error.to_string();
        // A controller writes for itself, not to get past: in doubt it is not denied.
        let violation = match class {
            Class::Person | Class::Workload if error.is_of_write() => Violation::NotReadable(reason),
            _ => Violation::NotEvaluated(reason),
        };
        Self::new(Verdict::Error, class).with_violation(violation)
    }

    pub(super) fn with_violation(mut self, violation: Violation) -> Self {
        self.violation = violation;
        self
    }

    pub(super) fn with_findings(self, findings: Vec<Finding>) -> Self {
        let mut bounded = Findings::default();
        for finding in findings {
            bounded.push(finding);
        }
        self.with_bounded_findings(bounded)
    }

    pub(super) fn with_bounded_findings(mut self, findings: Findings) -> Self {
        (self.findings, self.more_findings) = findings.finish();
        self
    }

    pub(super) fn with_limit(mut self, limit: Outcome) -> Self {
        self.limit = limit;
        self
    }

    pub(super) fn with_object(mut self, kind: String, name: String) -> Self {
        self.kind = kind;
        self.name = name;
        self
    }

    pub(super) fn with_source(mut self, source: &'a Source) -> Self {
        self.source = Some(source);
        self
    }

    /// With the object that the write drifts from, and the source that declares it.
    pub(super) fn with_declared(self, declared: &'a Declared, source: &'a Source) -> Self {
        Self { declared: Some(declared), ..self.with_source(source) }
    }

    /// The same, of an object other than the one under review.
    pub(super) fn with_declared_object(self, object: &DeclaredObject<'a>) -> Self {
        Self { declared: object.declared, ..self.with_source(object.source) }
    }

    pub(super) fn with_applied_labels(self, labels: BTreeMap<String, String>) -> Self {
        Self { applied_labels: labels, ..self }
    }

    pub(super) fn with_uncertainty(mut self, uncertainty: Option<Uncertainty>) -> Self {
        self.uncertainty = uncertainty;
        self
    }

    pub(super) fn with_partly_unread(mut self, source: Option<&'a str>) -> Self {
        self.partly_unread = source;
        self
    }

    /// The application that what the write drifts from belongs to, as its tool says or by the marks that it has in
    /// Git: as `NAMESPACE/NAME`, or as `NAME` where the namespace is not known.
    pub fn application(&self) -> Option<String> {
        match self.source.and_then(|source| source.applied_by.as_ref()) {
            Some(applied_by) => applied_by.names.iter().find(|name| name.contains('/')).cloned(),
            None => ObjectMarks::application(self.declared?),
        }
    }

    /// Why the write could not be evaluated.
    pub fn error_reason(&self) -> Option<&str> {
        match &self.violation {
            Violation::NotEvaluated(reason) | Violation::NotReadable(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether a user or the log may be told of the write; its object is named only then.
    pub(crate) fn is_reportable(&self) -> bool {
        matches!(self.verdict, Verdict::Drift | Verdict::Error) || self.violation == Violation::CreateUndeclared
    }

    /// The strictest answer that the drift may get: the strictest of its fields,
    /// or what the write deserves where the drift is not about fields.
    pub(crate) fn max_outcome(&self) -> Outcome {
        let of_fields = self.findings.iter().map(|finding| finding.max_outcome).max();
        let deserved = of_fields.unwrap_or(match self.violation {
            // A drain evicts whatever runs on a node, so it must not be stopped.
            Violation::EvictDeclared(_) => Outcome::Warn,
            _ => Outcome::Deny,
        });
        deserved.min(self.limit)
    }
}
