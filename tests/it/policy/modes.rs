//! The verdict first, the mode after: how the configuration turns verdicts into answers.

use std::sync::Arc;

use crate::harness::evaluator::{Evaluated, Evaluator, contents};
use crate::harness::reviews::{Review, recorded_action, review_of, review_of_yaml, set_at};
use driftwall_core::actor::Class;
use driftwall_core::admission::Resource;
use driftwall_core::decision::{DecisionContext, decide_unreadable_review};
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{
    ClusterLookup, IgnoreRule, LookupError, Mode, ModeRule, NamespaceRule, Outcome, Owner, Policy, ProtectedKeyRules,
    Verdict,
};
use serde_json::{Value, json};

/// A evaluator whose policy is edited.
fn evaluator(edit: impl FnOnce(&mut Policy)) -> Evaluator {
    let mut evaluator = Evaluator::new("", &[]);
    edit(&mut evaluator.policy);
    evaluator
}

fn globs(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|glob| (*glob).to_owned()).collect()
}

fn mode_rule(namespaces: &[&str], actors: &[Class], mode: Mode) -> ModeRule {
    ModeRule::new(&globs(namespaces), actors.to_vec(), mode).unwrap()
}

fn mode_of_kinds(kinds: &[&str], mode: Mode) -> ModeRule {
    mode_rule(&[], &[], mode).for_kinds(&globs(kinds)).unwrap()
}

fn scoped(namespaces: &[&str], answer: Outcome) -> Vec<NamespaceRule> {
    vec![NamespaceRule::new(&globs(namespaces), answer).unwrap()]
}

fn ignoring(group: &str, kind: &str, namespace: &str, name: &str, paths: &[&str]) -> Evaluator {
    evaluator(|policy| policy.ignore = vec![IgnoreRule::new(group, kind, namespace, name, &globs(paths)).unwrap()])
}

/// A person's write that drifts.
fn drifts() -> Review {
    recorded_action("patch-replicas-7")
}

/// A person's write that adds what Git has not.
fn adds() -> Review {
    recorded_action("add-sidecar")
}

/// A person's write that creates what Git does not know.
fn unknown() -> Review {
    recorded_action("create-unmanaged-deployment")
}

/// A write in a version that Git is not in.
fn in_other_version() -> Review {
    drifts().with_request(|request| request["resource"]["version"] = "v1beta1".into()).with_request(|request| {
        request["kind"]["version"] = "v1beta1".into();
    })
}

fn unparseable() -> Review {
    drifts().with_object(|new| *new = json!("no object"))
}

/// A cluster that cannot be asked.
struct Away;

impl Away {
    fn fails<T>() -> Result<T, LookupError> {
        Err(LookupError { what: "the cluster".into(), reason: "it is away".into() })
    }
}

impl ClusterLookup for Away {
    fn owner(&self, _: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        Self::fails()
    }

    fn custom_resource(&self, _: &str, _: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        Self::fails()
    }

    fn kind_of(&self, _: &str, _: &str) -> Result<Option<String>, LookupError> {
        Self::fails()
    }

    fn object(&self, _: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        Self::fails()
    }
}

fn away(edit: impl FnOnce(&mut Policy)) -> Evaluator {
    Evaluator { cluster: Box::new(Away), ..evaluator(edit) }
}

#[test]
fn deletions_need_no_owner_lookup() {
    let evaluator = away(|policy| policy.on_error = Outcome::Deny);
    let going = |review: Review| {
        review.with_both(|object| object["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z".into())
    };
    for (case, review, outcome) in [
        ("deleted", recorded_action("delete-pod"), Outcome::Allow),
        ("on its way out", going(recorded_action("image-pod")), Outcome::Allow),
        ("here to stay", recorded_action("image-pod"), Outcome::Deny),
    ] {
        assert_eq!(evaluator.evaluate(&review).outcome, outcome, "{case}");
    }
}

/// The configured modes, and what drift of a person in `prod` comes to.
struct ModeCase {
    global: Mode,
    /// A source with a mode of its own.
    source: Option<(&'static str, Mode)>,
    rules: Vec<ModeRule>,
    mode: Mode,
    outcome: Outcome,
}

#[test]
fn the_first_mode_that_matches_applies() {
    use Mode::{Audit, Enforce, Warn};
    use Outcome::{Allow, Deny};
    let person = Class::Person;
    for ModeCase { global, source, rules, mode, outcome } in [
        ModeCase { global: Enforce, source: None, rules: vec![], mode: Enforce, outcome: Deny },
        ModeCase { global: Warn, source: None, rules: vec![], mode: Warn, outcome: Outcome::Warn },
        ModeCase { global: Audit, source: None, rules: vec![], mode: Audit, outcome: Allow },
        ModeCase { global: Enforce, source: Some(("prod", Warn)), rules: vec![], mode: Warn, outcome: Outcome::Warn },
        ModeCase { global: Enforce, source: Some(("more", Audit)), rules: vec![], mode: Enforce, outcome: Deny },
        ModeCase { global: Warn, source: Some(("prod", Enforce)), rules: vec![], mode: Enforce, outcome: Deny },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_rule(&["pr*"], &[], Warn)],
            mode: Warn,
            outcome: Outcome::Warn,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_rule(&["staging-*"], &[], Audit)],
            mode: Enforce,
            outcome: Deny,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_rule(&[], &[person], Audit)],
            mode: Audit,
            outcome: Allow,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_rule(&[], &[Class::Workload], Audit)],
            mode: Enforce,
            outcome: Deny,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_rule(&["prod"], &[Class::Workload], Audit)],
            mode: Enforce,
            outcome: Deny,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_rule(&["prod"], &[], Warn), mode_rule(&[], &[person], Audit)],
            mode: Warn,
            outcome: Outcome::Warn,
        },
        ModeCase {
            global: Enforce,
            source: Some(("prod", Warn)),
            rules: vec![mode_rule(&["prod"], &[], Audit)],
            mode: Audit,
            outcome: Allow,
        },
        ModeCase {
            global: Enforce,
            source: Some(("prod", Audit)),
            rules: vec![mode_rule(&["prod"], &[], Warn)],
            mode: Warn,
            outcome: Outcome::Warn,
        },
        ModeCase {
            global: Audit,
            source: None,
            rules: vec![mode_rule(&["prod"], &[], Enforce)],
            mode: Enforce,
            outcome: Deny,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_of_kinds(&["ConfigMap", "*.networking.k8s.io"], Audit), mode_of_kinds(&["*.apps"], Warn)],
            mode: Warn,
            outcome: Outcome::Warn,
        },
        ModeCase {
            global: Enforce,
            source: None,
            rules: vec![mode_of_kinds(&["Deployment.extensions", "deployment"], Audit)],
            mode: Enforce,
            outcome: Deny,
        },
    ] {
        let case = format!("{global:?} {source:?} {rules:?}");
        let evaluator = evaluator(|policy| {
            policy.mode = global;
            policy.source_modes.extend(source.map(|(name, mode)| (name.to_owned(), mode)));
            policy.modes = rules;
        });
        let Evaluated { mode: got_mode, outcome: got, verdict, .. } = evaluator.evaluate(&drifts());
        assert_eq!((got_mode, got, verdict), (mode, outcome, Verdict::Drift), "{case}");
    }
}

#[test]
fn a_mode_for_a_namespace_applies_to_the_namespace_itself() {
    let evaluator = evaluator(|policy| policy.modes = vec![mode_rule(&["prod"], &[], Mode::Warn)]);
    assert_eq!(evaluator.evaluate(&recorded_action("delete-namespace")).outcome, Outcome::Warn);
    assert_eq!(evaluator.evaluate(&recorded_action("delete-crd")).outcome, Outcome::Deny, "it is in no namespace");
}

#[test]
fn the_verdict_is_the_same_in_every_mode() {
    let reviews = [
        drifts(),
        adds(),
        unknown(),
        unparseable(),
        in_other_version(),
        recorded_action("rollout-restart"),
        recorded_action("label-pod"),
        recorded_action("delete-crd"),
        recorded_action("equivalent-quantity"),
        recorded_action("patch-replicas-7").into_dry_run(),
    ];
    let policies: [fn(&mut Policy); 7] = [
        |policy| policy.mode = Mode::Warn,
        |policy| policy.mode = Mode::Audit,
        |policy| policy.on_error = Outcome::Deny,
        |policy| policy.dry_run = Outcome::Deny,
        |policy| policy.dry_run = Outcome::Allow,
        |policy| policy.unmanaged = scoped(&[], Outcome::Deny),
        |policy| policy.source_modes = [("prod".to_owned(), Mode::Audit)].into(),
    ];
    for (index, review) in reviews.iter().enumerate() {
        let told = |evaluator: Evaluator| {
            let Evaluated { verdict, class, fields, reason, .. } = evaluator.evaluate(review);
            (verdict, class, fields, reason)
        };
        let expected = told(evaluator(|_| ()));
        for policy in policies {
            assert_eq!(told(evaluator(policy)), expected, "review {index}");
        }
        let mut stale = evaluator(|_| ());
        stale.context.is_stale = true;
        assert_eq!(told(stale), expected, "review {index}");
    }
}

#[test]
fn ignored_fields_are_not_judged() {
    for (evaluator, ignored) in [
        (ignoring("apps", "Deployment", "pr*", "*", &["spec.replicas"]), true),
        (ignoring("*", "*", "*", "*", &[]), true),
        (ignoring("apps", "Deploy*", "*", "python-*", &["/spec/replicas"]), true),
        (ignoring("apps", "Deployment", "*", "*", &["spec"]), true),
        (ignoring("batch", "Deployment", "*", "*", &["spec.replicas"]), false),
        (ignoring("apps", "StatefulSet", "*", "*", &["spec.replicas"]), false),
        (ignoring("apps", "Deployment", "web-*", "*", &["spec.replicas"]), false),
        (ignoring("apps", "Deployment", "*", "web", &["spec.replicas"]), false),
        (ignoring("apps", "Deployment", "*", "*", &["spec.paused", "spec.template"]), false),
    ] {
        let expected = if ignored { (Verdict::Conforms, Outcome::Allow) } else { (Verdict::Drift, Outcome::Deny) };
        for review in [drifts(), recorded_action("scale-5"), recorded_action("patch-scale-subresource")] {
            let Evaluated { verdict, outcome, .. } = evaluator.evaluate(&review);
            assert_eq!((verdict, outcome), expected, "{:?}", evaluator.policy.ignore);
        }
    }
    let replicas = || ignoring("*", "*", "*", "*", &["spec.replicas"]);
    let both = drifts().with_object(|new| set_at(new, "/spec/template/spec/containers/0/image", "mine".into()));
    let rest = replicas().evaluate(&both);
    assert_eq!((rest.outcome, rest.fields.len()), (Outcome::Deny, 1), "the other field still counts");
    assert_eq!(
        replicas().evaluate(&recorded_action("scale-replicaset")).verdict,
        Verdict::Conforms,
        "derived objects too"
    );
    let size = ignoring("example.com", "Widget", "*", "*", &["spec.size"]);
    assert_eq!(size.evaluate(&recorded_action("scale-widget")).verdict, Verdict::Conforms, "by the field's own name");
    let aims = ignoring("autoscaling", "HorizontalPodAutoscaler", "*", "*", &["spec.scaleTargetRef"]);
    assert_eq!(aims.evaluate(&recorded_action("autoscale-declared")).outcome, Outcome::Allow);
}

#[test]
fn undeclared_fields_are_answered_as_the_namespace_says() {
    use Outcome::{Allow, Deny, Warn};
    let finalizer = || recorded_action("finalizer-add");
    let protected = || recorded_action("namespace-mode");
    for (rules, sidecar, hard) in [
        (vec![], Deny, Deny),
        (scoped(&[], Warn), Warn, Deny),
        (scoped(&["prod"], Allow), Allow, Deny),
        (scoped(&["staging"], Allow), Deny, Deny),
        (scoped(&["staging"], Allow).into_iter().chain(scoped(&[], Warn)).collect(), Warn, Deny),
        (scoped(&["prod"], Deny).into_iter().chain(scoped(&[], Allow)).collect(), Deny, Deny),
    ] {
        let evaluator = evaluator(|policy| policy.extras = rules);
        assert_eq!(evaluator.evaluate(&adds()).outcome, sidecar, "{:?}", evaluator.policy.extras);
        for review in [drifts(), finalizer(), protected()] {
            assert_eq!(evaluator.evaluate(&review).outcome, hard, "{:?}", evaluator.policy.extras);
        }
        assert_eq!(evaluator.evaluate(&adds().by("ci/deployer")).outcome, Allow);
    }
}

#[test]
fn replicas_that_git_leaves_open_are_a_warning_at_most() {
    let git = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: open}\nspec: {serviceName: open}\n";
    let scaled = recorded_action("scale-statefulset").with_request(|request| request["name"] = "open".into());
    let patched = review_of("statefulsets", "db")
        .with_request(|request| request["name"] = "open".into())
        .with_object(|new| set_at(new, "/spec/replicas", 5.into()));
    for review in [scaled, patched] {
        let mut evaluator = Evaluator::new(git, &[]);
        assert_eq!(evaluator.evaluate(&review).outcome, Outcome::Warn);
        assert_eq!(evaluator.evaluate(&review.clone().by("ci/deployer")).outcome, Outcome::Allow);
        evaluator.policy.extras = scoped(&[], Outcome::Allow);
        assert_eq!(evaluator.evaluate(&review).outcome, Outcome::Allow);
    }
}

#[test]
fn protected_keys_can_be_configured() {
    let labelled = review_of("configmaps", "app-config")
        .with_object(|new| set_at(new, "/metadata/labels", json!({"acme.org/admin": "y"})));
    let role = review_of("serviceaccounts", "app").with_object(|new| {
        set_at(new, "/metadata/annotations/eks.amazonaws.com~1role-arn", "arn:x".into());
    });
    let issuer = review_of("configmaps", "app-config")
        .with_object(|new| set_at(new, "/metadata/annotations", json!({"cert-manager.io/cluster-issuer": "x"})));
    let rules = |deny: &[&str], warn: &[&str], replaces| {
        let keys = ProtectedKeyRules::new(&globs(deny), &globs(warn), replaces).unwrap();
        evaluator(|policy| policy.protected_keys = keys)
    };
    for (evaluator, of_label, of_role, of_issuer) in [
        (evaluator(|_| ()), Outcome::Allow, Outcome::Deny, Outcome::Warn),
        (rules(&["acme.org/*"], &[], false), Outcome::Deny, Outcome::Deny, Outcome::Warn),
        (rules(&["cert-manager.io/*"], &["acme.org/*"], false), Outcome::Warn, Outcome::Deny, Outcome::Deny),
        (rules(&[], &["acme.org/*"], true), Outcome::Warn, Outcome::Allow, Outcome::Allow),
    ] {
        let got = [&labelled, &role, &issuer].map(|review| evaluator.evaluate(review).outcome);
        assert_eq!(got, [of_label, of_role, of_issuer]);
        assert_eq!(
            evaluator.evaluate(&recorded_action("namespace-mode")).outcome,
            Outcome::Deny,
            "driftwall's own stay"
        );
        assert_eq!(evaluator.evaluate(&labelled.clone().by("ci/deployer")).outcome, Outcome::Allow);
    }
}

/// The configured answer to creates that Git does not declare, and what such a create in `prod` comes to.
struct StrictCase {
    namespaces: &'static [&'static str],
    mode: Mode,
    answer: Outcome,
    expected: Outcome,
}

#[test]
fn a_create_that_git_does_not_declare_is_answered_as_the_namespace_says() {
    for StrictCase { namespaces, mode, answer, expected } in [
        StrictCase { namespaces: &["prod"], mode: Mode::Enforce, answer: Outcome::Deny, expected: Outcome::Deny },
        StrictCase { namespaces: &["pr*"], mode: Mode::Enforce, answer: Outcome::Warn, expected: Outcome::Warn },
        StrictCase { namespaces: &[], mode: Mode::Enforce, answer: Outcome::Deny, expected: Outcome::Deny },
        StrictCase { namespaces: &["staging"], mode: Mode::Enforce, answer: Outcome::Deny, expected: Outcome::Allow },
        StrictCase { namespaces: &["prod"], mode: Mode::Warn, answer: Outcome::Deny, expected: Outcome::Warn },
        StrictCase { namespaces: &["prod"], mode: Mode::Audit, answer: Outcome::Deny, expected: Outcome::Allow },
    ] {
        let evaluator = evaluator(|policy| {
            policy.mode = mode;
            policy.unmanaged = scoped(namespaces, answer);
        });
        let got = evaluator.evaluate(&unknown());
        assert_eq!((got.verdict, got.outcome), (Verdict::Unmanaged, expected), "{namespaces:?} {mode:?}");
        let cluster_wide = review_of_yaml(
            "storageclasses",
            "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: a}}",
        );
        assert_eq!(
            evaluator
                .evaluate(&cluster_wide.with_request(|request| request["namespace"] = "".into()).into_create())
                .outcome,
            Outcome::Allow
        );
        assert_eq!(
            evaluator.evaluate(&unknown().into_dry_run()).outcome,
            expected.min(Outcome::Warn),
            "dry runs are warned at most"
        );
        assert_eq!(
            evaluator.evaluate(&review_of("deployments", "web").into_create()).outcome,
            Outcome::Allow,
            "what Git knows is let in"
        );
    }
}

/// A review that cannot be evaluated, and a part of the reason.
struct ErrorCase {
    name: &'static str,
    review: Review,
    cluster_is_away: bool,
    reason: &'static str,
}

#[test]
fn an_error_is_allowed_with_a_warning_unless_errors_are_denied() {
    let owner_away = || recorded_action("image-pod");
    let schema_away = || recorded_action("widget-color");
    let scale_away = || recorded_action("scale-widget");
    let cases = [
        ErrorCase {
            name: "another version, of which nothing tells whether the field is the same",
            review: in_other_version().by("ci/deployer").with_old_object(|old| old["spec"]["replicas"] = 5.into()),
            cluster_is_away: false,
            reason: "in version v1beta1, Git in v1",
        },
        ErrorCase {
            name: "an owner that cannot be looked up",
            review: owner_away(),
            cluster_is_away: true,
            reason: "it is away",
        },
        ErrorCase {
            name: "a schema that cannot be looked up",
            review: schema_away(),
            cluster_is_away: true,
            reason: "it is away",
        },
        ErrorCase {
            name: "a scale of something that cannot be looked up",
            review: scale_away(),
            cluster_is_away: true,
            reason: "it is away",
        },
    ];
    for ErrorCase { name, review, cluster_is_away, reason } in cases {
        for (mode, on_error, outcome) in [
            (Mode::Enforce, Outcome::Allow, Outcome::Warn),
            (Mode::Enforce, Outcome::Deny, Outcome::Deny),
            (Mode::Warn, Outcome::Deny, Outcome::Warn),
            (Mode::Audit, Outcome::Deny, Outcome::Allow),
        ] {
            let edit = |policy: &mut Policy| (policy.mode, policy.on_error) = (mode, on_error);
            let got = if cluster_is_away { away(edit) } else { evaluator(edit) }.evaluate(&review);
            assert_eq!((got.verdict, got.outcome), (Verdict::Error, outcome), "{name} in {mode:?}, {on_error:?}");
            assert!(got.reason.contains(reason), "{name}: {}", got.reason);
            if outcome == Outcome::Deny {
                assert!(got.message().ends_with("Errors are denied here (onError: deny). Nothing was changed."));
            }
        }
    }
}

#[test]
fn an_error_is_answered_no_stricter_than_drift_of_the_same_source() {
    let evaluator = evaluator(|policy| {
        policy.on_error = Outcome::Deny;
        policy.source_modes = [("prod".to_owned(), Mode::Audit)].into();
    });
    assert_eq!(evaluator.evaluate(&drifts()).outcome, Outcome::Allow);
    assert_eq!(evaluator.evaluate(&unparseable()).outcome, Outcome::Allow);
}

#[test]
fn an_unreachable_cluster_denies_no_controller() {
    for review in [
        drifts().by("kube-system/deployment-controller"),
        recorded_action("image-pod").by("kube-system/vpa-updater"),
        recorded_action("scale-5").by("kube-system/horizontal-pod-autoscaler"),
        recorded_action("delete-pod").by("ops/operator"),
        recorded_action("evict-pod"),
        unknown().by("ops/operator"),
        review_of("deployments", "web").by("ops/operator"),
    ] {
        let got = away(|policy| policy.on_error = Outcome::Deny).evaluate(&review);
        assert_eq!(got.outcome, Outcome::Allow, "{got:?}");
    }
}

#[test]
fn a_metadata_change_in_another_version_can_be_judged() {
    let other = |pointer: &'static str| {
        review_of("deployments", "web").with_object(|new| set_at(new, pointer, "x".into())).with_request(|request| {
            request["resource"]["version"] = "v1beta1".into();
            request["kind"]["version"] = "v1beta1".into();
        })
    };
    assert_eq!(evaluator(|_| ()).evaluate(&other("/metadata/labels/mine")).verdict, Verdict::Conforms);
    assert_eq!(
        evaluator(|_| ()).evaluate(&other("/metadata/annotations/driftwall.io~1ignore")).verdict,
        Verdict::Drift
    );
    assert_eq!(evaluator(|_| ()).evaluate(&other("/spec/template/spec/nodeName")).verdict, Verdict::Drift);
}

#[test]
fn a_dry_run_is_warned_unless_the_configuration_says_otherwise() {
    for (dry_run, mode, expected) in [
        (None, Mode::Enforce, Outcome::Warn),
        (Some(Outcome::Deny), Mode::Enforce, Outcome::Deny),
        (Some(Outcome::Allow), Mode::Enforce, Outcome::Allow),
        (Some(Outcome::Deny), Mode::Warn, Outcome::Warn),
        (None, Mode::Audit, Outcome::Allow),
    ] {
        let evaluator = evaluator(|policy| {
            policy.mode = mode;
            policy.dry_run = dry_run.unwrap_or(policy.dry_run);
        });
        assert_eq!(evaluator.evaluate(&drifts().into_dry_run()).outcome, expected, "{dry_run:?} {mode:?}");
        assert_eq!(evaluator.evaluate(&drifts()).outcome, mode.outcome(), "a real write is answered by the mode alone");
    }
}

#[test]
fn stale_state_denies_nothing() {
    let mut evaluator = evaluator(|_| ());
    evaluator.context = DecisionContext { is_stale: true, ..DecisionContext::default() };
    for review in [
        drifts(),
        adds(),
        recorded_action("delete-service"),
        recorded_action("delete-namespace"),
        recorded_action("image-pod"),
    ] {
        let got = evaluator.evaluate(&review);
        assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Warn));
        assert!(got.warnings()[0].contains("the last sync with Git is too old"), "{:?}", got.warnings());
    }
    evaluator.policy.mode = Mode::Audit;
    assert_eq!(evaluator.evaluate(&drifts()).outcome, Outcome::Allow, "audit stays silent");
}

#[test]
fn deleting_a_namespace_is_answered_by_the_modes_of_the_sources_in_it() {
    let map =
        |namespace: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {namespace}}}}}");
    let source = |name: &str, namespace: &str| contents(name, &[("a.yaml".into(), map(namespace))]);
    let mut evaluator = Evaluator::with_sources(vec![source("soft", "staging"), source("hard", "prod")], &[]);
    evaluator.policy.source_modes = [("soft".to_owned(), Mode::Audit)].into();
    let deleted = recorded_action("delete-namespace");
    assert_eq!(evaluator.evaluate(&deleted).outcome, Outcome::Deny);
    let staging = deleted.with_request(|request| {
        request["name"] = "staging".into();
        request["namespace"] = "staging".into();
    });
    let got = evaluator.evaluate(&staging);
    assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Allow));
}

#[test]
fn a_review_that_cannot_be_read_is_answered_as_an_error() {
    let body =
        br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","name":"\u001b[31m"}}"#;
    let error = driftwall_core::admission::decode(body).unwrap_err();
    for (mode, on_error, outcome) in [
        (Mode::Enforce, Outcome::Allow, Outcome::Warn),
        (Mode::Enforce, Outcome::Deny, Outcome::Deny),
        (Mode::Warn, Outcome::Deny, Outcome::Warn),
        (Mode::Audit, Outcome::Deny, Outcome::Allow),
    ] {
        let decision = decide_unreadable_review(&error, &Policy { mode, on_error, ..Policy::default() });
        assert_eq!(decision.outcome, outcome);
        assert_eq!(decision.answer.denial.is_some(), outcome == Outcome::Deny);
        assert_eq!(decision.answer.warnings.len(), usize::from(outcome == Outcome::Warn));
        assert_eq!(decision.answer.annotations["verdict"], "error");
    }
}
