//! Who declares an object, in words: Git, or a chart of a chart repository, which
//! comes in versions and not in commits.

use crate::desired::{AppliedBy, Source};
use crate::policy::Assessment;

/// Who declares an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declarer<'a>(Option<&'a Source>);

impl<'a> Declarer<'a> {
    /// Who declares what was assessed.
    pub(super) fn of(assessment: &Assessment<'a>) -> Self {
        Self(assessment.source)
    }

    /// The one who says something: `Git`, `the chart`.
    pub(super) fn name(self) -> &'static str {
        if self.is_chart() { "the chart" } else { "Git" }
    }

    /// Where people change what it says: `Git`, `the chart or its values`.
    pub(super) fn place_of_change(self) -> &'static str {
        // What a chart declares may come from it, or from the values that it is given.
        if self.is_chart() { "the chart or its values" } else { "Git" }
    }

    fn is_chart(self) -> bool {
        self.0.is_some_and(|source| source.chart.is_some())
    }

    /// How an object is declared: `in Git`, `by chart web 1.2.3`; where only what a tool applied is known of it, with
    /// that: `in Git, as Argo CD last applied it at 5c56d97 (application shop)`.
    pub(super) fn adverbial(self) -> String {
        let Some(source) = self.0 else { return "in Git".to_owned() };
        let declared = match (&source.chart, &source.applied_by) {
            (Some(chart), None) => format!("by chart {chart} {}", source.short_commit()),
            (Some(chart), Some(_)) => format!("by chart {chart}"),
            (None, _) => "in Git".to_owned(),
        };
        match &source.applied_by {
            None => declared,
            Some(AppliedBy { application, tool, revision, .. }) => {
                let at = if revision.is_empty() { String::new() } else { format!(" at {revision}") };
                format!("{declared}, as {} last applied it{at} ({application})", tool.as_str())
            }
        }
    }

    /// The application that deploys it, to follow the name of the tool: ` (application shop)`.
    pub(super) fn application(self) -> String {
        let applied_by = self.0.and_then(|source| source.applied_by.as_ref());
        applied_by.map(|applied_by| format!(" ({})", applied_by.application)).unwrap_or_default()
    }

    /// Why a write passes although it differs.
    pub(super) fn stale_warning(self) -> &'static str {
        if self.is_chart() {
            "driftwall: allowed, because the last sync with the chart's repository is too old; the write differs from it"
        } else {
            "driftwall: allowed, because the last sync with Git is too old; the write differs from what Git said then"
        }
    }
}
