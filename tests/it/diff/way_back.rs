//! The way back to a value that Git says by leaving the field out.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, THING, case, table};

const ROLLOUT: &str = "argoproj.io/v1alpha1 Rollout";

#[test]
fn a_switch_that_git_leaves_out_may_be_turned_off_again() {
    for (kind, switch) in [
        (ROLLOUT, "paused"),
        ("velero.io/v1 Schedule", "paused"),
        (THING, "hostNetwork"),
        ("batch/v1 CronJob", "suspend"),
        ("batch/v1 Job", "suspend"),
        (DEPLOYMENT, "paused"),
    ] {
        let git = "spec: {a: 1}";
        let with = |value: &str| format!("spec: {{a: 1, {switch}: {value}}}");
        let turned_on = format!("drift spec.{switch} | conforms");
        table(
            kind,
            [
                case(switch).git(git).update_from(&with("true"), &with("false")).expect("conforms").reverse(&turned_on),
                case("taken away").git(git).update_from(&with("true"), git).expect("conforms").reverse(&turned_on),
            ],
        );
    }
    for switch in ["paused", "suspend"] {
        let off = format!("spec: {{a: 1, {switch}: false}}");
        table(THING, [case(switch).git("spec: {a: 1}").update(&off).expect("conforms").reverse("conforms")]);
    }
    table(
        THING,
        [
            case("a switch that may mean true where it is left out")
                .git("spec: {a: 1}")
                .update("spec: {a: 1, enabled: false}")
                .expect("drift spec.enabled | conforms")
                .reverse("conforms"),
            case("a text")
                .git("spec: {a: 1}")
                .update_from("spec: {a: 1, b: x}", "spec: {a: 1, b: ''}")
                .expect("conforms")
                .reverse("drift spec.b | conforms"),
            case("a number")
                .git("spec: {a: 1}")
                .update_from("spec: {a: 1, weight: 20}", "spec: {a: 1, weight: 0}")
                .expect("conforms")
                .reverse("drift spec.weight | conforms"),
            case("what Git says is no matter of zero")
                .git("spec: {paused: true}")
                .update("spec: {paused: false}")
                .expect("drift spec.paused")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn a_zero_that_is_no_way_back_is_drift() {
    let pod = |fields: &str| format!("spec: {{template: {{spec: {{{fields}}}}}}}");
    let security = |fields: &str| pod(&format!("securityContext: {{runAsGroup: 1{fields}}}"));
    for (kind, from, to, field) in [
        (ROLLOUT, security(", runAsUser: 1000"), security(", runAsUser: 0"), "securityContext.runAsUser"),
        (DEPLOYMENT, security(", runAsUser: 1000"), security(", runAsUser: 0"), "securityContext.runAsUser"),
        (
            DEPLOYMENT,
            security(", runAsNonRoot: true"),
            security(", runAsNonRoot: false"),
            "securityContext.runAsNonRoot",
        ),
        (
            DEPLOYMENT,
            security("").replace("spec: {s", "spec: {automountServiceAccountToken: true, s"),
            security("").replace("spec: {s", "spec: {automountServiceAccountToken: false, s"),
            "automountServiceAccountToken",
        ),
    ] {
        let drift = format!("drift spec.template.spec.{field} | conforms");
        table(kind, [case(field).git(&security("")).update_from(&from, &to).expect(&drift).reverse(&drift)]);
    }
    for kind in [DEPLOYMENT, ROLLOUT] {
        table(
            kind,
            [case("a count that Git leaves out")
                .git("spec: {a: 1}")
                .update_from("spec: {a: 1, replicas: 5}", "spec: {a: 1, replicas: 0}")
                .expect("warned spec.replicas | conforms")
                .reverse("warned spec.replicas | conforms")],
        );
    }
    table(
        CONFIG_MAP,
        [case("a key that Git does not have")
            .git("data: {a: x}")
            .update_from("data: {a: x, b: y}", "data: {a: x, b: ''}")
            .expect("drift data[\"b\"] | conforms")
            .reverse("drift data[\"b\"] | conforms")],
    );
}
