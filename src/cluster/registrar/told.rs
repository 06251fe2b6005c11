//! What is said of a registration that is not as driftwall left it.

use super::Plan;
use super::calls::REGISTERED;
use crate::registration::Standing;

/// What was said last, which is not said again.
#[derive(Default)]
pub(super) struct Told {
    pub(super) standing: Option<Standing>,
    pub(super) trouble: Option<String>,
    pub(super) policies: Vec<(String, String)>,
    pub(super) mixed: Vec<String>,
    pub(super) untrusted: bool,
}

/// A reason in one word, and a sentence; `None` where all is well.
pub(super) fn note(plan: &Plan, standing: &Standing) -> Option<(&'static str, String)> {
    let (name, service) = (&plan.registration.name, &plan.service);
    let way_back = if plan.restore {
        "; it is put back".to_owned()
    } else {
        format!("; to register again: kubectl annotate lease {service} {REGISTERED}-, in driftwall's namespace")
    };
    let told = match standing {
        Standing::Absent => (
            "RegistrationRemoved",
            format!("the ValidatingWebhookConfiguration {name} is removed: no write is held against Git{way_back}"),
        ),
        Standing::Changed(what) => {
            let meanwhile = if plan.restore { "" } else { "; nothing that Git declares from now on is added to it" };
            let what = listed(what);
            (
                "RegistrationChanged",
                format!(
                    "the ValidatingWebhookConfiguration {name} is changed by somebody: {what}{meanwhile}{way_back}"
                ),
            )
        }
        Standing::AsWanted | Standing::Behind => return None,
    };
    Some(told)
}

/// Differences that are named; an Event's note has 1024 characters.
const NAMED: usize = 6;

pub(super) fn listed(what: &[String]) -> String {
    let more = what.len().saturating_sub(NAMED);
    let named = what.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if more == 0 { named } else { format!("{named}; and {more} more") }
}
