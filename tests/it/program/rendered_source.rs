//! A source that is rendered, from the commit to the words of a denial.

use std::path::{Path, PathBuf};

use crate::harness::common::{commit_all, commit_folder, recorded};
use crate::program::served::Served;

/// The programs that `tests/programs` provides; a test without them is left out, but in CI.
fn kubectl() -> Option<PathBuf> {
    let folder = std::env::var_os("DRIFTWALL_TEST_PROGRAMS").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        Some(cache?.join("driftwall/programs"))
    });
    let kubectl = folder.map(|folder| folder.join("kubectl")).filter(|program| program.is_file());
    assert!(kubectl.is_some() || std::env::var_os("CI").is_none(), "run tests/programs first");
    if kubectl.is_none() {
        println!("left out: kubectl is missing, tests/programs provides it");
    }
    kubectl
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_is_rendered_and_the_base_is_named() {
    let Some(kubectl) = kubectl() else { return };
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repo");
    commit_folder(&repository, Path::new("tests/data/reviews/git"));
    let write = |file: &str, text: &str| {
        std::fs::create_dir_all(repository.join(file).parent().unwrap()).unwrap();
        std::fs::write(repository.join(file), text).unwrap();
    };
    write("apps/prod/kustomization.yaml", "resources: [app.yaml, widget.yaml]\n");
    write(
        "overlays/prod/kustomization.yaml",
        "resources: [../../apps/prod]\nimages: [{name: python-app, newTag: 2.0.0}]\n",
    );
    commit_all(&git2::Repository::open(&repository).unwrap());
    let config = format!(
        "programs: {{kubectl: {}}}\nsources:\n  - {{name: prod, repo: repo, revision: main, path: overlays/prod}}\n",
        kubectl.display()
    );
    let served = Served::begin(folder, &config, &[]).ready().await;

    let denied = served.ask(&recorded("patch-replicas-7", "alice")).await;
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(message.contains("spec.replicas: 7, Git says 3   apps/prod/app.yaml:18"), "{message}");

    // The image that the overlay gives: setting it is no drift, the base's own would be.
    let set = recorded("set-image", "alice");
    assert_eq!(served.ask(&set).await["allowed"], true);
    let (_, page) = served.page("/sources").await;
    assert!(page.contains("\"objects\":14"), "{page}");

    // A kustomization that cannot be built keeps the last good one, and softens all of it.
    std::fs::write(served.folder.path().join("repo/apps/prod/kustomization.yaml"), "resources: [gone.yaml]\n").unwrap();
    commit_all(&served.repository());
    served.until(async |served| served.metric("driftwall_source_failing{source=\"prod\"}").await == 1.0).await;
    let warned = served.ask(&recorded("patch-replicas-7", "alice")).await;
    assert_eq!(warned["allowed"], true);
    assert!(warned["warnings"][0].as_str().unwrap().contains("spec.replicas"), "{warned}");
    let (_, page) = served.page("/sources").await;
    assert!(page.contains("gone.yaml"), "{page}");
}
