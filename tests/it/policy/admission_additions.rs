//! What admission adds to a person's write is told from what the person brings, by `metadata.managedFields`.

use driftwall_core::policy::Outcome;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::recordings;
use crate::harness::evaluator::{Evaluated, Evaluator, contents};
use crate::harness::managed_fields::{applied, entry, updated};
use crate::harness::reviews::Review;

/// A recorded review with the right answer.
#[derive(Deserialize)]
struct Recorded {
    what: String,
    expect: String,
    fields: Vec<String>,
    review: Value,
}

#[test]
fn every_recorded_write_gets_the_recorded_answer() {
    for (recording, count) in [("admission-additions", 17), ("ownership", 9)] {
        let git = format!("{}/ownership/{recording}.yaml", recordings::FOLDER);
        let git = std::fs::read_to_string(git).unwrap();
        let evaluator = Evaluator::with_sources(vec![contents("own", &[("own.yaml".into(), git)])], &[]);
        let lines = recordings::lines(&format!("{recording}.jsonl.gz"));
        assert_eq!(lines.len(), count);
        let mut wrong = Vec::new();
        for line in lines {
            let Recorded { what, expect, fields, mut review } = serde_json::from_value(line).unwrap();
            // A dry run is warned about at most.
            review["request"]["dryRun"] = false.into();
            let found = evaluator.evaluate(&Review(review));
            let answer = answer(&found);
            let names_all = fields.iter().all(|field| names(&found, field));
            let names_foreign =
                found.fields.iter().any(|field| field.contains("sidecar") || field.contains("finalizers"));
            if answer != expect || !names_all || names_foreign {
                wrong.push(format!("{what}: {answer} for {:?}, wanted {expect} for {fields:?}", found.fields));
            }
        }
        assert!(wrong.is_empty(), "{recording}: {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn answer(found: &Evaluated) -> &'static str {
    match found.outcome {
        Outcome::Allow => "allow",
        Outcome::Warn => "warn",
        Outcome::Deny => "deny",
    }
}

/// Whether the field is named, or a field below it.
fn names(found: &Evaluated, field: &str) -> bool {
    found.fields.iter().any(|named| named.starts_with(field))
}

// === hand-made writes ===

/// A write to an object that Git declares: what was there, what the person sends, and what comes out of admission.
struct Write<'a> {
    what: &'a str,
    git: &'a str,
    old: Option<Value>,
    /// The entries of `managedFields`, and the object that is reviewed.
    new: (Value, Value),
    /// `allow`, or `deny` and the fields.
    expect: &'a str,
}

fn assert_answers(writes: Vec<Write<'_>>) {
    let mut wrong = Vec::new();
    for Write { what, git, old, new: (entries, mut new), expect } in writes {
        let evaluator = Evaluator::with_sources(vec![contents("own", &[("own.yaml".into(), git.into())])], &[]);
        if !entries.is_null() {
            new["metadata"]["managedFields"] = entries;
        }
        let found = evaluator.evaluate(&Review::of(old.as_ref(), &new).by("alice"));
        let summary = [&[answer(&found).to_owned()], &*found.fields].concat().join(" ");
        if summary != expect {
            wrong.push(format!("{what}: `{summary}`, wanted `{expect}`"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers: [{name: web, image: 'web:1', ports: [{containerPort: 80}]}]
";

/// The Deployment as the API server has it.
fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "prod"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "containers": [{
                        "name": "web", "image": "web:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    }],
                    "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                    "securityContext": {}, "terminationGracePeriodSeconds": 30,
                },
            },
        },
    })
}

fn with(mut object: Value, edit: impl FnOnce(&mut Value)) -> Value {
    edit(&mut object);
    object
}

/// What a mesh, a policy engine and an image mutator add to everything.
fn injected(mut object: Value) -> Value {
    let pod = &mut object["spec"]["template"]["spec"];
    pod["initContainers"] = json!([{"name": "init-mesh", "image": "mesh:1", "resources": {}}]);
    pod["containers"].as_array_mut().unwrap().push(json!({"name": "mesh", "image": "mesh:1", "args": ["proxy"]}));
    pod["containers"][0]["env"] = json!([{"name": "MESH", "value": "on"}]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "mesh", "mountPath": "/etc/mesh"}]);
    pod["volumes"] = json!([{"name": "mesh", "emptyDir": {}}]);
    pod["tolerations"] = json!([{"key": "mesh", "operator": "Exists"}]);
    pod["securityContext"]["runAsNonRoot"] = true.into();
    pod["securityContext"]["seccompProfile"] = json!({"type": "RuntimeDefault"});
    pod["imagePullSecrets"] = json!([{"name": "mirror"}]);
    object["metadata"]["finalizers"] = json!(["example.org/hook"]);
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "mesh", "uid": "0b0c4c5e"}]);
    object
}

const EVIL: &str = "deny spec.template.spec.containers[name=\"evil\"]";

#[test]
fn what_admission_adds_to_a_write_is_not_the_writers() {
    let sent = deployment();
    let scaled = with(deployment(), |object| object["metadata"]["annotations"] = json!({"note": "x"}));
    let evil = with(deployment(), |object| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        containers.push(json!({"name": "evil", "image": "evil:1"}));
    });
    let tool = || {
        applied(
            "argocd-controller",
            &with(deployment(), |object| {
                let pod = &object["spec"]["template"]["spec"];
                let containers = json!([{"name": "web", "image": "web:1", "ports": pod["containers"][0]["ports"]}]);
                object["spec"] = json!({
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}},
                });
            }),
        )
    };
    let alice = |brings: Value| entry("kubectl-patch", "Update", "apps/v1", "", brings);
    let note = || alice(json!({"f:metadata": {"f:annotations": {".": {}, "f:note": {}}}}));
    let brings_evil = || {
        let container = json!({".": {}, "f:name": {}, "f:image": {}});
        alice(json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"evil\"}": container}}}}}))
    };
    let account = |name: &str| {
        with(deployment(), |object| {
            object["spec"]["template"]["spec"]["serviceAccountName"] = name.into();
            object["spec"]["template"]["spec"]["serviceAccount"] = name.into();
        })
    };
    let of_pod = |fields: Value| json!({"f:spec": {"f:template": {"f:spec": fields}}});
    assert_answers(vec![
        Write {
            what: "created by kubectl create",
            git: DEPLOYMENT,
            old: None,
            new: (json!([updated("kubectl-create", &sent)]), injected(deployment())),
            expect: "allow",
        },
        Write {
            what: "created by server-side apply",
            git: DEPLOYMENT,
            old: None,
            new: (json!([tool()]), injected(deployment())),
            expect: "allow",
        },
        Write {
            what: "annotated",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (json!([tool(), note()]), injected(scaled.clone())),
            expect: "allow",
        },
        Write {
            what: "created with more",
            git: DEPLOYMENT,
            old: None,
            new: (json!([updated("kubectl-create", &evil)]), injected(evil.clone())),
            expect: EVIL,
        },
        Write {
            what: "changed with more",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (json!([tool(), brings_evil()]), injected(evil.clone())),
            expect: EVIL,
        },
        Write {
            what: "changed with more, entries in the other order",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (json!([brings_evil(), tool()]), evil.clone()),
            expect: EVIL,
        },
        Write {
            what: "changed through a subresource of which the entry tells",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (
                json!([tool(), with(brings_evil(), |entry| entry["subresource"] = "ephemeralcontainers".into())]),
                evil.clone(),
            ),
            expect: EVIL,
        },
        Write {
            what: "a key sent with other spaces",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (
                json!([tool(), alice(of_pod(json!({"f:containers": {"k:{ \"name\" : \"evil\" }": {"f:image": {}}}})))]),
                evil.clone(),
            ),
            expect: EVIL,
        },
        Write {
            what: "only the finalizer is the writer's",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (
                json!([
                    tool(),
                    alice(json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"example.org/hook\"": {}}}}))
                ]),
                injected(deployment()),
            ),
            expect: "deny metadata.finalizers",
        },
        Write {
            what: "only the owner is the writer's",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (
                json!([tool(), alice(json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"0b0c4c5e\"}": {}}}}))]),
                injected(deployment()),
            ),
            expect: "deny metadata.ownerReferences",
        },
        Write {
            what: "an atomic list is owned as one",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (json!([tool(), alice(of_pod(json!({"f:tolerations": {}})))]), injected(deployment())),
            expect: "deny spec.template.spec.tolerations",
        },
        Write {
            what: "an account by its old name",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (json!([tool(), alice(of_pod(json!({"f:serviceAccount": {}})))]), account("evil")),
            expect: "deny spec.template.spec.serviceAccountName",
        },
        Write {
            what: "an account that a webhook sets",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (json!([tool()]), account("mesh")),
            expect: "allow",
        },
        Write {
            what: "a declared value that a webhook changes",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (
                json!([tool(), note()]),
                with(scaled, |object| {
                    object["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/web:1".into();
                }),
            ),
            expect: "deny spec.template.spec.containers[name=\"web\"].image",
        },
        Write {
            what: "a key that a webhook changes",
            git: DEPLOYMENT,
            old: Some(deployment()),
            new: (
                json!([tool()]),
                with(deployment(), |object| {
                    object["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "UDP".into();
                }),
            ),
            expect: "deny spec.template.spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"]",
        },
    ]);
}

#[test]
fn what_is_not_known_of_the_owners_excuses_nothing() {
    let more = with(deployment(), |object| object["spec"]["paused"] = true.into());
    let tool = || updated("argocd-controller", &deployment());
    let old = with(deployment(), |object| object["metadata"]["managedFields"] = json!([tool()]));
    let with_field = |name: &str, value: Value| with(tool(), |entry| entry[name] = value);
    for (what, entries) in [
        ("none", Value::Null),
        ("an empty list", json!([])),
        ("an empty entry", json!([{}])),
        ("an entry without fields", json!([tool(), {"manager": "a", "operation": "Update", "apiVersion": "apps/v1"}])),
        ("no list", json!({"fieldsV1": {}})),
        ("fields that are no map", json!([with_field("fieldsV1", json!([]))])),
        ("fields of another form", json!([with_field("fieldsType", "FieldsV2".into())])),
        ("another version", json!([tool(), with_field("apiVersion", "apps/v1beta1".into())])),
        ("no version", json!([tool(), with_field("apiVersion", Value::Null)])),
    ] {
        for old in [old.clone(), deployment()] {
            let new = (entries.clone(), more.clone());
            assert_answers(vec![Write { what, git: DEPLOYMENT, old: Some(old), new, expect: "deny spec.paused" }]);
        }
        let new = (entries, more.clone());
        assert_answers(vec![Write { what, git: DEPLOYMENT, old: None, new, expect: "deny spec.paused" }]);
    }
    // The API server noted nothing of this write.
    let (unnoted, new) = (old.clone(), (json!([tool()]), more.clone()));
    let expect = "deny spec.paused";
    assert_answers(vec![Write { what: "the old list", git: DEPLOYMENT, old: Some(unnoted), new, expect }]);
    // A status in another version says nothing of the content.
    let status = entry("kube-controller-manager", "Update", "apps/v1beta1", "status", json!({"f:status": {}}));
    let new = (json!([tool(), status]), more);
    assert_answers(vec![Write { what: "a status", git: DEPLOYMENT, old: Some(old), new, expect: "allow" }]);
}

#[test]
fn a_denial_says_what_a_webhook_may_have_made() {
    let evaluator = Evaluator::with_sources(vec![contents("own", &[("own.yaml".into(), DEPLOYMENT.into())])], &[]);
    let tool = || updated("argocd-controller", &deployment());
    let owned = |object: Value, entries: Value| with(object, |object| object["metadata"]["managedFields"] = entries);
    let old = owned(deployment(), json!([tool()]));
    let changed = with(deployment(), |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/web:1".into();
    });
    let note =
        entry("kubectl-annotate", "Update", "apps/v1", "", json!({"f:metadata": {"f:annotations": {"f:note": {}}}}));
    let container = json!({"k:{\"name\":\"web\"}": {"f:image": {}}});
    let image = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}});
    let image = entry("kubectl-edit", "Update", "apps/v1", "", image);
    let hint = "\nIf you did not send this value of spec.template.spec.containers[name=\"web\"].image, an admission \
                webhook or a default of the API server made it.\n";
    for (what, old, entries, is_told) in [
        ("a webhook's", Some(&old), json!([tool(), note]), true),
        ("alice's", Some(&old), json!([tool(), image]), false),
        ("created", None, json!([updated("kubectl-create", &changed)]), true),
        ("nothing is known", Some(&old), Value::Null, false),
    ] {
        let found = evaluator.evaluate(&Review::of(old, &owned(changed.clone(), entries)).by("alice"));
        assert_eq!(found.outcome, Outcome::Deny, "{what}");
        assert_eq!(found.message().contains(hint), is_told, "{what}: {}", found.message());
    }
}

#[test]
fn what_the_server_allocates_is_its_own_where_it_shows() {
    let git = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: prod}\nspec: {type: NodePort, ports: [{port: 80}]}\n";
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "prod"},
        "spec": {
            "type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30_080}],
        },
    });
    let sent = |fields: Value| entry("kubectl-create", "Update", "v1", "", json!({"f:spec": fields}));
    let port = |more: &str| {
        let mut port = json!({".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}});
        if !more.is_empty() {
            port[more] = json!({});
        }
        json!({".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": port})
    };
    let node_port = "spec.ports[port=80,protocol=\"TCP\"].nodePort";
    assert_answers(vec![
        Write {
            what: "allocated",
            git,
            old: None,
            new: (json!([sent(json!({"f:type": {}, "f:sessionAffinity": {}, "f:ports": port("")}))]), service.clone()),
            expect: "allow",
        },
        Write {
            what: "asked for",
            git,
            old: None,
            new: (json!([sent(json!({"f:type": {}, "f:ports": port("f:nodePort")}))]), service.clone()),
            expect: &format!("deny {node_port}"),
        },
        Write {
            what: "an address by its newer name",
            git,
            old: None,
            new: (json!([sent(json!({"f:clusterIPs": {}, "f:ports": port("")}))]), service.clone()),
            expect: "deny spec.clusterIP spec.clusterIPs",
        },
        Write { what: "nothing is known", git, old: None, new: (Value::Null, service), expect: "allow" },
    ]);
    let git = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: prod}\nspec: {accessModes: [ReadWriteOnce]}\n";
    let claim = |more: &str| {
        let mut claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "prod"},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
        });
        if !more.is_empty() {
            claim["spec"][more] = "other".into();
        }
        claim
    };
    assert_answers(vec![Write {
        what: "a volume chosen by hand",
        git,
        old: Some(claim("")),
        new: (Value::Null, claim("volumeName")),
        expect: "deny spec.volumeName",
    }]);
}

#[test]
fn what_a_secret_gets_from_its_texts_is_owned_with_them() {
    let git = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: prod}\nstringData: {a: x}\n";
    let secret = |data: Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "prod"}, "type": "Opaque",
               "data": data})
    };
    let texts = |fields: Value| json!([entry("kubectl", "Apply", "v1", "", json!({"f:stringData": fields}))]);
    let write = |what, new, expect| Write { what, git, old: Some(secret(json!({"a": "eA=="}))), new, expect };
    let two = || secret(json!({"a": "eA==", "b": "eQ=="}));
    assert_answers(vec![
        write("a new text", (texts(json!({"f:a": {}, "f:b": {}})), two()), "deny data[\"b\"]"),
        write("a key that a webhook adds", (texts(json!({"f:a": {}})), two()), "allow"),
        write("the declared texts", (texts(json!({"f:a": {}})), secret(json!({"a": "eA=="}))), "allow"),
        write("another text", (texts(json!({"f:a": {}})), secret(json!({"a": "eg=="}))), "deny data[\"a\"]"),
    ]);
}

#[test]
fn a_custom_resource_is_read_by_its_definition() {
    let definition = |conversion: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.example.org}}
spec:
  group: example.org
  scope: Namespaced
  names: {{kind: Thing, plural: things}}
  conversion: {{strategy: {conversion}}}
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size: {{type: integer, default: 3}}
                mode: {{type: string}}
                open: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
                struct: {{type: object, properties: {{a: {{type: string}}, b: {{type: string}}}}}}
                whole: {{type: object, x-kubernetes-map-type: atomic, additionalProperties: {{type: string}}}}
                steps: {{type: array, items: {{type: object, properties: {{name: {{type: string}}}}}}}}
---
apiVersion: example.org/v1
kind: Thing
metadata: {{name: one, namespace: prod}}
spec: {{mode: fast}}
"
        )
    };
    let thing = |spec: Value| {
        json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "one", "namespace": "prod"},
               "spec": spec})
    };
    let sent = |version: &str, fields: Value| {
        json!([entry("kubectl-create", "Update", &format!("example.org/{version}"), "", json!({"f:spec": fields}))])
    };
    let none = definition("None");
    let webhook = definition("Webhook");
    let write = |what, new, expect| Write { what, git: &none, old: None, new, expect };
    let two = json!({"mode": "fast", "struct": {"a": "x", "b": "y"}});
    assert_answers(vec![
        write(
            "a default",
            (sent("v1", json!({"f:mode": {}, "f:size": {}})), thing(json!({"mode": "fast", "size": 3}))),
            "allow",
        ),
        write(
            "more",
            (sent("v1", json!({"f:mode": {}, "f:size": {}})), thing(json!({"mode": "fast", "size": 4}))),
            "deny spec.size",
        ),
        write("a webhook's", (sent("v1", json!({"f:mode": {}})), thing(json!({"mode": "fast", "size": 4}))), "allow"),
        write(
            "a field of a struct",
            (sent("v1", json!({"f:mode": {}, "f:struct": {"f:a": {}}})), thing(two.clone())),
            "deny spec.struct.a",
        ),
        write("an empty struct", (sent("v1", json!({"f:mode": {}, "f:struct": {}})), thing(two)), "deny spec.struct"),
        write(
            "a map that is one value",
            (sent("v1", json!({"f:mode": {}, "f:whole": {}})), thing(json!({"mode": "fast", "whole": {"a": "x"}}))),
            "deny spec.whole",
        ),
        write(
            "something of which nothing is known",
            (sent("v1", json!({"f:mode": {}, "f:open": {}})), thing(json!({"mode": "fast", "open": {"a": "x"}}))),
            "deny spec.open.a",
        ),
        write(
            "an atomic list",
            (
                sent("v1", json!({"f:mode": {}, "f:steps": {}})),
                thing(json!({"mode": "fast", "steps": [{"name": "a"}]})),
            ),
            "deny spec.steps[name=\"a\"]",
        ),
        write(
            "a webhook's list",
            (sent("v1", json!({"f:mode": {}})), thing(json!({"mode": "fast", "steps": [{"name": "a"}]}))),
            "allow",
        ),
        write(
            "another version without conversion",
            (sent("v2", json!({"f:mode": {}})), thing(json!({"mode": "fast", "size": 4}))),
            "allow",
        ),
        Write {
            git: &webhook,
            ..write(
                "another version with conversion",
                (sent("v2", json!({"f:mode": {}})), thing(json!({"mode": "fast", "size": 4}))),
                "deny spec.size",
            )
        },
    ]);
}

#[test]
fn a_bare_pod_is_created_as_git_says() {
    let git = "
apiVersion: v1
kind: Pod
metadata: {name: relay, namespace: prod}
spec:
  hostNetwork: true
  tolerations: [{key: edge, operator: Exists}]
  containers:
    - name: relay
      image: relay:1
      ports: [{containerPort: 80}]
      resources: {limits: {cpu: 1, example.com/gpu: 1}}
";
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "relay", "namespace": "prod"},
        "spec": {
            "hostNetwork": true, "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {},
            "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30, "enableServiceLinks": true,
            "serviceAccountName": "default", "serviceAccount": "default", "priority": 0,
            "preemptionPolicy": "PreemptLowerPriority", "imagePullSecrets": [{"name": "mirror"}],
            "tolerations": [
                {"key": "edge", "operator": "Exists"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            ],
            "containers": [{
                "name": "relay", "image": "relay:1", "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
                "resources": {
                    "limits": {"cpu": "1", "example.com/gpu": "1"}, "requests": {"cpu": "1", "example.com/gpu": "1"},
                },
                "volumeMounts": [{"name": "kube-api-access-x7k2p", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            }],
            "volumes": [{"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            ]}}],
        },
    });
    // What kubectl sends, with its defaults: the account, the tokens and the priority come later.
    let sent = with(pod.clone(), |pod| {
        let spec = pod["spec"].as_object_mut().unwrap();
        for field in
            ["serviceAccountName", "serviceAccount", "priority", "preemptionPolicy", "imagePullSecrets", "volumes"]
        {
            spec.remove(field);
        }
        spec["containers"][0].as_object_mut().unwrap().remove("volumeMounts");
    });
    let created = || json!([updated("kubectl-create", &sent)]);
    let write = |what, new, expect| Write { what, git, old: None, new, expect };
    let other = |edit: fn(&mut Value)| with(pod.clone(), edit);
    assert_answers(vec![
        write("as sent", (created(), pod.clone()), "allow"),
        write("nothing known of the owners", (Value::Null, pod.clone()), "allow"),
        write(
            "another toleration",
            (Value::Null, other(|pod| pod["spec"]["tolerations"][1]["tolerationSeconds"] = 1_000_000.into())),
            "deny spec.tolerations",
        ),
        write(
            "another host port",
            (Value::Null, other(|pod| pod["spec"]["containers"][0]["ports"][0]["hostPort"] = 81.into())),
            "deny spec.containers[name=\"relay\"].ports[containerPort=80,protocol=\"TCP\"].hostPort",
        ),
        write(
            "a token for somebody else",
            (
                Value::Null,
                other(|pod| {
                    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] =
                        "vault".into();
                }),
            ),
            "deny spec.containers[name=\"relay\"].volumeMounts[mountPath=\"/var/run/secrets/kubernetes.io/serviceaccount\"] \
             spec.volumes[name=\"kube-api-access-x7k2p\"]",
        ),
    ]);
}
