//! Writes to the objects by which people tell Argo CD and Flux what to deploy.

use serde_json::{Value, json};

use super::answers::{allowed, check, check_with, denied, warned};
use crate::harness::evaluator::{COMMIT, Evaluator};
use crate::harness::reviews::{Review, remove_at, review_of_yaml, set_at};
use driftwall_core::policy::{NamespaceRule, Outcome};

const SYNCED: &str = "1111111111111111111111111111111111111111";
const EARLIER: &str = "2222222222222222222222222222222222222222";
const UNKNOWN: &str = "3333333333333333333333333333333333333333";
const SERVER: &str = "argocd/argocd-server";

const GIT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  project: default
  source: {repoURL: 'https://example.org/other/apps', path: shop, targetRevision: main}
  destination: {server: 'https://kubernetes.default.svc', namespace: shop}
  syncPolicy: {automated: {prune: true, selfHeal: true}, syncOptions: [CreateNamespace=true]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: flux-system}
spec: {interval: 5m, path: ./shop, prune: true, sourceRef: {kind: GitRepository, name: shop}}
---
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: shop, namespace: argocd}
spec:
  sourceRepos: ['https://example.org/other/*']
  roles: [{name: dev, policies: ['p, proj:shop:dev, applications, sync, shop/*, allow']}]
---
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: tenants, namespace: argocd}
spec: {generators: [{list: {elements: [{name: red}]}}], template: {metadata: {name: x}, spec: {project: default}}}
";

/// A write to a declared object that changes nothing yet.
fn declared(kind: &str) -> Review {
    let document = GIT.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n"))).unwrap();
    review_of_yaml(&format!("{}s", kind.to_lowercase()), document)
}

/// The declared Application, as Argo CD has synced it.
fn application() -> Review {
    let earlier = json!({"repoURL": "https://example.org/other/apps", "path": "old", "targetRevision": "v1"});
    declared("Application").with_both(|object| {
        let source = object["spec"]["source"].clone();
        object["status"] = json!({
            "sync": {"status": "Synced", "revision": SYNCED},
            "resources": [{"kind": "ConfigMap", "name": "a"}],
            "history": [
                {"id": 0, "revision": EARLIER, "source": earlier},
                {"id": 1, "revision": EARLIER, "source": source},
            ],
        });
    })
}

fn undeclared(plural: &str, api_version: &str, kind: &str, spec: &str) -> Review {
    let metadata = "{name: mine, namespace: argocd}";
    review_of_yaml(plural, &format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {metadata}, spec: {spec}}}"))
}

fn other_application() -> Review {
    let source = "{repoURL: 'https://example.org/mine', path: ., targetRevision: main}";
    let spec = format!("{{source: {source}, destination: {{namespace: prod}}, syncPolicy: {{automated: {{}}}}}}");
    undeclared("applications", "argoproj.io/v1alpha1", "Application", &spec)
}

fn kustomization(spec: &str) -> Review {
    undeclared("kustomizations", "kustomize.toolkit.fluxcd.io/v1", "Kustomization", spec)
}

fn repository() -> Review {
    let spec = "{url: 'https://example.org/a'}";
    undeclared("gitrepositories", "source.toolkit.fluxcd.io/v1", "GitRepository", spec)
}

/// A person asks for a sync like this of the declared Application.
fn sync(sync: &Value) -> Review {
    let info = json!([{"name": "why", "value": "x"}]);
    let operation = json!({"initiatedBy": {"username": "alice"}, "info": info, "sync": sync});
    application().with_object(|new| new["operation"] = operation)
}

fn asking(review: Review, sync: &Value) -> Review {
    review.with_object(|new| new["operation"] = json!({"sync": sync}))
}

#[test]
fn a_sync_is_a_runtime_operation_and_whatever_else_an_operation_deploys_is_not() {
    let own = json!({"repoURL": "https://example.org/other/apps", "path": "shop", "targetRevision": "main"});
    let with = |field: &str, value: Value| {
        let mut source = own.clone();
        source[field] = value;
        source
    };
    let rewritten = with("directory", json!({"jsonnet": {}}));
    let helm = with("helm", json!({"valuesObject": {"a": false}}));
    let earlier = json!({"repoURL": "https://example.org/other/apps", "path": "old", "targetRevision": "v1"});
    let evil = json!({"repoURL": "https://example.org/mine", "path": "x"});
    let running = || sync(&json!({"revision": "mine"}));
    let as_before = |review: Review| review.with_request(|request| request["oldObject"] = request["object"].clone());
    let resources = json!([{"kind": "ConfigMap", "name": "a"}]);
    check(
        GIT,
        vec![
            allowed(
                "the target revision",
                sync(&json!({"revision": "main", "prune": true, "syncOptions": ["Replace=true"]})),
            ),
            allowed("the default branch", sync(&json!({"revision": "HEAD"}))),
            allowed("no revision", sync(&json!({}))),
            allowed("the synced commit", sync(&json!({"revision": SYNCED, "source": own}))),
            allowed("its own source, written anew", sync(&json!({"revision": SYNCED, "source": rewritten})).by(SERVER)),
            allowed("some resources, dry", sync(&json!({"dryRun": true, "resources": resources}))),
            allowed("its end", as_before(running()).with_object(|new| remove_at(new, "/operation"))),
            allowed("what runs already", as_before(running())),
            allowed("a pipeline", sync(&json!({"revision": "other"})).by("ci/deployer")),
            warned("a rollback", sync(&json!({"revision": EARLIER, "source": earlier}))),
            warned("a rollback of the revision alone", sync(&json!({"revision": EARLIER}))),
            warned("a rollback in the web page", sync(&json!({"revision": EARLIER, "source": earlier})).by(SERVER)),
            warned("a commit that may be the newest", sync(&json!({"revision": UNKNOWN, "source": own})).by(SERVER)),
            denied("manifests", sync(&json!({"revision": "main", "manifests": ["{}"]}))),
            denied("manifests, in the web page", sync(&json!({"manifests": ["{}"]})).by(SERVER)),
            denied("a source of its own", sync(&json!({"source": evil}))),
            denied("sources of its own", sync(&json!({"sources": [evil]}))),
            denied("values of its own", sync(&json!({"revision": SYNCED, "source": helm}))),
            denied("a branch of its own", sync(&json!({"revision": "mine"}))),
            denied("a branch, in the web page", sync(&json!({"revision": "mine", "source": own})).by(SERVER)),
            denied("a commit of its own", sync(&json!({"revision": UNKNOWN}))),
            denied("a revision for a source that is not there", sync(&json!({"revisions": ["main", "mine"]}))),
            denied("an earlier source at another revision", sync(&json!({"revision": UNKNOWN, "source": earlier}))),
            denied("of an Application of nobody's", asking(other_application(), &json!({"revision": "x"}))),
            allowed("a sync of it", asking(other_application(), &json!({"revision": "main"}))),
        ],
    );
}

#[test]
fn a_commit_is_known_where_the_repository_is_read() {
    let read = |object: &mut Value| {
        set_at(object, "/spec/source/repoURL", "https://example.org/acme/gitops.git".into());
    };
    let git = GIT.replace("'https://example.org/other/apps'", "'https://example.org/acme/gitops.git'");
    check(
        &git,
        vec![
            allowed("its commit", sync(&json!({"revision": COMMIT})).with_both(read)),
            allowed("in the web page", sync(&json!({"revision": COMMIT})).with_both(read).by(SERVER)),
            denied("another one, in the web page", sync(&json!({"revision": UNKNOWN})).with_both(read).by(SERVER)),
        ],
    );
}

#[test]
fn several_sources_have_a_revision_each() {
    let sources = json!([
        {"repoURL": "https://example.org/a", "path": "a", "targetRevision": "main"},
        {"repoURL": "https://example.org/b", "chart": "b", "targetRevision": "1.x"},
    ]);
    let of = |sync: Value| {
        let several = other_application().with_both(|object| {
            remove_at(object, "/spec/source");
            object["spec"]["sources"] = sources.clone();
            object["status"] = json!({"sync": {"revisions": [SYNCED, "1.2.3"]}});
        });
        asking(several, &sync)
    };
    check(
        GIT,
        vec![
            allowed("what is synced", of(json!({"revisions": [SYNCED, "1.2.3"], "sources": sources}))),
            allowed("the target revisions", of(json!({"revisions": ["main", "1.x"]}))),
            allowed("the first alone", of(json!({"revisions": ["main"]}))),
            denied("the other's revision", of(json!({"revisions": ["1.2.3", SYNCED]}))),
            denied("one source of the two", of(json!({"sources": [sources[0]]}))),
        ],
    );
}

#[test]
fn argocds_server_is_a_person_on_what_is_deployed_and_a_workload_on_the_rest() {
    let set = |review: Review, pointer: &'static str, value: Value| {
        review.by(SERVER).with_object(move |new| set_at(new, pointer, value))
    };
    let at = |pointer: &'static str, value: Value| set(application(), pointer, value);
    let project = |pointer: &'static str, value: Value| set(declared("AppProject"), pointer, value);
    let policies = json!(["p, proj:shop:dev, applications, sync, shop/*, allow"]);
    let token = json!([{"name": "dev", "policies": policies, "jwtTokens": [{"iat": 1, "id": "a"}]}]);
    let parameters = json!({"parameters": [{"name": "image.tag", "value": "x"}]});
    let ignored = json!([{"kind": "Deployment", "jsonPointers": ["/spec"]}]);
    let after_operation =
        application().by(SERVER).with_old_object(|old| old["status"]["operationState"] = json!({"phase": "Succeeded"}));
    let images = json!({"images": ["web=x:2"]});
    check(
        GIT,
        vec![
            denied("parameters", at("/spec/source/helm", parameters)),
            denied("what is ignored", at("/spec/ignoreDifferences", ignored)),
            denied("another revision", at("/spec/source/targetRevision", "mine".into())),
            denied("its deletion", application().by(SERVER).into_delete()),
            warned("one that Git does not declare", other_application().by(SERVER).into_create()),
            allowed("a refresh", at("/metadata/annotations/argocd.argoproj.io~1refresh", "hard".into())),
            allowed(
                "the finalizer before a deletion",
                at("/metadata/finalizers", json!(["resources-finalizer.argocd.argoproj.io"])),
            ),
            allowed("a sync, which ends the last one's state", asking(after_operation, &json!({"revision": "main"}))),
            allowed("the tokens of a project's role", project("/spec/roles", token.clone())),
            allowed("where it keeps them", project("/status/jwtTokensByRole", json!({"dev": {"items": []}}))),
            denied(
                "another right with a token",
                project("/spec/roles", token).with_object(|new| set_at(new, "/spec/roles/0/policies/0", "p, *".into())),
            ),
            denied("where a project may deploy from", project("/spec/sourceRepos", json!(["*"]))),
            allowed("the image updater", at("/spec/source/kustomize", images).by("argocd/argocd-image-updater")),
        ],
    );
}

#[test]
fn a_pause_is_allowed_with_a_warning() {
    let suspended = |object: &mut Value| set_at(object, "/spec/suspend", true.into());
    let resumed = |object: &mut Value| set_at(object, "/spec/suspend", false.into());
    let off = |object: &mut Value| remove_at(object, "/spec/syncPolicy/automated");
    let no_policy = |object: &mut Value| remove_at(object, "/spec/syncPolicy");
    let not_enabled = |object: &mut Value| set_at(object, "/spec/syncPolicy/automated/enabled", false.into());
    let reconcile = "/metadata/annotations/reconcile.fluxcd.io~1requestedAt";
    let other_path = |object: &mut Value| set_at(object, "/spec/path", "./x".into());
    let other_source = |object: &mut Value| set_at(object, "/spec/source/path", "x".into());
    let generated = || {
        other_application().with_both(|object| {
            let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "tenants", "uid": "u", "controller": true});
            set_at(object, "/metadata/ownerReferences", json!([owner]));
        })
    };
    let flux = || declared("Kustomization");
    check(
        GIT,
        vec![
            warned("Flux is suspended", flux().with_object(suspended)),
            allowed("and resumed", flux().with_old_object(suspended)),
            allowed("by saying so", flux().with_old_object(suspended).with_object(resumed)),
            allowed("and asked to reconcile", flux().with_object(|new| set_at(new, reconcile, "now".into()))),
            denied("something else with it", flux().with_object(suspended).with_object(other_path)),
            warned("no automated sync", application().with_object(off)),
            warned("in the web page", application().with_object(off).by(SERVER)),
            warned("not enabled", application().with_object(not_enabled)),
            allowed("on again", application().with_old_object(off)),
            denied(
                "no pruning",
                application().with_object(|new| {
                    set_at(new, "/spec/syncPolicy/automated/prune", false.into());
                }),
            ),
            denied("the options with it", application().with_object(no_policy)),
            warned("an Application of nobody's", other_application().with_object(no_policy)),
            warned("one that an ApplicationSet of Git makes", generated().with_object(off)),
            warned("that one in the web page", generated().with_object(off).by(SERVER)),
            denied("its source with it", generated().with_object(off).with_object(other_source)),
            warned("a Kustomization of nobody's", kustomization("{path: ./}").with_object(suspended)),
            allowed("and its way back", kustomization("{path: ./}").with_old_object(suspended)),
        ],
    );
    let alone = GIT.replace(", syncOptions: [CreateNamespace=true]", "");
    let whole = application().with_both(|object| remove_at(object, "/spec/syncPolicy/syncOptions"));
    check(&alone, vec![warned("the whole policy", whole.with_object(no_policy))]);
}

#[test]
fn the_status_of_a_tools_own_objects_is_the_tools_alone() {
    let synced = |object: &mut Value| set_at(object, "/status/sync/revision", UNKNOWN.into());
    let artifact = |object: &mut Value| set_at(object, "/status/artifact/url", "http://mine".into());
    let phase =
        |phase: &'static str| move |object: &mut Value| set_at(object, "/status/operationState/phase", phase.into());
    let status_of_repository = || repository().subresource("status").with_object(artifact);
    let made_by_others =
        undeclared("externalartifacts", "source.toolkit.fluxcd.io/v1", "ExternalArtifact", "{}").subresource("status");
    let rollout = undeclared("rollouts", "argoproj.io/v1alpha1", "Rollout", "{}");
    check(
        GIT,
        vec![
            denied("a person", application().with_object(synced)),
            denied("a pipeline", application().by("ci/deployer").with_object(synced)),
            denied(
                "what an application consists of",
                application().with_object(|new| set_at(new, "/status/resources", json!([]))),
            ),
            denied("of one that Git does not declare", other_application().with_object(synced)),
            denied("where an artifact is", status_of_repository()),
            denied("of one that others make", made_by_others.clone().with_object(artifact)),
            denied("an account with a controller's name", status_of_repository().by("prod/source-controller")),
            warned(
                "no status, as a file of Git's has none",
                application().with_object(|new| remove_at(new, "/status")),
            ),
            allowed("the tool itself", application().by("argocd/argocd-application-controller").with_object(synced)),
            allowed("its other controllers", status_of_repository().by("flux-system/source-controller")),
            allowed("nothing of it", repository().subresource("status").by("ci/deployer")),
            allowed("a stop", application().with_both(phase("Running")).with_object(phase("Terminating"))),
            allowed(
                "an ended operation forgotten",
                application().with_both(phase("Failed")).with_object(|new| remove_at(new, "/status/operationState")),
            ),
            denied("another end", application().with_both(phase("Running")).with_object(phase("Succeeded"))),
            allowed("an artifact of another maker's", made_by_others.by("prod/generator").with_object(artifact)),
            allowed("another kind of the Argo project's", rollout.with_object(synced)),
        ],
    );
    let without = Evaluator::new(GIT, &[]);
    check_with(&without, vec![allowed("where the tool is not in use", status_of_repository())]);
}

#[test]
fn nobody_but_its_tool_creates_an_object_with_a_status() {
    let resources =
        |object: &mut Value| set_at(object, "/status/resources", json!([{"kind": "ConfigMap", "name": "a"}]));
    // What a client in Go writes of a status that nobody has set.
    let unset = json!({
        "health": {}, "summary": {},
        "sync": {"status": "", "comparedTo": {"source": {"repoURL": ""}, "destination": {}}},
    });
    let created = |review: Review| review.into_create();
    let bare = || application().with_object(|new| remove_at(new, "/status"));
    check(
        GIT,
        vec![
            denied("by a person", created(bare().with_object(resources))),
            denied("by a pipeline", created(bare().with_object(resources)).by("ci/deployer")),
            denied("one that Git does not declare", created(other_application().with_object(resources))),
            warned("in the web page", created(other_application().with_object(resources)).by(SERVER)),
            allowed("by Argo CD", created(bare().with_object(resources)).by("argocd/argocd-applicationset-controller")),
            allowed("as Git says", created(bare())),
            allowed("with nothing in it", created(bare().with_object(|new| new["status"] = unset))),
        ],
    );
    let with_status = GIT.replacen("spec:\n", "status: {resources: [{kind: ConfigMap, name: a}]}\nspec:\n", 1);
    check(
        &with_status,
        vec![
            allowed("as Git's file has it", created(bare().with_object(resources))),
            denied(
                "another one",
                created(bare().with_object(|new| set_at(new, "/status/sync/revision", UNKNOWN.into()))),
            ),
        ],
    );
}

#[test]
fn who_tells_a_tool_what_to_deploy_by_hand_is_warned() {
    let release = || undeclared("helmreleases", "helm.toolkit.fluxcd.io/v2", "HelmRelease", "{chart: {}}");
    let set = |spec: &str| undeclared("applicationsets", "argoproj.io/v1alpha1", "ApplicationSet", spec);
    let pruning = || kustomization("{path: ./, prune: true}");
    let finalizer = json!(["resources-finalizer.argocd.argoproj.io/background"]);
    let cascade = |object: &mut Value| set_at(object, "/metadata/finalizers", finalizer.clone());
    let owned = |object: &mut Value| {
        let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "tenants"});
        set_at(object, "/metadata/ownerReferences", json!([owner]));
        set_at(object, "/metadata/ownerReferences/0/uid", "u".into());
        set_at(object, "/metadata/ownerReferences/0/controller", true.into());
    };
    let generated = || other_application().with_both(owned);
    let elsewhere = |object: &mut Value| set_at(object, "/spec/source/repoURL", "https://example.org/x".into());
    let refresh =
        |object: &mut Value| set_at(object, "/metadata/annotations/argocd.argoproj.io~1refresh", "hard".into());
    let keeping = "{syncPolicy: {preserveResourcesOnDeletion: true}}";
    check(
        GIT,
        vec![
            warned("an Application", other_application().into_create()),
            warned("an ApplicationSet", set("{}").into_create()),
            warned("a Kustomization", pruning().into_create()),
            warned("a HelmRelease", release().into_create()),
            warned("led elsewhere", other_application().with_object(elsewhere)),
            warned("a Kustomization", pruning().with_object(|new| set_at(new, "/spec/path", "./x".into()))),
            warned(
                "a source",
                repository().with_object(|new| set_at(new, "/spec/url", "https://example.org/x".into())),
            ),
            warned("deleted with what it deployed", other_application().with_old_object(cascade).into_delete()),
            warned("an ApplicationSet deleted", set("{}").into_delete()),
            warned("a Kustomization deleted", pruning().into_delete()),
            warned("a HelmRelease deleted", release().into_delete()),
            warned("one that a declared set made, with all", generated().with_old_object(cascade).into_delete()),
            denied("one that a declared set made, led elsewhere", generated().with_object(elsewhere)),
            allowed("a sync of it", asking(generated(), &json!({"revision": "main"}))),
            allowed("a refresh of it", generated().by(SERVER).with_object(refresh)),
            allowed("a new source deploys nothing", repository().into_create()),
            allowed("deleted without what it deployed", other_application().into_delete()),
            allowed("an ApplicationSet that keeps it", set(keeping).into_delete()),
            allowed("a Kustomization that does not prune", kustomization("{path: ./}").into_delete()),
            allowed("a label", pruning().with_object(|new| set_at(new, "/metadata/labels/a", "b".into()))),
            allowed("a pipeline", pruning().by("ci/deployer").into_create()),
            allowed("Flux itself", pruning().by("flux-system/kustomize-controller").into_create()),
        ],
    );
    let mut strict = Evaluator::new(GIT, &["argocd", "flux"]);
    strict.policy.unmanaged = vec![NamespaceRule::new(&["argocd".into()], Outcome::Deny).unwrap()];
    check_with(&strict, vec![denied("in a strict namespace", pruning().into_create())]);
}

#[test]
fn the_definition_of_a_tools_kind_is_not_deleted() {
    let definition = |group: &str, kind: &str, plural: &str| {
        let spec = format!("{{group: {group}, names: {{kind: {kind}, plural: {plural}}}}}");
        let (version, of) = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let metadata = format!("{{name: {plural}.{group}}}");
        let yaml = format!("{{apiVersion: {version}, kind: {of}, metadata: {metadata}, spec: {spec}}}");
        review_of_yaml("customresourcedefinitions", &yaml).into_delete()
    };
    let going = |old: &mut Value| set_at(old, "/metadata/deletionTimestamp", "2026-05-04T03:02:01Z".into());
    let applications = || definition("argoproj.io", "Application", "applications");
    check(
        "",
        vec![
            denied("of Applications", applications()),
            denied("of projects", definition("argoproj.io", "AppProject", "appprojects")),
            denied("of sources", definition("source.toolkit.fluxcd.io", "OCIRepository", "ocirepositories")),
            allowed("of another tool", definition("argoproj.io", "Workflow", "workflows")),
            allowed("of anybody's", definition("example.com", "Gadget", "gadgets")),
            allowed("being deleted already", applications().with_old_object(going)),
        ],
    );
    let without = Evaluator::new("", &[]);
    check_with(&without, vec![allowed("where the tool is not in use", applications())]);
}
