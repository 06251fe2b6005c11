//! Any text as a configuration: it is used, or each problem is told with its line, in our words.

use std::fs;
use std::path::Path;

use driftwall::config::{Config, ConfigError};
use proptest::prelude::*;

use super::mutated;

/// What YAML and the configuration are made of.
const WORDS: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "|\n",
    ">\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!x ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "#",
    "\t",
    "\u{feff}",
    "~",
    "null",
    "true",
    "on",
    "0x1F",
    "1e999",
    ".nan",
    "-1",
    "99999999999999999999",
    "1h",
    "P1D",
    "5 MiB",
    "*",
    "**",
    "[*]",
    "/spec/0",
    "sources:\n",
    "mode: enforce\n",
    "name: ",
    "repo: https://u:p@host/a\n",
    "revision: ",
    "path: ../..\n",
    "ignore:\n",
    "actors:\n",
    "modes:\n",
    "discover: {argocd: {}}\n",
    "presets: [argocd]\n",
    "unmanaged:\n",
    "maxStaleness: ",
    "protectedKeys: ",
    "chart: ",
    "helm: {values: ",
    "namespaces: ",
    "kinds: ",
    "paths: ",
];

/// Words of libraries, which say nothing to whoever wrote the file.
const JARGON: &[&str] = &[
    "serde",
    "saphyr",
    "DuplicateKeyPolicy",
    "from_str",
    "invalid type",
    "missing field",
    "unknown variant",
    "struct ",
    "enum ",
    " u8",
    " u16",
    " u32",
    " u64",
    " i32",
    " usize",
    "Option<",
    "newtype",
    "deserialize",
    "granit",
    "globset",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"sources: [{name: a, repo: /r}]\n".to_vec(),
        b"mode: warn\nsources:\n- name: a\n  repo: git@host:a\n  sshKeyFile: k\n  knownHostsFile: h\n".to_vec(),
        b"discover: {flux: {}}\nignore: [{kind: Deployment, paths: [spec.replicas, /spec/0]}]\nsources: []\n".to_vec(),
    ];
    let reference = fs::read_to_string("docs/configuration.md").unwrap();
    let examples = reference.split("```yaml\n").skip(1).filter_map(|part| part.split("```").next());
    seeds.extend(examples.map(|text| text.as_bytes().to_vec()));
    seeds
}

proptest! {
    #[test]
    fn a_configuration_is_used_or_its_problems_are_told(text in mutated(seeds(), WORDS)) {
        match Config::parse(&text, Path::new("/etc/driftwall.yaml")) {
            Ok(config) => {
                for note in config.notes {
                    is_told_well(&text, note.line, &note.message);
                }
            }
            Err(ConfigError::Invalid { problems, .. }) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    is_told_well(&text, problem.line, &problem.message);
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_told_well(text: &[u8], line: u32, message: &str) {
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    assert!((1..=lines).contains(&(line as usize)), "line {line} of {lines}: {message}");
    assert!(!message.is_empty() && message.len() < 4000, "{message}");
    // What the file itself says may be repeated.
    let text = String::from_utf8_lossy(text);
    for word in JARGON.iter().filter(|word| !text.contains(**word)) {
        assert!(!message.contains(word), "{word}: {message}");
    }
}
