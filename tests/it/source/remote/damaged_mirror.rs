//! Mirrors that were damaged on the disk.

use std::fs;
use std::path::Path;

use driftwall::source::{Credentials, Mirror};
use git2::Oid;

use crate::source::remote::repository::{TestRepository, file_content};
use crate::source::remote::transports::{RemoteSetup, RevisionMirror, objects, remote_url, sync, with_each_transport};

/// What may have happened to a mirror.
fn harm(mirror: &RevisionMirror, kind: &str) {
    match kind {
        "pack cut" | "pack gone" => {
            for file in objects(mirror).iter().filter(|file| file.extension().is_some_and(|ending| ending == "pack")) {
                fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
                let size = fs::metadata(file).unwrap().len();
                match kind {
                    "pack cut" => fs::File::options().write(true).open(file).unwrap().set_len(size / 2).unwrap(),
                    _ => fs::remove_file(file).unwrap(),
                }
            }
        }
        "objects gone" => fs::remove_dir_all(mirror.folder().join("objects")).unwrap(),
        "files gone" => objects(mirror).iter().for_each(|file| fs::remove_file(file).unwrap()),
        "head gone" => fs::remove_file(mirror.folder().join("HEAD")).unwrap(),
        "head garbage" => fs::write(mirror.folder().join("HEAD"), "[[[\0").unwrap(),
        "references garbage" => {
            for entry in fs::read_dir(mirror.folder().join("refs/driftwall")).unwrap() {
                fs::write(entry.unwrap().path(), "garbage").unwrap();
            }
        }
        "shallow garbage" => fs::write(mirror.folder().join("shallow"), "[[[\0").unwrap(),
        "shallow gone" => fs::remove_file(mirror.folder().join("shallow")).unwrap(),
        "stale locks" => {
            for name in ["HEAD", "config", "shallow", "packed-refs"] {
                fs::write(mirror.folder().join(format!("{name}.lock")), "").unwrap();
            }
            for entry in fs::read_dir(mirror.folder().join("refs/driftwall")).unwrap() {
                fs::write(entry.unwrap().path().with_extension("lock"), "").unwrap();
            }
        }
        "config garbage" => fs::write(mirror.folder().join("config"), "[[[\0").unwrap(),
        "all gone" => {
            fs::remove_dir_all(mirror.folder()).unwrap();
            fs::create_dir(mirror.folder()).unwrap();
        }
        other => panic!("{other}"),
    }
}

const KINDS: [&str; 12] = [
    "pack cut",
    "pack gone",
    "objects gone",
    "files gone",
    "head gone",
    "head garbage",
    "references garbage",
    "shallow garbage",
    "shallow gone",
    "stale locks",
    "config garbage",
    "all gone",
];

fn is_good(mirror: &RevisionMirror, commit: Oid, content: &str) -> bool {
    sync(mirror).unwrap() == commit
        && file_content(mirror.folder(), commit) == content
        && mirror.mirrored_commit() == Some(commit)
}

#[test]
fn a_damaged_mirror_is_cloned_again() {
    with_each_transport(|remote, _| {
        for (round, kind) in KINDS.iter().enumerate() {
            let content = format!("replicas: {round}");
            let commit = remote.repository.push("main", &content);
            let mirror = remote.mirror("main");
            assert!(is_good(&mirror, commit, &content));
            // Found by the process that made it, by the next one, and when something has moved meanwhile.
            harm(&mirror, kind);
            assert!(is_good(&mirror, commit, &content), "{kind} {}", remote.url());
            harm(&mirror, kind);
            assert!(is_good(&remote.mirror("main"), commit, &content), "{kind} {}", remote.url());
            harm(&mirror, kind);
            let moved = remote.repository.push("main", "replicas: 99");
            assert!(is_good(&mirror, moved, "replicas: 99"), "{kind} {}", remote.url());
        }
    });
}

#[test]
fn a_single_missing_object_is_noticed() {
    // Objects one by one, as folders may hold them.
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let first_mirror = remote.mirror("main");
    assert!(is_good(&first_mirror, first, "replicas: 1"));
    let git = git2::Repository::open_bare(first_mirror.folder()).unwrap();
    let tree = git.find_commit(first).unwrap().tree().unwrap();
    let blob = tree.get_path("apps/app.yaml".as_ref()).unwrap().id();
    // A mirror of the same references and all objects but one.
    let others: Vec<_> = [first, tree.id(), tree.get_path("apps".as_ref()).unwrap().id()]
        .into_iter()
        .map(|id| {
            (id, git.odb().unwrap().read(id).unwrap().kind(), git.odb().unwrap().read(id).unwrap().data().to_vec())
        })
        .collect();
    harm(&first_mirror, "files gone");
    let git = git2::Repository::open_bare(first_mirror.folder()).unwrap();
    for (id, kind, data) in others {
        assert_eq!(git.odb().unwrap().write(kind, &data).unwrap(), id);
    }
    assert!(git.find_blob(blob).is_err());
    assert!(is_good(&remote.mirror("main"), first, "replicas: 1"));
    // While it is in use, whoever finds it has it verified.
    harm(&first_mirror, "files gone");
    first_mirror.mirror.suspect();
    assert!(is_good(&first_mirror, first, "replicas: 1"));
}

#[test]
fn a_damaged_mirror_is_kept_while_the_server_is_unreachable() {
    let (repository, first) = TestRepository::new();
    let mut remote = RemoteSetup::web(repository);
    let mirror = remote.mirror("main");
    assert!(is_good(&mirror, first, "replicas: 1"));
    harm(&mirror, "config garbage");
    remote.stop();
    assert!(sync(&mirror).is_err());
    assert!(mirror.folder().join("objects").exists(), "what is left may still be of use");
    remote.resume();
    assert!(is_good(&mirror, first, "replicas: 1"));
}

#[test]
fn leftovers_of_a_killed_process_are_removed() {
    let (repository, first) = TestRepository::new();
    let remote = RemoteSetup::web(repository);
    let mirror = remote.mirror("main");
    assert!(is_good(&mirror, first, "replicas: 1"));
    let stem = mirror.folder().file_stem().unwrap().to_str().unwrap();
    let folder = remote.data.path().join(format!(".{stem}.new.abc"));
    let pack = mirror.folder().join("objects/pack/pack_git2_abc");
    fs::create_dir(&folder).unwrap();
    fs::write(&pack, "half").unwrap();
    let of_another = remote.data.path().join(".another-0.new.abc");
    fs::create_dir(&of_another).unwrap();
    assert!(is_good(&mirror, first, "replicas: 1"));
    assert!(!folder.exists() && !pack.exists() && of_another.exists());
}

#[test]
fn every_address_has_its_own_mirror_folder() {
    let folder = |url: &str, number: usize| {
        let mirror = Mirror::new(Path::new("/data"), remote_url(url), Credentials::default(), number);
        mirror.folder().to_owned()
    };
    let one = folder("https://git.example/acme/prod.git", 0);
    assert!(one.to_str().unwrap().starts_with("/data/prod-") && one.extension().is_some(), "{one:?}");
    // No login, nor what could be guessed of it, is in a name.
    assert_eq!(one, folder("https://bot:t0ken@git.example/acme/prod.git", 0));
    let mut all = vec![one.clone()];
    for (url, number) in [
        ("https://git.example/acme/prod.git", 1),
        ("https://git.example/acme/prod", 0),
        ("https://git.example/other/prod.git", 0),
        ("ssh://git@git.example/acme/prod.git", 0),
        ("ssh://git@git.example/..", 0),
        ("git@git.example:a b", 0),
    ] {
        let other = folder(url, number);
        assert!(!all.contains(&other) && other.parent() == one.parent(), "{other:?}");
        all.push(other);
    }
}
