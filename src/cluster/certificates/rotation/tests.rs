//! Every state in which a leader can find the Secret and the webhook configuration.

use super::*;

const HOUR: i64 = 3600;
/// Long after everything that has ended.
const NOW: i64 = 1_000_000 * HOUR;
const TRUSTED: CaTrust = CaTrust::Newest(Duration::from_secs(5));
const TRUSTED_BUT_NOT_EVERYWHERE: CaTrust = CaTrust::Newest(Duration::from_secs(4));

/// A CA of 90 hours.
fn ca(fingerprint: &str, hours_ago: i64) -> CaInfo {
    CaInfo {
        fingerprint: fingerprint.to_owned(),
        issued_at: NOW - hours_ago * HOUR,
        expires_at: NOW + (90 - hours_ago) * HOUR,
    }
}

/// A certificate of 30 hours.
fn leaf(signed_by: usize, hours_ago: i64) -> LeafInfo {
    LeafInfo {
        issued_at: NOW - hours_ago * HOUR,
        expires_at: NOW + (30 - hours_ago) * HOUR,
        signed_by,
        has_all_names: true,
    }
}

fn observed(cas: &[CaInfo], leaf: Option<LeafInfo>) -> ObservedState {
    ObservedState { cas: cas.to_vec(), can_newest_sign: true, can_former_sign: cas.len() > 1, leaf }
}

fn decide(observed: &ObservedState, trust: CaTrust, served: &[&str]) -> RotationStep {
    let served: Vec<_> = served.iter().map(ToString::to_string).collect();
    next_step(observed, &RotationInputs { now: NOW, trust, served_cas: &served, timing: RotationTiming::default() })
}

/// The step, without its reason.
fn kind(step: RotationStep) -> String {
    match step {
        RotationStep::None => "none".into(),
        RotationStep::Wait(_) => "wait".into(),
        RotationStep::CreateCa(_) => "create".into(),
        RotationStep::Sign { ca, .. } => format!("sign {ca}"),
        RotationStep::DropOldCas(_) => "drop".into(),
    }
}

#[test]
fn the_first_start_does_not_wait() {
    for trust in [CaTrust::NoWebhookConfig, CaTrust::NoCa] {
        assert_eq!(kind(decide(&ObservedState::default(), trust, &[])), "create");
        assert_eq!(kind(decide(&observed(&[ca("a", 0)], None), trust, &[])), "sign 0", "{trust:?}");
        assert_eq!(kind(decide(&observed(&[ca("a", 0)], Some(leaf(0, 0))), trust, &[])), "none");
    }
}

#[test]
fn no_registered_ca_is_replaced_before_it_is_read() {
    let (soon, late) = (CaTrust::NotRead(Duration::from_secs(29)), CaTrust::NotRead(Duration::from_secs(30)));
    let keyless = ObservedState { can_newest_sign: false, ..observed(&[ca("a", 1)], Some(leaf(0, 1))) };
    for (held, before, after) in [
        // Nothing was ever there, or nothing that has not ended.
        (ObservedState::default(), "wait", "create"),
        (observed(&[ca("a", 0)], None), "wait", "sign 0"),
        (observed(&[ca("a", 91)], None), "wait", "create"),
        (keyless, "wait", "wait"),
        (observed(&[ca("b", 20), ca("a", 62)], Some(leaf(1, 5))), "wait", "wait"),
        // Who trusts what is served trusts what the same CA signs again.
        (observed(&[ca("a", 61)], Some(leaf(0, 5))), "none", "none"),
        (observed(&[ca("a", 61)], Some(leaf(0, 21))), "sign 0", "sign 0"),
        (observed(&[ca("a", 1)], Some(leaf(0, 1))), "none", "none"),
    ] {
        assert_eq!(kind(decide(&held, soon, &["a"])), before, "{held:?}");
        assert_eq!(kind(decide(&held, late, &["a"])), after, "{held:?}");
    }
}

#[test]
fn what_expires_soon_is_renewed() {
    for (ca_age, leaf_age, expected) in [
        (0, 0, "none"),
        (10, 20, "none"),
        (10, 21, "sign 0"),
        (10, 40, "sign 0"),
        (60, 5, "none"),
        (61, 5, "create"),
        // The CA first: what it signs cannot outlive it.
        (61, 21, "create"),
        (91, 5, "create"),
    ] {
        let step = decide(&observed(&[ca("a", ca_age)], Some(leaf(0, leaf_age))), TRUSTED, &["a"]);
        assert_eq!(kind(step), expected, "a CA of {ca_age} hours, a certificate of {leaf_age}");
    }
    // It would outlive its CA, so the CA's end is its own.
    let long = LeafInfo { expires_at: NOW + 1000 * HOUR, ..leaf(0, 500) };
    let old = CaInfo { issued_at: NOW - 600 * HOUR, expires_at: NOW + 301 * HOUR, fingerprint: "a".into() };
    assert_eq!(kind(decide(&observed(&[old], Some(long)), TRUSTED, &["a"])), "none");
    let nameless = LeafInfo { has_all_names: false, ..leaf(0, 1) };
    assert_eq!(kind(decide(&observed(&[ca("a", 1)], Some(nameless)), TRUSTED, &["a"])), "sign 0");
}

#[test]
fn a_ca_that_is_not_trusted_yet_signs_nothing() {
    let made = |leaf_age, trust| {
        let both = [ca("b", 1), ca("a", 62)];
        kind(decide(&observed(&both, Some(leaf(1, leaf_age))), trust, &["a"]))
    };
    for trust in [CaTrust::NoCa, CaTrust::OtherCas, TRUSTED_BUT_NOT_EVERYWHERE, CaTrust::NoWebhookConfig] {
        assert_eq!(made(5, trust), "wait", "{trust:?}");
        // The old CA signs on meanwhile, where it outlives what it has signed.
        assert_eq!(made(25, trust), "sign 1", "{trust:?}");
    }
    assert_eq!(made(5, TRUSTED), "sign 0");
    assert_eq!(made(25, TRUSTED), "sign 0");
    // Where nobody tells, a twentieth of its life has to do.
    let both = [ca("b", 5), ca("a", 70)];
    assert_eq!(kind(decide(&observed(&both, Some(leaf(1, 5))), CaTrust::NoWebhookConfig, &["a"])), "sign 0");
}

#[test]
fn an_old_ca_signs_again_only_where_it_can_and_where_that_gains_time() {
    let both = [ca("b", 1), ca("a", 85)];
    let capped = LeafInfo { expires_at: both[1].expires_at, ..leaf(1, 24) };
    assert_eq!(kind(decide(&observed(&both, Some(capped)), TRUSTED_BUT_NOT_EVERYWHERE, &["a"])), "wait");
    let keyless = ObservedState { can_former_sign: false, ..observed(&[ca("b", 1), ca("a", 62)], Some(leaf(1, 25))) };
    assert_eq!(kind(decide(&keyless, TRUSTED_BUT_NOT_EVERYWHERE, &["a"])), "wait");
    let third = observed(&[ca("c", 1), ca("b", 2), ca("a", 62)], Some(leaf(2, 25)));
    assert_eq!(kind(decide(&third, TRUSTED_BUT_NOT_EVERYWHERE, &["a"])), "wait");
    assert_eq!(kind(decide(&third, TRUSTED, &["a"])), "sign 0");
}

#[test]
fn an_old_ca_is_trusted_until_no_replica_serves_under_it() {
    let both = observed(&[ca("b", 1), ca("a", 62)], Some(leaf(0, 1)));
    for (served, expected) in [
        (&["b"][..], "drop"),
        (&["b", "b"], "drop"),
        (&["b", "a"], "wait"),
        (&["b", ""], "wait"),
        // Not even this one's own report: nobody is known to follow.
        (&[], "wait"),
    ] {
        assert_eq!(kind(decide(&both, TRUSTED, served)), expected, "{served:?}");
    }
    // Reports may be of just before the change.
    let fresh = observed(&[ca("b", 1), ca("a", 62)], Some(LeafInfo { issued_at: NOW - 4, ..leaf(0, 0) }));
    assert_eq!(kind(decide(&fresh, TRUSTED, &["b"])), "wait");
    let ended = observed(&[ca("b", 1), ca("a", 91)], Some(leaf(0, 1)));
    assert_eq!(kind(decide(&ended, TRUSTED, &["b", "a"])), "drop");
}

#[test]
fn a_damaged_secret_is_repaired_in_the_same_order() {
    let no_key = ObservedState { can_newest_sign: false, ..observed(&[ca("a", 1)], Some(leaf(0, 1))) };
    assert_eq!(kind(decide(&no_key, TRUSTED, &["a"])), "create");
    // ReplicaReports serve on with what they hold, so there is time to register.
    let no_leaf = |age_in_seconds: i64| {
        let new = CaInfo { issued_at: NOW - age_in_seconds, ..ca("b", 0) };
        observed(&[new, ca("a", 10)], None)
    };
    for (age, trust, expected) in [
        (1, CaTrust::OtherCas, "wait"),
        (29, CaTrust::OtherCas, "wait"),
        // Nobody registers, and who starts has nothing to serve.
        (30, CaTrust::OtherCas, "sign 0"),
        (1, TRUSTED_BUT_NOT_EVERYWHERE, "wait"),
        (1, TRUSTED, "sign 0"),
        (1, CaTrust::NoCa, "sign 0"),
        (1, CaTrust::NoWebhookConfig, "sign 0"),
    ] {
        assert_eq!(kind(decide(&no_leaf(age), trust, &["a"])), expected, "{age} s, {trust:?}");
    }
    // An ended certificate is none, and so is one whose CA has ended.
    for (authorities, ended) in [(vec![ca("a", 50)], leaf(0, 30)), (vec![ca("b", 50), ca("a", 90)], leaf(1, 5))] {
        assert_eq!(kind(decide(&observed(&authorities, Some(ended)), TRUSTED, &["a"])), "sign 0");
    }
}

#[test]
fn a_rotation_completes_with_another_leader_at_each_step() {
    // Each row is found by a leader that knows nothing of the row before.
    let (old, new) = (ca("a", 61), ca("b", 0));
    for (held, trust, served, expected) in [
        (observed(std::slice::from_ref(&old), Some(leaf(0, 5))), TRUSTED, ["a", "a"], "create"),
        (observed(&[new.clone(), old.clone()], Some(leaf(1, 5))), CaTrust::OtherCas, ["a", "a"], "wait"),
        (observed(&[new.clone(), old.clone()], Some(leaf(1, 5))), TRUSTED_BUT_NOT_EVERYWHERE, ["a", "a"], "wait"),
        (observed(&[new.clone(), old.clone()], Some(leaf(1, 5))), TRUSTED, ["a", "a"], "sign 0"),
        (observed(&[new.clone(), old.clone()], Some(leaf(0, 1))), TRUSTED, ["a", "b"], "wait"),
        (observed(&[new.clone(), old], Some(leaf(0, 1))), TRUSTED, ["b", "b"], "drop"),
        (observed(&[new], Some(leaf(0, 1))), TRUSTED, ["b", "b"], "none"),
    ] {
        assert_eq!(kind(decide(&held, trust, &served)), expected, "{held:?}");
    }
}
