//! Certificates, logins and answers of web servers.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use driftwall::certs;
use driftwall::source::{Credentials, FetchError, FetchLimits};

use crate::source::remote::git_http_server::GitHttpServer;
use crate::source::remote::repository::{TestRepository, file_content};
use crate::source::remote::transports::{LIMITS, ONE_FETCH, RemoteSetup, Transport, mirror, sync};

/// A file beside the place's own.
fn file(remote: &RemoteSetup, name: &str, text: &str) -> PathBuf {
    let file = remote.data.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_private_ca_must_be_configured() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    assert_eq!(sync(&remote.mirror("main")).unwrap(), first);

    let nobody = mirror(remote.data.path(), &remote.url(), "main", Credentials::default());
    let error = sync(&nobody).unwrap_err();
    assert!(matches!(error, FetchError::Certificate { .. }) && error.to_string().contains("caFile"), "{error}");

    let other = certs::generate(&["127.0.0.1".to_owned()], 7).unwrap();
    let ca = Some(file(&remote, "other.pem", &other.ca));
    let error = sync(&mirror(remote.data.path(), &remote.url(), "main", Credentials { ca, ..Credentials::default() }));
    assert!(matches!(error, Err(FetchError::Certificate { .. })), "{error:?}");

    let url = remote.url().replace("127.0.0.1", "localhost");
    let error = sync(&mirror(remote.data.path(), &url, "main", remote.credentials())).unwrap_err();
    assert!(matches!(error, FetchError::Certificate { .. }) && error.to_string().contains("localhost"), "{error}");

    for (name, text) in [("empty.pem", "\n"), ("none.pem", "no certificate")] {
        let ca = Some(file(&remote, name, text));
        let error =
            sync(&mirror(remote.data.path(), &remote.url(), "main", Credentials { ca, ..Credentials::default() }));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("caFile") && error.contains(name), "{error}");
    }
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_configured_as_ca() {
    let (repository, first) = TestRepository::new();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    // As `openssl req -x509` makes them.
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let pair = certs::ServingCertificate { ca: cert.clone(), cert, key: key.serialize_pem() };
    let web = GitHttpServer::tls(repository.folder.path(), &pair);
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("ca.pem"), &pair.ca).unwrap();
    let remote = RemoteSetup { repository, server: Transport::Web(web, files), data: tempfile::tempdir().unwrap() };
    assert_eq!(sync(&remote.mirror("main")).unwrap(), first);
    let url = remote.url().replace("127.0.0.1", "localhost");
    let error = sync(&mirror(remote.data.path(), &url, "main", remote.credentials()));
    assert!(matches!(error, Err(FetchError::Certificate { .. })), "{error:?}");
}

#[test]
fn a_token_is_required_and_may_change_while_running() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let login = |login: &str| *remote.server().state.login.lock().unwrap() = Some(login.to_owned());
    login("x-access-token:t0ken");
    assert!(matches!(sync(&remote.mirror("main")), Err(FetchError::NoCredentials)));

    let token = file(&remote, "token", "t0ken\n");
    let credentials = Credentials { token: Some(token.clone()), ..remote.credentials() };
    let with_token = mirror(remote.data.path(), &remote.url(), "main", credentials.clone());
    assert_eq!(sync(&with_token).unwrap(), first);

    login("x-access-token:n3wer");
    let second = remote.repository.push("main", "replicas: 2");
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
        username: Some(file(&remote, "user", "bot\n")),
        password: Some(file(&remote, "password", "pass word\n")),
        ..remote.credentials()
    };
    assert_eq!(sync(&mirror(remote.data.path(), &remote.url(), "main", credentials)).unwrap(), second);
    let url = remote.url().replace("https://", "https://bot:pass%20word@");
    let in_address = mirror(remote.data.path(), &url, "main", remote.credentials());
    assert_eq!(sync(&in_address).unwrap(), second);
    assert_eq!(in_address.folder(), with_token.folder(), "the same repository, whoever asks");
}

#[test]
fn redirects_stay_on_the_server() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let moved = |to: String| *remote.server().state.moved.lock().unwrap() = Some(to);
    let url = remote.url().replace("gitops.git", "moved.git");
    let mirror = mirror(remote.data.path(), &url, "main", remote.credentials());
    moved("/gitops.git/info/refs?service=git-upload-pack".to_owned());
    assert_eq!(sync(&mirror).unwrap(), first);
    assert_eq!(file_content(mirror.folder(), first), "replicas: 1");
    moved("https://elsewhere.example/gitops.git/info/refs?service=git-upload-pack".to_owned());
    let error = sync(&mirror).unwrap_err();
    assert!(error.to_string().contains("redirect to https://elsewhere.example/gitops.git;"), "{error}");
    moved("/moved.git/info/refs?service=git-upload-pack".to_owned());
    assert!(matches!(sync(&mirror), Err(FetchError::Server { .. })));
}

#[test]
fn an_address_without_a_repository_is_an_error() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let url = remote.url().replace("gitops.git", "other.git");
    assert!(matches!(sync(&mirror(remote.data.path(), &url, "main", remote.credentials())), Err(FetchError::NotFound)));
    // TLS to a server that speaks none.
    let web = GitHttpServer::plain(remote.repository.folder.path());
    let error = sync(&mirror(remote.data.path(), &web.url().replace("http", "https"), "main", Credentials::default()));
    assert!(matches!(error, Err(FetchError::Connect { .. })), "{error:?}");
    assert_eq!(sync(&mirror(remote.data.path(), &web.url(), "main", Credentials::default())).unwrap(), first);
}

#[test]
fn a_repository_over_the_size_limit_is_not_fetched() {
    let (repository, _) = TestRepository::new();
    repository.push_noise("main", 3 << 20);
    let remote = RemoteSetup::web(repository);
    let mirror = remote.mirror("main").with_limits(FetchLimits { bytes: 1 << 20, ..LIMITS });
    let error = sync(&mirror).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    assert!(!mirror.folder().exists());
    assert!(sync(&mirror.with_limits(LIMITS)).is_ok());
}

#[test]
fn a_sync_runs_on_a_blocking_thread_of_a_runtime() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let mirror = remote.mirror("main");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let synced = runtime.block_on(async { tokio::task::spawn_blocking(move || sync(&mirror)).await });
    assert_eq!(synced.unwrap().unwrap(), first);
}

#[test]
fn concurrent_syncs_fetch_once() {
    let (repository, first) = TestRepository::new();
    let remote = Arc::new(RemoteSetup::web(repository));
    let threads = (0..4).map(|_| {
        let remote = remote.clone();
        std::thread::spawn(move || sync(&remote.mirror("main")).unwrap())
    });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), first);
    }
    assert_eq!(remote.server().fetches(), ONE_FETCH);
}
