//! Look-ups in an API server of the test's own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::*;
use crate::actor::{Actors, Class};
use crate::desired::{Contents, FileContents, Snapshot, Source};
use crate::judge::{Bench, Policy, Verdict, judge};
use crate::{manifest, review};

/// An API server that knows some paths.
#[derive(Clone, Default)]
struct ApiServer {
    objects: Arc<Mutex<Vec<(String, Value)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Paths with this in them never get an answer.
    silent: Arc<Mutex<Option<&'static str>>>,
    forbidden: Arc<Mutex<Option<&'static str>>>,
    whole: Arc<AtomicUsize>,
}

impl ApiServer {
    /// Pods, their usual owners, and custom ones.
    fn usual() -> Self {
        let server = Self::default();
        let groups = [
            ("", vec![("Pod", "pods", true), ("Namespace", "namespaces", false)]),
            ("apps", vec![("Deployment", "deployments", true), ("ReplicaSet", "replicasets", true)]),
            ("batch", vec![("CronJob", "cronjobs", true), ("Job", "jobs", true)]),
            ("a.example", vec![("Widget", "widgets", true), ("Maker", "makers", false)]),
            ("b.example", vec![("Thing", "things", true)]),
        ];
        for (group, kinds) in groups {
            let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
            let resource = |(kind, plural, namespaced): &(&str, &str, bool)| {
                let resource = |name: String, kind: &str| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get"]});
                [resource((*plural).to_owned(), kind), resource(format!("{plural}/scale"), "Scale")]
            };
            let list = json!({"kind": "APIResourceList", "groupVersion": version, "resources": kinds.iter().flat_map(resource).collect::<Vec<_>>()});
            if group.is_empty() {
                server.put("/api/v1", list);
            } else {
                let it = json!({"groupVersion": version, "version": "v1"});
                let about = json!({"kind": "APIGroup", "name": group, "versions": [it], "preferredVersion": it});
                server.put(&format!("/apis/{group}"), about);
                server.put(&format!("/apis/{group}/v1"), list);
            }
        }
        server.own("/api/v1/namespaces/prod/pods/web-1-x", Some(("apps/v1", "ReplicaSet", "web-1")));
        server.own("/apis/apps/v1/namespaces/prod/replicasets/web-1", Some(("apps/v1", "Deployment", "web")));
        server.own("/apis/apps/v1/namespaces/prod/deployments/web", None);
        server.own("/api/v1/namespaces/prod/pods/report-1-x", Some(("batch/v1", "Job", "report-1")));
        server.own("/apis/batch/v1/namespaces/prod/jobs/report-1", Some(("batch/v1", "CronJob", "report")));
        server.own("/apis/b.example/v1/namespaces/prod/things/t", Some(("a.example/v1", "Maker", "m")));
        server.own("/apis/a.example/v1/makers/m", None);
        server.define("1", "size");
        server
    }

    fn put(&self, path: &str, object: Value) {
        let mut objects = self.objects.lock().unwrap();
        objects.retain(|(there, _)| there != path);
        objects.push((path.to_owned(), object));
    }

    fn own(&self, path: &str, owner: Option<(&str, &str, &str)>) {
        let owner = |(version, kind, name)| {
            let mere = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "mere", "uid": "0"});
            let controller = json!({"apiVersion": version, "kind": kind, "name": name, "uid": "1", "controller": true});
            json!([mere, controller])
        };
        let name = path.rsplit('/').next();
        let references = owner_references(owner, path, name);
        self.put(path, references);

        fn owner_references(
            _: impl Fn((&'static str, &'static str, &'static str)) -> Value,
            _: &str,
            _: Option<&str>,
        ) -> Value {
            Value::Null
        }
    }

    fn define(&self, version: &str, replicas: &str) {
        let _ = (version, replicas);
    }
}
