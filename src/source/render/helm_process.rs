//! Helm as a process of kustomize, which runs it for the charts that a kustomization names.
//!
//! kustomize is given driftwall's own program for `helm`: that takes the right to start
//! processes away again, and then becomes Helm. So kustomize may start this one program,
//! and Helm none, whatever a chart or its values ask for (post-renderers, plugins).

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

use super::confinement::refuse_processes;

/// The Helm that kustomize may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelmProcess {
    /// Where it is.
    pub program: PathBuf,
    /// Whether it has the flag that leaves out schemas.
    pub can_skip_schemas: bool,
}

/// The variable by which the program knows that it is to become Helm, and which.
const VARIABLE: &str = "DRIFTWALL_HELM";

impl HelmProcess {
    /// This program as an open file, which the processes of a program inherit: the file itself may be replaced or
    /// deleted meanwhile.
    pub(super) fn launcher() -> io::Result<File> {
        let launcher = File::open("/proc/self/exe")?;
        fcntl_setfd(&launcher, FdFlags::empty())?;
        Ok(launcher)
    }

    /// Makes a command of kustomize run `launcher`, and that become Helm.
    pub(super) fn prepare(&self, launcher: &File, command: &mut Command) -> io::Result<()> {
        command.arg(format!("--helm-command={OPEN_FILES}{}", launcher.as_raw_fd()));
        command.env(VARIABLE, serde_json::to_string(self)?);
        Ok(())
    }
}

/// Becomes Helm, if kustomize has started this program for it; otherwise `None`. This process must have one thread.
pub fn become_helm(arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let variable = std::env::var(VARIABLE).ok()?;
    let HelmProcess { program, can_skip_schemas } = match serde_json::from_str(&variable) {
        Ok(helm) => helm,
        Err(error) => return Some(format!("failed to parse {VARIABLE}: {error}")),
    };
    refuse_processes();
    let mut command = Command::new(&program);
    command.env_remove(VARIABLE);
    for argument in arguments {
        let is_template = argument == "template";
        command.arg(argument);
        if is_template && can_skip_schemas {
            // As for charts of their own: a schema can name others at any address, and Helm fetches them.
            command.arg("--skip-schema-validation");
        }
    }
    let error = command.exec();
    Some(format!("failed to run {}: {error}", program.display()))
}

/// What kustomize prints, with Helm for what it was told to run.
pub(super) fn name_helm(text: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN_FILES) {
        let number = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        named.push_str(before);
        named.push_str(if number == 0 { OPEN_FILES } else { "helm" });
        rest = &after[number..];
    }
    named + rest
}

/// Where a process finds its open files by their numbers.
const OPEN_FILES: &str = "/proc/self/fd/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_helm_and_not_the_open_file_that_it_was() {
        for (text, expected) in [
            (
                "unable to run: '/proc/self/fd/3 pull x' (is '/proc/self/fd/3' installed?)",
                "unable to run: 'helm pull x' (is 'helm' installed?)",
            ),
            ("/proc/self/fd/", "/proc/self/fd/"),
            ("plain", "plain"),
        ] {
            assert_eq!(name_helm(text), expected);
        }
    }
}
