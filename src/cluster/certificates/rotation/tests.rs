//! Every state in which a leader can find things.

use super::*;

const HOUR: i64 = 3600;
/// Long after everything that has ended.
const NOW: i64 = 1_000_000 * HOUR;
const SETTLED: CaTrust = CaTrust::Newest(Duration::from_secs(5));
const JUST: CaTrust = CaTrust::Newest(Duration::from_secs(4));

/// A CA of 90 hours.
fn ca(fingerprint: &str, hours_ago: i64) -> Life {
    Life {
        fingerprint: fingerprint.to_owned(),
        issued_at: NOW - hours_ago * HOUR,
        expires_at: NOW + (90 - hours_ago) * HOUR,
    }
}

/// A certificate of 30 hours.
fn leaf(signed_by: usize, hours_ago: i64) -> Leaf {
    Leaf { issued_at: NOW - hours_ago * HOUR, expires_at: NOW + (30 - hours_ago) * HOUR, signed_by, has_names: true }
}

fn observed(authorities: &[Life], leaf: Option<Leaf>) -> ObservedState {
    ObservedState { authorities: authorities.to_vec(), newest_signs: true, former_signs: authorities.len() > 1, leaf }
}

fn decide(observed: &ObservedState, registered: CaTrust, served: &[&str]) -> RotationStep {
    let served: Vec<_> = served.iter().map(ToString::to_string).collect();
    next(observed, &RotationInputs { now: NOW, registered, served: &served, timing: RotationTiming::default() })
}

/// The kind of step, without its reason.
fn told(step: RotationStep) -> String {
    match step {
        RotationStep::Nothing => "nothing".into(),
        RotationStep::Wait(_) => "wait".into(),
        RotationStep::MakeAuthority(_) => "make".into(),
        RotationStep::Sign { by, .. } => format!("sign {by}"),
        RotationStep::DropOldCa(_) => "forget".into(),
    }
}

#[test]
fn the_first_start_waits_for_nobody() {
    for registered in [CaTrust::Unknown, CaTrust::Nothing] {
        assert_eq!(told(decide(&ObservedState::default(), registered, &[])), "make");
        assert_eq!(told(decide(&observed(&[ca("a", 0)], None), registered, &[])), "sign 0", "{registered:?}");
        assert_eq!(told(decide(&observed(&[ca("a", 0)], Some(leaf(0, 0))), registered, &[])), "nothing");
    }
}

#[test]
fn nothing_that_is_trusted_is_lost_before_it_is_read() {
    let (soon, late) = (CaTrust::Unread(Duration::from_secs(29)), CaTrust::Unread(Duration::from_secs(30)));
    let keyless = ObservedState { newest_signs: false, ..observed(&[ca("a", 1)], Some(leaf(0, 1))) };
    for (held, before, after) in [
        // Nothing was ever there, or nothing that has not ended.
        (ObservedState::default(), "wait", "make"),
        (observed(&[ca("a", 0)], None), "wait", "sign 0"),
        (observed(&[ca("a", 91)], None), "wait", "make"),
        (keyless, "wait", "wait"),
        (observed(&[ca("b", 20), ca("a", 62)], Some(leaf(1, 5))), "wait", "wait"),
        // Who trusts what is served trusts what the same CA signs again.
        (observed(&[ca("a", 61)], Some(leaf(0, 5))), "nothing", "nothing"),
        (observed(&[ca("a", 61)], Some(leaf(0, 21))), "sign 0", "sign 0"),
        (observed(&[ca("a", 1)], Some(leaf(0, 1))), "nothing", "nothing"),
    ] {
        assert_eq!(told(decide(&held, soon, &["a"])), before, "{held:?}");
        assert_eq!(told(decide(&held, late, &["a"])), after, "{held:?}");
    }
}

#[test]
fn what_is_near_its_end_is_renewed() {
    for (ca_age, leaf_age, expected) in [
        (0, 0, "nothing"),
        (10, 20, "nothing"),
        (10, 21, "sign 0"),
        (10, 40, "sign 0"),
        (60, 5, "nothing"),
        (61, 5, "make"),
        // The CA first: what it signs cannot outlive it.
        (61, 21, "make"),
        (91, 5, "make"),
    ] {
        let step = decide(&observed(&[ca("a", ca_age)], Some(leaf(0, leaf_age))), SETTLED, &["a"]);
        assert_eq!(told(step), expected, "a CA of {ca_age} hours, a certificate of {leaf_age}");
    }
    // It would outlive its CA, so the CA's end is its own.
    let long = Leaf { expires_at: NOW + 1000 * HOUR, ..leaf(0, 500) };
    let old = Life { issued_at: NOW - 600 * HOUR, expires_at: NOW + 301 * HOUR, fingerprint: "a".into() };
    assert_eq!(told(decide(&observed(&[old], Some(long)), SETTLED, &["a"])), "nothing");
    let nameless = Leaf { has_names: false, ..leaf(0, 1) };
    assert_eq!(told(decide(&observed(&[ca("a", 1)], Some(nameless)), SETTLED, &["a"])), "sign 0");
}

#[test]
fn nothing_is_signed_by_a_ca_that_is_not_trusted_yet() {
    let made = |leaf_age, registered| {
        let both = [ca("b", 1), ca("a", 62)];
        told(decide(&observed(&both, Some(leaf(1, leaf_age))), registered, &["a"]))
    };
    for registered in [CaTrust::Nothing, CaTrust::Others, JUST, CaTrust::Unknown] {
        assert_eq!(made(5, registered), "wait", "{registered:?}");
        // The old CA signs on meanwhile, where it outlives what it has signed.
        assert_eq!(made(25, registered), "sign 1", "{registered:?}");
    }
    assert_eq!(made(5, SETTLED), "sign 0");
    assert_eq!(made(25, SETTLED), "sign 0");
    // Where nobody tells, a twentieth of its life has to do.
    let both = [ca("b", 5), ca("a", 70)];
    assert_eq!(told(decide(&observed(&both, Some(leaf(1, 5))), CaTrust::Unknown, &["a"])), "sign 0");
}

#[test]
fn an_old_ca_signs_on_only_where_it_can_and_where_that_wins_time() {
    let both = [ca("b", 1), ca("a", 85)];
    let capped = Leaf { expires_at: both[1].expires_at, ..leaf(1, 24) };
    assert_eq!(told(decide(&observed(&both, Some(capped)), JUST, &["a"])), "wait");
    let keyless = ObservedState { former_signs: false, ..observed(&[ca("b", 1), ca("a", 62)], Some(leaf(1, 25))) };
    assert_eq!(told(decide(&keyless, JUST, &["a"])), "wait");
    let third = observed(&[ca("c", 1), ca("b", 2), ca("a", 62)], Some(leaf(2, 25)));
    assert_eq!(told(decide(&third, JUST, &["a"])), "wait");
    assert_eq!(told(decide(&third, SETTLED, &["a"])), "sign 0");
}

#[test]
fn an_old_ca_is_trusted_until_no_replica_serves_under_it() {
    let both = observed(&[ca("b", 1), ca("a", 62)], Some(leaf(0, 1)));
    for (served, expected) in [
        (&["b"][..], "forget"),
        (&["b", "b"], "forget"),
        (&["b", "a"], "wait"),
        (&["b", ""], "wait"),
        // Not even this one's own report: nobody is known to follow.
        (&[], "wait"),
    ] {
        assert_eq!(told(decide(&both, SETTLED, served)), expected, "{served:?}");
    }
    // Reports may be of just before the change.
    let fresh = observed(&[ca("b", 1), ca("a", 62)], Some(Leaf { issued_at: NOW - 4, ..leaf(0, 0) }));
    assert_eq!(told(decide(&fresh, SETTLED, &["b"])), "wait");
    let ended = observed(&[ca("b", 1), ca("a", 91)], Some(leaf(0, 1)));
    assert_eq!(told(decide(&ended, SETTLED, &["b", "a"])), "forget");
}

#[test]
fn damage_is_mended_in_the_same_order() {
    let no_key = ObservedState { newest_signs: false, ..observed(&[ca("a", 1)], Some(leaf(0, 1))) };
    assert_eq!(told(decide(&no_key, SETTLED, &["a"])), "make");
    // ReplicaReports serve on with what they hold, so there is time to register.
    let no_leaf = |age_in_seconds: i64| {
        let new = Life { issued_at: NOW - age_in_seconds, ..ca("b", 0) };
        observed(&[new, ca("a", 10)], None)
    };
    for (age, registered, expected) in [
        (1, CaTrust::Others, "wait"),
        (29, CaTrust::Others, "wait"),
        // Nobody registers, and who starts has nothing to serve.
        (30, CaTrust::Others, "sign 0"),
        (1, JUST, "wait"),
        (1, SETTLED, "sign 0"),
        (1, CaTrust::Nothing, "sign 0"),
        (1, CaTrust::Unknown, "sign 0"),
    ] {
        assert_eq!(told(decide(&no_leaf(age), registered, &["a"])), expected, "{age} s, {registered:?}");
    }
    // An ended certificate is none, and so is one whose CA has ended.
    for (authorities, ended) in [(vec![ca("a", 50)], leaf(0, 30)), (vec![ca("b", 50), ca("a", 90)], leaf(1, 5))] {
        assert_eq!(told(decide(&observed(&authorities, Some(ended)), SETTLED, &["a"])), "sign 0");
    }
}

#[test]
fn a_whole_rotation_goes_its_way_whoever_leads_at_each_step() {
    // Each row is found by a leader that knows nothing of the row before.
    let (old, new) = (ca("a", 61), ca("b", 0));
    for (held, registered, served, expected) in [
        (observed(std::slice::from_ref(&old), Some(leaf(0, 5))), SETTLED, ["a", "a"], "make"),
        (observed(&[new.clone(), old.clone()], Some(leaf(1, 5))), CaTrust::Others, ["a", "a"], "wait"),
        (observed(&[new.clone(), old.clone()], Some(leaf(1, 5))), JUST, ["a", "a"], "wait"),
        (observed(&[new.clone(), old.clone()], Some(leaf(1, 5))), SETTLED, ["a", "a"], "sign 0"),
        (observed(&[new.clone(), old.clone()], Some(leaf(0, 1))), SETTLED, ["a", "b"], "wait"),
        (observed(&[new.clone(), old], Some(leaf(0, 1))), SETTLED, ["b", "b"], "forget"),
        (observed(&[new], Some(leaf(0, 1))), SETTLED, ["b", "b"], "nothing"),
    ] {
        assert_eq!(told(decide(&held, registered, &served)), expected, "{held:?}");
    }
}
