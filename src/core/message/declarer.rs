//! Who declares an object, in words: Git, or a chart of a chart repository, which
//! comes in versions and not in commits.

use crate::desired::Source;
use crate::policy::Assessment;

/// Who declares an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declarer<'a>(Option<&'a Source>);

impl<'a> Declarer<'a> {
    /// Who declares what was assessed.
    pub(super) fn of(assessment: &Assessment<'a>) -> Self {
        Self(assessment.source.filter(|source| source.chart.is_some()))
    }

    /// The one who says something: `Git`, `the chart`.
    pub(super) fn name(self) -> &'static str {
        if self.0.is_some() { "the chart" } else { "Git" }
    }

    /// Where people change what it says: `Git`, `the chart or its values`.
    pub(super) fn place_of_change(self) -> &'static str {
        // What a chart declares may come from it, or from the values that it is given.
        if self.0.is_some() { "the chart or its values" } else { "Git" }
    }

    /// How an object is declared: `in Git`, `by chart web 1.2.3`.
    pub(super) fn adverbial(self) -> String {
        match self.0 {
            Some(source @ Source { chart: Some(chart), .. }) => format!("by chart {chart} {}", source.short_commit()),
            _ => "in Git".to_owned(),
        }
    }

    /// Why a write passes although it differs.
    pub(super) fn stale_warning(self) -> &'static str {
        if self.0.is_some() {
            "driftwall: allowed, because the last sync with the chart's repository is too old; the write differs from it"
        } else {
            "driftwall: allowed, because the last sync with Git is too old; the write differs from what Git said then"
        }
    }
}
