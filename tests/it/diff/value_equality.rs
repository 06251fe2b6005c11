//! When two values are the same to Kubernetes. A write of an equal value is never drift, and a write of a different
//! one always is, in both directions.

use driftwall_core::diff::Quantity;
use kube_quantity::ParsedQuantity;
use proptest::prelude::*;

use crate::diff::table::{
    CONFIG_MAP, DEPLOYMENT, DeclaredState, Person, SECRET, THING, Workload, case, manifest_text, parse_object, table,
};

/// Writes `b` where Git says `a`, and `a` where Git says `b`, over something
/// else: no drift where they are the same, drift for everyone where not.
fn check_equality(kind: &str, around: &str, cases: &[(&str, &str, bool)]) {
    let mut wrong = Vec::new();
    for (a, b, same) in cases {
        for (git, sent) in [(a, b), (b, a)] {
            let put = |value: &str| around.replace('@', value);
            let (git, sent) = (put(git), put(sent));
            let git = DeclaredState::parse(&manifest_text(kind, &git));
            let old = parse_object(kind, &put("'31415'"));
            for by in [Person, Workload] {
                let seen = git.update(by, &old, &parse_object(kind, &sent));
                if seen.conforms() != *same {
                    wrong.push(format!("{a} and {b} by a {by:?}: {seen:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{kind} {around}:\n{}", wrong.join("\n"));
}

#[test]
fn quantities_are_compared_by_value() {
    check_equality(
        DEPLOYMENT,
        "spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: @}}}]}}}",
        &[
            ("0.5", "500m", true),
            ("1", "'1'", true),
            ("1000m", "1", true),
            ("1.5Gi", "1536Mi", true),
            ("1e3", "1k", true),
            ("1E3", "1000", true),
            ("1000M", "1G", true),
            ("100.1m", "101m", true),
            ("0.0001", "1m", true),
            ("1n", "1m", true),
            ("0", "0m", true),
            ("100m", "101m", false),
            ("1Gi", "1G", false),
            ("1", "1m", false),
            ("1", "-1", false),
            ("1k", "1Ki", false),
        ],
    );
}

#[test]
fn numbers_are_compared_by_value() {
    check_equality(
        THING,
        "spec: {size: @}",
        &[
            ("1", "1.0", true),
            ("8.388608e+06", "8388608", true),
            ("0x1F", "31", true),
            ("0o17", "15", true),
            ("1_000", "1000", true),
            ("1", "'1'", false),
            ("1", "true", false),
            ("1", "1.5", false),
            ("9007199254740993", "9007199254740992", false),
            ("-0.0", "0", true),
        ],
    );
}

#[test]
fn durations_are_compared_by_value_in_fields_that_hold_durations() {
    let cases = [
        ("90m", "1h30m0s", true),
        ("1.5h", "90m", true),
        ("1h", "60m", true),
        ("+1h", "1h", true),
        ("-1h", "-60m", true),
        ("1us", "1000ns", true),
        ("1h", "1m", false),
        ("1m", "1ms", false),
        ("1h", "-1h", false),
        ("'-'", "0s", false),
        ("1h", "1d", false),
        ("1d", "24h", false),
    ];
    for field in ["duration", "interval", "timeout", "renewBefore"] {
        check_equality(THING, &format!("spec: {{{field}: @}}"), &cases);
    }
    // Anywhere else it is a text.
    check_equality(THING, "spec: {text: @}", &[("90m", "1h30m0s", false), ("1.0", "1", true), ("'1.0'", "'1'", false)]);
}

#[test]
fn bytes_are_compared_as_bytes() {
    let webhook = "webhooks: [{name: a.b.c, clientConfig: {url: u, caBundle: @}}]";
    for (kind, around) in [
        (SECRET, "data: {k: @}"),
        (CONFIG_MAP, "binaryData: {k: @}"),
        ("admissionregistration.k8s.io/v1 MutatingWebhookConfiguration", webhook),
        ("apiregistration.k8s.io/v1 APIService", "spec: {caBundle: @}"),
        ("certificates.k8s.io/v1 CertificateSigningRequest", "spec: {request: @}"),
        ("cert-manager.io/v1 Issuer", "spec: {vault: {caBundle: @}}"),
    ] {
        let cases = [
            ("dmFsdWU=", "\"dmFs\\ndWU=\\n\"", true),
            ("dmFsdWU=", "\"dmFs\\r\\ndWU=\"", true),
            // The bits after the last byte are none of it.
            ("dmFsdWU=", "dmFsdWV=", true),
        ];
        check_equality(kind, around, &cases);
    }
    for (kind, around) in [(SECRET, "data: {k: @}"), (CONFIG_MAP, "binaryData: {k: @}")] {
        let cases = [("dmFsdWU=", "dmFsdWY=", false), ("QQ==", "Qg==", false), ("dmFsdWU=", "value", false)];
        check_equality(kind, around, &cases);
    }
    // Anywhere else it is a text.
    check_equality(CONFIG_MAP, "data: {k: @}", &[("dmFsdWU=", "\"dmFs\\ndWU=\"", false)]);
}

#[test]
fn bytes_may_be_created_as_git_writes_them() {
    let (lines, one_line) = ("binaryData:\n  k: |\n    dmFs\n    dWU=\n", "binaryData: {k: dmFsdWU=}");
    table(
        CONFIG_MAP,
        [
            case("from Git").git(lines).create(one_line).expect("conforms").reverse("drift"),
            case("other bytes").git(lines).create("binaryData: {k: dmFsdWY=}").expect("drift binaryData[\"k\"]"),
        ],
    );
}

#[test]
fn lists_and_maps_are_compared_by_content() {
    check_equality(
        THING,
        "spec: {a: 1, b: @}",
        &[
            ("{x: 1, y: 2}", "{y: 2, x: 1.0}", true),
            ("{x: 1, y: null}", "{x: 1}", true),
            ("[{name: a, x: 1}, {name: b}]", "[{name: a, x: 1.0}, {name: b}]", true),
            ("[{name: a, x: 1}, {name: b}]", "[{name: b}, {name: a, x: 1}]", false),
            ("[a, b]", "[b, a]", false),
            ("[{id: a}, {id: b}]", "[{id: b}, {id: a}]", false),
            ("[1, 2]", "[1.0, 2]", true),
            ("{x: 1}", "{x: 2}", false),
            ("{x: {y: [1]}}", "{x: {y: [2]}}", false),
            ("yes", "true", true),
            ("'yes'", "true", false),
        ],
    );
}

const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi", "e3", "E-2"];

/// An amount of a size that every reader of quantities takes.
fn quantity() -> impl Strategy<Value = String> {
    (0_u32..3000, prop::option::of(0_u32..1000), prop::sample::select(SUFFIXES.to_vec())).prop_map(
        |(whole, fraction, suffix)| {
            let fraction = fraction.map(|digits| format!(".{digits:03}")).unwrap_or_default();
            format!("{whole}{fraction}{suffix}")
        },
    )
}

proptest! {
    #[test]
    fn a_quantity_equals_its_canonical_text(text in quantity()) {
        let theirs = ParsedQuantity::try_from(text.as_str()).unwrap();
        let canonical = theirs.to_string();
        let (ours, again) = (Quantity::parse(&text).unwrap(), Quantity::parse(&canonical).unwrap());
        prop_assert!(ours.is_equal(again), "{} and {}", text, canonical);
    }

    #[test]
    fn quantities_are_equal_where_an_independent_parser_says_so(a in quantity(), b in quantity()) {
        let parse = |text: &str| ParsedQuantity::try_from(text).unwrap();
        let ours = Quantity::parse(&a).unwrap().is_equal(Quantity::parse(&b).unwrap());
        let theirs = parse(&a) == parse(&b);
        // Thousandths are the finest that a list of resources keeps.
        let fine = |text: &str| text.contains(['n', 'u', 'm', '.', '-']);
        prop_assert!(ours == theirs || (ours && (fine(&a) || fine(&b))), "{} and {}: {} {}", a, b, ours, theirs);
    }
}
