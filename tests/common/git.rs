//! Git repositories for tests.

use std::path::Path;

/// Makes a repository at `folder` whose branch `main` has one commit: the files below `content`.
pub(crate) fn commit_folder(folder: &Path, content: &Path) {
    copy_folder(content, folder);
    let git = git2::Repository::init_opts(folder, git2::RepositoryInitOptions::new().initial_head("main")).unwrap();
    commit_all(&git);
}

/// Commits everything in a repository's working tree, and returns the commit's id.
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

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
