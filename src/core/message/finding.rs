//! What happens to one field, in words.

use super::declarer::Declarer;
use super::value_display::{ValuePair, show_pair, show_value};
use crate::diff::ChangeKind;
use crate::policy::{Finding, Violation};
use crate::text::sanitize;

/// What happens to the field, each value in at most `limit` characters.
pub(super) fn describe(finding: &Finding, violation: &Violation, author: Declarer<'_>, limit: usize) -> String {
    let author = author.name();
    if let Violation::ChangeUnknown { tool } = violation {
        let new = if finding.is_secret { "changed".to_owned() } else { show_value(finding.new.as_ref(), limit) };
        return format!("{new}; what {} applied is not known", tool.as_str());
    }
    if finding.is_secret {
        return format!("not as {author} says (a Secret's values are not shown)");
    }
    let both = || {
        let ValuePair { at, new, declared } = show_pair(finding.new.as_ref(), finding.declared.as_ref(), limit);
        format!("{at}{new}, {author} says {declared}")
    };
    let new = || show_value(finding.new.as_ref(), limit);
    let declared = || show_value(finding.declared.as_ref(), limit);
    match finding.change {
        _ if matches!(violation, Violation::ForgetApplied { .. }) => format!("{author} says {}", declared()),
        ChangeKind::Changed | ChangeKind::Filled => both(),
        ChangeKind::RemovedExtra => "removed".into(),
        ChangeKind::Extra | ChangeKind::Extended => match violation {
            _ if finding.declared.is_some() => both(),
            // Git declares another object than the one that the write changes, or in another version.
            Violation::CascadingDelete { .. }
            | Violation::ChangeDefinition { .. }
            | Violation::ChangeDerived { .. }
            | Violation::ChangeNamespace { .. }
            | Violation::ChangeToolStatus { .. }
            | Violation::ForeignOperation
            | Violation::OtherVersion { .. }
            | Violation::ProtectLess { .. }
            | Violation::Rollback
            | Violation::RunAsExempt { .. }
            | Violation::SteerTool { .. }
            | Violation::TargetDeclared { .. }
            | Violation::UnknownRevision => new(),
            _ => format!("{}, {author} has none", new()),
        },
        ChangeKind::RemovedDeclared => match violation {
            _ if finding.new.is_some() => both(),
            Violation::CreateDiffers => format!("left out, {author} says {}", declared()),
            _ => format!("removed, {author} says {}", declared()),
        },
        ChangeKind::Opaque => format!("changed, {author} holds it encrypted or as a placeholder"),
    }
}

/// Where Git declares the field, to follow its description.
pub(super) fn location_suffix(finding: &Finding) -> String {
    match &finding.location {
        Some(location) => sanitize(&format!("   {location}")),
        None => String::new(),
    }
}
