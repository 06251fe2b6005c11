//! Writes that cannot be read or compared: nobody gets past by that.

use std::sync::LazyLock;
use std::time::Duration;

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::{self, decode_head};
use driftwall_core::decision::{Decision, DecisionContext, decide, validate_break_glass};
use driftwall_core::policy::{EvaluationContext, Mode, NoCluster, Outcome, Verdict, evaluate, self_check};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, recorded_action, review_of};

const WIDGET: &str = "
apiVersion: example.org/v1
kind: Gadget
metadata: {name: gadget, namespace: prod}
spec: {size: 2, free: {a: b}}
";

/// A write to the Gadget: its `spec` before and after, as JSON.
fn body(operation: &str, user: &str, old: Option<&str>, new: Option<&str>) -> String {
    let object = |spec: Option<&str>| match spec {
        Some(spec) => format!(
            r#"{{"apiVersion":"example.org/v1","kind":"Gadget","metadata":{{"name":"gadget","namespace":"prod","uid":"u"}},"spec":{spec}}}"#
        ),
        None => "null".to_owned(),
    };
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"u1","kind":{{"group":"example.org","version":"v1","kind":"Gadget"}},"resource":{{"group":"example.org","version":"v1","resource":"gadgets"}},"name":"gadget","namespace":"prod","operation":"{operation}","userInfo":{{"username":"{user}","groups":["system:authenticated"]}},"object":{},"oldObject":{},"dryRun":false}}}}"#,
        object(new),
        object(old)
    )
}

fn answer(body: &[u8]) -> Decision {
    static EVALUATOR: LazyLock<Evaluator> = LazyLock::new(|| Evaluator::new(WIDGET, &["argocd", "flux"]));
    let Evaluator { snapshot, actors, policy, .. } = &*EVALUATOR;
    let write = admission::decode(body).unwrap();
    let context = EvaluationContext { snapshot, actors, policy, cluster: &NoCluster };
    decide(&write, &evaluate(&write, context), policy, DecisionContext::default())
}

fn outcome(body: &[u8]) -> Outcome {
    answer(body).outcome
}

/// `depth` levels of maps in maps, or lists in lists.
fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

const GIT: &str = r#"{"size":2,"free":{"a":"b"}}"#;

#[test]
fn what_is_nested_deep_is_read_whole() {
    for (open, close) in [(r#"{"x":"#, "}"), ("[", "]"), (r#"[{"name":"x","y":"#, "}]")] {
        for depth in [126, 9_900 / open.matches(['[', '{']).count()] {
            let deep = nested(open, close, depth);
            let with = |size: usize| format!(r#"{{"size":{size},"free":{{"a":"b"}},"more":{deep}}}"#);
            let (right, wrong) = (with(2), with(3));
            let update = |old: &str, new: &str| outcome(body("UPDATE", "alice", Some(old), Some(new)).as_bytes());
            assert_eq!(update(GIT, &wrong), Outcome::Deny, "{open} {depth}: a change beside what is deep");
            assert_eq!(update(&right, &wrong), Outcome::Deny, "{open} {depth}: a change of what is deep already");
            assert_eq!(update(&wrong, &right), Outcome::Allow, "{open} {depth}: the way back");
            assert_eq!(update(&wrong, GIT), Outcome::Allow, "{open} {depth}: the whole way back");
            let other = right.replace('1', "4");
            assert_eq!(update(&right, &other), Outcome::Deny, "{open} {depth}: a change far down");
            let delete = body("DELETE", "alice", Some(&right), None);
            assert_eq!(outcome(delete.as_bytes()), Outcome::Deny, "{open} {depth}: deleted");
        }
    }
}

/// Through whatever door it comes, and whatever is found: what is parsed is dropped where there is room for it.
#[test]
fn what_is_nested_deep_overflows_no_stack() {
    let machine = "system:serviceaccount:argocd:argocd-application-controller";
    let groups = r#"["system:serviceaccounts","system:serviceaccounts:argocd"]"#;
    let evaluator = Evaluator::new(WIDGET, &["argocd", "flux"]);
    let Evaluator { snapshot, actors, policy, .. } = &evaluator;
    let context = EvaluationContext { snapshot, actors, policy, cluster: &NoCluster };
    for (open, close) in [(r#"{"x":"#, "}"), ("[", "]")] {
        let deep = format!(r#"{{"size":2,"free":{{"a":{}}}}}"#, nested(open, close, 9_990));
        // It cannot be parsed to its end.
        let broken = deep.replacen("1}", "1e999}", 1).replacen("1]", "1e999]", 1);
        assert_ne!(broken, deep);
        for (old, new) in [(Some(GIT), &deep), (Some(&*deep), &broken), (Some(&*broken), &deep), (None, &deep)] {
            let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
            let text = body(operation, "alice", old, Some(new));
            assert_eq!(outcome(text.as_bytes()), Outcome::Deny);
            let of_another = text.replace(r#""name":"gadget""#, r#""name":"other""#);
            assert_eq!(outcome(of_another.as_bytes()), Outcome::Allow);
            let by_argocd = text.replace("alice", machine).replace(r#"["system:authenticated"]"#, groups);
            assert_eq!(outcome(by_argocd.as_bytes()), Outcome::Allow);
            self_check(&admission::decode(by_argocd.as_bytes()).unwrap(), context);
            let named = r#""name":"gadget","namespace":"prod","operation""#;
            let by_status = text.replace(named, &format!(r#""subResource":"status",{named}"#));
            assert_ne!(by_status, text);
            outcome(by_status.as_bytes());
            for (group, kind, plural) in [
                ("apps", "Deployment", "deployments"),
                ("argoproj.io", "Application", "applications"),
                ("driftwall.io", "BreakGlass", "breakglasses"),
            ] {
                let of_kind = text.replace("gadgets", plural).replace("Gadget", kind).replace("example.org", group);
                let write = admission::decode(of_kind.as_bytes()).unwrap();
                evaluate(&write, context);
                let validated = validate_break_glass(&write, Timestamp::UNIX_EPOCH, Duration::from_hours(1), policy);
                assert_eq!(validated.is_some(), kind == "BreakGlass");
            }
        }
    }
}

/// Objects that cannot be read, each for a reason of its own.
fn unreadable_specs() -> Vec<(&'static str, String)> {
    let many = vec![r#"{"a":1}"#; 80_000].join(",");
    vec![
        ("too deep", format!(r#"{{"size":2,"free":{{"a":"b"}},"x":{}}}"#, nested("[", "]", 10_100))),
        ("too many parts", format!(r#"{{"size":2,"free":{{"a":"b"}},"x":[{many}]}}"#)),
        ("a number that is none", r#"{"size":1e999}"#.to_owned()),
        ("half a character", r#"{"size":2,"x":"\ud800"}"#.to_owned()),
    ]
}

#[test]
fn what_cannot_be_read_is_denied_whatever_on_error_says() {
    for (case, spec) in unreadable_specs() {
        for (operation, old) in [("UPDATE", Some(GIT)), ("UPDATE", Some(&*spec)), ("CREATE", None)] {
            let decision = answer(body(operation, "alice", old, Some(&spec)).as_bytes());
            assert_eq!(decision.outcome, Outcome::Deny, "{case}");
            let message = decision.answer.denial.unwrap().message;
            assert!(message.ends_with("What cannot be compared with Git is denied. Nothing was changed."), "{message}");
            assert!(message.len() < 500, "{message}");
        }
    }
}

#[test]
fn the_way_back_from_what_cannot_be_read_is_open() {
    for (case, spec) in unreadable_specs() {
        let update = |new: &str| outcome(body("UPDATE", "alice", Some(&spec), Some(new)).as_bytes());
        assert_eq!(update(GIT), Outcome::Allow, "{case}");
        assert_eq!(update(r#"{"size":3,"free":{"a":"b"}}"#), Outcome::Deny, "{case}");
        assert_eq!(update(r#"{"free":{"a":"b"}}"#), Outcome::Deny, "{case}");
    }
}

#[test]
fn a_deletion_needs_no_more_of_the_object_than_its_verdict() {
    for (case, spec) in unreadable_specs() {
        let delete = body("DELETE", "alice", Some(&spec), None);
        assert_eq!(outcome(delete.as_bytes()), Outcome::Deny, "{case}");
        let going = delete.replace(r#""uid":"u"}"#, r#""uid":"u","deletionTimestamp":"2026-11-23T12:00:00Z"}"#);
        assert_eq!(outcome(going.as_bytes()), Outcome::Allow, "{case}");
    }
}

#[test]
fn machines_that_are_exempt_are_never_read() {
    let user = "system:serviceaccount:argocd:argocd-application-controller";
    let groups = r#"["system:serviceaccounts","system:serviceaccounts:argocd"]"#;
    for (case, spec) in unreadable_specs() {
        let by_argocd = body("UPDATE", user, Some(&spec), Some(&spec)).replace(r#"["system:authenticated"]"#, groups);
        assert_eq!(outcome(by_argocd.as_bytes()), Outcome::Allow, "{case}");
    }
}

#[test]
fn modes_soften_what_cannot_be_read_as_they_soften_drift() {
    for (mode, outcome) in [(Mode::Warn, Outcome::Warn), (Mode::Audit, Outcome::Allow), (Mode::Enforce, Outcome::Deny)]
    {
        let mut evaluator = Evaluator::new("", &[]);
        evaluator.policy.mode = mode;
        for review in [
            recorded_action("patch-replicas-7").with_object(|new| *new = json!("no object")),
            recorded_action("patch-replicas-7").with_old_object(|old| *old = Value::Null),
        ] {
            let got = evaluator.evaluate(&review);
            assert_eq!((got.verdict, got.outcome), (Verdict::Error, outcome), "{mode:?}");
        }
    }
}

#[test]
fn a_large_text_is_judged_however_it_is_escaped() {
    // Go's encoder writes `<` as six characters.
    let text = "\\u003c".repeat(1_500_000);
    let with = |size: usize| format!(r#"{{"size":{size},"free":{{"a":"b"}},"more":"{text}"}}"#);
    let update = body("UPDATE", "alice", Some(&with(2)), Some(&with(3)));
    assert!(update.len() > 18_000_000);
    assert_eq!(outcome(update.as_bytes()), Outcome::Deny);
    assert_eq!(outcome(body("UPDATE", "alice", Some(&with(3)), Some(&with(2))).as_bytes()), Outcome::Allow);
    assert_eq!(outcome(body("DELETE", "alice", Some(&with(2)), None).as_bytes()), Outcome::Deny);
}

#[test]
fn the_head_of_a_review_says_whether_it_may_pass() {
    let evaluator = Evaluator::new(WIDGET, &["argocd"]);
    let Evaluator { snapshot, policy, .. } = &evaluator;
    let actors = ActorRules::new(Vec::new(), &["argocd".to_owned()]).unwrap();
    let context = EvaluationContext { snapshot, actors: &actors, policy, cluster: &NoCluster };
    let whole = body("UPDATE", "alice", Some(GIT), Some(GIT));
    let cut = whole.find(r#""object""#).unwrap() + 40;
    for (case, text, verdict) in [
        ("declared", whole.clone(), Verdict::Error),
        ("not declared", whole.replacen("\"name\":\"gadget\"", "\"name\":\"others\"", 1), Verdict::Unmanaged),
    ] {
        let write = decode_head(&text.as_bytes()[..cut], "it is too large to be compared").unwrap();
        assert_eq!(evaluate(&write, context).verdict, verdict, "{case}");
    }
}

/// JSON of any shape, sometimes broken.
fn any_json() -> impl Strategy<Value = String> {
    let deep = (prop_oneof![Just(1..200_usize), Just(9_000..11_000)].prop_flat_map(|depths| depths), any::<bool>())
        .prop_map(|(depth, maps)| if maps { nested(r#"{"x":"#, "}", depth) } else { nested("[", "]", depth) });
    let wide = (1..3000_usize, prop_oneof![Just("{}"), Just("[1]"), Just(r#"{"name":"x","a":[null]}"#), Just("\"<\"")])
        .prop_map(|(width, item)| format!("[{}]", vec![item; width].join(",")));
    let odd = prop_oneof![
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("{\"a\":1,\"a\":2}".to_owned()),
        Just("-0.0".to_owned()),
        Just("[1,".to_owned()),
        Just("tru".to_owned()),
    ];
    prop_oneof![deep, wide, odd, "\\PC{0,40}".prop_map(|text| Value::from(text).to_string())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The change of a declared field comes with anything else, before it and behind it, in both objects.
    #[test]
    fn no_review_passes_by_being_unreadable(before in any_json(), behind in any_json(), in_old in any::<bool>()) {
        let new = format!(r#"{{"a":{before},"free":{{"a":"b"}},"size":3,"z":{behind}}}"#);
        let old = if in_old { format!(r#"{{"a":{before},"free":{{"a":"b"}},"size":2,"z":{behind}}}"#) } else { GIT.to_owned() };
        prop_assert_eq!(outcome(body("UPDATE", "alice", Some(&old), Some(&new)).as_bytes()), Outcome::Deny);
        prop_assert_eq!(outcome(body("CREATE", "alice", None, Some(&new)).as_bytes()), Outcome::Deny);
        prop_assert_eq!(outcome(body("DELETE", "alice", Some(&old), None).as_bytes()), Outcome::Deny);
    }

    /// The same of the body itself: cut off anywhere behind the head.
    #[test]
    fn no_review_passes_by_being_cut_off(at in 0.0..1.0_f64) {
        let whole = body("UPDATE", "alice", Some(GIT), Some(r#"{"size":3,"free":{"a":"b"}}"#));
        let head = whole.find(r#""object""#).unwrap();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
        let end = head + ((whole.len() - head) as f64 * at) as usize;
        prop_assert_eq!(outcome(&whole.as_bytes()[..end]), Outcome::Deny);
    }
}

#[test]
fn another_shape_than_the_schema_says_is_drift_or_unreadable() {
    let evaluator = Evaluator::new("", &[]);
    for odd in [json!(1), json!("x"), json!([]), json!([[]]), json!({}), json!(null), json!({"a": {"b": 1}})] {
        for pointer in ["/spec", "/spec/template", "/spec/replicas", "/spec/template/spec/containers", "/metadata"] {
            let review: Review =
                review_of("deployments", "web").with_object(|new| *new.pointer_mut(pointer).unwrap() = odd.clone());
            let got = evaluator.evaluate(&review);
            // What Git does not say of metadata may go; a map that is empty is what is left out.
            let may_pass = pointer == "/metadata";
            assert!(may_pass || got.outcome == Outcome::Deny, "{pointer}: {odd}: {got:?}");
        }
    }
}
