//! A person who lets something run as an exempt account writes with that account's rights.

use serde_json::{Value, json};

use super::answers::{allowed, check, check_with, denied, warned};
use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, remove_at, review_of_yaml, set_at};
use driftwall_core::actor::{ActorRule, ActorRules, Class};

/// A Deployment of Git's own that runs as an exempt account, one that does not say as whom, and Secrets.
const GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: helper, namespace: argocd}
spec:
  selector: {matchLabels: {app: helper}}
  template:
    metadata: {labels: {app: helper}}
    spec:
      serviceAccountName: argocd-application-controller
      containers: [{name: helper, image: helper:1}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain, namespace: argocd}
spec:
  selector: {matchLabels: {app: plain}}
  template:
    metadata: {labels: {app: plain}}
    spec: {containers: [{name: plain, image: plain:1}]}
---
apiVersion: v1
kind: Secret
metadata:
  name: declared
  namespace: argocd
  annotations: {kubernetes.io/service-account.name: argocd-application-controller}
type: kubernetes.io/service-account-token
---
apiVersion: v1
kind: Secret
metadata: {name: bare, namespace: argocd}
type: kubernetes.io/service-account-token
";

const POD_SPEC: &str =
    "{serviceAccountName: argocd-application-controller, containers: [{name: c, image: kubectl:1, command: [sleep]}]}";

/// An object in Argo CD's namespace; `fields` are those beside its metadata.
fn object(plural: &str, api_version: &str, kind: &str, name: &str, fields: &str) -> Review {
    let metadata = format!("{{name: {name}, namespace: argocd}}");
    let yaml = format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {metadata}, {fields}}}");
    review_of_yaml(plural, &yaml)
}

/// An object whose template runs as Argo CD's application controller.
fn with_template(plural: &str, api_version: &str, kind: &str, name: &str) -> Review {
    object(plural, api_version, kind, name, &format!("spec: {{template: {{spec: {POD_SPEC}}}}}"))
}

/// Where a store of External Secrets names an account.
const STORE_ACCOUNT: &str = "/spec/provider/vault/auth/kubernetes/serviceAccountRef";

/// A store of External Secrets that asks for the token of an account.
fn store(account: &str) -> Review {
    let spec = format!("spec: {{provider: {{vault: {{auth: {{kubernetes: {{serviceAccountRef: {account}}}}}}}}}}}");
    object("secretstores", "external-secrets.io/v1", "SecretStore", "mine", &spec)
}

fn pod() -> Review {
    object("pods", "v1", "Pod", "mine", &format!("spec: {POD_SPEC}"))
}

fn deployment(name: &str) -> Review {
    with_template("deployments", "apps/v1", "Deployment", name)
}

fn stateful_set(name: &str) -> Review {
    with_template("statefulsets", "apps/v1", "StatefulSet", name)
}

/// The same object in another namespace, as another account.
fn as_account(review: Review, namespace: &'static str, spec: &'static str, account: &'static str) -> Review {
    let review = review.with_request(|request| request["namespace"] = namespace.into());
    review.with_both(|object| {
        object["metadata"]["namespace"] = namespace.into();
        set_at(object, &format!("{spec}/serviceAccountName"), account.into());
    })
}

#[test]
fn nobody_lets_anything_run_as_an_exempt_account() {
    let by_old_name = |object: &mut Value| {
        remove_at(object, "/spec/serviceAccountName");
        set_at(object, "/spec/serviceAccount", "argocd-application-controller".into());
    };
    let generated = |review: Review| {
        let review = review.with_request(|request| request["name"] = "".into());
        review.with_object(|new| {
            remove_at(new, "/metadata/name");
            set_at(new, "/metadata/generateName", "mine-".into());
        })
    };
    let own = "argocd-application-controller";
    let template = format!("template: {{spec: {POD_SPEC}}}");
    let cron_job = format!("spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{{template}}}}}}}");
    let workflow = format!("spec: {{serviceAccountName: {own}, templates: [{{name: x}}]}}");
    let steps = format!("spec: {{templates: [{{name: x, serviceAccountName: {own}}}]}}");
    let scaled_job = format!("spec: {{jobTargetRef: {{{template}}}}}");
    let custom = |api_version: &str, kind: &str, spec: &str| object("things", api_version, kind, "mine", spec);
    let tasks = &*format!("spec: {{taskRunSpecs: [{{pipelineTaskName: x, taskServiceAccountName: {own}}}]}}");
    let extension = "spec: {namespace: keda, serviceAccount: {name: keda-operator}}";
    let user = "spec: {serviceaccount: 'system:serviceaccount:keda:keda-operator'}";
    let made = "spec: {forProvider: {manifest: {apiVersion: v1, kind: Pod, metadata: {name: x, namespace: keda}, \
                spec: {serviceAccountName: keda-operator}}}}";
    let callers = &*format!("spec: {{rules: [{{from: [{{source: {{serviceAccounts: [{own}]}}}}]}}]}}");
    check(
        GIT,
        vec![
            denied("a Pod", pod().into_create()),
            denied("a Pod, by the old name of the field", pod().with_object(by_old_name).into_create()),
            denied("a Pod whose name the server makes", generated(pod()).into_create()),
            denied("a Deployment", deployment("mine").into_create()),
            denied("a StatefulSet", stateful_set("mine").into_create()),
            denied("a DaemonSet", with_template("daemonsets", "apps/v1", "DaemonSet", "mine").into_create()),
            denied("one of the tool's name", with_template("daemonsets", "apps/v1", "DaemonSet", own).into_create()),
            denied("a ReplicaSet", with_template("replicasets", "apps/v1", "ReplicaSet", "mine").into_create()),
            denied(
                "a ReplicationController",
                with_template("replicationcontrollers", "v1", "ReplicationController", "mine").into_create(),
            ),
            denied("a PodTemplate", object("podtemplates", "v1", "PodTemplate", "mine", &template).into_create()),
            denied("a Job", with_template("jobs", "batch/v1", "Job", "mine").into_create()),
            denied("a Job of the tool's name", with_template("jobs", "batch/v1", "Job", own).into_create()),
            denied("a CronJob", object("cronjobs", "batch/v1", "CronJob", "mine", &cron_job).into_create()),
            denied(
                "a workflow",
                object("workflows", "argoproj.io/v1alpha1", "Workflow", "mine", &workflow).into_create(),
            ),
            denied(
                "a step of one",
                object("workflows", "argoproj.io/v1alpha1", "Workflow", "mine", &steps).into_create(),
            ),
            denied("a task", object("taskruns", "tekton.dev/v1", "TaskRun", "mine", &workflow).into_create()),
            denied(
                "a service of Knative",
                with_template("services", "serving.knative.dev/v1", "Service", "mine").into_create(),
            ),
            denied(
                "a scaled job",
                object("scaledjobs", "keda.sh/v1alpha1", "ScaledJob", "mine", &scaled_job).into_create(),
            ),
            denied(
                "of a group that only looks built in",
                with_template("sparkapplications", "sparkoperator.k8s.io/v1", "SparkApplication", "mine").into_create(),
            ),
            denied("a store that asks for its token", store("{name: argocd-application-controller}").into_create()),
            denied("one in another namespace", store("{name: keda-operator, namespace: keda}").into_create()),
            denied(
                "another token",
                store("{name: argocd-application-controller}")
                    .with_old_object(|old| set_at(old, &format!("{STORE_ACCOUNT}/name"), "mine".into())),
            ),
            denied("one task of a run", custom("tekton.dev/v1beta1", "PipelineRun", tasks).into_create()),
            denied(
                "an extension of OLM",
                custom("olm.operatorframework.io/v1", "ClusterExtension", extension).into_create(),
            ),
            denied("a user's name", custom("example.org/v1", "Thing", user).into_create()),
            denied(
                "what an operator makes elsewhere",
                custom("kubernetes.crossplane.io/v1alpha2", "Object", made).into_create(),
            ),
            allowed("who may call", custom("security.istio.io/v1", "AuthorizationPolicy", callers).into_create()),
            allowed("the same", store("{name: argocd-application-controller}")),
            allowed("that of another account", store("{name: argocd-repo-server}").into_create()),
            allowed(
                "that of another namespace",
                store("{name: argocd-application-controller, namespace: prod}").into_create(),
            ),
            denied(
                "as a controller of the control plane",
                as_account(pod(), "kube-system", "/spec", "generic-garbage-collector").into_create(),
            ),
            denied(
                "as the autoscaler",
                as_account(pod(), "kube-system", "/spec", "horizontal-pod-autoscaler").into_create(),
            ),
            denied("as Flux", as_account(pod(), "flux-system", "/spec", "kustomize-controller").into_create()),
            denied("as a controller with fields", as_account(pod(), "keda", "/spec", "keda-operator").into_create()),
            allowed("by a pipeline", pod().by("ci/deployer").into_create()),
            allowed("by the ReplicaSets' controller", pod().by("kube-system/replicaset-controller").into_create()),
            allowed("as another account", as_account(pod(), "argocd", "/spec", "argocd-repo-server").into_create()),
            allowed("the same name elsewhere", as_account(pod(), "prod", "/spec", own).into_create()),
            allowed("as no account", pod().with_object(|new| remove_at(new, "/spec/serviceAccountName")).into_create()),
            allowed("its deletion", pod().into_delete()),
        ],
    );
}

#[test]
fn who_changes_what_runs_asks_for_it_and_who_scales_or_restarts_does_not() {
    let at =
        |pointer: &'static str, value: Value| deployment("mine").with_object(move |new| set_at(new, pointer, value));
    let container = "/spec/template/spec/containers/0";
    let in_container = |field: &'static str, value: Value| {
        deployment("mine").with_object(move |new| set_at(new, &format!("{container}/{field}"), value))
    };
    let restart = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let other_account = |object: &mut Value| set_at(object, "/spec/template/spec/serviceAccountName", "x".into());
    check(
        GIT,
        vec![
            allowed("nothing", deployment("mine")),
            allowed("replicas", at("/spec/replicas", 3.into())),
            allowed("a restart", at(restart, "now".into())),
            allowed("a label", at("/metadata/labels/team", "a".into())),
            allowed("resources", in_container("resources", json!({"limits": {"cpu": "1"}}))),
            allowed("where it runs", at("/spec/template/spec/nodeSelector", json!({"disk": "ssd"}))),
            allowed("another account instead", deployment("mine").with_object(other_account)),
            denied("the account", deployment("mine").with_old_object(other_account)),
            denied("its image", in_container("image", "mine:1".into())),
            denied("its command", in_container("command", json!(["sh"]))),
            denied("its arguments", in_container("args", json!(["-c"]))),
            denied("its environment", in_container("env", json!([{"name": "LD_PRELOAD", "value": "x"}]))),
            denied("a probe that runs a command", in_container("livenessProbe", json!({"exec": {"command": ["sh"]}}))),
            denied("a container", at("/spec/template/spec/containers/-", json!({"name": "d", "image": "d"}))),
            denied("an init container", at("/spec/template/spec/initContainers", json!([{"name": "d", "image": "d"}]))),
            denied("a volume", at("/spec/template/spec/volumes", json!([{"name": "v", "hostPath": {"path": "/"}}]))),
            denied("a Pod's image", pod().with_object(|new| set_at(new, "/spec/containers/0/image", "mine:1".into()))),
        ],
    );
}

#[test]
fn installing_and_upgrading_a_tool_by_hand_is_warned_about() {
    let image = |review: Review| {
        review.with_object(|new| set_at(new, "/spec/template/spec/containers/0/image", "new:2".into()))
    };
    let flux = |name: &'static str| as_account(deployment(name), "flux-system", "/spec/template/spec", name);
    let keda = as_account(deployment("keda-operator"), "keda", "/spec/template/spec", "keda-operator");
    let swapped =
        as_account(deployment("helm-controller"), "flux-system", "/spec/template/spec", "kustomize-controller");
    let renamed = flux("kustomize-controller").with_request(|request| request["name"] = "mine".into());
    check(
        GIT,
        vec![
            warned("Argo CD's controller", stateful_set("argocd-application-controller").into_create()),
            warned("as a Deployment", deployment("argocd-application-controller").into_create()),
            warned("its upgrade", image(stateful_set("argocd-application-controller"))),
            warned("a controller of Flux's", flux("kustomize-controller").into_create()),
            warned("another one", flux("helm-controller").into_create()),
            warned("its upgrade", image(flux("helm-controller"))),
            warned("KEDA", keda.into_create()),
            allowed("what is not exempt", flux("source-controller").into_create()),
            denied("under another name", renamed.into_create()),
            denied("with another controller's account", swapped.into_create()),
            denied(
                "as an account that writes from outside",
                as_account(deployment("argocd-manager"), "kube-system", "/spec/template/spec", "argocd-manager")
                    .into_create(),
            ),
        ],
    );
}

#[test]
fn what_git_declares_is_right() {
    let declared = |document: usize| {
        let yaml = GIT.split("---\n").nth(document).unwrap();
        review_of_yaml(if document < 2 { "deployments" } else { "secrets" }, yaml)
    };
    let annotation = "/metadata/annotations/kubernetes.io~1service-account.name";
    let token = |object: &mut Value| set_at(object, annotation, "argocd-application-controller".into());
    let exempt = |object: &mut Value| {
        set_at(object, "/spec/template/spec/serviceAccountName", "argocd-application-controller".into());
    };
    let other = |object: &mut Value| set_at(object, "/spec/template/spec/serviceAccountName", "x".into());
    let image = |object: &mut Value| set_at(object, "/spec/template/spec/containers/0/image", "x".into());
    check(
        GIT,
        vec![
            allowed("created", declared(0).into_create()),
            allowed("restored", declared(0).with_old_object(other)),
            denied("changed", declared(0).with_object(image)),
            denied("an account that Git leaves out", declared(1).with_object(exempt)),
            denied("created with it", declared(1).with_object(exempt).into_create()),
            allowed("a Secret", declared(2).into_create()),
            denied("a Secret whose account Git leaves out", declared(3).with_object(token)),
            denied("created with it", declared(3).with_object(token).into_create()),
        ],
    );
}

#[test]
fn an_ephemeral_container_that_mounts_the_token_is_denied() {
    let token = |audience: &str| json!({"sources": [{"serviceAccountToken": {"path": "token", "audience": audience}}]});
    let volumes = json!([
        {"name": "kube-api-access-x", "projected": token("")},
        {"name": "for-vault", "projected": token("vault")},
        {"name": "legacy", "secret": {"secretName": "argocd-application-controller-token-abcde"}},
        {"name": "tmp", "emptyDir": {}},
    ]);
    let debug = |mounts: Value| {
        let container = json!([{"name": "debug", "image": "busybox", "volumeMounts": mounts}]);
        let pod = pod().subresource("ephemeralcontainers");
        pod.with_both(|pod| set_at(pod, "/spec/volumes", volumes.clone()))
            .with_object(|new| set_at(new, "/spec/ephemeralContainers", container))
    };
    let mount = |name: &str| debug(json!([{"name": name, "mountPath": "/t"}]));
    let there = mount("legacy").with_request(|request| request["oldObject"] = request["object"].clone());
    check(
        GIT,
        vec![
            denied("the token", mount("kube-api-access-x")),
            denied("a token for others", mount("for-vault")),
            denied("a Secret with it", mount("legacy")),
            warned("another volume", mount("tmp")),
            warned("as kubectl debug adds one", debug(json!([]))),
            allowed("in another Pod", as_account(debug(json!([])), "argocd", "/spec", "argocd-repo-server")),
            allowed("there already", there),
        ],
    );
}

#[test]
fn an_account_that_a_configured_rule_exempts_counts_too() {
    let mut evaluator = Evaluator::new("", &[]);
    let rule = ActorRule::new(Class::Gitops, &[""; 0], &["system:serviceaccounts:robots"], Vec::new()).unwrap();
    evaluator.actors = ActorRules::new(vec![rule], &[]).unwrap();
    let own_name = as_account(deployment("any"), "robots", "/spec/template/spec", "any");
    check_with(
        &evaluator,
        vec![
            denied("by its group", as_account(pod(), "robots", "/spec", "any").into_create()),
            denied("the default account", as_account(pod(), "robots", "/spec", "").into_create()),
            denied("a workload of the account's name is no preset's", own_name.into_create()),
            allowed("without the preset", pod().into_create()),
        ],
    );
}
