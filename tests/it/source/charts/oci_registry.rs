//! An OCI registry: tags, ranges, digests, logins and tokens.

use std::sync::Arc;

use driftwall::source::charts::{ChartError, ChartRequest};
use driftwall::source::{Credentials, FetchError};

use super::fixtures::{Client, Helm};
use super::registry::{Access, PASSWORD, Registry, USER};
use super::web_server::WebServer;

#[test]
fn charts_are_fetched_with_and_without_login_and_token() {
    let Some(helm) = Helm::new() else { return };
    for access in [Access::Anybody, Access::Login, Access::Token] {
        let client = Client::new();
        let Some(registry) = Registry::start(&client, access) else { return };
        for version in ["1.2.0", "1.10.0", "2.0.0-rc.1", "1.3.0+build.7"] {
            registry.push(&client, &helm, "web", version, access);
        }
        let login = match access {
            Access::Anybody => client.credentials(),
            Access::Login | Access::Token => client.login(USER, PASSWORD),
        };
        let request = |range: &str, credentials: &Credentials| ChartRequest {
            credentials: credentials.clone(),
            ..client.request(&registry.url("/charts"), "web", range)
        };
        let resolve = |range: &str, credentials: &Credentials| {
            client.store().resolve(&request(range, credentials), &Arc::default())
        };
        for (range, version) in [
            ("1.2.0", "1.2.0"),
            ("^1.2", "1.10.0"),
            ("~1.3", "1.3.0+build.7"),
            ("1.3.0+build.7", "1.3.0+build.7"),
            ("*", "1.10.0"),
            (">1-0", "2.0.0-rc.1"),
        ] {
            let resolved = resolve(range, &login).unwrap();
            assert_eq!(resolved.version, version, "{range}");
            assert!(client.chart_file(&resolved).contains(&format!("version: {version}")), "{range}");
        }
        let missing = resolve("3.x", &login).unwrap_err().to_string();
        assert!(missing.contains("web 3.x") && missing.contains("1.10.0"), "{missing}");
        let missing = resolve("9.9.9", &login).unwrap_err();
        assert!(matches!(missing, ChartError::Fetch { reason: FetchError::NotFound, .. }), "{missing}");
        if access == Access::Anybody {
            continue;
        }
        let refused = resolve("^1.2", &client.credentials()).unwrap_err();
        assert!(matches!(refused, ChartError::Fetch { reason: FetchError::NoCredentials, .. }), "{refused}");
        let refused = resolve("^1.2", &client.login(USER, "wr0ng")).unwrap_err();
        assert!(matches!(refused, ChartError::Fetch { reason: FetchError::Credentials { .. }, .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("passwordFile") && !text.contains("wr0ng"), "{text}");
        assert!(
            registry.tokens.as_ref().is_none_or(|tokens| tokens.seen("/token").iter().any(|seen| seen.status == 200))
        );
    }
}

#[test]
fn more_tags_than_a_page_holds_are_all_seen() {
    let client = Client::new();
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::tls(root.path(), &client.pair);
    let pages = |request: &hyper::http::request::Parts| {
        let page = match request.uri.query() {
            Some(query) if query.contains("last=1") => r#"{"tags": ["1.9.0", "latest"]}"#,
            _ => return None,
        };
        Some((200, page.as_bytes().to_vec()))
    };
    *server.state.handler.lock().unwrap() = Some(Arc::new(pages));
    std::fs::create_dir_all(root.path().join("v2/charts/web/tags")).unwrap();
    std::fs::write(root.path().join("v2/charts/web/tags/list"), r#"{"tags": ["1.0.0"]}"#).unwrap();
    let link = "</v2/charts/web/tags/list?n=1&last=1>; rel=\"next\"".to_owned();
    server.state.links.lock().unwrap().insert("/v2/charts/web/tags/list".to_owned(), link);
    let url = format!("oci://127.0.0.1:{}/charts", server.port);
    let error = client.resolve(&url, "web", "^1").unwrap_err().to_string();
    assert_eq!(server.seen("/manifests/1.9.0").len(), 1, "{error}");
}

#[test]
fn what_is_no_chart_or_has_another_digest_is_refused() {
    let Some(helm) = Helm::new() else { return };
    let client = Client::new();
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::tls(root.path(), &client.pair);
    let folder = root.path().join("v2/web");
    for name in ["manifests", "blobs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let archive = helm.package("web", "1.0.0", root.path());
    let digest = "0".repeat(64);
    std::fs::copy(archive, folder.join(format!("blobs/sha256:{digest}"))).unwrap();
    let url = format!("oci://127.0.0.1:{}", server.port);
    for (media_type, digest, words) in [
        ("application/vnd.oci.image.layer.v1.tar+gzip", format!("sha256:{digest}"), "no Helm chart"),
        ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", format!("sha512:{digest}"), "no SHA-256"),
        ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "sha256:../../x".to_owned(), "no SHA-256"),
        ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", format!("sha256:{digest}"), "the manifest says 0000"),
    ] {
        let manifest = format!(r#"{{"layers": [{{"mediaType": "{media_type}", "digest": "{digest}"}}]}}"#);
        std::fs::write(folder.join("manifests/1.0.0"), manifest).unwrap();
        let error = client.resolve(&url, "web", "1.0.0").unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("web 1.0.0"), "{words}: {error}");
    }
}
