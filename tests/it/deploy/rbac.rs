//! What driftwall may do in a cluster, and who may create a `BreakGlass`.

use std::collections::BTreeSet;
use std::path::Path;

use driftwall::config::Config;
use driftwall_core::manifest::Object;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};

use crate::deploy::manifests::{Program, named, read, typed};

/// The base, and where Helm is the chart under another name in another namespace.
fn installed() -> Vec<(&'static str, &'static str, Vec<Object>)> {
    let files = ["06-access", "07-own", "08-breakglass-roles", "10-config"];
    let files = files.map(|file| std::fs::read(Path::new("deploy").join(file).with_extension("yaml")).unwrap());
    let mut installed = vec![("driftwall", "driftwall", files.iter().flat_map(|text| read("base", text)).collect())];
    if let Some(helm) = Program::find("helm") {
        let text = helm.print(&["template", "wall", "deploy/chart", "--namespace", "ops"]);
        installed.push(("wall-driftwall", "ops", read("chart", text.as_bytes())));
    }
    installed
}

/// `verb group/resource name` of each right, where it is for one object.
fn rights(rules: Option<Vec<PolicyRule>>) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in rules.unwrap() {
        assert!(rule.non_resource_urls.is_none(), "{rule:?}");
        let names = rule.resource_names.unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    rights
                        .extend(names.iter().map(|name| format!("{verb} {group}/{resource} {name}").trim().to_owned()));
                }
            }
        }
    }
    assert!(rights.iter().all(|right| !right.contains('*')), "{rights:?}");
    rights
}

fn of(verbs: &[&str], what: &str) -> BTreeSet<String> {
    verbs.iter().map(|verb| format!("{verb} {what}")).collect()
}

const LOOK: [&str; 3] = ["get", "list", "watch"];
const KEEP: [&str; 6] = ["get", "list", "watch", "create", "update", "patch"];
/// `create` and `patch` for a server-side apply, `delete` for the plugin that demands it of whoever sets an owner.
const REGISTER: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

#[test]
fn driftwall_may_write_only_its_own_objects_by_name() {
    for (name, namespace, objects) in installed() {
        let role: ClusterRole = typed(named(&objects, "ClusterRole", name));
        let mut expected = BTreeSet::new();
        for owner in [
            "/pods",
            "/replicationcontrollers",
            "/services",
            "apps/daemonsets",
            "apps/deployments",
            "apps/replicasets",
            "apps/statefulsets",
            "batch/cronjobs",
            "batch/jobs",
            "networking.k8s.io/ingresses",
            "apiextensions.k8s.io/customresourcedefinitions",
        ] {
            expected.extend(of(&["get"], owner));
        }
        expected.extend(of(&["list", "watch"], "driftwall.io/breakglasses"));
        expected.extend(of(&["create", "patch"], "events.k8s.io/events"));
        let registration = format!("admissionregistration.k8s.io/validatingwebhookconfigurations {name}");
        expected.extend(of(&REGISTER, &registration));
        expected.extend(of(&["get"], &format!("rbac.authorization.k8s.io/clusterroles {name}")));
        assert_eq!(rights(role.rules), expected, "{name}");

        let role: Role = typed(named(&objects, "Role", name));
        let mut expected = of(&KEEP, &format!("/secrets {name}-certificates"));
        expected.extend(of(&KEEP, &format!("/secrets {name}-path")));
        // A server-side apply of an object that is not there, by dry run.
        expected.extend(of(&["create", "patch"], &format!("/configmaps {name}-canary")));
        let leases = ["get", "list", "create", "update", "patch", "delete"];
        expected.extend(of(&leases, "coordination.k8s.io/leases"));
        assert_eq!(rights(role.rules), expected, "{name}");
        assert_eq!(role.metadata.namespace.as_deref(), Some(namespace));

        let everywhere: ClusterRoleBinding = typed(named(&objects, "ClusterRoleBinding", name));
        let at_home: RoleBinding = typed(named(&objects, "RoleBinding", name));
        for (reference, subjects) in [(everywhere.role_ref, everywhere.subjects), (at_home.role_ref, at_home.subjects)]
        {
            assert_eq!(reference.name, name);
            let [subject] = subjects.unwrap().try_into().unwrap();
            assert_eq!((subject.kind.as_str(), subject.name.as_str()), ("ServiceAccount", name));
            assert_eq!(subject.namespace.as_deref(), Some(namespace));
        }
    }
}

#[test]
fn unused_rights_are_not_granted() {
    let Some(helm) = Program::find("helm") else { return };
    for (values, has_canary) in [
        ("registration.manage=true", true),
        ("registration.canary=false", false),
        ("registration.manage=false,tls.mode=secret", false),
    ] {
        let text = helm.print(&["template", "driftwall", "deploy/chart", "--namespace", "driftwall", "--set", values]);
        let role: Role = typed(named(&read(values, text.as_bytes()), "Role", "driftwall"));
        let on_config_maps = rights(role.rules).into_iter().any(|right| right.contains("configmaps"));
        assert_eq!(on_config_maps, has_canary, "{values}");
    }
    for (values, secrets, on_registration) in [
        ("registration.manage=false,tls.mode=secret", &[][..], &[][..]),
        ("registration.manage=false,tls.mode=secret,webhook.path=/a1b2", &[], &[]),
        ("registration.manage=false,webhook.enabled=false", &["driftwall-certificates"], &["get"][..]),
        ("registration.manage=true,tls.mode=secret", &["driftwall-path"], &REGISTER[..]),
    ] {
        let text = helm.print(&["template", "driftwall", "deploy/chart", "--namespace", "driftwall", "--set", values]);
        let objects = read(values, text.as_bytes());
        let role: Role = typed(named(&objects, "Role", "driftwall"));
        let mut on_secrets = rights(role.rules);
        on_secrets.retain(|right| right.contains("secrets"));
        let expected = secrets.iter().flat_map(|secret| of(&KEEP, &format!("/secrets {secret}")));
        assert_eq!(on_secrets, expected.collect(), "{values}");
        let role: ClusterRole = typed(named(&objects, "ClusterRole", "driftwall"));
        let registration = "admissionregistration.k8s.io/validatingwebhookconfigurations driftwall";
        let mut there = rights(role.rules);
        there.retain(|right| right.ends_with(registration));
        assert_eq!(there, of(on_registration, registration), "{values}");
    }
}

#[test]
fn rights_name_the_objects_of_the_configuration() {
    for (name, _, objects) in installed() {
        let map = &named(&objects, "ConfigMap", name).value;
        let text = map["data"]["driftwall.yaml"].as_str().unwrap();
        let registration = Config::parse(text, Path::new("/config/driftwall.yaml")).unwrap().registration;
        assert_eq!((registration.name.as_str(), registration.service.as_str()), (name, name));
    }
}

#[test]
fn break_glass_rights_are_granted_only_explicitly() {
    for (name, _, objects) in installed() {
        let breaking: ClusterRole = typed(named(&objects, "ClusterRole", &format!("{name}-break-glass")));
        let labels = breaking.metadata.labels.unwrap();
        assert!(labels.keys().all(|label| !label.contains("aggregate")), "{labels:?}");
        let mut expected = of(&LOOK, "driftwall.io/breakglasses");
        expected.extend(of(&["create", "delete"], "driftwall.io/breakglasses"));
        assert_eq!(rights(breaking.rules), expected);

        let seeing: ClusterRole = typed(named(&objects, "ClusterRole", &format!("{name}-break-glass-view")));
        assert_eq!(seeing.metadata.labels.unwrap()["rbac.authorization.k8s.io/aggregate-to-view"], "true");
        assert_eq!(rights(seeing.rules), of(&LOOK, "driftwall.io/breakglasses"));

        let bindings = objects.iter().filter(|object| object.kind.ends_with("Binding"));
        let bound: BTreeSet<_> = bindings.map(|binding| binding.value["roleRef"]["name"].as_str().unwrap()).collect();
        assert_eq!(bound, BTreeSet::from([name]), "nobody has it by installing driftwall");
    }
}
