//! driftwall's certificates under load: they are renewed when their time has come, and nobody notices.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use driftwall::certs::Certificate;
use serde_json::Value;

use crate::cluster::{TestCluster, test_cluster};
use crate::process::{report, wait_for};

use super::admissions::Admissions;
use super::figures::{Row, WebhookCalls};
use super::{Cost, check};

/// driftwall's certificates: the CAs that the API server trusts, and what is served.
pub(super) struct Certificates {
    pub(super) trusted: Vec<Certificate>,
    served: Vec<Certificate>,
}

impl Certificates {
    pub(super) fn of(cluster: &TestCluster) -> Self {
        let shown = cluster.control_plane.admin(
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

    /// The trusted CA, where it is the only one.
    pub(super) fn only(&self) -> Option<&Certificate> {
        self.trusted.first().filter(|_| self.trusted.len() == 1)
    }
}

/// Long enough for every step of a renewal, which begins when a third of the validity is left.
const SHORT_VALIDITY: [(&str, &str); 2] = [("caValidity", "60s"), ("certificateValidity", "30s")];

#[test]
fn every_write_is_answered_during_a_certificate_renewal() {
    let Some(mut cluster) = test_cluster() else { return };
    let shipped = cluster.replicas.config();
    let first = Certificates::of(&cluster).trusted[0].fingerprint.clone();
    cluster.replicas.scale_to(2);
    let before = WebhookCalls::so_far(&cluster);
    let writes = Admissions::start(&cluster);
    renew(&mut cluster, &shipped, &first);
    writes.wait_for_more(4 * writes.writers());
    let counts = writes.stop();
    let calls = WebhookCalls::so_far(&cluster).since(before);
    let failures = check(&Row { fault: "certificate renewal", counts, calls }, Cost::Nothing);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    wait_for("the replicas report it", || {
        cluster.replicas.all_have("driftwall_certificate_trusted ", "1").then_some(())
    });
}

/// Makes a CA that ends soon, and waits until another one, that lasts, has taken over.
fn renew(cluster: &mut TestCluster, shipped: &Value, first: &str) {
    let mut short = shipped.clone();
    for (key, value) in SHORT_VALIDITY {
        short["tls"][key] = value.into();
    }
    cluster.replicas.configure(short);
    cluster.replicas.rolling_restart();
    // The present certificates would last for months.
    cluster.control_plane.admin("kubectl delete secret driftwall-certificates -n driftwall");
    let mut overlaps = BTreeSet::new();
    let mut serving = BTreeSet::new();
    let mut observe = |cluster: &TestCluster| {
        let now = Certificates::of(cluster);
        if now.trusted.len() > 1 {
            overlaps.insert(now.trusted[0].fingerprint.clone());
        }
        serving.extend(now.served.iter().map(|served| served.fingerprint.clone()));
        let prints = serving.len();
        (now, prints)
    };
    let second = wait_for("a CA that ends soon is the only one", || {
        observe(cluster).0.only().filter(|ca| ca.fingerprint != *first).map(|ca| ca.fingerprint.clone())
    });
    let (_, before) = observe(cluster);
    wait_for("the certificate that it has signed is renewed", || (observe(cluster).1 > before).then_some(()));
    // The shipped validity again, in time for the next CA.
    cluster.replicas.configure(shipped.clone());
    cluster.replicas.rolling_restart();
    let third = wait_for("a CA that lasts is the only one", || {
        observe(cluster)
            .0
            .only()
            .filter(|ca| ca.expires_at - ca.issued_at > 1000 && ca.fingerprint != second)
            .map(|ca| ca.fingerprint.clone())
    });
    report(&format!("{} CAs took over from one another, {} certificates were served", overlaps.len(), serving.len()));
    assert!(overlaps.contains(&second) && overlaps.contains(&third), "{overlaps:?}, {second}, {third}");
}
