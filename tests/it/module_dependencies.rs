//! Which module of this crate may use which: the dependencies have no cycle. That
//! `driftwall-core` uses none of them, the compiler sees to.

use std::fs;
use std::path::Path;

/// Each module, and the modules that it may use. Those stand above it, so there is no cycle.
const MODULES: [(&str, &str); 15] = [
    ("plain_words", ""),
    ("error_chain", "plain_words"),
    ("jitter", ""),
    ("memory", ""),
    ("telemetry", "plain_words"),
    ("certs", ""),
    ("source", "jitter plain_words telemetry certs"),
    ("cluster", "error_chain telemetry certs"),
    ("discovery", "telemetry source cluster"),
    ("config", "source discovery"),
    ("server", "error_chain jitter telemetry certs"),
    ("renderer", "telemetry source server"),
    ("admission", "telemetry source cluster discovery server"),
    ("serve", "error_chain telemetry certs source config cluster discovery server admission"),
    ("cli", "error_chain plain_words telemetry certs source config cluster discovery server admission serve renderer"),
];

#[test]
fn modules_use_only_the_modules_they_may() {
    for (index, (module, allowed)) in MODULES.iter().enumerate() {
        for used in allowed.split_whitespace() {
            assert!(MODULES[..index].iter().any(|(above, _)| *above == used), "{used} must stand above {module}");
        }
        let folder = Path::new("src").join(module);
        let code =
            if folder.is_dir() { rust_code(&folder) } else { fs::read_to_string(folder.with_extension("rs")).unwrap() };
        let wrong = forbidden(module, allowed, &code);
        assert!(wrong.is_empty(), "src/{module} must not use {wrong:?}");
    }
    let library = fs::read_to_string("src/lib.rs").unwrap();
    let modules = library.lines().filter(|line| line.ends_with(';') && line.contains("mod ")).count();
    assert_eq!(modules, MODULES.len(), "a module of src/lib.rs is missing in the table");
}

#[test]
fn a_forbidden_dependency_is_found() {
    let code = "use crate::telemetry::Metrics;\n// crate::cli\nlet x = crate::serve::y();\nuse crate::{cli, server};\n";
    assert_eq!(forbidden("server", "telemetry", code), ["serve", ""]);
}

/// The modules that the code uses and must not; an empty name for `crate::{…}`, which is not read.
fn forbidden<'a>(module: &str, allowed: &str, code: &'a str) -> Vec<&'a str> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = lines.flat_map(|line| line.split("crate::").skip(1));
    let used = paths.map(|path| path.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap());
    used.filter(|used| *used != module && !allowed.split_whitespace().any(|allowed| allowed == *used)).collect()
}

fn rust_code(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let code = paths.map(|path| match path.extension() {
        _ if path.is_dir() => rust_code(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
        _ => String::new(),
    });
    code.collect()
}
