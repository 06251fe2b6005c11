//! Programs that hang, print without end, or inspect their environment: scripts in place of the real ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use driftwall::source::render::{RenderOptions, render};

use crate::source::render::fixtures::{CONFIG_MAP, objects, with_script};

/// Whether a process is there and no zombie.
fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// Starts two children, notes their numbers, and hangs.
fn hanging(note: &std::path::Path, end: &str) -> String {
    format!("sleep 1000 & echo $! > {note}\n(sleep 1000) & echo $! >> {note}\n{end}\n", note = note.display())
}

fn all_are_gone(note: &std::path::Path) {
    let noted = std::fs::read_to_string(note).unwrap();
    assert_eq!(noted.lines().count(), 2);
    let start = Instant::now();
    while noted.lines().any(is_alive) {
        assert!(start.elapsed() < Duration::from_secs(5), "a child lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let note = tempfile::NamedTempFile::new().unwrap();
    let (repo, options, _folder) = with_script(&hanging(note.path(), "wait"));
    let options = RenderOptions { time_limit: Duration::from_secs(1), ..options };
    let start = Instant::now();
    let refusal = repo.refusal("apps", &options);
    assert_eq!(refusal, "failed to render apps/kustomization.yaml: kustomize did not finish within 1 s");
    assert!(start.elapsed() < Duration::from_secs(5));
    all_are_gone(note.path());
}

#[test]
fn the_children_of_a_program_that_ends_are_killed() {
    let note = tempfile::NamedTempFile::new().unwrap();
    let (repo, options, _folder) = with_script(&hanging(note.path(), "cat a.yaml"));
    let start = Instant::now();
    assert_eq!(objects(&repo.render("apps", &options).unwrap()).len(), 1);
    // The children hold the pipes open.
    assert!(start.elapsed() < Duration::from_secs(5));
    all_are_gone(note.path());
}

#[test]
fn a_program_is_stopped_on_cancellation() {
    let note = tempfile::NamedTempFile::new().unwrap();
    let (repo, options, _folder) = with_script(&hanging(note.path(), "wait"));
    let cancel = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let setting = {
        let (cancel, note) = (cancel.clone(), note.path().to_owned());
        std::thread::spawn(move || {
            while std::fs::read_to_string(&note).unwrap().lines().count() < 2 {
                std::thread::sleep(Duration::from_millis(10));
            }
            cancel.store(true, Ordering::Relaxed);
        })
    };
    let error = render(&repo.git, repo.tree(), "apps", &options, &cancel).unwrap_err().to_string();
    assert_eq!(error, "failed to render apps/kustomization.yaml: kustomize was cancelled");
    setting.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    all_are_gone(note.path());
}

#[test]
fn endless_output_is_bounded() {
    let (repo, options, _folder) = with_script("yes 'a: b'\n");
    let options = RenderOptions { output_limit: 1 << 20, ..options };
    let refusal = repo.refusal("apps", &options);
    assert_eq!(refusal, "failed to render apps/kustomization.yaml: kustomize printed more than 1 MiB");
}

#[test]
fn the_end_of_a_long_error_output_is_kept() {
    let (repo, options, _folder) = with_script("seq 1 1000000 >&2; exit 3\n");
    let refusal = repo.refusal("apps", &options);
    let lines: Vec<_> = refusal.lines().collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0], "failed to render apps/kustomization.yaml with kustomize v0: 999993");
    assert_eq!(lines[7], "1000000");
}

#[test]
fn a_program_that_closes_its_pipes_and_hangs_is_killed() {
    let (repo, options, _folder) = with_script("exec >&- 2>&-; sleep 1000\n");
    let options = RenderOptions { time_limit: Duration::from_millis(700), ..options };
    assert!(repo.refusal("apps", &options).contains("did not finish within 0.7 s"));
}

#[test]
fn output_that_is_no_manifest_is_an_error() {
    let (repo, options, _folder) = with_script("echo 'a: ['\n");
    let refusal = repo.refusal("apps", &options);
    let start = "failed to read what kustomize rendered from apps/kustomization.yaml: its output:1:4: document 1: ";
    assert!(refusal.starts_with(start), "{refusal}");
}

#[test]
fn a_program_gets_a_clean_environment() {
    let script = "echo 'apiVersion: v1'; echo 'kind: ConfigMap'; echo 'metadata: {name: a}'; echo 'data:'
tr '\\0' '\\n' < /proc/$$/environ | sed 's/^\\([^=]*\\)=\\(.*\\)/  \\1: \"\\2\"/'
echo \"  here: $PWD\"\n";
    let (repo, options, _folder) = with_script(script);
    let rendered = repo.render("apps", &options).unwrap();
    let data = objects(&rendered)[0].1.value["data"].as_object().unwrap().clone();
    let home = data["here"].as_str().unwrap().strip_suffix("/tree/apps").unwrap().to_owned() + "/home";
    let mut others = Vec::new();
    for (name, value) in &data {
        match (name.as_str(), value.as_str().unwrap()) {
            ("here" | "HELM_PLUGINS", _)
            | ("HTTP_PROXY" | "HTTPS_PROXY" | "http_proxy" | "https_proxy", "http://127.0.0.1:0") => {}
            (_, value) if value == home => {}
            (name, value) => others.push(format!("{name}={value}")),
        }
    }
    assert!(others.is_empty(), "{others:?}");
    assert!(data.contains_key("HOME") && data.contains_key("TMPDIR") && !data.contains_key("PATH"));
    // And nothing is left of it.
    assert!(!std::path::Path::new(&home).exists());
}

#[test]
fn the_output_of_a_program_is_what_git_declares() {
    let (repo, options, _folder) = with_script("cat a.yaml\n");
    let rendered = repo.render("apps", &options).unwrap();
    assert_eq!(rendered.output, CONFIG_MAP.as_bytes());
    let (file, object) = objects(&rendered)[0];
    assert_eq!((&**file, object.name.as_str()), ("apps/a.yaml", "a"));
}
