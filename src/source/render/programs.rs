//! The programs that render: where they are, and of which version.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::error::RenderError;
use super::subprocess::{Ended, Job, run};

/// Where the programs are; those that are not named are looked for on `PATH`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// `kustomize`, preferred for kustomizations.
    pub kustomize: Option<PathBuf>,
    /// `kubectl`, which has a kustomize inside.
    pub kubectl: Option<PathBuf>,
    /// `helm`.
    pub helm: Option<PathBuf>,
}

/// A program that renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// `kustomize`, `kubectl` or `helm`.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// The version, in its own words.
    pub version: String,
}

const KUSTOMIZE: (&str, &str) = ("kustomize", "programs.kustomize");
const KUBECTL: (&str, &str) = ("kubectl", "programs.kubectl");
const HELM: (&str, &str) = ("helm", "programs.helm");

/// How long a program may take to tell its version: a cold disk is slow.
const LIMIT: Duration = Duration::from_secs(20);

impl Programs {
    /// The program that renders kustomizations: a configured one, else
    /// `kustomize` or `kubectl` on `PATH`.
    pub fn for_kustomizations(&self) -> Result<Program, RenderError> {
        let Self { kustomize, kubectl, .. } = self;
        let configured = [(KUSTOMIZE, kustomize), (KUBECTL, kubectl)];
        for ((name, key), path) in configured {
            if let Some(path) = path {
                return look(name, path, key);
            }
        }
        for (name, key) in [KUSTOMIZE, KUBECTL] {
            if let Some(path) = on_path(name) {
                return look(name, &path, key);
            }
        }
        Err(RenderError::Unfound {
            names: "kustomize or kubectl",
            wanted_by: "a kustomization",
            keys: "programs.kustomize or programs.kubectl",
        })
    }

    /// The program that renders charts.
    pub fn for_charts(&self) -> Result<Program, RenderError> {
        let (name, key) = HELM;
        let path = self.helm.clone().or_else(|| on_path(name));
        let path = path.ok_or(RenderError::Unfound { names: name, wanted_by: "a Helm chart", keys: key })?;
        look(name, &path, key)
    }
}

/// Makes sure that a program is one, and asks it for its version.
fn look(name: &'static str, path: &Path, key: &'static str) -> Result<Program, RenderError> {
    let failed = |reason: String| RenderError::Program { program: path.to_owned(), key, reason };
    let arguments: &[&str] = match name {
        "kubectl" => &["version", "--client", "--output=json"],
        "helm" => &["version", "--short"],
        _ => &["version"],
    };
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let home = tempfile::tempdir().map_err(|reason| failed(reason.to_string()))?;
    let path = std::path::absolute(path).map_err(|reason| failed(reason.to_string()))?;
    let job = Job {
        program: &path,
        arguments: &arguments,
        folder: home.path(),
        home: home.path(),
        limit: LIMIT,
        output: 64 << 10,
        remote: false,
        cancel: &AtomicBool::new(false),
    };
    match run(&job).map_err(|reason| failed(reason.to_string()))? {
        Ended::Done(output) => Ok(Program { name, version: version(name, &output), path }),
        Ended::Failed(status, words) => Err(failed(format!("asked for its version: {status}: {}", words.trim()))),
        _ => Err(failed("asked for its version, it does not end".into())),
    }
}

fn version(name: &str, output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let told = || {
        let versions: serde_json::Value = serde_json::from_str(&text).ok()?;
        let kubectl = versions["clientVersion"]["gitVersion"].as_str()?.to_owned();
        let kustomize = versions["kustomizeVersion"].as_str().map(|version| format!(" (kustomize {version})"));
        Some(kubectl + &kustomize.unwrap_or_default())
    };
    let short = || text.lines().next().unwrap_or_default().trim().chars().take(100).collect();
    if name == "kubectl" { told().unwrap_or_else(short) } else { short() }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let is_program =
        |file: &PathBuf| file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    let path = std::env::var_os("PATH")?;
    // A relative folder would mean another one for each place that this is started from.
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(is_program)
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_told() {
        let kubectl = r#"{"clientVersion": {"gitVersion": "v1.37.1"}, "kustomizeVersion": "v5.8.1"}"#;
        for (name, told, read) in [
            ("kubectl", kubectl, "v1.37.1 (kustomize v5.8.1)"),
            ("kubectl", "Client Version: v1.20\n", "Client Version: v1.20"),
            ("helm", "v4.3.1+gabcdef0\n", "v4.3.1+gabcdef0"),
            ("kustomize", "v5.8.1\n", "v5.8.1"),
        ] {
            assert_eq!(version(name, told.as_bytes()), read);
        }
    }
}
