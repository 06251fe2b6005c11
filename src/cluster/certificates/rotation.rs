//! What comes next on the way from one certificate to another: a pure decision.
//!
//! The order is what keeps every call working. A new CA is trusted by API
//! servers before anything is signed by it, and an old one is trusted until no
//! replica serves under it. Everything that is decided upon stands in the Secret
//! and in the webhook configuration, so a leader can take over at every step.

use std::time::Duration;

/// What the Secret holds, as far as it can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObservedState {
    /// The CAs that are to be trusted, the newest first.
    pub(super) authorities: Vec<Life>,
    /// Whether the newest can sign.
    pub(super) newest_signs: bool,
    /// Whether the one before it still can.
    pub(super) former_signs: bool,
    /// The serving certificate.
    pub(super) leaf: Option<Leaf>,
}

/// A certificate's life, in Unix time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) fingerprint: String,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
}

/// A serving certificate that a server can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    /// Which of the CAs has signed it.
    pub(super) signed_by: usize,
    /// Whether it has all the names that the webhook is called by.
    pub(super) has_names: bool,
}

/// What API servers trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaTrust {
    /// It was not looked at yet, for so long: what calls now may trust something that stands
    /// nowhere else.
    Unread(Duration),
    /// Nobody tells: it is up to whoever keeps the configuration to follow the Secret.
    Unknown,
    /// The configuration names no CA.
    Nothing,
    /// It names others, but not the newest.
    Others,
    /// It names the newest CA, for so long that we know.
    Newest(Duration),
}

/// How long things may take, in a household of these lives.
#[derive(Clone, Copy, Debug)]
pub struct RotationTiming {
    /// How long after a change of the webhook configuration every API server has it.
    pub propagation_delay: Duration,
    /// How long to wait for a CA to be registered, or for what is registered to be known,
    /// while there is nothing to serve.
    pub registration_timeout: Duration,
    /// Between two looks at what is due.
    pub look: Duration,
    /// Between two reports of a replica.
    pub report: Duration,
    /// How long a replica counts that does not report.
    pub report_timeout: Duration,
}

impl Default for RotationTiming {
    fn default() -> Self {
        Self {
            propagation_delay: Duration::from_secs(5),
            registration_timeout: Duration::from_secs(30),
            look: Duration::from_secs(1),
            report: Duration::from_secs(10),
            report_timeout: Duration::from_mins(1),
        }
    }
}

/// What else the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RotationInputs<'a> {
    /// Unix time.
    pub(super) now: i64,
    pub(super) registered: CaTrust,
    /// The CAs under which replicas serve, each by its print.
    pub(super) served: &'a [String],
    pub(super) timing: RotationTiming,
}

/// What comes next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RotationStep {
    /// All is well.
    Nothing,
    /// Something has to happen elsewhere first.
    Wait(&'static str),
    /// A CA is made, and trusted beside those that there are.
    MakeAuthority(&'static str),
    /// A serving certificate is signed by one of the CAs.
    Sign { by: usize, why: &'static str },
    /// Only the newest CA, and what has not ended and is still needed, stays trusted.
    DropOldCa(&'static str),
}

const READING: &str = "a look at what API servers trust";

/// Decides.
pub(super) fn next(observed: &ObservedState, moment: &RotationInputs<'_>) -> RotationStep {
    let ObservedState { authorities, newest_signs, former_signs, leaf } = observed;
    let RotationInputs { now, registered, served, timing } = *moment;
    // A bundle with the new CA takes the place of one that was never read.
    let is_blind = matches!(registered, CaTrust::Unread(_));
    let Some(newest) = authorities.first().filter(|newest| newest.expires_at > now) else {
        // Nothing that is trusted can be lost here, so a configuration that can never be looked
        // at does not hold up the start for ever.
        if matches!(registered, CaTrust::Unread(since) if since < timing.registration_timeout) {
            return RotationStep::Wait(READING);
        }
        return RotationStep::MakeAuthority(if authorities.is_empty() { "there is no CA" } else { "the CA has ended" });
    };
    if !newest_signs {
        if is_blind {
            return RotationStep::Wait(READING);
        }
        return RotationStep::MakeAuthority("the CA's key is missing or another's");
    }
    let can_serve =
        |leaf: &&Leaf| leaf.expires_at > now && authorities.get(leaf.signed_by).is_some_and(|ca| ca.expires_at > now);
    let Some(leaf) = leaf.as_ref().filter(can_serve) else {
        let why = "there is no serving certificate";
        let may = match registered {
            // Nobody calls yet, or nobody can be asked.
            CaTrust::Unknown | CaTrust::Nothing => true,
            CaTrust::Newest(since) => since >= timing.propagation_delay,
            CaTrust::Unread(since) => since >= timing.registration_timeout,
            CaTrust::Others => now - newest.issued_at >= seconds(timing.registration_timeout),
        };
        return if may { RotationStep::Sign { by: 0, why } } else { RotationStep::Wait("the new CA to be registered") };
    };
    let lacks = if leaf.has_names {
        is_due(leaf.issued_at, leaf.expires_at.min(authorities[leaf.signed_by].expires_at), now)
            .then_some("its end is near")
    } else {
        Some("it lacks a name")
    };
    if leaf.signed_by > 0 {
        let settled = match registered {
            CaTrust::Newest(since) => since >= timing.propagation_delay,
            CaTrust::Unknown => now - newest.issued_at >= (newest.expires_at - newest.issued_at) / 20,
            CaTrust::Nothing | CaTrust::Others | CaTrust::Unread(_) => false,
        };
        if settled {
            return RotationStep::Sign { by: 0, why: "API servers trust the new CA" };
        }
        // Until then the old CA serves on, and signs again where that wins anything.
        let gains = !leaf.has_names || authorities[leaf.signed_by].expires_at > leaf.expires_at;
        return match lacks {
            Some(why) if leaf.signed_by == 1 && *former_signs && gains => RotationStep::Sign { by: 1, why },
            _ => RotationStep::Wait("API servers to trust the new CA"),
        };
    }
    // Before the serving certificate: it cannot outlive its CA.
    // What it signs meanwhile is trusted as what it serves under now.
    if is_due(newest.issued_at, newest.expires_at, now) && !is_blind {
        return RotationStep::MakeAuthority("the CA's end is near");
    }
    if let Some(why) = lacks {
        return RotationStep::Sign { by: 0, why };
    }
    if authorities.len() == 1 {
        return RotationStep::Nothing;
    }
    if authorities[1..].iter().all(|old| old.expires_at <= now) {
        return RotationStep::DropOldCa("it has ended");
    }
    let all_follow = !served.is_empty() && served.iter().all(|print| *print == newest.fingerprint);
    if all_follow && now - leaf.issued_at >= seconds(timing.propagation_delay) {
        RotationStep::DropOldCa("no replica serves under it")
    } else {
        RotationStep::Wait("every replica to serve under the new CA")
    }
}

/// Less than a third of the life is left.
fn is_due(issued_at: i64, expires_at: i64, now: i64) -> bool {
    (expires_at - now) * 3 < expires_at - issued_at
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
