//! How large a repository may be: creates one, loads it, and changes one file.
//!
//!     cargo run --release --example size -- 10000 100000
//!
//! Prints, for each number of objects, how long loading them takes, the resident memory
//! afterwards, and how long it takes until a commit that changes one file is in force.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use driftwall::source::{SnapshotStore, SourcePoller, SourceSpec};
use git2::{Oid, Signature};

fn main() -> anyhow::Result<()> {
    let counts: Vec<usize> = std::env::args().skip(1).map(|count| count.parse()).collect::<Result<_, _>>()?;
    for count in if counts.is_empty() { vec![10_000] } else { counts } {
        let folder = tempfile::tempdir()?;
        let git = git2::Repository::init_bare(folder.path())?;
        commit(&git, count, 3)?;
        measure(folder.path(), &git, count)?;
    }
    Ok(())
}

fn measure(folder: &Path, git: &git2::Repository, count: usize) -> anyhow::Result<()> {
    let source = SourceSpec::local("generated", folder);
    let before = resident_kib()?;
    let store = Arc::new(SnapshotStore::default());
    let poller = SourcePoller::new(&store, &[source]);
    let start = Instant::now();
    poller.sync_all();
    let full_load = start.elapsed();
    let status = store.statuses().remove(0);
    assert_eq!((status.objects, status.error), (count, None));
    let after = resident_kib()?;

    commit(git, count, 4)?;
    let start = Instant::now();
    poller.sync_all();
    let reload = start.elapsed();
    assert_ne!(store.statuses().remove(0).commit, status.commit);
    let share = 100.0 * reload.as_secs_f64() / full_load.as_secs_f64();
    println!(
        "{count} objects: loaded in {full_load:.2?}, {} MiB resident ({} MiB before); one file changed: in force in {reload:.2?} ({share:.1} %)",
        after >> 10,
        before >> 10
    );
    Ok(())
}

/// Commits `count` Deployments, one per file and a hundred per folder. The first has
/// `first_replicas`, all others three.
fn commit(git: &git2::Repository, count: usize, first_replicas: usize) -> Result<Oid, git2::Error> {
    let mut root = git.treebuilder(None)?;
    for first in (0..count).step_by(100) {
        let mut folder = git.treebuilder(None)?;
        for number in first..count.min(first + 100) {
            let replicas = if number == 0 { first_replicas } else { 3 };
            folder.insert(format!("app-{number}.yaml"), git.blob(manifest(number, replicas).as_bytes())?, 0o100_644)?;
        }
        root.insert(format!("team-{}", first / 100), folder.write()?, 0o040_000)?;
    }
    let tree = git.find_tree(root.write()?)?;
    let author = Signature::now("example", "example@example.org")?;
    let parent = git.head().ok().and_then(|head| head.peel_to_commit().ok());
    git.commit(Some("HEAD"), &author, &author, "Generate", &tree, &parent.iter().collect::<Vec<_>>())
}

fn manifest(number: usize, replicas: usize) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: app-{number}
    app.kubernetes.io/part-of: shop
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{number}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{number}
    spec:
      serviceAccountName: app-{number}
      containers:
        - name: web
          image: registry.example.org/shop/app-{number}:1.27.{number}
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: LOG_LEVEL
              value: info
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
",
        team = number / 100
    )
}

/// Resident memory of this process, in KiB.
fn resident_kib() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("failed to find VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
