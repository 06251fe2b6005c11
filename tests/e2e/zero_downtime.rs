//! What changes about driftwall while the cluster is being written to, and no write notices.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use driftwall::certs::Certificate;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{Stage, passed_over, stage};
use crate::process::{say, until};
use crate::write_load::{Counts, Drift, Load, WRITERS, asked};

/// Enough writes that all of them have met the change.
const AFTERWARDS: usize = 100;

/// Runs a change under load, on two replicas: every write gets the answer that it should.
fn unnoticed(stage: &mut Stage, change: impl FnOnce(&mut Stage, &Load)) {
    stage.cluster.replicas.number(2);
    let load = Load::begin(stage);
    change(stage, &load);
    load.go_on(AFTERWARDS);
    let (Counts { allowed, denied, audited, passed, failed: seen }, called, failed) = load.end(stage);
    assert_eq!((passed, seen), (0, Vec::new()));
    assert!(allowed > 0 && denied > 0, "{allowed} allowed, {denied} denied");
    #[allow(clippy::cast_precision_loss, reason = "they are few")]
    let writes = (allowed + denied + audited) as f64;
    assert!(called >= writes && failed < 1.0, "{called} calls for {writes} writes, {failed} failed");
    assert_eq!(passed_over(), stage.passed_over);
}

#[test]
fn a_rolling_restart_is_not_noticed() {
    let Some(mut stage) = stage() else { return };
    unnoticed(&mut stage, |stage, _| stage.cluster.replicas.roll());
}

#[test]
fn another_configuration_is_not_noticed() {
    let Some(mut stage) = stage() else { return };
    let shipped = stage.cluster.replicas.config();
    unnoticed(&mut stage, |stage, load| {
        let mut other = shipped.clone();
        other["modes"] = json!([{"namespaces": ["staging-*"], "mode": "audit"}]);
        stage.cluster.replicas.configure(other);
        load.go_on(50);
        load.switch(Drift::Passes, || stage.mode("audit"));
        load.go_on(50);
        load.switch(Drift::Denied, || stage.cluster.replicas.configure(shipped));
    });
}

/// What driftwall has made: the CAs that the API server trusts, and what is served.
struct Certificates {
    trusted: Vec<Certificate>,
    served: Vec<Certificate>,
}

impl Certificates {
    fn of(stage: &Stage) -> Self {
        let shown = stage.cluster.plane.admin(
            "kubectl get -n driftwall --ignore-not-found -o json \
                validatingwebhookconfiguration/driftwall secret/driftwall-certificates",
        );
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let items = shown["items"].as_array().map_or_else(|| vec![shown.clone()], Clone::clone);
        let read = |kind: &str, path: &str| {
            let object = items.iter().find(|object| object["kind"] == kind);
            let text = object.and_then(|object| object.pointer(path)?.as_str()).unwrap_or_default();
            let text = BASE64_STANDARD.decode(text).unwrap();
            Certificate::parse_pem(std::str::from_utf8(&text).unwrap()).unwrap()
        };
        Self {
            trusted: read("ValidatingWebhookConfiguration", "/webhooks/0/clientConfig/caBundle"),
            served: read("Secret", "/data/tls.crt"),
        }
    }

    /// The one CA that is trusted.
    fn only(&self) -> Option<&Certificate> {
        self.trusted.first().filter(|_| self.trusted.len() == 1)
    }
}

/// Long enough for every step of a renewal: a third of a life is left when it begins.
const SHORT: [(&str, &str); 2] = [("caValidity", "60s"), ("certificateValidity", "30s")];

#[test]
fn certificates_are_renewed_by_time_and_nobody_notices() {
    let Some(mut stage) = stage() else { return };
    let shipped = stage.cluster.replicas.config();
    let first = Certificates::of(&stage).trusted[0].fingerprint.clone();
    unnoticed(&mut stage, |stage, _| {
        let mut short = shipped.clone();
        for (life, value) in SHORT {
            short["tls"][life] = value.into();
        }
        stage.cluster.replicas.configure(short);
        stage.cluster.replicas.roll();
        // What there is would last for months.
        stage.cluster.plane.admin("kubectl delete secret driftwall-certificates -n driftwall");
        let mut overlaps = BTreeSet::new();
        let mut serving = BTreeSet::new();
        let mut look = |stage: &Stage| {
            let now = Certificates::of(stage);
            if now.trusted.len() > 1 {
                overlaps.insert(now.trusted[0].fingerprint.clone());
            }
            serving.extend(now.served.iter().map(|served| served.fingerprint.clone()));
            let prints = serving.len();
            (now, prints)
        };
        let second = until("a CA that ends soon is the only one", || {
            look(stage).0.only().filter(|ca| ca.fingerprint != first).map(|ca| ca.fingerprint.clone())
        });
        let (_, before) = look(stage);
        until("what it has signed is renewed", || (look(stage).1 > before).then_some(()));
        // The lives that are shipped, in time for the next CA.
        stage.cluster.replicas.configure(shipped);
        stage.cluster.replicas.roll();
        let third = until("a CA that lasts is the only one", || {
            look(stage)
                .0
                .only()
                .filter(|ca| ca.expires_at - ca.issued_at > 1000 && ca.fingerprint != second)
                .map(|ca| ca.fingerprint.clone())
        });
        say(&format!("{} CAs took over from one another, {} certificates were served", overlaps.len(), serving.len()));
        assert!(overlaps.contains(&second) && overlaps.contains(&third), "{overlaps:?}, {second}, {third}");
    });
    until("the replicas say so too", || {
        let trusted = stage.cluster.replicas.metrics("driftwall_certificate_trusted ");
        trusted.iter().all(|value| value.as_deref() == Some("1")).then_some(())
    });
}

#[test]
fn a_killed_replica_costs_no_client_an_error() {
    let Some(mut stage) = stage() else { return };
    stage.cluster.replicas.number(2);
    let load = Load::begin(&stage);
    let (before, _) = asked(&stage);
    let gone = stage.cluster.replicas.end(Signal::KILL);
    until("its end is noticed", || (stage.cluster.replicas.balancer.ready() == 1).then_some(()));
    // What was under way when it was noticed is answered by now.
    load.go_on(2 * WRITERS);
    let (meanwhile, _) = asked(&stage);
    let lost = passed_over() - stage.passed_over;
    load.go_on(AFTERWARDS);
    let (Counts { allowed, denied, passed, failed, .. }, ..) = load.end(&stage);
    // The next CA would wait for a minute for what it last said.
    stage.cluster.plane.admin(&format!(
        "kubectl delete -n driftwall $(kubectl get leases -n driftwall -o name | grep /driftwall-{gone}-)"
    ));
    let meanwhile = meanwhile - before;
    say(&format!("a replica killed: {lost} of {meanwhile} calls got no answer, and {passed} of them were of drift"));
    assert_eq!(failed, Vec::<String>::new());
    assert!(allowed > 0 && denied > 0, "{allowed} allowed, {denied} denied");
    assert!(passed <= lost, "{lost} passed over, and {passed} of drift");
    let after = passed_over() - stage.passed_over;
    stage.passed_over += after;
    assert_eq!(after, lost, "writes pass without an answer long after the end");
}
