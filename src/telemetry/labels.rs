//! The labels of metrics.

use prometheus_client::encoding::EncodeLabelSet;

/// The labels under which a review is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReviewLabels {
    /// What the write is, such as `drift`.
    pub verdict: &'static str,
    /// The class of the writer, such as `person`.
    pub actor: &'static str,
    /// What was answered: `allow`, `warn` or `deny`.
    pub answer: &'static str,
    /// The mode that turned the verdict into the answer.
    pub mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: &'static str,
}

impl ResultLabel {
    pub(super) const OK: Self = Self { result: "ok" };
    pub(super) const FAILED: Self = Self { result: "failed" };

    pub(super) fn of(succeeded: bool) -> Self {
        if succeeded { Self::OK } else { Self::FAILED }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabel {
    pub(super) source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SkippedLabels {
    pub(super) source: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceInfoLabels {
    pub(super) source: String,
    pub(super) revision: String,
    pub(super) commit: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ApplicationLabels {
    pub(super) tool: &'static str,
    pub(super) grade: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ToolLabel {
    pub(super) tool: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WatchLabel {
    pub(super) watch: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct VersionLabel {
    pub(super) version: &'static str,
}
