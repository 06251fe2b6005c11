//! An HTTP chart repository: ranges, digests, logins, redirects, and what happens
//! when it is away or lies.

use std::fs;
use std::sync::Arc;

use driftwall::source::charts::{ChartError, ChartRequest};
use driftwall::source::{Credentials, FetchError};

use super::fixtures::{Client, Helm};
use super::web_server::WebServer;

/// A repository of `web` 1.2.0, 1.10.0 and 2.0.0-rc.1, and driftwall's side.
fn repository(helm: &Helm) -> (Client, WebServer, tempfile::TempDir) {
    let (client, root) = (Client::new(), tempfile::tempdir().unwrap());
    for version in ["1.2.0", "1.10.0", "2.0.0-rc.1"] {
        helm.package("web", version, root.path());
    }
    helm.index(root.path());
    let server = WebServer::tls(root.path(), &client.pair);
    (client, server, root)
}

#[test]
fn the_newest_version_in_a_range_is_fetched_and_a_pinned_one_once() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, _root) = repository(&helm);
    for (range, version) in [("^1.2", "1.10.0"), ("1.2.x", "1.2.0"), ("", "1.10.0"), (">=2.0.0-0", "2.0.0-rc.1")] {
        let resolved = client.resolve(&server.url(""), "web", range).unwrap();
        assert_eq!(resolved.version, version, "{range}");
        assert!(client.chart_file(&resolved).contains(&format!("version: {version}")), "{range}");
    }
    let before = server.seen("").len();
    let pinned = client.resolve(&server.url("/"), "web", "1.2.0").unwrap();
    assert_eq!(server.seen("").len(), before + 1, "the archive is there already, only the index is asked");
    assert_eq!(client.resolve(&server.url("/"), "web", "1.2.0").unwrap(), pinned);
    assert_eq!(server.seen("").len(), before + 1, "a pinned version is not asked for again");
    // Nor after a restart, with the server gone.
    let url = server.url("/");
    server.stop();
    assert_eq!(client.resolve(&url, "web", "1.2.0").unwrap(), pinned);
    let request = client.request(&url, "web", "^1.2");
    assert!(matches!(client.store().resolve(&request, &Arc::default()), Err(ChartError::Fetch { .. })));
}

#[test]
fn a_range_is_resolved_again_and_an_unchanged_index_is_not_sent_again() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, root) = repository(&helm);
    *server.state.has_etags.lock().unwrap() = true;
    let first = client.resolve(&server.url("/"), "web", "^1").unwrap();
    assert_eq!(client.resolve(&server.url("/"), "web", "^1").unwrap(), first);
    let statuses: Vec<_> = server.seen("index.yaml").iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [200, 304]);
    helm.package("web", "1.11.0", root.path());
    helm.index(root.path());
    let second = client.resolve(&server.url("/"), "web", "^1").unwrap();
    assert_eq!((first.version.as_str(), second.version.as_str()), ("1.10.0", "1.11.0"));
    assert_eq!(server.seen(".tgz").len(), 2);

    // The repository is away: what the range meant last is known.
    let request = client.request(&server.url("/"), "web", "^1");
    server.stop();
    assert!(client.store().resolve(&request, &Arc::default()).is_err());
    assert_eq!(client.store().last_resolved(&request), Some(second));
}

#[test]
fn a_version_with_another_content_is_fetched_again() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, root) = repository(&helm);
    let first = client.resolve(&server.url(""), "web", "1.2.x").unwrap();
    // The same version, packed again: other times in the archive.
    let file = helm.package("web", "1.2.0", root.path());
    let mut bytes = fs::read(&file).unwrap();
    // The operating system in the header of gzip, which nothing reads.
    bytes[9] ^= 1;
    fs::write(&file, bytes).unwrap();
    helm.index(root.path());
    let second = client.resolve(&server.url(""), "web", "1.2.x").unwrap();
    assert_eq!(first.version, second.version);
    assert_ne!(first.digest, second.digest);
}

#[test]
fn an_archive_with_another_digest_than_the_index_says_is_refused() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, root) = repository(&helm);
    fs::copy(root.path().join("web-1.10.0.tgz"), root.path().join("web-1.2.0.tgz")).unwrap();
    let error = client.resolve(&server.url(""), "web", "1.2.0").unwrap_err();
    assert!(matches!(error, ChartError::Digest { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("web 1.2.0") && text.contains(&server.url("")) && text.contains("the index says"), "{text}");
    let request = client.request(&server.url(""), "web", "1.2.0");
    assert_eq!(client.store().last_resolved(&request), None);
}

#[test]
fn a_damaged_archive_on_the_disk_is_fetched_again() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, _root) = repository(&helm);
    let resolved = client.resolve(&server.url(""), "web", "1.2.0").unwrap();
    let file = client.folder.path().join(format!("charts/archives/{}.tgz", resolved.digest));
    fs::write(&file, "damaged").unwrap();
    assert!(client.store().open(&resolved.digest).is_err_and(|error| error.to_string().contains("damaged")));
    assert_eq!(client.resolve(&server.url(""), "web", "1.2.0").unwrap(), resolved);
    assert!(client.chart_file(&resolved).contains("1.2.0"));
}

#[test]
fn a_login_is_used_and_no_other_server_gets_it() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, root) = repository(&helm);
    *server.state.login.lock().unwrap() = Some("bot:s3cret".to_owned());
    let request =
        |credentials: Credentials| ChartRequest { credentials, ..client.request(&server.url(""), "web", "1.x") };
    let resolve = |request: &ChartRequest| client.store().resolve(request, &Arc::default());
    let error = resolve(&request(client.credentials())).unwrap_err();
    assert!(matches!(&error, ChartError::Fetch { reason: FetchError::NoCredentials, .. }), "{error}");
    let error = resolve(&request(client.login("bot", "wr0ng"))).unwrap_err().to_string();
    assert!(error.contains("usernameFile") && error.contains("passwordFile") && !error.contains("wr0ng"), "{error}");
    assert_eq!(resolve(&request(client.login("bot", "s3cret"))).unwrap().version, "1.10.0");

    // The archives are elsewhere: by the index itself, or by a redirect.
    let elsewhere = WebServer::tls(root.path(), &client.pair);
    let moved = elsewhere.url("/web-1.2.0.tgz");
    server.state.redirects.lock().unwrap().insert("/web-1.2.0.tgz".to_owned(), moved);
    let pinned = ChartRequest { range: "1.2.0".parse().unwrap(), ..request(client.login("bot", "s3cret")) };
    assert_eq!(resolve(&pinned).unwrap().version, "1.2.0");
    let index = fs::read_to_string(root.path().join("index.yaml")).unwrap();
    let index = index.replace("- web-2.0.0-rc.1.tgz", &format!("- {}", elsewhere.url("/web-2.0.0-rc.1.tgz")));
    fs::write(root.path().join("index.yaml"), index).unwrap();
    let pinned = ChartRequest { range: "2.0.0-rc.1".parse().unwrap(), ..pinned };
    assert_eq!(resolve(&pinned).unwrap().version, "2.0.0-rc.1");
    let seen = elsewhere.seen(".tgz");
    assert!(seen.len() == 2 && seen.iter().all(|seen| !seen.has_login), "{seen:?}");
}

#[test]
fn nothing_leads_from_https_to_http() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, root) = repository(&helm);
    let plain = WebServer::plain(root.path());
    server.state.redirects.lock().unwrap().insert("/web-1.2.0.tgz".to_owned(), plain.url("/web-1.2.0.tgz?sig=s3cret"));
    let error = client.resolve(&server.url(""), "web", "1.2.0").unwrap_err().to_string();
    assert!(error.contains("redirect") && error.contains(&plain.url("")) && !error.contains("s3cret"), "{error}");
    let index = fs::read_to_string(root.path().join("index.yaml")).unwrap();
    let index = index.replace("- web-1.10.0.tgz", &format!("- {}", plain.url("/web-1.10.0.tgz")));
    fs::write(root.path().join("index.yaml"), index).unwrap();
    let error = client.resolve(&server.url(""), "web", "1.10.0").unwrap_err().to_string();
    assert!(error.contains("it is http"), "{error}");
    assert!(plain.seen("").is_empty());
    // A repository that is configured as http is one.
    assert_eq!(client.resolve(&plain.url(""), "web", "1.2.0").unwrap().version, "1.2.0");
}

#[test]
fn an_error_says_what_is_there_and_what_would_be_right() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, root) = repository(&helm);
    let error = |name: &str, range: &str| client.resolve(&server.url(""), name, range).unwrap_err().to_string();
    let missing = error("db", "1.x");
    assert!(missing.contains("db 1.x") && missing.contains("no chart of that name"), "{missing}");
    let missing = error("web", "3.x");
    assert!(missing.contains("web 3.x") && missing.contains("1.10.0"), "{missing}");
    let error_of = |url: &str| client.resolve(url, "web", "1.x").unwrap_err().to_string();
    let missing = error_of(&server.url("/nowhere"));
    assert!(missing.contains("/nowhere/index.yaml") && missing.contains("does not exist"), "{missing}");
    fs::write(root.path().join("index.yaml"), "<html>Sign in</html>").unwrap();
    let invalid = error("web", "1.x");
    assert!(invalid.contains("no index of charts"), "{invalid}");
    fs::write(root.path().join("index.yaml"), "entries: {web: [{version: 1.0.0, urls: [odd.tgz]}]}").unwrap();
    fs::write(root.path().join("odd.tgz"), "no archive").unwrap();
    let invalid = error("web", "1.x");
    assert!(invalid.contains("web 1.0.0") && invalid.contains("no gzipped tar archive"), "{invalid}");
    let other = Client::new();
    let error = other.resolve(&server.url(""), "web", "1.x").unwrap_err().to_string();
    assert!(error.contains("caFile"), "{error}");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let client = Client::new();
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("index.yaml"), "entries: {web: [{version: 1.0.0, urls: [large.tgz]}]}").unwrap();
    fs::File::create(root.path().join("large.tgz")).unwrap().set_len(33 << 20).unwrap();
    let server = WebServer::tls(root.path(), &client.pair);
    let error = client.resolve(&server.url(""), "web", "1.x").unwrap_err().to_string();
    assert!(error.contains("more than 32 MiB"), "{error}");
    let left = fs::read_dir(client.folder.path().join("charts/archives")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, _root) = repository(&helm);
    // Room for one archive of the largest size, and a little more.
    let store = client.store_of((32 << 20) + 100);
    let resolve = |range: &str| store.resolve(&client.request(&server.url(""), "web", range), &Arc::default()).unwrap();
    let first = resolve("1.2.0");
    let file = client.folder.path().join(format!("charts/archives/{}.tgz", first.digest));
    resolve("1.10.0");
    assert!(file.exists(), "what was just fetched may be in use");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    resolve("2.0.0-rc.1");
    assert!(!file.exists());
    assert_eq!(resolve("1.2.0"), first, "and is fetched again");
}

#[test]
fn a_cancelled_fetch_ends() {
    let Some(helm) = Helm::new() else { return };
    let (client, server, _root) = repository(&helm);
    let cancel = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let error = client.store().resolve(&client.request(&server.url(""), "web", "1.x"), &cancel).unwrap_err();
    assert!(matches!(error, ChartError::Fetch { reason: FetchError::Cancelled, .. }), "{error}");
}
