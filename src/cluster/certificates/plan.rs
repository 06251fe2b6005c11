//! What comes next on the way from one certificate to another: a pure decision.
//!
//! The order is what keeps every call working. A new CA is trusted by API
//! servers before anything is signed by it, and an old one is trusted until no
//! replica serves under it. Everything that is decided upon stands in the Secret
//! and in the webhook configuration, so a leader can take over at every step.

use std::time::Duration;

/// What the Secret holds, as far as it can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
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
    pub(super) print: String,
    pub(super) made: i64,
    pub(super) ends: i64,
}

/// A serving certificate that a server can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) made: i64,
    pub(super) ends: i64,
    /// Which of the CAs has signed it.
    pub(super) signed_by: usize,
    /// Whether it has all the names that the webhook is called by.
    pub(super) has_names: bool,
}

/// What API servers trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registered {
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
pub struct Pace {
    /// How long after a change of the webhook configuration every API server has it.
    pub settle: Duration,
    /// How long to wait for a CA to be registered, or for what is registered to be known,
    /// while there is nothing to serve.
    pub patience: Duration,
    /// Between two looks at what is due.
    pub look: Duration,
    /// Between two reports of a replica.
    pub report: Duration,
    /// How long a replica counts that does not report.
    pub silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            look: Duration::from_secs(1),
            report: Duration::from_secs(10),
            silence: Duration::from_mins(1),
        }
    }
}

/// What else the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// Unix time.
    pub(super) now: i64,
    pub(super) registered: Registered,
    /// The CAs under which replicas serve, each by its print.
    pub(super) served: &'a [String],
    pub(super) pace: Pace,
}

/// What comes next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All is well.
    Nothing,
    /// Something has to happen elsewhere first.
    Wait(&'static str),
    /// A CA is made, and trusted beside those that there are.
    MakeAuthority(&'static str),
    /// A serving certificate is signed by one of the CAs.
    Sign { by: usize, why: &'static str },
    /// Only the newest CA, and what has not ended and is still needed, stays trusted.
    Forget(&'static str),
}

const READING: &str = "a look at what API servers trust";

/// Decides.
pub(super) fn next(picture: &Picture, moment: &Moment<'_>) -> Step {
    let Picture { authorities, newest_signs, former_signs, leaf } = picture;
    let Moment { now, registered, served, pace } = *moment;
    // A bundle with the new CA takes the place of one that was never read.
    let is_blind = matches!(registered, Registered::Unread(_));
    let Some(newest) = authorities.first().filter(|newest| newest.ends > now) else {
        // Nothing that is trusted can be lost here, so a configuration that can never be looked
        // at does not hold up the start for ever.
        if matches!(registered, Registered::Unread(since) if since < pace.patience) {
            return Step::Wait(READING);
        }
        return Step::MakeAuthority(if authorities.is_empty() { "there is no CA" } else { "the CA has ended" });
    };
    if !newest_signs {
        if is_blind {
            return Step::Wait(READING);
        }
        return Step::MakeAuthority("the CA's key is missing or another's");
    }
    let can_serve = |leaf: &&Leaf| leaf.ends > now && authorities.get(leaf.signed_by).is_some_and(|ca| ca.ends > now);
    let Some(leaf) = leaf.as_ref().filter(can_serve) else {
        let why = "there is no serving certificate";
        let may = match registered {
            // Nobody calls yet, or nobody can be asked.
            Registered::Unknown | Registered::Nothing => true,
            Registered::Newest(since) => since >= pace.settle,
            Registered::Unread(since) => since >= pace.patience,
            Registered::Others => now - newest.made >= seconds(pace.patience),
        };
        return if may { Step::Sign { by: 0, why } } else { Step::Wait("the new CA to be registered") };
    };
    let lacks = if leaf.has_names {
        is_due(leaf.made, leaf.ends.min(authorities[leaf.signed_by].ends), now).then_some("its end is near")
    } else {
        Some("it lacks a name")
    };
    if leaf.signed_by > 0 {
        let settled = match registered {
            Registered::Newest(since) => since >= pace.settle,
            Registered::Unknown => now - newest.made >= (newest.ends - newest.made) / 20,
            Registered::Nothing | Registered::Others | Registered::Unread(_) => false,
        };
        if settled {
            return Step::Sign { by: 0, why: "API servers trust the new CA" };
        }
        // Until then the old CA serves on, and signs again where that wins anything.
        let gains = !leaf.has_names || authorities[leaf.signed_by].ends > leaf.ends;
        return match lacks {
            Some(why) if leaf.signed_by == 1 && *former_signs && gains => Step::Sign { by: 1, why },
            _ => Step::Wait("API servers to trust the new CA"),
        };
    }
    // Before the serving certificate: it cannot outlive its CA.
    // What it signs meanwhile is trusted as what it serves under now.
    if is_due(newest.made, newest.ends, now) && !is_blind {
        return Step::MakeAuthority("the CA's end is near");
    }
    if let Some(why) = lacks {
        return Step::Sign { by: 0, why };
    }
    if authorities.len() == 1 {
        return Step::Nothing;
    }
    if authorities[1..].iter().all(|old| old.ends <= now) {
        return Step::Forget("it has ended");
    }
    let all_follow = !served.is_empty() && served.iter().all(|print| *print == newest.print);
    if all_follow && now - leaf.made >= seconds(pace.settle) {
        Step::Forget("no replica serves under it")
    } else {
        Step::Wait("every replica to serve under the new CA")
    }
}

/// Less than a third of the life is left.
fn is_due(made: i64, ends: i64, now: i64) -> bool {
    (ends - now) * 3 < ends - made
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
