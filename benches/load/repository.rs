//! Repositories that driftwall reads while it is measured.

use std::fs;
use std::path::Path;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};

use super::reviews::{GeneratedManifest, MANIFESTS};

/// Objects in a generated file.
const OBJECTS_A_FILE: usize = 100;

/// Makes a repository of what the recordings declare, in the folder `apps`; its commit.
pub(crate) fn recorded(folder: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(folder.join("apps"))?;
    for entry in fs::read_dir(MANIFESTS)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join("apps").join(entry.file_name()))?;
    }
    commit_all(folder)
}

/// Makes a repository of so many generated Deployments in so many folders `apps/0`, `apps/1`, …; its commit.
pub(crate) fn generated(folder: &Path, objects: usize, folders: usize) -> anyhow::Result<String> {
    let manifest = GeneratedManifest::read()?;
    let in_folder = objects.div_ceil(folders);
    for number in 0..folders {
        let path = folder.join("apps").join(number.to_string());
        fs::create_dir_all(&path)?;
        let end = objects.min((number + 1) * in_folder);
        for first in (number * in_folder..end).step_by(OBJECTS_A_FILE) {
            let manifests: Vec<_> =
                (first..end.min(first + OBJECTS_A_FILE)).map(|number| manifest.of(number)).collect();
            fs::write(path.join(format!("{first}.yaml")), manifests.join("---\n"))?;
        }
    }
    commit_all(folder)
}

fn commit_all(folder: &Path) -> anyhow::Result<String> {
    let git = Repository::init_opts(folder, RepositoryInitOptions::new().initial_head("main"))?;
    let mut index = git.index()?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = git.find_tree(index.write_tree()?)?;
    let author = Signature::now("load", "load@example.org")?;
    Ok(git.commit(Some("HEAD"), &author, &author, "Declare the applications", &tree, &[])?.to_string())
}
