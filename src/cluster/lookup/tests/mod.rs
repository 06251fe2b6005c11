//! Look-ups in an API server of the test's own.

mod api_server;
mod verdicts;

use axum::http::StatusCode;
use serde_json::json;

use api_server::ApiServer;

use super::*;
use driftwall_core::diff::ListKind;

/// Longer than anything takes that answers at all.
const PATIENT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(60);

fn key<'a>(group: &'a str, kind: &'a str, name: &'a str) -> ObjectKey<'a> {
    ObjectKey { group, kind, namespace: "prod", name }
}

fn owner(live: &ApiLookup, object: ObjectKey<'_>) -> Option<String> {
    live.owner(object).unwrap().map(|Owner { group, kind, name }| format!("{kind}.{group} {name}"))
}

fn reason<T: std::fmt::Debug>(answer: Result<T, LookupError>) -> String {
    answer.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_chains_are_followed_to_their_end() {
    let server = ApiServer::usual();
    let live = server.live(PATIENT);
    for (object, above) in [
        (key("", "Pod", "web-1-x"), Some("ReplicaSet.apps web-1")),
        (key("apps", "ReplicaSet", "web-1"), Some("Deployment.apps web")),
        (key("apps", "Deployment", "web"), None),
        (key("", "Pod", "report-1-x"), Some("Job.batch report-1")),
        (key("batch", "Job", "report-1"), Some("CronJob.batch report")),
        (key("a.example", "Widget", "w"), Some("Maker.a.example m")),
        // It lives in no namespace, whichever is asked for.
        (key("a.example", "Maker", "m"), None),
    ] {
        assert_eq!(owner(&live, object).as_deref(), above, "{object}");
    }
    assert_eq!(server.asked("#/apis/a.example/v1/makers/m"), 1);
    assert_eq!(server.asked("pods"), server.asked("#/api/v1/namespaces/prod/pods"), "just metadata");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_no_owner() {
    let server = ApiServer::usual();
    let live = server.live(PATIENT);
    for object in [
        key("apps", "ReplicaSet", "gone"),
        key("apps", "Unheard", "x"),
        key("unheard.example", "Widget", "w"),
        key("../../api", "Widget", "w"),
        key("apps", "ReplicaSet", "../../secrets/x"),
    ] {
        assert_eq!(owner(&live, object), None, "{object}");
    }
    assert_eq!(server.asked(".."), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_not_asked_for_again() {
    let server = ApiServer::usual();
    let live = server.live(PATIENT);
    for _ in 0..5 {
        owner(&live, key("apps", "ReplicaSet", "web-1"));
        owner(&live, key("apps", "Deployment", "web"));
        owner(&live, key("apps", "Deployment", "gone"));
    }
    for part in ["replicasets/web-1", "deployments/web", "deployments/gone"] {
        assert_eq!(server.asked(part), 1, "{part}");
    }
    assert_eq!(server.asked("/apis/apps"), 3 + 2, "and the kinds, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_error_in_the_server_s_own_words_and_is_not_remembered() {
    let server = ApiServer::usual();
    let live = server.live(PATIENT);
    server.refuse("replicasets", StatusCode::FORBIDDEN);
    let refused = reason(live.owner(key("apps", "ReplicaSet", "web-1")));
    let path = "/apis/apps/v1/namespaces/prod/replicasets/web-1";
    let words = format!(
        "failed to look up the owner of ReplicaSet.apps prod/web-1: the API server answers 403: {path} is refused"
    );
    assert_eq!(refused, words);
    server.refuse("nothing", StatusCode::FORBIDDEN);
    assert!(owner(&live, key("apps", "ReplicaSet", "web-1")).is_some());
    server.refuse("customresourcedefinitions", StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reason(live.custom_resource("a.example", "Widget")).contains("answers 500"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up_in_time_and_left_alone() {
    let server = ApiServer::usual();
    let live = server.live(SHORT);
    server.silence(Some("/apis/apps"));
    let begun = std::time::Instant::now();
    assert!(reason(live.owner(key("apps", "ReplicaSet", "web-1"))).ends_with("does not answer in time"));
    for _ in 0..50 {
        assert!(reason(live.owner(key("apps", "ReplicaSet", "web-2"))).ends_with("did not answer a moment ago"));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(server.asked("/apis/apps"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_group_does_not_blind_the_wall_for_others() {
    let server = ApiServer::usual();
    server.silence(Some("a.example"));
    let slow = server.live(SHORT);
    assert!(slow.owner(key("a.example", "Widget", "w")).is_err());
    assert!(owner(&slow, key("apps", "ReplicaSet", "web-1")).is_some());
}

/// One worker, and what it must do meanwhile is the look-up itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_look_up_leaves_its_worker_free() {
    let live = ApiServer::usual().live(PATIENT);
    let asked = tokio::spawn(async move { owner(&live, key("", "Pod", "web-1-x")) });
    assert_eq!(asked.await.unwrap().as_deref(), Some("ReplicaSet.apps web-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_look_ups_wait_than_there_are_places() {
    let server = ApiServer::usual();
    let live = Arc::new(server.live(Duration::from_millis(500)));
    server.silence(Some("/apis/apps"));
    let ask = |n: usize| {
        let live = Arc::clone(&live);
        tokio::spawn(async move { reason(live.owner(key("apps", "ReplicaSet", &format!("web-{n}")))) })
    };
    let mut busy = 0;
    for asked in (0..100).map(ask).collect::<Vec<_>>() {
        busy += usize::from(asked.await.unwrap().ends_with("too many look-ups are under way"));
    }
    assert!(server.asked("/apis/apps") <= 64);
    assert!(busy <= 36, "{busy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_read_once_however_many_ask() {
    let server = ApiServer::usual();
    let live = Arc::new(server.live(PATIENT));
    let ask = |_| {
        let live = Arc::clone(&live);
        tokio::spawn(async move { live.custom_resource("a.example", "Widget").unwrap().unwrap() })
    };
    for asked in (0..30).map(ask).collect::<Vec<_>>() {
        let custom = asked.await.unwrap();
        assert_eq!(custom.replicas_path("v1").unwrap().to_string(), "spec.size");
    }
    assert_eq!(server.asked("customresourcedefinitions"), 1);
    assert!(live.custom_resource("a.example", "Maker").unwrap().is_none(), "a kind without a definition");
    assert!(live.custom_resource("apps", "Deployment").unwrap().is_none());
    assert_eq!(server.asked("/apis/apps"), 0, "no custom resource");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_read_again_only_where_it_has_changed() {
    let server = ApiServer::usual();
    let live = server.live(PATIENT);
    let id = ("a.example".to_owned(), "Widget".to_owned());
    let first = live.known.definition(&id, None).await.unwrap().unwrap();
    let same = live.known.definition(&id, Some(&first)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first.custom, &same.custom));
    server.defined("2", ".spec.count");
    let other = live.known.definition(&id, Some(&first)).await.unwrap().unwrap();
    assert_eq!(other.custom.replicas_path("v1").unwrap().to_string(), "spec.count");
    assert_eq!((server.asked("/widgetry.a.example"), server.asked("#/apis/apiextensions")), (4, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_of_before_is_better_than_none_and_not_asked_for_again_at_once() {
    let live = ApiServer::usual().live(PATIENT);
    let id = ("a.example".to_owned(), "Widget".to_owned());
    assert!(live.known.stale_crd(id.clone()).is_none());
    let first = live.custom_resource("a.example", "Widget").unwrap().unwrap();
    let before = live.known.stale_crd(id.clone()).unwrap();
    assert!(Arc::ptr_eq(&first, &before));
    assert!(live.known.cached_crd(&id).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_is_known_by_its_plural() {
    let live = ApiServer::usual().live(PATIENT);
    assert_eq!(live.kind_of("a.example", "widgetry").unwrap().as_deref(), Some("Widget"));
    assert_eq!(live.kind_of("a.example", "widgets").unwrap(), None);
    assert_eq!(live.kind_of("unheard.example", "widgets").unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_a_definition_is_read_as_the_api_server_describes_it() {
    let server = ApiServer::usual();
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
    let live = server.live(PATIENT);
    let maker = live.custom_resource("a.example", "Maker").unwrap().unwrap();
    assert_eq!(maker.schema("v1").unwrap().field("names").list(), &ListKind::Set);
    assert_eq!((server.asked("/openapi/v3/apis/a.example/v1"), server.asked("/openapi/v3/apis/apps")), (1, 0));

    let id = ("a.example".to_owned(), "Maker".to_owned());
    let first = live.known.definition(&id, None).await.unwrap().unwrap();
    let same = live.known.definition(&id, Some(&first)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first.custom, &same.custom), "its hash is the same");
    describe("2", "Maker");
    let other = live.known.definition(&id, Some(&first)).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&first.custom, &other.custom));

    server.refuse("customresourcedefinitions", StatusCode::FORBIDDEN);
    assert!(reason(live.custom_resource("a.example", "Widget")).contains("answers 403"), "it is not described either");
    describe("3", "Widget");
    assert!(live.custom_resource("a.example", "Widget").unwrap().is_some());
}
