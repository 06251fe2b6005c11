//! What several tests need.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

/// The lines of a recording.
pub(crate) fn unpacked(name: &str) -> Vec<Value> {
    let packed = std::fs::read(Path::new("tests/data/reviews").join(name)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The first review of a recorded action by a user.
pub(crate) fn recorded(action: &str, user: &str) -> Value {
    let is = |line: &Value| line["action"] == action && line["review"]["request"]["userInfo"]["username"] == user;
    unpacked("actions.jsonl.gz").into_iter().find(is).unwrap()["review"].take()
}

/// Makes a Git repository at `folder` whose branch `main` has one commit: the
/// files below `content`.
pub(crate) fn commit_folder(folder: &Path, content: &Path) {
    copy(content, folder);
    let git = git2::Repository::init_opts(folder, git2::RepositoryInitOptions::new().initial_head("main")).unwrap();
    commit_all(&git);
}

/// Commits all that is in a repository's working tree.
pub(crate) fn commit_all(git: &git2::Repository) -> String {
    let mut index = git.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    index.update_all(["*"], None).unwrap();
    index.write().unwrap();
    let tree = git.find_tree(index.write_tree().unwrap()).unwrap();
    let author = git2::Signature::now("driftwall", "driftwall@example.org").unwrap();
    let parent = git.head().ok().and_then(|head| head.peel_to_commit().ok());
    let parents: Vec<_> = parent.iter().collect();
    git.commit(Some("HEAD"), &author, &author, "Change", &tree, &parents).unwrap().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
