//! The reviews that the benchmarks decide: recorded ones of a real API server, and a few made of
//! them, with what Git declares.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::{decode, encode};
use driftwall_core::applications::{ApplicationKind, Applications, ObservedKind, ObservedTools};
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::manifest;
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, Verdict, evaluate};
use serde_json::{Value, json};

/// What a review is decided by.
pub(crate) struct Decider {
    snapshot: Snapshot,
    actors: ActorRules,
    policy: Policy,
}

/// A review with the verdict on it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) review: Vec<u8>,
}

impl Decider {
    /// Git declares what it declared when the reviews were recorded, a ConfigMap of a megabyte, and
    /// Deployments, so that there are `objects` in all. An application lists `service-7` in `listed`.
    pub(crate) fn new(objects: usize) -> Self {
        let git = recordings().join("git/apps/prod");
        let mut files: Vec<_> = ["app.yaml", "widget.yaml"]
            .into_iter()
            .map(|name| contents(name, &std::fs::read_to_string(git.join(name)).unwrap()))
            .collect();
        files.push(contents("large.yaml", &large_config_map().to_string()));
        let count = SourceContents::new(Source::default(), files.clone()).len();
        files.extend((count..objects).map(|number| contents(&format!("app-{number}.yaml"), &deployment(number))));
        let source = Source { name: "prod".into(), commit: "5c56d97".repeat(6), ..Source::default() };
        let snapshot = Snapshot::new(vec![Arc::new(SourceContents::new(source, files))]);
        Self {
            snapshot: snapshot.with_applications(Arc::new(applications())),
            actors: ActorRules::new(Vec::new(), &["argocd".to_owned()]).unwrap(),
            policy: Policy::default(),
        }
    }

    /// What the handler does with a review, from its bytes to those of the answer.
    pub(crate) fn answer(&self, review: &[u8]) -> (Verdict, Vec<u8>) {
        let Self { snapshot, actors, policy } = self;
        let write = decode(review).unwrap();
        let assessment = evaluate(&write, EvaluationContext { snapshot, actors, policy, cluster: &NoCluster });
        let context = DecisionContext { age: Some(Duration::from_secs(5)), ..DecisionContext::default() };
        let decision = decide(&write, &assessment, policy, context);
        (assessment.verdict, encode(&write.uid, &decision.answer))
    }
}

/// All cases, with the names under which they are printed.
pub(crate) fn cases() -> Vec<Case> {
    let recorded = Recorded::read();
    let by_machine = |review: Value| by(review, "system:serviceaccount:shop:operator", "shop");
    let of = |name, verdict, review: Value| Case { name, verdict, review: review.to_string().into_bytes() };
    let of_person = |action: &str, operation: &str| recorded.find(action, operation, "alice");
    let replaced = of_person("rollout-undo-to-git", "UPDATE");
    let large = large_update();
    vec![
        of("exempt", Verdict::Exempt, recorded.status_update()),
        of("undeclared", Verdict::Unmanaged, of_person("create-unmanaged-deployment", "CREATE")),
        of("update", Verdict::Conforms, replaced.clone()),
        of("update by a workload", Verdict::Conforms, by_machine(replaced)),
        of("denial", Verdict::Drift, of_person("patch-replicas-7", "UPDATE")),
        of("create", Verdict::Conforms, of_person("create-like-git", "CREATE")),
        of("delete", Verdict::Drift, of_person("delete-service", "DELETE")),
        of("scale", Verdict::Drift, of_person("scale-5", "UPDATE")),
        of("update of 1 MB", Verdict::Conforms, large.clone()),
        of("update of 1 MB by a workload", Verdict::Conforms, by_machine(large)),
        of("applied", Verdict::Drift, listed_update()),
    ]
}

/// A controller's write, for what it takes to read nothing of it.
pub(crate) fn skip(review: &[u8]) -> usize {
    let raw: &serde_json::value::RawValue = serde_json::from_slice(review).unwrap();
    raw.get().len()
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/reviews")
}

struct Recorded {
    actions: Vec<Value>,
}

impl Recorded {
    fn read() -> Self {
        let file = File::open(recordings().join("actions.jsonl.gz")).unwrap();
        let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
        Self { actions: lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect() }
    }

    fn find(&self, action: &str, operation: &str, user: &str) -> Value {
        let is_it = |line: &&Value| {
            let request = &line["review"]["request"];
            line["action"] == action && request["operation"] == operation && request["userInfo"]["username"] == user
        };
        self.actions.iter().find(is_it).unwrap()["review"].clone()
    }

    /// What a cluster writes most: the status of a Deployment.
    fn status_update(&self) -> Value {
        let is_it = |line: &&Value| {
            let request = &line["review"]["request"];
            request["resource"]["resource"] == "deployments"
                && request["subResource"] == "status"
                && request["userInfo"]["username"] == "system:serviceaccount:kube-system:deployment-controller"
        };
        self.actions.iter().find(is_it).unwrap()["review"].clone()
    }
}

/// The review with another writer, a service account.
fn by(mut review: Value, user: &str, namespace: &str) -> Value {
    review["request"]["userInfo"] = json!({
        "username": user,
        "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"), "system:authenticated"],
    });
    review
}

fn contents(file: &str, text: &str) -> Arc<FileContents> {
    let parsed = manifest::parse(file, text.as_bytes());
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    Arc::new(FileContents::new(&file.into(), Some("prod"), parsed.objects).unwrap())
}

fn deployment(number: usize) -> String {
    let team = number / 100;
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: team-{team}
spec:
  replicas: 3
  selector:
    matchLabels:
      app: app-{number}
  template:
    metadata:
      labels:
        app: app-{number}
    spec:
      containers:
        - name: web
          image: registry.example.org/shop/app-{number}:1.27.{number}
"
    )
}

fn large_config_map() -> Value {
    let line = "key = \"value\"  # a line of a file, as people keep them in a ConfigMap\n";
    let data: serde_json::Map<_, _> =
        (0..10).map(|n| (format!("file-{n}.conf"), Value::from(line.repeat(1500)))).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large", "namespace": "prod"}, "data": data})
}

/// Somebody adds an annotation to the large ConfigMap.
fn large_update() -> Value {
    let old = large_config_map();
    let mut new = old.clone();
    new["metadata"]["annotations"] = json!({"example.org/note": "a"});
    update("ConfigMap", "", "configmaps", "alice", [&old, &new])
}

/// An application with one object, whose repository is not read.
fn applications() -> Applications {
    let resource = json!({
        "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "listed", "name": "service-7",
        "status": "Synced",
    });
    let source = json!({"repoURL": "https://example.org/a.git", "path": "a", "targetRevision": "main"});
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "listed", "namespace": "argocd"},
        "spec": {
            "project": "default", "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "listed"},
        },
        "status": {
            "sync": {"status": "Synced", "revision": "ac2850849bd1f06d03580bd9cccb66259051b8f4"},
            "history": [{"revision": "ac2850849bd1f06d03580bd9cccb66259051b8f4", "source": source}],
            "resources": [resource],
        },
    });
    let mut tools = ObservedTools::new("argocd", &[], false);
    Applications::default().after(tools.observe(ObservedKind::Application(ApplicationKind::Application), application))
}

/// A person scales what that application lists; its tool owns the count.
fn listed_update() -> Value {
    let container = |n: usize| json!({"name": format!("c{n}"), "image": "web:1", "env": [{"name": "A", "value": "1"}]});
    let owned = |n: usize| {
        let variable = json!({".": {}, "f:name": {}, "f:value": {}});
        let fields = json!({".": {}, "f:name": {}, "f:image": {}, "f:env": {"k:{\"name\":\"A\"}": variable}});
        (format!("k:{{\"name\":\"c{n}\"}}"), fields)
    };
    let containers: serde_json::Map<_, _> = (0..5).map(owned).collect();
    let fields = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": containers}}}});
    let old = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "service-7", "namespace": "listed", "managedFields": [{
            "manager": "argocd-controller", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }]},
        "spec": {"replicas": 2, "template": {"spec": {"containers": (0..5).map(container).collect::<Vec<_>>()}}},
    });
    let mut new = old.clone();
    new["spec"]["replicas"] = 7.into();
    update("Deployment", "apps", "deployments", "alice", [&old, &new])
}

fn update(kind: &str, group: &str, plural: &str, user: &str, [old, new]: [&Value; 2]) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "961bebdd-5368-4d94-a80f-14fd966af7f1",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": plural},
        "namespace": new["metadata"]["namespace"], "name": new["metadata"]["name"], "operation": "UPDATE",
        "userInfo": {"username": user, "groups": ["developers", "system:authenticated"]},
        "object": new, "oldObject": old, "dryRun": false,
    }})
}
