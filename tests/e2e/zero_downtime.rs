//! driftwall restarts, reloads and renews its certificates while the cluster is being written to, and no write
//! notices.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use driftwall::certs::Certificate;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{TestCluster, WEBHOOK_CONFIG, failed_open, test_cluster};
use crate::process::{log_folder, report, wait_for};
use crate::write_load::{Counts, ExpectedDrift, WRITERS, WriteLoad, webhook_calls};

/// Enough writes that every writer has met the change.
const AFTERWARDS: usize = 100;

/// Makes a change under load, with two replicas: every write gets the answer that it should.
fn change_under_load(cluster: &mut TestCluster, change: impl FnOnce(&mut TestCluster, &WriteLoad)) {
    cluster.replicas.scale_to(2);
    let load = WriteLoad::start(cluster);
    change(cluster, &load);
    load.wait_for_writes(AFTERWARDS);
    let (Counts { allowed, denied, missed, reviewed, failed: errors, .. }, called, failed) = load.stop(cluster);
    assert_eq!((missed, errors), (0, Vec::new()));
    assert!(allowed > 0 && denied > 0, "{allowed} allowed, {denied} denied");
    #[allow(clippy::cast_precision_loss, reason = "they are few")]
    let reviewed = reviewed as f64;
    assert!(called >= reviewed && failed < 1.0, "{called} calls for {reviewed} reviewed writes, {failed} failed");
    assert_eq!(failed_open(), cluster.failed_open);
}

#[test]
fn every_write_is_answered_during_a_configuration_reload() {
    let Some(mut cluster) = test_cluster() else { return };
    let shipped = cluster.replicas.config();
    change_under_load(&mut cluster, |cluster, load| {
        let mut other = shipped.clone();
        other["modes"] = json!([{"namespaces": ["staging-*"], "mode": "audit"}]);
        cluster.replicas.configure(other);
        load.wait_for_writes(50);
        load.change_expectation(ExpectedDrift::Allowed, || cluster.set_mode("audit"));
        load.wait_for_writes(50);
        load.change_expectation(ExpectedDrift::Denied, || cluster.replicas.configure(shipped));
    });
}

/// driftwall's certificates: the CAs that the API server trusts, and what is served.
pub(crate) struct Certificates {
    pub(crate) trusted: Vec<Certificate>,
    served: Vec<Certificate>,
}

impl Certificates {
    pub(crate) fn of(cluster: &TestCluster) -> Self {
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
    pub(crate) fn only(&self) -> Option<&Certificate> {
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
    change_under_load(&mut cluster, |cluster, _| {
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
            observe(cluster).0.only().filter(|ca| ca.fingerprint != first).map(|ca| ca.fingerprint.clone())
        });
        let (_, before) = observe(cluster);
        wait_for("the certificate that it has signed is renewed", || (observe(cluster).1 > before).then_some(()));
        // The shipped validity again, in time for the next CA.
        cluster.replicas.configure(shipped);
        cluster.replicas.rolling_restart();
        let third = wait_for("a CA that lasts is the only one", || {
            observe(cluster)
                .0
                .only()
                .filter(|ca| ca.expires_at - ca.issued_at > 1000 && ca.fingerprint != second)
                .map(|ca| ca.fingerprint.clone())
        });
        report(&format!(
            "{} CAs took over from one another, {} certificates were served",
            overlaps.len(),
            serving.len()
        ));
        assert!(overlaps.contains(&second) && overlaps.contains(&third), "{overlaps:?}, {second}, {third}");
    });
    wait_for("the replicas report it", || {
        cluster.replicas.all_have("driftwall_certificate_trusted ", "1").then_some(())
    });
}

/// The paths of all webhooks.
pub(crate) fn registered_paths(cluster: &TestCluster) -> BTreeSet<String> {
    let paths = "{range .webhooks[*]}{.clientConfig.service.path}{'\\n'}{end}";
    let shown = cluster.control_plane.admin(&format!("kubectl get {WEBHOOK_CONFIG} -o jsonpath=\"{paths}\""));
    shown.lines().map(str::to_owned).collect()
}

#[test]
fn every_write_is_answered_while_the_review_path_is_replaced_and_it_is_written_nowhere() {
    let Some(mut cluster) = test_cluster() else { return };
    let mut all = registered_paths(&cluster);
    assert!(all.len() == 1 && !all.contains("/validate"), "{all:?}");
    cluster.replicas.log_filter = "debug";
    change_under_load(&mut cluster, |cluster, load| {
        cluster.replicas.rolling_restart();
        for _ in 0..2 {
            cluster.control_plane.admin("kubectl delete secret driftwall-path -n driftwall");
            let new = wait_for("another path is registered", || {
                Some(registered_paths(cluster)).filter(|paths| paths.len() == 1 && paths.is_disjoint(&all))
            });
            all.extend(new);
            load.wait_for_writes(AFTERWARDS);
        }
        cluster.replicas.rolling_restart();
    });
    cluster.replicas.log_filter = "info";
    report(&format!("the review path was replaced {} times", all.len() - 1));
    let mut written = ["/metrics", "/sources", "/applications", "/drift", "/readyz"]
        .map(|page| cluster.replicas.pages(page).join("\n"))
        .to_vec();
    for log in std::fs::read_dir(log_folder()).unwrap().map(|entry| entry.unwrap().path()) {
        if log.file_name().is_some_and(|name| name.to_string_lossy().starts_with("driftwall-")) {
            written.push(std::fs::read_to_string(log).unwrap());
        }
    }
    assert!(written.iter().any(|text| text.contains("\"level\":\"DEBUG\"")), "no replica logged at debug level");
    written.push(cluster.control_plane.admin("kubectl get events,leases,configmaps -A -o json"));
    for text in written {
        for path in &all {
            let found = text.lines().find(|line| line.contains(path.trim_start_matches('/')));
            assert_eq!(found, None, "the review path is in a log, a page or an object");
        }
    }
}

#[test]
fn a_killed_replica_costs_no_client_an_error() {
    let Some(mut cluster) = test_cluster() else { return };
    cluster.replicas.scale_to(2);
    let load = WriteLoad::start(&cluster);
    let (before, _) = webhook_calls(&cluster);
    let gone = cluster.replicas.stop_oldest(Signal::KILL);
    wait_for("its end is noticed", || (cluster.replicas.load_balancer.ready() == 1).then_some(()));
    // What was in flight when it was noticed is answered by now.
    load.wait_for_writes(2 * WRITERS);
    let (meanwhile, _) = webhook_calls(&cluster);
    let lost = failed_open() - cluster.failed_open;
    load.wait_for_writes(AFTERWARDS);
    let (Counts { allowed, denied, missed, failed, .. }, ..) = load.stop(&cluster);
    // The next rotation of the CA would wait a minute for the report of this replica.
    cluster.control_plane.admin(&format!(
        "kubectl delete -n driftwall $(kubectl get leases -n driftwall -o name | grep /driftwall-{gone}-)"
    ));
    let meanwhile = meanwhile - before;
    report(&format!("a replica killed: {lost} of {meanwhile} calls got no answer, and {missed} of them were of drift"));
    assert_eq!(failed, Vec::<String>::new());
    assert!(allowed > 0 && denied > 0, "{allowed} allowed, {denied} denied");
    assert!(missed <= lost, "{lost} failed open, and {missed} of drift");
    let after = failed_open() - cluster.failed_open;
    cluster.failed_open += after;
    assert_eq!(after, lost, "writes pass without an answer long after the end");
}
