//! Programs that tests run: `kubectl` and `helm`, as `tests/programs` installs them, and those of Debian's packages.

use std::path::{Path, PathBuf};

/// The path of a program. Where it is not installed, the caller leaves its test out; CI has to install it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let folder = folder();
    let program = folder.join(name);
    if program.is_file() {
        return Some(program);
    }
    assert!(std::env::var_os("CI").is_none(), "CI must run tests/programs first: {} has no {name}", folder.display());
    eprintln!("skipped: {name} is missing in {}; tests/programs installs it", folder.display());
    None
}

/// The path of a program of a Debian package. Where it is not installed, the caller leaves its test out; CI has to
/// install it.
#[allow(dead_code, reason = "not every suite that has this module needs it")]
pub(crate) fn of_package(program: &'static str, package: &str) -> Option<&'static Path> {
    let path = Path::new(program);
    if path.is_file() {
        return Some(path);
    }
    let missing = format!("{program} is missing (on Debian: apt-get install {package})");
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

/// The folder that `tests/programs` installs into.
fn folder() -> PathBuf {
    let from_env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = from_env("DRIFTWALL_TEST_PROGRAMS") {
        return folder;
    }
    let cache = from_env("XDG_CACHE_HOME").or_else(|| Some(from_env("HOME")?.join(".cache")));
    cache.expect("HOME is set").join("driftwall/programs")
}
