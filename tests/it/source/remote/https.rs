//! Certificates, logins and answers of web servers.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use driftwall::certs;
use driftwall::source::{Credentials, FetchError, FetchLimits};

use crate::source::remote::git_http_server::Web;
use crate::source::remote::repository::{Origin, text};
use crate::source::remote::transports::{LIMITS, Place, Server, mirror, sync};

/// A file beside the place's own.
fn file(place: &Place, name: &str, text: &str) -> PathBuf {
    let file = place.data.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn an_authority_of_one_s_own_must_be_named() {
    let (origin, first) = Origin::new();
    let place = Place::web(origin);
    assert_eq!(sync(&place.mirror("main")).unwrap(), first);

    let nobody = mirror(place.data.path(), &place.url(), "main", Credentials::default());
    let error = sync(&nobody).unwrap_err();
    assert!(matches!(error, FetchError::Certificate { .. }) && error.to_string().contains("caFile"), "{error}");

    let other = certs::generate(&["127.0.0.1".to_owned()], 7).unwrap();
    let ca = Some(file(&place, "other.pem", &other.ca));
    let error = sync(&mirror(place.data.path(), &place.url(), "main", Credentials { ca, ..Credentials::default() }));
    assert!(matches!(error, Err(FetchError::Certificate { .. })), "{error:?}");

    let url = place.url().replace("127.0.0.1", "localhost");
    let error = sync(&mirror(place.data.path(), &url, "main", place.credentials())).unwrap_err();
    assert!(matches!(error, FetchError::Certificate { .. }) && error.to_string().contains("localhost"), "{error}");

    for (name, text) in [("empty.pem", "\n"), ("none.pem", "no certificate")] {
        let ca = Some(file(&place, name, text));
        let error =
            sync(&mirror(place.data.path(), &place.url(), "main", Credentials { ca, ..Credentials::default() }));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("caFile") && error.contains(name), "{error}");
    }
}

#[test]
fn a_certificate_that_signed_itself_is_good_where_it_is_named_itself() {
    let (origin, first) = Origin::new();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    // As `openssl req -x509` makes them.
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let pair = certs::ServingCertificate { ca: cert.clone(), cert, key: key.serialize_pem() };
    let web = Web::tls(origin.folder.path(), &pair);
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("ca.pem"), &pair.ca).unwrap();
    let place = Place { origin, server: Server::Web(web, files), data: tempfile::tempdir().unwrap() };
    assert_eq!(sync(&place.mirror("main")).unwrap(), first);
    let url = place.url().replace("127.0.0.1", "localhost");
    let error = sync(&mirror(place.data.path(), &url, "main", place.credentials()));
    assert!(matches!(error, Err(FetchError::Certificate { .. })), "{error:?}");
}

#[test]
fn a_token_is_asked_for_and_may_change_while_running() {
    let (origin, first) = Origin::new();
    let place = Place::web(origin);
    let login = |login: &str| *place.server().state.login.lock().unwrap() = Some(login.to_owned());
    login("x-access-token:t0ken");
    assert!(matches!(sync(&place.mirror("main")), Err(FetchError::NoCredentials)));

    let token = file(&place, "token", "t0ken\n");
    let credentials = Credentials { token: Some(token.clone()), ..place.credentials() };
    let with_token = mirror(place.data.path(), &place.url(), "main", credentials.clone());
    assert_eq!(sync(&with_token).unwrap(), first);

    login("x-access-token:n3wer");
    let second = place.origin.push("main", "replicas: 2");
    let error = sync(&with_token).unwrap_err();
    assert!(matches!(error, FetchError::Credentials { .. }), "{error}");
    assert!(error.to_string().contains(&format!("tokenFile {}", token.display())), "{error}");
    assert_eq!(with_token.mirrored_commit(), Some(first));
    fs::write(&token, "n3wer").unwrap();
    assert_eq!(sync(&with_token).unwrap(), second);

    fs::remove_file(&token).unwrap();
    let error = sync(&with_token).unwrap_err().to_string();
    assert!(error.contains("tokenFile") && error.contains("No such file"), "{error}");

    login("bot:pass word");
    let credentials = Credentials {
        username: Some(file(&place, "user", "bot\n")),
        password: Some(file(&place, "password", "pass word\n")),
        ..place.credentials()
    };
    assert_eq!(sync(&mirror(place.data.path(), &place.url(), "main", credentials)).unwrap(), second);
    let url = place.url().replace("https://", "https://bot:pass%20word@");
    let in_address = mirror(place.data.path(), &url, "main", place.credentials());
    assert_eq!(sync(&in_address).unwrap(), second);
    assert_eq!(in_address.folder(), with_token.folder(), "the same repository, whoever asks");
}

#[test]
fn redirects_stay_on_the_server() {
    let (origin, first) = Origin::new();
    let place = Place::web(origin);
    let moved = |to: String| *place.server().state.moved.lock().unwrap() = Some(to);
    let url = place.url().replace("gitops.git", "moved.git");
    let mirror = mirror(place.data.path(), &url, "main", place.credentials());
    moved("/gitops.git/info/refs?service=git-upload-pack".to_owned());
    assert_eq!(sync(&mirror).unwrap(), first);
    assert_eq!(text(mirror.folder(), first), "replicas: 1");
    moved("https://elsewhere.example/gitops.git/info/refs?service=git-upload-pack".to_owned());
    let error = sync(&mirror).unwrap_err();
    assert!(error.to_string().contains("redirect to https://elsewhere.example/gitops.git;"), "{error}");
    moved("/moved.git/info/refs?service=git-upload-pack".to_owned());
    assert!(matches!(sync(&mirror), Err(FetchError::Server { .. })));
}

#[test]
fn what_is_no_repository_is_told() {
    let (origin, first) = Origin::new();
    let place = Place::web(origin);
    let url = place.url().replace("gitops.git", "other.git");
    assert!(matches!(sync(&mirror(place.data.path(), &url, "main", place.credentials())), Err(FetchError::NotFound)));
    // TLS to a server that speaks none.
    let web = Web::plain(place.origin.folder.path());
    let error = sync(&mirror(place.data.path(), &web.url().replace("http", "https"), "main", Credentials::default()));
    assert!(matches!(error, Err(FetchError::Connect { .. })), "{error:?}");
    assert_eq!(sync(&mirror(place.data.path(), &web.url(), "main", Credentials::default())).unwrap(), first);
}

#[test]
fn a_repository_that_is_too_large_is_left() {
    let (origin, _) = Origin::new();
    origin.push_noise("main", 3 << 20);
    let place = Place::web(origin);
    let mirror = place.mirror("main").with_limits(FetchLimits { bytes: 1 << 20, ..LIMITS });
    let error = sync(&mirror).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    assert!(!mirror.folder().exists());
    assert!(sync(&mirror.with_limits(LIMITS)).is_ok());
}

#[test]
fn a_sync_runs_on_a_blocking_thread_of_a_runtime() {
    let (origin, first) = Origin::new();
    let place = Place::web(origin);
    let mirror = place.mirror("main");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let synced = runtime.block_on(async { tokio::task::spawn_blocking(move || sync(&mirror)).await });
    assert_eq!(synced.unwrap().unwrap(), first);
}

#[test]
fn concurrent_syncs_fetch_once() {
    let (origin, first) = Origin::new();
    let place = Arc::new(Place::web(origin));
    let threads = (0..4).map(|_| {
        let place = place.clone();
        std::thread::spawn(move || sync(&place.mirror("main")).unwrap())
    });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), first);
    }
    assert_eq!(place.server().fetches(), 1);
}
