//! How large a repository may be: makes one, loads it, changes one file.
//!
//!     cargo run --release --example size -- 10000 100000
//!
//! Prints, for each number of objects, the time to load them, the resident
//! memory afterwards, and the time until a commit that changes one file is live.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use driftwall::source::{SnapshotStore, SourcePoller, SourceSpec};
use git2::{Oid, Signature};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let counts: Vec<usize> = std::env::args().skip(1).map(|count| count.parse()).collect::<Result<_, _>>()?;
    for count in if counts.is_empty() { vec![10_000] } else { counts } {
        let folder = tempfile::tempdir()?;
        let git = git2::Repository::init_bare(folder.path())?;
        commit(&git, count, 3)?;
        measure(folder.path(), &git, count)?;
    }
    Ok(())
}

fn measure(folder: &Path, git: &git2::Repository, count: usize) -> Result<(), Failure> {
    let source = SourceSpec::local("made", folder);
    let before = resident()?;
    let store = Arc::new(SnapshotStore::default());
    let follower = SourcePoller::new(&store, &[source]);
    let begun = Instant::now();
    follower.look();
    let full = begun.elapsed();
    let state = store.states().remove(0);
    assert_eq!((state.objects, state.error), (count, None));
    let after = resident()?;

    commit(git, count, 4)?;
    let begun = Instant::now();
    follower.look();
    let one = begun.elapsed();
    assert_ne!(store.states().remove(0).commit, state.commit);
    let share = 100.0 * one.as_secs_f64() / full.as_secs_f64();
    println!(
        "{count} objects: loaded in {full:.2?}, {} MiB resident ({} MiB before); one file changed: live in {one:.2?} ({share:.1} %)",
        after >> 10,
        before >> 10
    );
    Ok(())
}

/// Commits `count` Deployments, a file each, a hundred in a folder; the first
/// has so many replicas, all others three.
fn commit(git: &git2::Repository, count: usize, replicas: usize) -> Result<Oid, git2::Error> {
    let mut root = git.treebuilder(None)?;
    for first in (0..count).step_by(100) {
        let mut folder = git.treebuilder(None)?;
        for number in first..count.min(first + 100) {
            let replicas = if number == 0 { replicas } else { 3 };
            folder.insert(format!("app-{number}.yaml"), git.blob(manifest(number, replicas).as_bytes())?, 0o100_644)?;
        }
        root.insert(format!("team-{}", first / 100), folder.write()?, 0o040_000)?;
    }
    let tree = git.find_tree(root.write()?)?;
    let author = Signature::now("made", "made@example.org")?;
    let parent = git.head().ok().and_then(|head| head.peel_to_commit().ok());
    git.commit(Some("HEAD"), &author, &author, "Make", &tree, &parent.iter().collect::<Vec<_>>())
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
fn resident() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
