//! What Argo CD and Flux deploy is protected as soon as their objects are there, without a source.

use serde_json::json;

use crate::cluster::{TestCluster, test_cluster};
use crate::process::wait_for;
use crate::recorded_actions::shows_old_owners;

const OBJECTS: &str = "tests/data/gitops";

/// The tools' kinds and objects, and what they deploy, written as they write it.
fn deploy(cluster: &mut TestCluster) {
    let objects = std::env::current_dir().unwrap().join(OBJECTS);
    let copy = cluster.path("gitops");
    std::fs::create_dir_all(&copy).unwrap();
    let files = std::fs::read_dir(&objects).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    cluster.control_plane.admin(
        "kubectl apply -f gitops/definitions.yaml
        for kind in applications appprojects kustomizations gitrepositories; do
            until kubectl get $kind -A >/dev/null 2>&1; do sleep 0.2; done
        done
        for namespace in argocd shop team-a; do kubectl create namespace $namespace; done
        kubectl apply -f $DEPLOY/discover/argocd.yaml -f $DEPLOY/discover/flux.yaml
        kubectl create serviceaccount team-a -n team-a
        kubectl create clusterrolebinding team-a --clusterrole=cluster-admin --serviceaccount=team-a:team-a",
    );
    cluster
        .alice(
            "argocd apply --server-side --field-manager=argocd-controller -f gitops/web.yaml -f gitops/scaled.yaml &&
            sed 's/namespace: shop/&, annotations: {argocd.argoproj.io\\/tracking-id: \"shop:\\/ConfigMap:shop\\/settings\"}/' \
                gitops/settings.yaml > gitops/settings-by-argocd.yaml &&
            argocd apply --field-manager=argocd-controller -f gitops/settings-by-argocd.yaml &&
            as team-a team-a apply --server-side --field-manager=kustomize-controller -f gitops/tenant.yaml",
        )
        .expect_success();
    let mut config = cluster.replicas.config();
    config["discover"] = json!({"argocd": {}, "flux": {}});
    cluster.replicas.configure(config);
    cluster.alice("argocd create -f gitops/objects.yaml").expect_success();
    wait_for("the applications are found", || {
        cluster.replicas.all_have("driftwall_application_objects{tool=\"Argo CD\"}", "3").then_some(())?;
        cluster.replicas.all_have("driftwall_application_objects{tool=\"Flux\"}", "1").then_some(())
    });
    cluster.wait_for(
        "their kinds are registered",
        "kubectl scale deployment/web -n shop --replicas=7 --dry-run=server 2>&1",
        |out| out.contains("Warning: driftwall"),
    );
}

/// The same Argo CD as of another cluster, which knows this one by a name. The first kubeconfig leads nowhere, and is
/// written anew: what was found before stays until then.
fn move_to_hub(cluster: &mut TestCluster) {
    let kubeconfig = cluster.path("hub.config");
    let admin = std::fs::read_to_string(cluster.path("admin.config")).unwrap();
    std::fs::write(&kubeconfig, admin.replace("//127.0.0.1:", "//127.9.9.9:")).unwrap();
    let mut config = cluster.replicas.config();
    config["discover"]["argocd"] = json!({"kubeconfigFile": kubeconfig, "clusterNames": ["prod-eu"]});
    cluster.replicas.configure(config);
    expect_denial_by_shop(cluster);

    let destination = r#"{"spec": {"destination": {"server": null, "name": "prod-eu"}}}"#;
    let patch = format!("argocd patch application/shop -n argocd --type=merge -p '{destination}'");
    cluster.alice(&patch).expect_success();
    std::fs::write(&kubeconfig, admin).unwrap();
    wait_for("the other cluster is reached", || {
        cluster.replicas.all_have("driftwall_discovery_in_step{watch=\"applications\"}", "1").then_some(())
    });
    expect_denial_by_shop(cluster);
}

fn expect_denial_by_shop(cluster: &TestCluster) {
    let deletion = cluster.alice("kubectl delete deployment/scaled -n shop");
    assert_eq!(deletion.answer(), "deny", "{deletion:?}");
    assert!(deletion.stderr.contains("application shop"), "{deletion:?}");
}

/// Takes away what the other tests do not expect. Nobody is asked about a definition that holds nothing.
fn remove(cluster: &mut TestCluster) {
    let mut config = cluster.replicas.config();
    config.as_object_mut().unwrap().remove("discover");
    cluster.replicas.configure(config);
    cluster
        .alice(
            "unreviewed delete -f gitops/definitions.yaml &&
            unreviewed delete namespace argocd shop team-a --wait=false &&
            unreviewed delete clusterrolebinding team-a &&
            unreviewed delete -f $DEPLOY/discover/flux.yaml --ignore-not-found",
        )
        .expect_success();
}

/// What a script is answered, and a part of what is said.
struct Case {
    script: &'static str,
    answer: &'static str,
    said: &'static str,
    /// The answer where the server does not show driftwall who owned the fields before, so that nothing
    /// is known of what the tool applied.
    unknown: &'static str,
}

const fn case(script: &'static str, answer: &'static str, said: &'static str, unknown: &'static str) -> Case {
    Case { script, answer, said, unknown }
}

const TAKES_KNOWLEDGE: &str = "would make Argo CD forget what it applied";

const CASES: [Case; 15] = [
    // The parent of a Scale is looked up, with its owners.
    case("kubectl scale deployment/web -n shop --replicas=7", "deny", "at ac28508 (application shop)", "deny"),
    case("kubectl scale deployment/scaled -n shop --replicas=7", "allow", "", "allow"),
    case("kubectl label deployment/web -n shop team=blue", "allow", "", "allow"),
    case("kubectl rollout restart deployment/web -n shop", "allow", "", "allow"),
    case("kubectl delete deployment/web -n shop", "deny", "would delete it", "deny"),
    case("kubectl set image deployment/web -n shop web=other:1", "deny", "registry.example.com/web:1", "warn"),
    case("kubectl set env deployment/web -n shop DEBUG=1", "deny", "https://github.com/acme/gitops", "warn"),
    case("kubectl patch configmap/settings -n shop -p '{\"data\":{\"MODE\":\"debug\"}}'", "deny", "production", "warn"),
    // The tool's name is only a claim: what it knows must not become less.
    case(
        "printf '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {MODE: production}}' |
            kubectl apply --server-side --force-conflicts --field-manager=argocd-controller -f -",
        "deny",
        TAKES_KNOWLEDGE,
        "warn",
    ),
    case(
        "kubectl patch deployment/web -n shop --type=merge -p '{\"metadata\":{\"managedFields\":[{}]}}'",
        "deny",
        TAKES_KNOWLEDGE,
        "allow",
    ),
    case("kubectl apply set-last-applied --create-annotation -f gitops/changed.yaml", "deny", TAKES_KNOWLEDGE, "allow"),
    case(
        "kubectl annotate configmap/settings -n shop kubectl.kubernetes.io/last-applied-configuration-",
        "deny",
        TAKES_KNOWLEDGE,
        "allow",
    ),
    case("kubectl apply -f gitops/settings.yaml", "warn", "tracking-id", "warn"),
    case("as team-a team-a patch configmap/tenant -n team-a -p '{\"data\":{\"a\":\"2\"}}'", "allow", "", "allow"),
    case("as team-a team-a set image deployment/web -n shop web=other:2", "deny", "application shop", "allow"),
];

#[test]
fn what_argo_cd_and_flux_deploy_is_protected_without_a_source() {
    let Some(mut cluster) = test_cluster() else { return };
    let shows_old_owners = shows_old_owners(&cluster);
    deploy(&mut cluster);
    cluster.alice("sed 's/production/debug/' gitops/settings.yaml > gitops/changed.yaml").expect_success();
    let mut wrong = Vec::new();
    for Case { script, answer, said, unknown } in CASES {
        let (answer, said) = if shows_old_owners { (answer, said) } else { (unknown, "") };
        let result = cluster.alice(script);
        if result.answer() != answer || !result.stderr.contains(said) {
            wrong.push(format!("{script}: want {answer} with {said:?}, got {result:?}"));
        }
    }
    move_to_hub(&mut cluster);
    cluster.alice("argocd delete application/shop -n argocd").expect_success();
    cluster.wait_for("it is gone", "kubectl scale deployment/web -n shop --replicas=9 --dry-run=server 2>&1", |out| {
        !out.contains("Warning: driftwall")
    });
    remove(&mut cluster);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
