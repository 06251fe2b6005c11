//! A source that is rendered, from the commit to the denial.

use std::path::Path;

use crate::common::git::{commit_all, commit_folder};
use crate::common::programs;
use crate::harness::reviews::recorded_review;
use crate::program::serve_process::ServeProcess;

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_of_a_rendered_object_names_the_file_of_its_base() {
    let Some(kubectl) = programs::find("kubectl") else { return };
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
    let server = ServeProcess::start(folder, &config, &[]).until_ready().await;

    let denied = server.review(&recorded_review("patch-replicas-7", "alice")).await;
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(message.contains("spec.replicas: 7, Git says 3   apps/prod/app.yaml:18"), "{message}");

    // The image that the overlay gives: setting it is no drift, the base's own would be.
    let set = recorded_review("set-image", "alice");
    assert_eq!(server.review(&set).await["allowed"], true);
    let (_, page) = server.admin_page("/sources").await;
    assert!(page.contains("\"objects\":14"), "{page}");

    // A kustomization that cannot be built keeps the last good one, and softens all of it.
    std::fs::write(server.folder.path().join("repo/apps/prod/kustomization.yaml"), "resources: [gone.yaml]\n").unwrap();
    commit_all(&server.repository());
    server.until(async |server| server.metric("driftwall_source_failing{source=\"prod\"}").await == 1.0).await;
    let warned = server.review(&recorded_review("patch-replicas-7", "alice")).await;
    assert_eq!(warned["allowed"], true);
    assert!(warned["warnings"][0].as_str().unwrap().contains("spec.replicas"), "{warned}");
    let (_, page) = server.admin_page("/sources").await;
    assert!(page.contains("gone.yaml"), "{page}");
}
