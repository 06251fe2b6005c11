//! The rooms of the program, and who may import whom: read from the sources.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::fmt;
use std::path::{Path, PathBuf};

/// The deciding rooms, and the other rooms that each may import.
const PURE: [(&str, &[&str]); 7] = [
    ("manifest", &[]),
    ("compare", &[]),
    ("review", &[]),
    ("actor", &["compare", "review"]),
    ("desired", &["compare", "manifest"]),
    ("judge", &["actor", "compare", "desired", "manifest", "review"]),
    ("registration", &["actor", "desired"]),
];

/// The rooms that touch the outside, and those of them that each may import; all may import the pure ones.
const OUTSIDE: [(&str, &[&str]); 7] = [
    ("certs", &[]),
    ("cli", &["certs", "cli", "cluster", "config", "git", "server", "telemetry"]),
    ("cluster", &["certs"]),
    ("config", &["git"]),
    ("git", &[]),
    ("server", &["certs", "telemetry"]),
    ("telemetry", &[]),
];

/// What the deciding rooms need of these is an argument.
const EFFECTS: [&str; 9] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io",
];

/// A path that a source names.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    line: usize,
    path: Vec<String>,
}

#[test]
fn arrows_between_the_rooms_point_one_way() {
    let crates = server_crates();
    let mut wrong = Vec::new();
    let sources = sources(Path::new("src"));
    assert!(sources.len() > 40, "{} files", sources.len());
    for file in &sources {
        let text = std::fs::read_to_string(file).unwrap();
        wrong.extend(faults(file, &text, &crates));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_that_does_not_belong_is_found_with_its_line() {
    let crates = server_crates();
    for (file, text, lines) in [
        ("src/judge/a.rs", "use crate::git::read;", vec![1]),
        ("src/judge/a.rs", "//! crate::git\n\nuse crate::{\n    actor::Class,\n    server::{self},\n};", vec![5]),
        ("src/judge/a.rs", "fn f() {\n    crate::telemetry::count();\n}", vec![2]),
        ("src/judge/a.rs", "use super::super::cluster::Recorded;", vec![1]),
        ("src/judge/mod.rs", "use super::cluster::Recorded;", vec![1]),
        ("src/judge/mod.rs", "use self::cluster::Recorded;\nuse cluster::X;", vec![]),
        ("src/judge/a.rs", "use super::cluster::Recorded;", vec![]),
        ("src/judge/a.rs", "/* use crate::git; */ const A: &str = \"crate::git\"; // crate::git", vec![]),
        ("src/judge/a.rs", "const A: &str = r#\"\" crate::git::x\"#;\nuse crate::git;", vec![2]),
        ("src/judge/a.rs", "const Q: char = '\"';\nuse crate::git;\nconst R: char = '\"';", vec![2]),
        ("src/judge/a.rs", "impl<'a> A<'a> { fn f() { crate::git::x() } }", vec![1]),
        ("src/judge/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::git;\n}\nuse crate::config::Config;", vec![5]),
        ("src/judge/a.rs", "#[cfg(test)]\nuse crate::git;\nuse crate::review;", vec![]),
        ("src/judge/a.rs", "use std::{collections::HashMap, fs};", vec![1]),
        ("src/judge/a.rs", "use std::time::{Duration, Instant};", vec![1]),
        ("src/judge/a.rs", "use std::time::Duration;", vec![]),
        ("src/judge/a.rs", "async fn f() { tokio::time::sleep(x).await }", vec![1]),
        ("src/judge/a.rs", "use tracing::info;\nuse git2 as g;", vec![1, 2]),
        ("src/actor.rs", "use crate::judge::Mode;", vec![1]),
        ("src/actor/a.rs", "use crate::desired::Snapshot;", vec![1]),
        ("src/desired/a.rs", "use crate::compare::Path;\nuse crate::judge::Mode;", vec![2]),
        ("src/compare/a.rs", "use crate::manifest::read;", vec![1]),
        ("src/git/a.rs", "use crate::desired::Snapshot;\nuse crate::cluster::Recorded;\nuse tokio::fs;", vec![2]),
        ("src/server/a.rs", "use crate::telemetry::Metrics;\nuse crate::git::Store;", vec![2]),
        ("src/cli/a.rs", "use crate::{git, server, cluster};", vec![]),
        ("src/unheard/a.rs", "", vec![0]),
    ] {
        let found = faults(Path::new(file), text, &crates);
        let expected: Vec<_> = lines.iter().map(|line| format!("{file}:{line}: ")).collect();
        let is_it = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| a.starts_with(b));
        assert!(is_it, "{text}\n{found:?}");
    }
}

/// What a file names that its room may not, each with its line.
fn faults(file: &Path, text: &str, server_crates: &[String]) -> Vec<String> {
    let module = module_of(file);
    let Some(room) = module.first().filter(|room| *room != "main" && *room != "lib") else { return Vec::new() };
    let fault = |line: usize, words: String| format!("{}:{line}: {words}", file.display());
    let pure = PURE.iter().find(|(name, _)| name == room);
    let Some((_, others)) = pure.or_else(|| OUTSIDE.iter().find(|(name, _)| name == room)) else {
        return vec![fault(0, format!("the room {room} is in no list of this test"))];
    };
    let is_pure = |name: &str| PURE.iter().any(|(pure, _)| *pure == name);
    let mut found = Vec::new();
    for Import { line, path } in imports(text) {
        let named = path.join("::");
        if let Some(other) = room_of(&path, &module) {
            let may = other == *room || others.contains(&&*other) || (pure.is_none() && is_pure(&other));
            if !may {
                found.push(fault(line, format!("{room} may not import {other}: {named}")));
            }
        } else if pure.is_some() {
            let has_effects =
                EFFECTS.iter().any(|effect| named == *effect || named.starts_with(&format!("{effect}::")));
            if has_effects || server_crates.contains(&path[0]) {
                found.push(fault(line, format!("{room} is pure, and may not use {named}")));
            }
        }
    }
    found
}

/// The room that a path leads to, where it is one of the crate's.
fn room_of(path: &[String], module: &[String]) -> Option<String> {
    match path[0].as_str() {
        "crate" => path.get(1).cloned(),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            if ups < module.len() { None } else { path.get(ups).cloned() }
        }
        _ => None,
    }
}

/// `src/judge/wording.rs` → judge, wording; `src/judge/mod.rs` → judge.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap().with_extension("");
    let parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| part != "mod").collect()
}

/// The crates that only the feature `server` brings.
fn server_crates() -> Vec<String> {
    let manifest = std::fs::read_to_string("Cargo.toml").unwrap();
    let crates = manifest.lines().filter_map(|line| line.trim().strip_prefix("\"dep:")?.strip_suffix("\","));
    let crates: Vec<_> = crates.map(|name| name.replace('-', "_")).collect();
    assert!(["git2", "tokio", "tracing"].iter().all(|name| crates.iter().any(|there| there == name)), "{crates:?}");
    crates
}

/// The sources of the program itself; `tests` inside a room are not.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "tests" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && path.file_stem().unwrap() != "tests" {
            found.push(path);
        }
    }
    found.sort();
    found
}

// === reading ===

/// Every path of at least two parts, or imported by `use`.
fn imports(text: &str) -> Vec<Import> {
    let tokens = without_tests(&tokens(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts_path = at == 0 || tokens[at - 1].text != "::";
        let follows = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        let used = at > 0 && tokens[at - 1].text == "use";
        if tokens[at].is_name() && starts_path && (follows || used) {
            tree(&tokens, &mut at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads a path, with its braces if it has some.
fn tree(tokens: &[Token], at: &mut usize, before: &[String], found: &mut Vec<Import>) {
    let mut path = before.to_vec();
    let mut line = tokens.get(*at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(*at) {
        if token.text == "{" {
            *at += 1;
            while tokens.get(*at).is_some_and(|token| token.text != "}") {
                let start = *at;
                tree(tokens, at, &path, found);
                // `as` and its name, commas.
                *at += usize::from(*at == start || tokens.get(*at).is_some_and(|token| token.text == ","));
            }
            *at += 1;
            return;
        }
        if !token.is_name() {
            break;
        }
        line = token.line;
        path.push(token.text.clone());
        *at += 1;
        if tokens.get(*at).is_none_or(|token| token.text != "::") {
            break;
        }
        *at += 1;
    }
    if path.len() > before.len() {
        found.push(Import { line, path });
    }
}

/// Leaves out what is compiled for tests only.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if mark.iter().enumerate().all(|(n, text)| tokens.get(at + n).is_some_and(|token| token.text == *text)) {
            at += mark.len();
            let mut depth = 0_usize;
            // An item ends with its braces, or with a semicolon before them.
            while let Some(token) = tokens.get(at) {
                at += 1;
                match &*token.text {
                    "{" => depth += 1,
                    "}" if depth == 1 => {
                        // `use a::{b};` goes on.
                        at += usize::from(tokens.get(at).is_some_and(|next| next.text == ";"));
                        break;
                    }
                    "}" => depth -= 1,
                    ";" if depth == 0 => break,
                    _ => {}
                }
            }
            continue;
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        let is_name = self.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        is_name && !["as", "fn", "impl", "mod", "pub", "use"].contains(&&*self.text)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.text)
    }
}

/// Names, `::` and single characters; no comments, no texts.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let is = |at: usize, text: &str| text.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut at, mut counted, mut line) = (0, 0, 1);
    while at < chars.len() {
        line += chars[counted..at].iter().filter(|c| **c == '\n').count();
        counted = at;
        let start = at;
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        if is(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if is(at, "/*") {
            at += 2;
            while at < chars.len() && !is(at, "*/") {
                at += 1;
            }
            at += 2;
        } else if chars[at] == 'r' && chars.get(at + 1 + hashes) == Some(&'"') {
            let end = format!("\"{}", "#".repeat(hashes));
            at += hashes + 2;
            while at < chars.len() && !is(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if chars[at] == '\'' && chars.get(at + 1) == Some(&'\\') {
            at += 3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 1;
        } else if chars[at] == '\'' && chars.get(at + 2) == Some(&'\'') {
            at += 3;
        } else if is_word(chars[at]) {
            at += chars[at..].iter().take_while(|c| is_word(**c)).count();
            found.push(Token { text: chars[start..at].iter().collect(), line });
        } else if is(at, "::") {
            at += 2;
            found.push(Token { text: "::".into(), line });
        } else {
            if !chars[at].is_whitespace() {
                found.push(Token { text: chars[at].into(), line });
            }
            at += 1;
        }
        at = at.min(chars.len());
    }
    found
}
