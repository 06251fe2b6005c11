//! A published application: as plain manifests, and in many combinations of its kustomize components.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use driftwall::source::render::{SourceType, detect};
use driftwall_core::manifest;
use serde_json::Value;

use crate::source::render::fixtures::{Repo, objects, read_by_kubectl, real_programs};

const CORPUS: &str = "tests/data/corpus/online-boutique";

#[test]
fn plain_manifests_are_read_completely() {
    let file = Path::new(CORPUS).join("release/kubernetes-manifests.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let reading = manifest::parse("x", text.as_bytes());
    let kinds = text.lines().filter(|line| line.starts_with("kind:")).count();
    assert!(reading.errors.is_empty() && reading.skipped == 0, "{:?}", reading.errors);
    assert_eq!((reading.objects.len(), kinds), (35, 35));
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for object in &reading.objects {
        *found.entry(&object.kind).or_default() += 1;
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("Deployment", 12), ("Service", 12), ("ServiceAccount", 11)]);

    let repo = Repo::of(Path::new(CORPUS));
    assert_eq!(detect(&repo.git, repo.tree(), "release").unwrap(), SourceType::Plain);
    assert_eq!(detect(&repo.git, repo.tree(), "/kustomize/").unwrap(), SourceType::Kustomize);
}

/// Combinations of components.
const COMBINATIONS: [&[&str]; 7] = [
    &[],
    &["network-policies", "without-loadgenerator"],
    &["google-cloud-operations", "memorystore", "single-shared-session"],
    &["service-mesh-istio", "cymbal-branding"],
    &["spanner", "custom-base-url", "network-policies", "non-public-frontend"],
    &["alloydb", "shopping-assistant"],
    &["memorystore", "container-images-tag", "container-images-tag-suffix", "container-images-registry"],
];

#[test]
fn every_combination_of_components_reads_as_kubectl_reads_it() {
    let Some(options) = real_programs() else { return };
    let repo = Repo::of(Path::new(CORPUS));
    let mut slowest = Duration::ZERO;
    for components in COMBINATIONS {
        let paths: Vec<_> = components.iter().map(|name| format!("components/{name}")).collect();
        let kustomization = format!(
            "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- base
components: {paths:?}
"
        );
        repo.write(&[("kustomize/kustomization.yaml", &kustomization)]);
        let rendered = repo.render("kustomize", &options).unwrap();
        slowest = slowest.max(rendered.duration);

        let printed = Command::new(options.programs.kubectl.as_ref().unwrap())
            .arg("kustomize")
            .arg(repo.root().join("kustomize"))
            .output()
            .unwrap();
        assert!(printed.status.success());
        let by_kubectl = read_by_kubectl(&options, &printed.stdout);
        let ours: Vec<&Value> = objects(&rendered).iter().map(|(_, object)| &object.value).collect();
        let mut told = BTreeSet::new();
        assert!(ours.iter().all(|object| told.insert(name(object))), "an object came out twice");
        let kinds = printed.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"kind:")).count();
        assert_eq!((ours.len(), ours.len()), (by_kubectl.len(), kinds), "{components:?}");
        for (ours, kubectls) in ours.into_iter().zip(&by_kubectl) {
            assert_eq!(ours, kubectls, "{components:?}");
        }
        check_locations(&repo, &rendered, components);
    }
    eprintln!("the slowest render took {} ms", slowest.as_millis());
}

fn name(object: &Value) -> String {
    format!("{} {}", object["kind"], object["metadata"]["name"])
}

/// Checks that every object has a file in the repository, and that the line of every field contains the field.
fn check_locations(repo: &Repo, rendered: &driftwall::source::render::Rendered, components: &[&str]) {
    let mut exact = 0;
    for (file, object) in objects(rendered) {
        let text = std::fs::read_to_string(repo.root().join(&**file)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        if let Some(spec) = object.value["spec"].as_object() {
            for name in spec.keys() {
                let steps = [manifest::Segment::Key("spec"), manifest::Segment::Key(name)];
                if object.positions.file(&object.value, &steps).is_some() || file.ends_with("kustomization.yaml") {
                    continue;
                }
                let line = object.positions.find(&object.value, &steps).unwrap().line;
                let line = lines[usize::try_from(line).unwrap() - 1];
                assert!(line.contains(&format!("{name}:")), "{components:?} {file}: {name} is not in {line:?}");
                exact += 1;
            }
        }
    }
    assert!(exact >= 20, "only {exact} fields were found in files");
}
