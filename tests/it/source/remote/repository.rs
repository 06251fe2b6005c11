//! A Git repository for a server to offer.

use std::path::PathBuf;

use git2::{Commit, Oid, Repository, RepositoryInitOptions, Signature};
use tempfile::TempDir;

pub(crate) struct TestRepository {
    pub(crate) folder: TempDir,
}

impl TestRepository {
    /// An empty repository whose default branch is `main`.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = RepositoryInitOptions::new();
        let options = options.bare(true).initial_head("main");
        Repository::init_opts(folder.path().join("gitops.git"), options).unwrap();
        Self { folder }
    }

    /// A repository with a first commit on `main`, and it.
    pub(crate) fn new() -> (Self, Oid) {
        let repository = Self::empty();
        let first = repository.push("main", "replicas: 1");
        (repository, first)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("gitops.git")
    }

    pub(crate) fn git(&self) -> Repository {
        Repository::open(self.path()).unwrap()
    }

    /// A commit with this text on top of a branch.
    pub(crate) fn push(&self, branch: &str, text: &str) -> Oid {
        let git = self.git();
        let parent = git.refname_to_id(&format!("refs/heads/{branch}")).ok();
        self.put(branch, text, parent)
    }

    /// A commit with this text in the place of all of a branch.
    pub(crate) fn force_push(&self, branch: &str, text: &str) -> Oid {
        self.put(branch, text, None)
    }

    fn put(&self, branch: &str, text: &str, parent: Option<Oid>) -> Oid {
        let git = self.git();
        let parent = parent.map(|id| git.find_commit(id).unwrap());
        let id = commit(&git, text, parent.as_ref());
        git.reference(&format!("refs/heads/{branch}"), id, true, "").unwrap();
        id
    }

    /// As many bytes as `size` that no compression makes fewer.
    pub(crate) fn push_noise(&self, branch: &str, size: usize) -> Oid {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ size as u64;
        let noise: String = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 90).unwrap())
        })
        .take(size)
        .collect();
        self.push(branch, &noise)
    }

    pub(crate) fn delete(&self, name: &str) {
        self.git().find_reference(name).unwrap().delete().unwrap();
    }

    pub(crate) fn tag(&self, name: &str, target: Oid) {
        self.git().reference(&format!("refs/tags/{name}"), target, true, "").unwrap();
    }

    /// A tag that is an object of its own.
    pub(crate) fn annotated_tag(&self, name: &str, target: Oid) -> Oid {
        let git = self.git();
        let target = git.find_object(target, None).unwrap();
        git.tag(name, &target, &signature(), "a release", true).unwrap()
    }
}

fn commit(git: &Repository, text: &str, parent: Option<&Commit<'_>>) -> Oid {
    let blob = git.blob(text.as_bytes()).unwrap();
    let mut apps = git.treebuilder(None).unwrap();
    apps.insert("app.yaml", blob, 0o100_644).unwrap();
    let apps = apps.write().unwrap();
    let mut root = git.treebuilder(None).unwrap();
    root.insert("apps", apps, 0o040_000).unwrap();
    let tree = git.find_tree(root.write().unwrap()).unwrap();
    let parents: Vec<_> = parent.into_iter().collect();
    git.commit(None, &signature(), &signature(), "change", &tree, &parents).unwrap()
}

fn signature() -> Signature<'static> {
    Signature::now("someone", "someone@example.org").unwrap()
}

/// What a mirror has in the one file at a commit.
pub(crate) fn file_content(folder: &std::path::Path, commit: Oid) -> String {
    let git = Repository::open_bare(folder).unwrap();
    let tree = git.find_commit(commit).unwrap().tree().unwrap();
    let entry = tree.get_path("apps/app.yaml".as_ref()).unwrap();
    String::from_utf8(git.find_blob(entry.id()).unwrap().content().to_vec()).unwrap()
}
