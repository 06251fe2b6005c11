//! Look-ups at the fake API server.

mod fixtures;
mod verdicts;

use axum::http::StatusCode;
use serde_json::json;

use self::fixtures::{cluster, lookup, put_widget_crd};
use super::*;
use driftwall_core::diff::ListKind;

/// Longer than any answer takes.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(60);

fn key<'a>(group: &'a str, kind: &'a str, name: &'a str) -> ObjectKey<'a> {
    ObjectKey { group, kind, namespace: "prod", name }
}

fn owner(lookups: &ApiLookup, object: ObjectKey<'_>) -> Option<String> {
    lookups.owner(object).unwrap().map(|Owner { group, kind, name }| format!("{kind}.{group} {name}"))
}

fn reason<T: std::fmt::Debug>(answer: Result<T, LookupError>) -> String {
    answer.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_chains_are_followed_to_their_end() {
    let server = cluster();
    let lookups = lookup(&server, LONG);
    for (object, above) in [
        (key("", "Pod", "web-1-x"), Some("ReplicaSet.apps web-1")),
        (key("apps", "ReplicaSet", "web-1"), Some("Deployment.apps web")),
        (key("apps", "Deployment", "web"), None),
        (key("", "Pod", "report-1-x"), Some("Job.batch report-1")),
        (key("batch", "Job", "report-1"), Some("CronJob.batch report")),
        (key("a.example", "Widget", "w"), Some("Maker.a.example m")),
        // It lookups in no namespace, whichever is asked for.
        (key("a.example", "Maker", "m"), None),
    ] {
        assert_eq!(owner(&lookups, object).as_deref(), above, "{object}");
    }
    assert_eq!(server.count_requests("#/apis/a.example/v1/makers/m"), 1);
    assert_eq!(server.count_requests("pods"), server.count_requests("#/api/v1/namespaces/prod/pods"), "just metadata");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_does_not_exist_has_no_owner() {
    let server = cluster();
    let lookups = lookup(&server, LONG);
    for object in [
        key("apps", "ReplicaSet", "gone"),
        key("apps", "Unheard", "x"),
        key("unheard.example", "Widget", "w"),
        key("../../api", "Widget", "w"),
        key("apps", "ReplicaSet", "../../secrets/x"),
    ] {
        assert_eq!(owner(&lookups, object), None, "{object}");
    }
    assert_eq!(server.count_requests(".."), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_answers_are_not_requested_again() {
    let server = cluster();
    let lookups = lookup(&server, LONG);
    for _ in 0..5 {
        owner(&lookups, key("apps", "ReplicaSet", "web-1"));
        owner(&lookups, key("apps", "Deployment", "web"));
        owner(&lookups, key("apps", "Deployment", "gone"));
    }
    for part in ["replicasets/web-1", "deployments/web", "deployments/gone"] {
        assert_eq!(server.count_requests(part), 1, "{part}");
    }
    assert_eq!(server.count_requests("/apis/apps"), 3 + 2, "and the kinds, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_error_with_the_message_of_the_api_server_and_is_not_cached() {
    let server = cluster();
    let lookups = lookup(&server, LONG);
    server.refuse(None, "replicasets", StatusCode::FORBIDDEN);
    let refused = reason(lookups.owner(key("apps", "ReplicaSet", "web-1")));
    let path = "/apis/apps/v1/namespaces/prod/replicasets/web-1";
    let words = format!(
        "failed to look up the owner of ReplicaSet.apps prod/web-1: the API server answers 403: {path} is refused"
    );
    assert_eq!(refused, words);
    server.refuse(None, "nothing", StatusCode::FORBIDDEN);
    assert!(owner(&lookups, key("apps", "ReplicaSet", "web-1")).is_some());
    server.refuse(None, "customresourcedefinitions", StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reason(lookups.custom_resource("a.example", "Widget")).contains("answers 500"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unresponsive_api_server_times_out_and_is_not_asked_again_at_once() {
    let server = cluster();
    let lookups = lookup(&server, SHORT);
    server.silence("/apis/apps");
    let begun = std::time::Instant::now();
    assert!(reason(lookups.owner(key("apps", "ReplicaSet", "web-1"))).ends_with("does not answer in time"));
    for _ in 0..50 {
        assert!(reason(lookups.owner(key("apps", "ReplicaSet", "web-2"))).ends_with("did not answer a moment ago"));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(server.count_requests("/apis/apps"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unresponsive_group_does_not_affect_look_ups_in_others() {
    let server = cluster();
    server.silence("a.example");
    let slow = lookup(&server, SHORT);
    assert!(slow.owner(key("a.example", "Widget", "w")).is_err());
    assert!(owner(&slow, key("apps", "ReplicaSet", "web-1")).is_some());
}

/// One worker, and what it must do meanwhile is the look-up itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_waiting_look_up_does_not_block_its_worker_thread() {
    let lookups = lookup(&cluster(), LONG);
    let asked = tokio::spawn(async move { owner(&lookups, key("", "Pod", "web-1-x")) });
    assert_eq!(asked.await.unwrap().as_deref(), Some("ReplicaSet.apps web-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_concurrent_look_ups_is_limited() {
    let server = cluster();
    let lookups = Arc::new(lookup(&server, Duration::from_millis(500)));
    server.silence("/apis/apps");
    let ask = |n: usize| {
        let lookups = Arc::clone(&lookups);
        tokio::spawn(async move { reason(lookups.owner(key("apps", "ReplicaSet", &format!("web-{n}")))) })
    };
    for asked in (0..100).map(ask).collect::<Vec<_>>() {
        let reason = asked.await.unwrap();
        let is_told = ["too many look-ups are under way", "did not answer a moment ago", "does not answer in time"]
            .iter()
            .any(|told| reason.ends_with(told));
        assert!(is_told, "{reason}");
    }
    assert!(server.count_requests("/apis/apps") <= 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_look_ups_read_a_definition_once() {
    let server = cluster();
    let lookups = Arc::new(lookup(&server, LONG));
    let ask = |_| {
        let lookups = Arc::clone(&lookups);
        tokio::spawn(async move { lookups.custom_resource("a.example", "Widget").unwrap().unwrap() })
    };
    for asked in (0..30).map(ask).collect::<Vec<_>>() {
        let custom = asked.await.unwrap();
        assert_eq!(custom.replicas_path("v1").unwrap().to_string(), "spec.size");
    }
    assert_eq!(server.count_requests("customresourcedefinitions"), 1);
    assert!(lookups.custom_resource("a.example", "Maker").unwrap().is_none(), "a kind without a definition");
    assert!(lookups.custom_resource("apps", "Deployment").unwrap().is_none());
    assert_eq!(server.count_requests("/apis/apps"), 0, "no custom resource");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_read_again_only_where_it_has_changed() {
    let server = cluster();
    let lookups = lookup(&server, LONG);
    let id = ("a.example".to_owned(), "Widget".to_owned());
    let first = lookups.cache.read_definition(&id, None).await.unwrap().unwrap();
    let same = lookups.cache.read_definition(&id, Some(&first)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first.custom_resource, &same.custom_resource));
    put_widget_crd(&server, "2", ".spec.count");
    let other = lookups.cache.read_definition(&id, Some(&first)).await.unwrap().unwrap();
    assert_eq!(other.custom_resource.replicas_path("v1").unwrap().to_string(), "spec.count");
    assert_eq!((server.count_requests("/widgetry.a.example"), server.count_requests("#/apis/apiextensions")), (4, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_definition_is_used_and_counts_as_fresh_again() {
    let lookups = lookup(&cluster(), LONG);
    let id = ("a.example".to_owned(), "Widget".to_owned());
    assert!(lookups.cache.stale_custom_resource(id.clone()).is_none());
    let first = lookups.custom_resource("a.example", "Widget").unwrap().unwrap();
    let before = lookups.cache.stale_custom_resource(id.clone()).unwrap();
    assert!(Arc::ptr_eq(&first, &before));
    assert!(lookups.cache.cached_custom_resource(&id).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_is_found_by_its_plural() {
    let lookups = lookup(&cluster(), LONG);
    assert_eq!(lookups.kind_of("a.example", "widgetry").unwrap().as_deref(), Some("Widget"));
    assert_eq!(lookups.kind_of("a.example", "widgets").unwrap(), None);
    assert_eq!(lookups.kind_of("unheard.example", "widgets").unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_a_crd_is_read_from_the_openapi_documents() {
    let server = cluster();
    let describe = |hash: &str, kind: &str| {
        let url = format!("/openapi/v3/apis/a.example/v1?hash={hash}");
        let other = json!({"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=0"});
        server.put(
            "/openapi/v3",
            json!({"paths": {"apis/a.example/v1": {"serverRelativeURL": url}, "apis/apps/v1": other}}),
        );
        let named = json!([{"group": "a.example", "version": "v1", "kind": kind}]);
        let set = json!({"x-kubernetes-list-type": "set", "items": {"type": "string"}});
        let schema = json!({"x-kubernetes-group-version-kind": named, "properties": {"names": set}});
        server.put("/openapi/v3/apis/a.example/v1", json!({"components": {"schemas": {"it": schema}}}));
    };
    describe("1", "Maker");
    let lookups = lookup(&server, LONG);
    let maker = lookups.custom_resource("a.example", "Maker").unwrap().unwrap();
    assert_eq!(maker.schema("v1").unwrap().field("names").list(), &ListKind::Set);
    assert_eq!(
        (server.count_requests("/openapi/v3/apis/a.example/v1"), server.count_requests("/openapi/v3/apis/apps")),
        (1, 0)
    );

    let id = ("a.example".to_owned(), "Maker".to_owned());
    let first = lookups.cache.read_definition(&id, None).await.unwrap().unwrap();
    let same = lookups.cache.read_definition(&id, Some(&first)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first.custom_resource, &same.custom_resource), "its hash is the same");
    describe("2", "Maker");
    let other = lookups.cache.read_definition(&id, Some(&first)).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&first.custom_resource, &other.custom_resource));

    server.refuse(None, "customresourcedefinitions", StatusCode::FORBIDDEN);
    assert!(
        reason(lookups.custom_resource("a.example", "Widget")).contains("answers 403"),
        "it is not described either"
    );
    describe("3", "Widget");
    assert!(lookups.custom_resource("a.example", "Widget").unwrap().is_some());
}
