//! Decides what comes next in the rotation of certificates: a pure decision.
//!
//! The order keeps every call working. API servers trust a new CA before it signs
//! anything, and they trust an old one until no replica serves under it. All that is
//! decided is in the Secret and in the webhook configuration, so another leader can
//! take over at every step.

use std::time::Duration;

/// What the Secret holds, as far as it can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObservedState {
    /// The CAs to be trusted, the newest first.
    pub(super) cas: Vec<CaInfo>,
    /// Whether the newest CA can sign.
    pub(super) can_newest_sign: bool,
    /// Whether the CA before it still can sign.
    pub(super) can_former_sign: bool,
    /// The serving certificate.
    pub(super) leaf: Option<LeafInfo>,
}

/// A CA; times are Unix times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CaInfo {
    pub(super) fingerprint: String,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
}

/// A serving certificate that a server can use; times are Unix times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeafInfo {
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    /// The index of the CA that has signed it.
    pub(super) signed_by: usize,
    /// Whether it has all the names by which the webhook is called.
    pub(super) has_all_names: bool,
}

/// Whether API servers trust the newest CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaTrust {
    /// The webhook configuration could not be read for this duration: it may name a CA
    /// that is stored nowhere else.
    NotRead(Duration),
    /// There is no webhook configuration: whoever calls the webhook must take the CA from the Secret.
    NoWebhookConfig,
    /// The webhook configuration names no CA.
    NoCa,
    /// It names other CAs only.
    OtherCas,
    /// It names the newest CA, and has done so for at least so long.
    Newest(Duration),
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct RotationTiming {
    /// After a change of the webhook configuration, every API server has it within this time.
    pub propagation_delay: Duration,
    /// How long to wait, while there is nothing to serve with, for a CA to be registered or
    /// for the webhook configuration to be read.
    pub registration_timeout: Duration,
    /// Between two checks of what is due.
    pub poll_interval: Duration,
    /// Between two reports of a replica.
    pub report_interval: Duration,
    /// A replica that has not reported for so long is gone.
    pub report_timeout: Duration,
}

impl Default for RotationTiming {
    fn default() -> Self {
        Self {
            propagation_delay: Duration::from_secs(5),
            registration_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            report_interval: Duration::from_secs(10),
            report_timeout: Duration::from_mins(1),
        }
    }
}

/// What else the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RotationInputs<'a> {
    /// Unix time.
    pub(super) now: i64,
    pub(super) trust: CaTrust,
    /// The fingerprints of the CAs under which replicas serve, one for each replica.
    pub(super) served_cas: &'a [String],
    pub(super) timing: RotationTiming,
}

/// What comes next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RotationStep {
    /// Create a CA, to be trusted beside the existing ones.
    CreateCa(&'static str),
    /// Trust only the newest CA from now on.
    DropOldCas(&'static str),
    /// Nothing is to be done.
    None,
    /// Sign a serving certificate by the CA of this index.
    Sign { ca: usize, reason: &'static str },
    /// Wait for something else to happen first.
    Wait(&'static str),
}

const WAIT_FOR_READING: &str = "the webhook configuration to be read";

/// Decides what comes next.
pub(super) fn next_step(observed: &ObservedState, inputs: &RotationInputs<'_>) -> RotationStep {
    let ObservedState { cas, can_newest_sign, leaf, .. } = observed;
    let RotationInputs { now, trust, timing, .. } = *inputs;
    // A new bundle would replace one that was never read, and with it a CA that is in use.
    let is_trust_unread = matches!(trust, CaTrust::NotRead(_));
    let Some(newest) = cas.first().filter(|newest| newest.expires_at > now) else {
        // No CA in use can be lost here, so a webhook configuration that can never be read
        // does not delay the start for ever.
        if matches!(trust, CaTrust::NotRead(since) if since < timing.registration_timeout) {
            return RotationStep::Wait(WAIT_FOR_READING);
        }
        return RotationStep::CreateCa(if cas.is_empty() { "there is no CA" } else { "the CA has expired" });
    };
    if !can_newest_sign {
        if is_trust_unread {
            return RotationStep::Wait(WAIT_FOR_READING);
        }
        return RotationStep::CreateCa("the CA's key is missing or belongs to another certificate");
    }
    let Some(leaf) = usable_leaf(leaf.as_ref(), cas, now) else {
        return without_leaf(newest, inputs);
    };
    let renewal_reason = if !leaf.has_all_names {
        Some("it lacks a name")
    } else if is_renewal_due(leaf.issued_at, leaf.expires_at.min(cas[leaf.signed_by].expires_at), now) {
        Some("it expires soon")
    } else {
        None
    };
    if leaf.signed_by > 0 {
        return signed_by_old_ca(observed, leaf, renewal_reason, inputs);
    }
    // Renew the CA before the serving certificate: a certificate cannot outlive its CA.
    // What the CA signs meanwhile is trusted like what it has signed before.
    if is_renewal_due(newest.issued_at, newest.expires_at, now) && !is_trust_unread {
        return RotationStep::CreateCa("the CA expires soon");
    }
    if let Some(reason) = renewal_reason {
        return RotationStep::Sign { ca: 0, reason };
    }
    old_cas(cas, leaf, inputs)
}

fn usable_leaf<'a>(leaf: Option<&'a LeafInfo>, cas: &[CaInfo], now: i64) -> Option<&'a LeafInfo> {
    let leaf = leaf?;
    let ca = cas.get(leaf.signed_by)?;
    (leaf.expires_at > now && ca.expires_at > now).then_some(leaf)
}

/// There is nothing to serve with.
fn without_leaf(newest: &CaInfo, inputs: &RotationInputs<'_>) -> RotationStep {
    let RotationInputs { now, trust, timing, .. } = *inputs;
    let may_sign = match trust {
        // No API server calls yet, or it is unknown which ones do.
        CaTrust::NoWebhookConfig | CaTrust::NoCa => true,
        CaTrust::Newest(since) => since >= timing.propagation_delay,
        CaTrust::NotRead(since) => since >= timing.registration_timeout,
        CaTrust::OtherCas => now - newest.issued_at >= seconds(timing.registration_timeout),
    };
    if may_sign {
        RotationStep::Sign { ca: 0, reason: "there is no serving certificate" }
    } else {
        RotationStep::Wait("the new CA to be registered")
    }
}

/// The serving certificate is to be replaced by one of the newest CA, once that CA is trusted.
fn signed_by_old_ca(
    observed: &ObservedState,
    leaf: &LeafInfo,
    renewal_reason: Option<&'static str>,
    inputs: &RotationInputs<'_>,
) -> RotationStep {
    let ObservedState { cas, can_former_sign, .. } = observed;
    let newest = &cas[0];
    let is_newest_trusted = match inputs.trust {
        CaTrust::Newest(since) => since >= inputs.timing.propagation_delay,
        // Without a webhook configuration, clients get a twentieth of the CA's validity to pick it up.
        CaTrust::NoWebhookConfig => inputs.now - newest.issued_at >= (newest.expires_at - newest.issued_at) / 20,
        CaTrust::NoCa | CaTrust::OtherCas | CaTrust::NotRead(_) => false,
    };
    if is_newest_trusted {
        return RotationStep::Sign { ca: 0, reason: "API servers trust the new CA" };
    }
    // Until then the old CA signs again, where that gains anything.
    let is_gain = !leaf.has_all_names || cas[leaf.signed_by].expires_at > leaf.expires_at;
    match renewal_reason {
        Some(reason) if leaf.signed_by == 1 && *can_former_sign && is_gain => RotationStep::Sign { ca: 1, reason },
        _ => RotationStep::Wait("API servers to trust the new CA"),
    }
}

/// Nothing is to be renewed; old CAs go when nobody serves under them any more.
fn old_cas(cas: &[CaInfo], leaf: &LeafInfo, inputs: &RotationInputs<'_>) -> RotationStep {
    let RotationInputs { now, served_cas, timing, .. } = *inputs;
    let [newest, old @ ..] = cas else { return RotationStep::None };
    if old.is_empty() {
        return RotationStep::None;
    }
    if old.iter().all(|ca| ca.expires_at <= now) {
        return RotationStep::DropOldCas("it has expired");
    }
    // Without any report, not even this replica's own, nothing is known.
    let serve_all_newest =
        !served_cas.is_empty() && served_cas.iter().all(|fingerprint| *fingerprint == newest.fingerprint);
    // A report may have been written just before the change.
    if serve_all_newest && now - leaf.issued_at >= seconds(timing.propagation_delay) {
        RotationStep::DropOldCas("no replica serves under it")
    } else {
        RotationStep::Wait("every replica to serve under the new CA")
    }
}

/// Whether less than a third of the validity is left.
fn is_renewal_due(issued_at: i64, expires_at: i64, now: i64) -> bool {
    (expires_at - now) * 3 < expires_at - issued_at
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
