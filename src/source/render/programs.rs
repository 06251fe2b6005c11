//! The programs that render: where they are, and which versions.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::RenderError;
use super::job::Tool;
use super::subprocess::{Completion, Invocation, Limits, run};
use driftwall_core::text::truncate;

/// Where the programs are; those that are not named are searched on `PATH`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// `kustomize`, preferred for kustomizations.
    pub kustomize: Option<PathBuf>,
    /// `kubectl`, which has kustomize built in.
    pub kubectl: Option<PathBuf>,
    /// `helm`.
    pub helm: Option<PathBuf>,
    /// driftwall itself, which confines them; without it, the program that runs.
    pub launcher: Option<PathBuf>,
}

/// A program that renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// `kustomize`, `kubectl` or `helm`.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// The version, as the program prints it.
    pub version: String,
}

/// The programs that a renderer offers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OfferedPrograms {
    helm: Option<OfferedProgram>,
    kustomize: Option<OfferedProgram>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OfferedProgram {
    name: String,
    path: PathBuf,
    version: String,
}

impl OfferedPrograms {
    /// What renders charts, and what renders kustomizations.
    pub(super) fn new(helm: Option<Program>, kustomize: Option<Program>) -> Self {
        let offered = |Program { name, path, version }| OfferedProgram { name: str::to_owned(name), path, version };
        Self { helm: helm.map(offered), kustomize: kustomize.map(offered) }
    }

    /// What renders with a tool.
    pub(super) fn program(self, tool: Tool) -> Option<Program> {
        let offered = match tool {
            Tool::Helm => self.helm?,
            Tool::Kustomize => self.kustomize?,
        };
        let OfferedProgram { name, path, version } = offered;
        let name = [KUSTOMIZE.0, KUBECTL.0, HELM.0].into_iter().find(|known| *known == name)?;
        Some(Program { name, path, version })
    }
}

// A program's name, and the key that names its file.
const KUSTOMIZE: (&str, &str) = ("kustomize", "programs.kustomize");
const KUBECTL: (&str, &str) = ("kubectl", "programs.kubectl");
const HELM: (&str, &str) = ("helm", "programs.helm");

/// How long a program may take to print its version: a cold disk is slow.
const VERSION_TIME_LIMIT: Duration = Duration::from_secs(20);
/// The most programs whose versions are remembered.
const MAX_INSPECTED: usize = 16;

/// The program that runs, also where its file was replaced or deleted meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

impl Programs {
    /// What confines the programs.
    pub(super) fn launcher(&self) -> &Path {
        self.launcher.as_deref().unwrap_or(Path::new(THIS_PROGRAM))
    }

    /// The program that renders kustomizations: a configured one, else
    /// `kustomize` or `kubectl` on `PATH`.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be run.
    pub fn for_kustomizations(&self) -> Result<Program, RenderError> {
        let Self { kustomize, kubectl, .. } = self;
        let configured = [(KUSTOMIZE, kustomize), (KUBECTL, kubectl)];
        for ((name, key), path) in configured {
            if let Some(path) = path {
                return self.inspect(name, path, key);
            }
        }
        for (name, key) in [KUSTOMIZE, KUBECTL] {
            if let Some(path) = find_on_path(name) {
                return self.inspect(name, &path, key);
            }
        }
        Err(RenderError::ProgramNotFound {
            names: "kustomize or kubectl",
            wanted_by: "a kustomization",
            keys: "programs.kustomize or programs.kubectl",
        })
    }

    /// The program that renders charts.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be run.
    pub fn for_charts(&self) -> Result<Program, RenderError> {
        let (name, key) = HELM;
        match self.helm.clone().or_else(|| find_on_path(name)) {
            Some(path) => self.inspect(name, &path, key),
            None => Err(RenderError::ProgramNotFound { names: name, wanted_by: "a Helm chart", keys: key }),
        }
    }

    /// Checks that a program can be run, by asking it for its version; not again
    /// while its file stays the same.
    fn inspect(&self, name: &'static str, path: &Path, key: &'static str) -> Result<Program, RenderError> {
        static INSPECTED: Mutex<Vec<(FileIdentity, Program)>> = Mutex::new(Vec::new());
        let identity = FileIdentity::of(name, path);
        let inspected = || INSPECTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = &identity
            && let Some((_, program)) = inspected().iter().find(|(known, _)| known == identity)
        {
            return Ok(program.clone());
        }
        let program = ask_version(name, path, key, self.launcher())?;
        if let Some(identity) = identity {
            let mut inspected = inspected();
            // A program that is replaced again and again must not fill the memory.
            inspected.truncate(MAX_INSPECTED - 1);
            inspected.insert(0, (identity, program.clone()));
        }
        Ok(program)
    }
}

/// A file as it was when its version was asked for.
#[derive(Debug, PartialEq, Eq)]
struct FileIdentity {
    name: &'static str,
    path: PathBuf,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last changes of its content, and of its status.
    changed: [i64; 4],
}

impl FileIdentity {
    fn of(name: &'static str, path: &Path) -> Option<Self> {
        let file = path.metadata().ok()?;
        let changed = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
        Some(Self { name, path: path.to_owned(), inode: file.ino(), size: file.len(), changed })
    }
}

fn ask_version(name: &'static str, path: &Path, key: &'static str, launcher: &Path) -> Result<Program, RenderError> {
    let invalid = |reason: String| RenderError::InvalidProgram { program: path.to_owned(), key, reason };
    let arguments: &[&str] = match name {
        "kubectl" => &["version", "--client", "--output=json"],
        "helm" => &["version", "--short"],
        _ => &["version"],
    };
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let home = tempfile::tempdir()
        .map_err(|reason| RenderError::Io { action: "create a temporary folder".to_owned(), reason })?;
    let path = std::path::absolute(path).map_err(|reason| invalid(reason.to_string()))?;
    let invocation = Invocation {
        launcher,
        program: &path,
        arguments: &arguments,
        folder: home.path(),
        home: home.path(),
        readable: Vec::new(),
        limits: Limits { time: VERSION_TIME_LIMIT, output: 64 << 10, ..Limits::default() },
        allow_network: false,
        helm: None,
        cancel: &AtomicBool::new(false),
    };
    match run(&invocation).map_err(|reason| invalid(reason.to_string()))? {
        Completion::Succeeded(output) => Ok(Program { name, version: version(name, &output), path }),
        Completion::Failed(status, stderr) => {
            Err(invalid(format!("printing its version failed with {status}: {}", stderr.trim())))
        }
        Completion::NotStarted(reason) => Err(invalid(reason)),
        Completion::Exceeded(exceeded) => Err(invalid(format!("to print its version, it {exceeded}"))),
        Completion::Cancelled => Err(invalid("printing its version was cancelled".into())),
    }
}

fn version(name: &str, output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    if name == "kubectl"
        && let Some(version) = kubectl_version(&text)
    {
        return version;
    }
    truncate(text.lines().next().unwrap_or_default().trim(), 100)
}

/// The versions of kubectl and of the kustomize in it, from its JSON output.
fn kubectl_version(text: &str) -> Option<String> {
    let versions: serde_json::Value = serde_json::from_str(text).ok()?;
    let kubectl = versions["clientVersion"]["gitVersion"].as_str()?;
    Some(match versions["kustomizeVersion"].as_str() {
        Some(kustomize) => format!("{kubectl} (kustomize {kustomize})"),
        None => kubectl.to_owned(),
    })
}

fn find_on_path(name: &str) -> Option<PathBuf> {
    for folder in std::env::split_paths(&std::env::var_os("PATH")?) {
        let file = folder.join(name);
        // A relative folder would depend on where driftwall is started.
        if folder.is_absolute() && is_executable(&file) {
            return Some(file);
        }
    }
    None
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
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
    fn the_version_is_parsed_from_what_each_program_prints() {
        let kubectl = r#"{"clientVersion": {"gitVersion": "v1.37.1"}, "kustomizeVersion": "v5.8.1"}"#;
        for (name, output, expected) in [
            ("kubectl", kubectl, "v1.37.1 (kustomize v5.8.1)"),
            ("kubectl", "Client Version: v1.20\n", "Client Version: v1.20"),
            ("helm", "v4.3.1+gabcdef0\n", "v4.3.1+gabcdef0"),
            ("kustomize", "v5.8.1\n", "v5.8.1"),
        ] {
            assert_eq!(version(name, output.as_bytes()), expected);
        }
    }
}
