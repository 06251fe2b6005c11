//! People and controllers at work under a mutating webhook, as a mesh or a policy engine registers one: it adds a
//! container and a finalizer to whatever is written.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::cluster::{TestCluster, test_cluster};
use crate::https_server::HttpsServer;
use crate::install::encoded;
use crate::process::wait_for;
use crate::recorded_actions::FILES;

/// The webhook, registered for the namespace `prod` and for definitions, until it is dropped.
struct MutatingWebhook<'c> {
    cluster: &'c TestCluster,
    _server: HttpsServer,
}

const FINALIZER: &str = "example.org/added";

/// Takes the finalizer from what is named, once the webhook is gone or while the object is being deleted.
const RELEASE: &str = r#"release() {
    unreviewed patch "$@" --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
}
"#;

impl<'c> MutatingWebhook<'c> {
    fn start(cluster: &'c TestCluster) -> Self {
        let server = HttpsServer::start(&cluster.control_plane, |request| {
            let review = serde_json::from_slice(request.body()).unwrap();
            (hyper::StatusCode::OK, answer(&review))
        });
        let ca = std::fs::read_to_string(cluster.path("ca.crt")).unwrap();
        let webhook = |name: &str, scope: &str, resources: Value| {
            json!({
                "name": name,
                "clientConfig": {"url": format!("https://localhost:{}/", server.port), "caBundle": encoded(&ca)},
                "namespaceSelector": {"matchLabels": {"example.org/changed": "true"}},
                "rules": [{
                    "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                    "resources": resources, "scope": scope,
                }],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
            })
        };
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "changes"},
            "webhooks": [
                webhook("namespaced.example.org", "Namespaced", json!(["*", "*/status"])),
                webhook("cluster.example.org", "Cluster", json!(["customresourcedefinitions", "namespaces"])),
            ],
        });
        std::fs::write(cluster.path("changes.json"), configuration.to_string()).unwrap();
        cluster
            .alice("kubectl label ns prod example.org/changed=true && kubectl create -f changes.json")
            .expect_success();
        let webhook = Self { cluster, _server: server };
        let probe = "kubectl create configmap probe -n prod --dry-run=server -o yaml";
        cluster.wait_for("the webhook is called", probe, |object| object.contains(FINALIZER));
        webhook
    }
}

impl Drop for MutatingWebhook<'_> {
    /// Nothing of it stays in the cluster.
    fn drop(&mut self) {
        let Self { cluster, .. } = self;
        let taken_away = cluster.alice(&format!(
            "kubectl delete mutatingwebhookconfiguration changes
            kubectl label ns prod example.org/changed-
            while kubectl create configmap probe -n prod --dry-run=server -o yaml | grep -q {FINALIZER}; do :; done
            unreviewed delete deployments,statefulsets,cronjobs --all -n prod --wait=false"
        ));
        if std::thread::panicking() {
            // What is left is shown by the tests that follow; the first failure is what counts.
            let released = cluster.alice(&release_all(cluster));
            eprintln!("{taken_away:?} {released:?}");
            return;
        }
        taken_away.expect_success();
        // Controllers may have written in between.
        wait_for("no finalizer is left", || {
            let script = release_all(cluster);
            cluster.alice(&script);
            (script == RELEASE).then_some(())
        });
    }
}

/// A script that takes the finalizer from whatever has it.
fn release_all(cluster: &TestCluster) -> String {
    let kinds = "$(kubectl api-resources --namespaced --verbs=list,patch -o name | grep -v '^events' | paste -sd,)";
    let shown = cluster.alice(&format!("kubectl get {kinds} -n prod -o json; kubectl get ns,crd -o json"));
    let lists = serde_json::Deserializer::from_str(&shown.stdout).into_iter::<Value>().map_while(Result::ok);
    let mut script = RELEASE.to_owned();
    for object in lists.flat_map(|mut list| list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()) {
        if object["metadata"]["finalizers"] != json!([FINALIZER]) {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let of_group = api_version.split_once('/').map(|(group, version)| format!(".{version}.{group}"));
        let namespace = object["metadata"]["namespace"].as_str().map(|name| format!(" -n {name}"));
        let (of_group, namespace) = (of_group.unwrap_or_default(), namespace.unwrap_or_default());
        writeln!(script, "release {kind}{of_group} {}{namespace}", text(&object["metadata"]["name"])).unwrap();
    }
    script
}

/// The answer to a review: allowed, with what the webhook adds.
fn answer(review: &Value) -> Value {
    let request = &review["request"];
    let patch = BASE64_STANDARD.encode(Value::from(additions(request)).to_string());
    let response = json!({"uid": request["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

/// What is added, as a JSON patch: nothing that is there, and no finalizer to what is being deleted.
fn additions(request: &Value) -> Vec<Value> {
    let object = &request["object"];
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let mut patch = Vec::new();
    let finalizers = &object["metadata"]["finalizers"];
    if finalizers.is_null() && object["metadata"]["deletionTimestamp"].is_null() {
        patch.push(add("/metadata/finalizers", json!([FINALIZER])));
    }
    let pod = match request["resource"]["resource"].as_str() {
        _ if !request["subResource"].is_null() => return patch,
        Some("pods") if request["operation"] == "CREATE" => "/spec",
        Some("deployments") => "/spec/template/spec",
        _ => return patch,
    };
    let containers = object.pointer(pod).and_then(|pod| pod["containers"].as_array()).into_iter().flatten();
    if containers.clone().all(|container| container["name"] != "sidecar") {
        let sidecar = json!({
            "name": "sidecar", "image": "mesh:1",
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        });
        patch.push(add(&format!("{pod}/containers/-"), sidecar));
    }
    patch
}

/// What is done, and how it is answered.
struct Step {
    what: &'static str,
    script: &'static str,
    answer: &'static str,
    /// The fields that the denial names, and no others of these.
    names: &'static [&'static str],
}

const fn allowed(what: &'static str, script: &'static str) -> Step {
    Step { what, script, answer: "allow", names: &[] }
}

const fn denied(what: &'static str, script: &'static str, names: &'static [&'static str]) -> Step {
    Step { what, script, answer: "deny", names }
}

/// Argo CD's mark on the declared ServiceAccount. That has nothing but a name: where an object has nothing that anybody
/// could own, the API server keeps no account of who owns what, and nothing tells a person's part from a webhook's.
const MARK_ACCOUNT: &str = r#"printf '{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "prod",
    "annotations": {"argocd.argoproj.io/tracking-id": "prod:/ServiceAccount:prod/app"}}}' \
    | argocd apply --server-side --field-manager=argocd-controller -f -"#;

/// Fields that a denial may name by mistake, or must name.
const FIELDS: [&str; 6] =
    ["spec.replicas", ".image", "name=\"sidecar\"", "name=\"evil\"", "metadata.finalizers", "data[\"MODE\"]"];

const STEPS: &[Step] = &[
    allowed("the whole of Git applied again", "kubectl apply -f git/apps/prod/"),
    allowed("and once more", "kubectl apply -f git/apps/prod/"),
    allowed("on the server", "kubectl apply --server-side --force-conflicts -f git/apps/prod/"),
    allowed("put in place of what is there", "kubectl replace -f web-like-git.yaml"),
    denied(
        "another count",
        r#"kubectl patch deployment python-app-prod -n prod -p '{"spec":{"replicas":9}}'"#,
        &["spec.replicas"],
    ),
    denied(
        "another count by scale",
        "kubectl scale deployment python-app-prod -n prod --replicas=9",
        &["spec.replicas"],
    ),
    denied("another image", "kubectl set image deployment/web -n prod web=evil:1", &[".image"]),
    denied(
        "a container of one's own",
        r#"kubectl patch deployment web -n prod \
            -p '{"spec":{"template":{"spec":{"containers":[{"name":"evil","image":"evil:1"}]}}}}'"#,
        &["name=\"evil\""],
    ),
    denied(
        "a container of one's own, applied on the server as the webhook's",
        r#"kubectl apply --server-side --validate=false --field-manager=sidecar-injector -f - <<END
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "prod"},
 "spec": {"template": {"spec": {"containers": [{"name": "evil", "image": "evil:1"}]}}}}
END"#,
        &["name=\"evil\""],
    ),
    denied(
        "a container of one's own, put without managedFields",
        r#"kubectl get deployment web -n prod -o json | sed 's/"name": "sidecar"/"name": "evil"/' \
            | kubectl replace -f -"#,
        &["name=\"evil\""],
    ),
    denied(
        "a finalizer of one's own",
        r#"kubectl patch deployment web -n prod --type=json \
            -p '[{"op":"add","path":"/metadata/finalizers/-","value":"example.org/hold"}]'"#,
        &["metadata.finalizers"],
    ),
    denied(
        "another key",
        r#"kubectl patch configmap app-config -n prod -p '{"data":{"MODE":"debug"}}'"#,
        &["data[\"MODE\"]"],
    ),
    denied("deleted", "kubectl delete deployment web -n prod --wait=false", &[]),
    allowed("a note", "kubectl annotate deployment web -n prod note=x --overwrite"),
    allowed("and taken back", "kubectl annotate deployment web -n prod note-"),
    allowed("a label of the namespace", "kubectl label ns prod squad=x && kubectl label ns prod squad-"),
    allowed("a restart", "kubectl rollout restart deployment/python-app-prod -n prod"),
    allowed(
        "the autoscaler",
        r#"scale=/apis/apps/v1/namespaces/prod/deployments/web/scale
        hpa() { as kube-system horizontal-pod-autoscaler "$@"; }
        hpa get --raw $scale | sed 's/"replicas":2/"replicas":4/' | hpa replace --raw $scale -f -"#,
    ),
    allowed(
        "a pod deleted",
        "kubectl delete -n prod --wait=false $(kubectl get pods -n prod -l app=web -o name | head -n 1)",
    ),
    allowed("an object of one's own", "kubectl create configmap mine -n prod --from-literal=a=b"),
    allowed("a deployment of one's own", "kubectl create deployment mine -n prod --image=nginx"),
    allowed("scaled", "kubectl scale deployment mine -n prod --replicas=2"),
    allowed("deleted", "kubectl delete deployment,configmap mine -n prod --wait=false"),
    allowed("Argo CD's sync", "argocd_sync"),
];

#[test]
fn people_and_controllers_work_under_a_webhook_that_changes_what_they_write() {
    let Some(cluster) = test_cluster() else { return };
    cluster.alice(MARK_ACCOUNT).expect_success();
    let webhook = MutatingWebhook::start(&cluster);
    let mut wrong = String::new();
    for step in STEPS {
        let done = cluster.alice(&format!("{FILES}{}", step.script));
        let unexpected = FIELDS.iter().filter(|field| done.stderr.contains(**field) != step.names.contains(field));
        let unexpected: Vec<_> = unexpected.collect();
        if done.answer() != step.answer || (done.answer() == "deny" && !unexpected.is_empty()) {
            writeln!(wrong, "{}: {}, not {}; {unexpected:?}: {done:?}\n", step.what, done.answer(), step.answer)
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let show = "kubectl get deployment web -n prod -o jsonpath='{.metadata.finalizers} {..containers[*].name}'";
    assert_eq!(cluster.alice(show).expect_success(), format!("[\"{FINALIZER}\"] web sidecar"));
    // Its controller has gone on: it has seen the last write, and its status says so.
    let seen = "kubectl get deployment web -n prod -o jsonpath='{.metadata.generation} {.status.observedGeneration}'";
    cluster.wait_for("the status is written", seen, |seen| {
        seen.split_once(' ').is_some_and(|(written, seen)| written == seen)
    });
    drop(webhook);
}

#[test]
fn what_was_deleted_is_restored_under_a_webhook_that_changes_what_is_written() {
    let Some(cluster) = test_cluster() else { return };
    let webhook = MutatingWebhook::start(&cluster);
    for restore in ["kubectl create", "kubectl apply", "kubectl apply --server-side"] {
        cluster
            .alice(&format!(
                "{RELEASE}unreviewed delete deployment web -n prod --wait=false
                release deployment web -n prod 2>/dev/null; true"
            ))
            .expect_success();
        cluster.wait_for("it is gone", "kubectl get deployments -n prod -o name", |names| !names.contains("/web"));
        let differs = cluster.alice(&format!("{FILES}{restore} -f web-unlike-git.yaml"));
        assert_eq!(differs.answer(), "deny", "{restore}: {differs:?}");
        let named = |field: &str| differs.stderr.contains(field);
        assert!(named("spec.replicas: 4") && !named("sidecar") && !named("finalizers"), "{restore}: {differs:?}");
        let restored = cluster.alice(&format!("{FILES}{restore} -f web-like-git.yaml"));
        assert_eq!(restored.answer(), "allow", "{restore}: {restored:?}");
        let show = "kubectl get deployment web -n prod -o jsonpath='{.metadata.finalizers} {..containers[*].name}'";
        assert_eq!(cluster.alice(show).expect_success(), format!("[\"{FINALIZER}\"] web sidecar"), "{restore}");
    }
    drop(webhook);
}
