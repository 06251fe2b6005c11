//! Every writer has a class, and every rule its order.

use super::*;

fn user<'a>(name: &'a str, groups: &[&'a str]) -> User<'a> {
    User { name: name.into(), groups: groups.iter().map(|group| CowStr((*group).into())).collect() }
}

fn account(namespace: &str, name: &str) -> User<'static> {
    let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    User {
        name: format!("system:serviceaccount:{namespace}:{name}").into(),
        groups: groups.into_iter().map(|group| CowStr(group.into())).collect(),
    }
}

#[test]
fn every_user_has_a_class() {
    let presets = ["argocd".to_owned(), "flux".to_owned(), "keda".to_owned()];
    let actors = ActorRules::new(Vec::new(), &presets).unwrap();
    for (who, expected) in [
        (account("argocd", "argocd-application-controller"), Class::Gitops),
        (account("flux-system", "kustomize-controller"), Class::Gitops),
        (account("keda", "keda-operator"), Class::Controller),
        (account("kube-system", "horizontal-pod-autoscaler"), Class::Autoscaler),
        (account("kube-system", "deployment-controller"), Class::ControlPlane),
        (account("kube-system", "generic-garbage-collector"), Class::ControlPlane),
        (account("kube-system", "tiller"), Class::Workload),
        (account("prod", "deployment-controller"), Class::Workload),
        (account("argocd", "argocd-server"), Class::Workload),
        (account("kube-system", "argocd-manager"), Class::Gitops),
        (user("system:serviceaccount:argocd:argocd-application-controller", &["system:authenticated"]), Class::Person),
        (user("system:kube-controller-manager", &[]), Class::ControlPlane),
        (user("system:kube-scheduler", &[]), Class::ControlPlane),
        (user("system:apiserver", &["system:masters"]), Class::ControlPlane),
        (user("system:node:n1", &["system:nodes"]), Class::ControlPlane),
        (user("system:node:n1", &["developers"]), Class::Workload),
        (user("eks:addon-manager", &[]), Class::Workload),
        (user("aksService", &["system:masters"]), Class::Workload),
        (user("k3s-cloud-controller-manager", &[]), Class::Workload),
        (user("rke2-cloud-controller-manager", &["system:authenticated"]), Class::Workload),
        (user("openstack-cloud-controller-manager", &[]), Class::Workload),
        (user("cloud-controller-manager", &[]), Class::Workload),
        (user("mycloud-controller-manager", &[]), Class::Person),
        (user("cloud-controller-manager-admin", &[]), Class::Person),
        (user("system:admin", &["system:masters"]), Class::Person),
        (user("system:anonymous", &[]), Class::Person),
        (user("kubernetes-admin", &["system:masters"]), Class::Person),
        (user("alice", &["system:nodes"]), Class::Person),
        (user("", &[]), Class::Person),
    ] {
        assert_eq!(actors.classify(&who, &Resource::default()).class, expected, "{}", who.name);
    }
    let without = ActorRules::default();
    let argocd = account("argocd", "argocd-application-controller");
    assert_eq!(
        without.classify(&argocd, &Resource::default()).class,
        Class::Workload,
        "without a preset the name is not trusted"
    );
}

#[test]
fn argocds_server_is_a_person_where_people_say_what_is_deployed() {
    let actors = ActorRules::new(Vec::new(), &["argocd".to_owned()]).unwrap();
    let resource = |group: &'static str, plural: &'static str| Resource {
        group: group.into(),
        plural: plural.into(),
        ..Resource::default()
    };
    for (who, resource, expected) in [
        (account("argocd", "argocd-server"), resource("argoproj.io", "applications"), Class::Person),
        (account("argocd", "argocd-server"), resource("argoproj.io", "applicationsets"), Class::Person),
        (account("argocd", "argocd-server"), resource("argoproj.io", "appprojects"), Class::Person),
        (
            account("openshift-gitops", "openshift-gitops-argocd-server"),
            resource("argoproj.io", "applications"),
            Class::Person,
        ),
        (account("argocd", "argocd-server"), resource("argoproj.io", "rollouts"), Class::Workload),
        (account("argocd", "argocd-server"), resource("", "secrets"), Class::Workload),
        (account("argocd", "argocd-server"), resource("apps", "deployments"), Class::Workload),
        (account("argocd", "argocd-image-updater"), resource("argoproj.io", "applications"), Class::Workload),
        (account("argocd", "argocd-application-controller"), resource("argoproj.io", "applications"), Class::Gitops),
        (account("kube-system", "argocd-manager"), resource("argoproj.io", "applications"), Class::Gitops),
    ] {
        let actor = actors.classify(&who, &resource);
        assert_eq!(actor.class, expected, "{} {}", who.name, resource.plural);
        assert_eq!(actor.is_intermediary(), expected == Class::Person);
    }
}

#[test]
fn a_tools_own_controllers_are_known_wherever_it_is_installed() {
    let elsewhere = [
        "system:serviceaccount:gitops:kustomize-controller",
        "system:serviceaccount:cd:eu-argocd-application-controller",
    ];
    let rule = ActorRule::new(Class::Gitops, &elsewhere, &[""; 0], Vec::new()).unwrap();
    let actors = ActorRules::new(vec![rule], &["argocd".to_owned(), "flux".to_owned()]).unwrap();
    for (tool, namespace, name, expected) in [
        (GitopsTool::Flux, "flux-system", "source-controller", true),
        (GitopsTool::Flux, "flux-system", "kustomize-controller", true),
        (GitopsTool::Flux, "gitops", "source-controller", true),
        (GitopsTool::Flux, "prod", "source-controller", false),
        (GitopsTool::Flux, "flux-system", "default", false),
        (GitopsTool::ArgoCd, "argocd", "argocd-server", true),
        (GitopsTool::ArgoCd, "argocd", "argocd-notifications-controller", true),
        (GitopsTool::ArgoCd, "openshift-gitops", "openshift-gitops-argocd-server", true),
        (GitopsTool::ArgoCd, "cd", "eu-argocd-server", true),
        (GitopsTool::ArgoCd, "cd", "us-argocd-server", false),
        (GitopsTool::ArgoCd, "argocd", "argocd-image-updater", false),
        (GitopsTool::ArgoCd, "prod", "argocd-server", false),
    ] {
        assert_eq!(tool.has_controller(&account(namespace, name), &actors), expected, "{namespace}/{name}");
    }
    assert!(
        !GitopsTool::Flux.has_controller(&user("system:serviceaccount:flux-system:source-controller", &[]), &actors)
    );
}

#[test]
fn configured_rules_come_first_and_grant_fields() {
    let grant = Grant::new("apps", "Deploy*", &["spec.template.spec.containers[*].resources"]).unwrap();
    let rules = vec![
        ActorRule::new(Class::Controller, &["system:serviceaccount:ops:*"], &[""; 0], vec![grant]).unwrap(),
        ActorRule::new(Class::Gitops, &[""; 0], &["deploy-bots"], Vec::new()).unwrap(),
    ];
    let actors = ActorRules::new(rules, &[]).unwrap();
    let tuner = account("ops", "tuner");
    let actor = actors.classify(&tuner, &Resource::default());
    let path = |text: &str| text.parse::<Path>().unwrap();
    let cpu = path("spec.template.spec.containers[name=\"a\"].resources.limits.cpu");
    assert_eq!(actor.class, Class::Controller);
    assert!(actor.may_change("apps", "Deployment", &cpu));
    assert!(!actor.may_change("apps", "StatefulSet", &cpu));
    assert!(!actor.may_change("apps", "Deployment", &path("spec.replicas")));
    assert_eq!(actors.classify(&user("bot", &["deploy-bots"]), &Resource::default()).class, Class::Gitops);
}

#[test]
fn every_preset_is_valid_and_an_unknown_one_is_named_in_the_error() {
    for name in presets::names() {
        presets::rule(name).unwrap();
    }
    let error = ActorRules::new(Vec::new(), &["argo".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("`argo`") && error.contains("argocd"), "{error}");
}
