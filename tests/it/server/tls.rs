//! Certificates: loaded at the start, reloaded, and required of clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use driftwall::certs::ServingCertificate;
use driftwall::server::{CertificateSource, Server, ServerError};
use driftwall::telemetry::Metrics;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::harness::http_client::*;
use crate::harness::waiting::*;
use crate::server::harness::*;

const TAKEN: &str = r#"driftwall_certificate_reloads_total{result="ok"}"#;
const REFUSED: &str = r#"driftwall_certificate_reloads_total{result="failed"}"#;

/// The certificate that a new connection is shown; it must serve, too.
async fn shown(server: &TestServer, config: ClientConfig) -> Vec<u8> {
    let stream = connect(server.webhook, config).await.unwrap();
    let mut client = Client::http1(stream).await.unwrap();
    client.expect_answer(simple_review("a")).await.assert_answers("a");
    client.server_certificate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_certificate_is_loaded_without_a_failed_request() {
    let server = Arc::new(start_server().await);
    let next = localhost_pair();
    let both = trusting(&[&server.pair, &next]);
    let mut old = server.http1().await;
    old.expect_answer(simple_review("a")).await.assert_answers("a");

    let done = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let (server, both, done) = (Arc::clone(&server), both.clone(), Arc::clone(&done));
        load.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                shown(&server, both.clone()).await;
            }
        });
    }
    assert_eq!(shown(&server, both.clone()).await, certificate_der(&server.pair));
    server.mount.swap(&pair_files(&next));
    eventually("the new certificate", async || shown(&server, both.clone()).await == certificate_der(&next)).await;
    done.store(true, Ordering::SeqCst);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    old.expect_answer(simple_review("b")).await.assert_answers("b");
    assert_eq!(server.metric(TAKEN).await, Some(1.0));
    assert_eq!(server.metric(REFUSED).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_certificate_is_refused_once_and_the_old_one_kept() {
    let server = start_server().await;
    let next = localhost_pair();
    // Each is well, but they do not belong together.
    server.mount.swap(&[("tls.crt", &next.cert), ("tls.key", &server.pair.key)]);
    server.wait_for_metric(REFUSED, 1.0).await;
    assert_eq!(shown(&server, server.trusting_client()).await, certificate_der(&server.pair));
    server.mount.swap(&[("tls.crt", "half a certif")]);
    server.wait_for_metric(REFUSED, 2.0).await;
    // Several more checks: the same certificate is reported once.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(server.metric(REFUSED).await, Some(2.0));
    assert_eq!(shown(&server, server.trusting_client()).await, certificate_der(&server.pair));

    server.mount.swap(&pair_files(&next));
    server.wait_for_metric(TAKEN, 1.0).await;
    assert_eq!(shown(&server, trusting(&[&next])).await, certificate_der(&next));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managed_certificate_is_reloaded_too() {
    let held = |pair: &ServingCertificate| Arc::new(pair.clone());
    let (first, next) = (localhost_pair(), localhost_pair());
    let (sender, receiver) = watch::channel(held(&first));
    let server = start_server_with(|settings, _| {
        settings.certificate = CertificateSource::Managed(receiver);
    })
    .await;
    assert_eq!(shown(&server, trusting(&[&first])).await, certificate_der(&first));
    sender.send_replace(held(&next));
    server.wait_for_metric(TAKEN, 1.0).await;
    assert_eq!(shown(&server, trusting(&[&next])).await, certificate_der(&next));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_is_served() {
    let server = start_server().await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots(&[&server.pair]))
        .with_no_client_auth();
    shown(&server, config).await;
}

async fn refused_at_start(mount: &MountedSecret, client_ca: Option<&str>) -> String {
    let mut settings = settings(mount);
    settings.client_ca = client_ca.map(|name| mount.path(name));
    let stub = Arc::new(StubReviewer { started: 0.into(), gate: Semaphore::new(0) });
    let sources = Arc::new(StubHealth::default());
    let metrics = Arc::new(Metrics::new());
    let bound = Server::bind(settings, stub, sources, metrics).await;
    let Err(ServerError::Tls(error)) = bound else {
        panic!("it began to serve");
    };
    error.to_string()
}

#[tokio::test]
async fn an_invalid_certificate_file_is_named_at_the_start() {
    let (one, other) = (localhost_pair(), localhost_pair());
    for (cert, key, wants) in [
        (one.key.as_str(), one.key.as_str(), ["certificate", "tls.crt"]),
        ("", &one.key, ["certificate", "tls.crt"]),
        (&one.cert, &one.cert, ["private key", "tls.key"]),
        (&one.cert, "", ["private key", "tls.key"]),
        (&one.cert, &other.key, ["does not match", "tls.key"]),
        (&one.cert[..200], &one.key, ["PEM", "tls.crt"]),
    ] {
        let mount = MountedSecret::new(&[("tls.crt", cert), ("tls.key", key)]);
        let text = refused_at_start(&mount, None).await;
        for want in wants {
            assert!(text.contains(want), "{want} is not in {text:?}");
        }
    }
    let mount = MountedSecret::new(&[("tls.crt", &one.cert)]);
    let text = refused_at_start(&mount, None).await;
    assert!(text.starts_with("failed to read ") && text.contains("tls.key"), "{text}");
    let mount = MountedSecret::new(&pair_files(&one));
    let text = refused_at_start(&mount, Some("ca.crt")).await;
    assert!(text.starts_with("failed to read ") && text.contains("ca.crt"), "{text}");
}

#[tokio::test]
async fn a_port_that_is_in_use_is_an_error_at_the_start() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mount = MountedSecret::new(&pair_files(&localhost_pair()));
    let mut settings = settings(&mount);
    settings.listen = taken.local_addr().unwrap();
    let stub = Arc::new(StubReviewer { started: 0.into(), gate: Semaphore::new(0) });
    let metrics = Arc::new(Metrics::new());
    let bound = Server::bind(settings, stub, Arc::new(StubHealth::default()), metrics).await;
    assert!(matches!(bound, Err(ServerError::Listen { .. })));
}

/// A client's certificate and key, and the CA that signed it.
struct ClientIdentity {
    ca: String,
    cert: String,
    key: String,
}

fn client_identity() -> ClientIdentity {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(["apiserver".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap().pem();
    ClientIdentity { ca, cert, key: key.serialize_pem() }
}

async fn is_served(server: &TestServer, config: ClientConfig) -> bool {
    // In TLS 1.3 a client learns that it was refused only when it reads.
    let Ok(stream) = connect(server.webhook, config).await else {
        return false;
    };
    let Ok(mut client) = Client::http1(stream).await else {
        return false;
    };
    matches!(client.send(simple_review("a")).await, Sent::Answered(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_must_present_a_certificate_of_the_current_client_ca() {
    let (one, other) = (client_identity(), client_identity());
    let client_ca = MountedSecret::new(&[("ca.crt", &one.ca)]);
    let server = start_server_with(|settings, _| {
        settings.client_ca = Some(client_ca.path("ca.crt"));
    })
    .await;
    let as_one = || with_client_certificate(&server.pair, &one.cert, &one.key);
    let as_other = || with_client_certificate(&server.pair, &other.cert, &other.key);
    assert!(!is_served(&server, server.trusting_client()).await);
    assert!(!is_served(&server, as_other()).await);
    // The same configuration throughout, so that it holds a session of the old CA.
    let resuming = as_one();
    assert!(is_served(&server, resuming.clone()).await);
    // A probe has no certificate, and needs none.
    assert_eq!(server.get("/livez").await.2, "ok");

    client_ca.swap(&[("ca.crt", &other.ca)]);
    server.wait_for_metric(TAKEN, 1.0).await;
    assert!(!is_served(&server, resuming).await);
    assert!(is_served(&server, as_other()).await);
    assert!(!is_served(&server, server.trusting_client()).await);
}
