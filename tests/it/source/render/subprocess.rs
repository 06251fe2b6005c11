//! Programs that hang, print without end, or inspect their environment: scripts in place of the real ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use driftwall::source::render::{Limits, RenderOptions, render};

use crate::source::render::fixtures::{CONFIG_MAP, objects, with_script};

/// How many processes with this word among their arguments are there, zombies left out.
fn count(word: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.filter(|arguments| arguments.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())).count()
}

/// A number of seconds that no other process sleeps for, and a script that starts two
/// children which do, and ends with `end`.
fn hanging(end: &str) -> (String, String) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let word = format!("1000.{:05}{:02}", std::process::id() % 100_000, NEXT.fetch_add(1, Ordering::Relaxed));
    let script = format!("sleep {word} &\n(sleep {word}) &\nwhile [ ! -e \"$HOME/never\" ]; do {end}; done\n");
    (word, script)
}

fn all_are_gone(word: &str) {
    let start = Instant::now();
    while count(word) > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "a child lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn with_limits(options: RenderOptions, change: impl FnOnce(&mut Limits)) -> RenderOptions {
    let mut limits = options.limits;
    change(&mut limits);
    RenderOptions { limits, ..options }
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let (word, script) = hanging("wait");
    let (repo, options, _folder) = with_script(&script);
    let options = with_limits(options, |limits| limits.time = Duration::from_secs(1));
    let options = RenderOptions { allow_remote: true, ..options };
    let refusal = repo.refusal("apps", &options);
    assert_eq!(refusal, "failed to render apps/kustomization.yaml: kustomize did not finish within 1 s");
    all_are_gone(&word);
}

#[test]
fn the_children_of_a_program_that_ends_are_killed() {
    // The children hold the pipes open.
    let (word, script) = hanging("cat a.yaml; exit 0");
    let (repo, options, _folder) = with_script(&script);
    let options = RenderOptions { allow_remote: true, ..options };
    assert_eq!(objects(&repo.render("apps", &options).unwrap()).len(), 1);
    all_are_gone(&word);
}

#[test]
fn a_program_is_stopped_on_cancellation() {
    let (word, script) = hanging("wait");
    let (repo, options, _folder) = with_script(&script);
    let options = RenderOptions { allow_remote: true, ..options };
    let cancel = Arc::new(AtomicBool::new(false));
    let setting = {
        let (cancel, word) = (cancel.clone(), word.clone());
        std::thread::spawn(move || {
            while count(&word) < 2 {
                std::thread::sleep(Duration::from_millis(10));
            }
            cancel.store(true, Ordering::Relaxed);
        })
    };
    let error = render(&repo.git, repo.tree(), "apps", &options, &cancel).unwrap_err().to_string();
    assert_eq!(error, "failed to render apps/kustomization.yaml: kustomize was cancelled");
    setting.join().unwrap();
    all_are_gone(&word);
}

#[test]
fn endless_output_is_bounded() {
    let (repo, options, _folder) = with_script("exec yes 'a: b'\n");
    let options = with_limits(options, |limits| limits.output = 1 << 20);
    let refusal = repo.refusal("apps", &options);
    assert_eq!(refusal, "failed to render apps/kustomization.yaml: kustomize printed more than 1 MiB");
}

#[test]
fn the_end_of_a_long_error_output_is_kept() {
    let (repo, options, _folder) =
        with_script("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i; done >&2; exit 3\n");
    let refusal = repo.refusal("apps", &options);
    let lines: Vec<_> = refusal.lines().collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0], "failed to render apps/kustomization.yaml with kustomize v0: 99993");
    assert_eq!(lines[7], "100000");
}

#[test]
fn a_program_that_closes_its_pipes_and_hangs_is_killed() {
    let (repo, options, _folder) = with_script("exec >&- 2>&-; exec sleep 1000\n");
    let options = with_limits(options, |limits| limits.time = Duration::from_millis(700));
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
    let script = "exec awk 'BEGIN {
  print \"apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}\\ndata:\"
  for (name in ENVIRON) print \"  \" name \": \\\"\" ENVIRON[name] \"\\\"\"
  print \"  here: '\"$PWD\"'\"
}'\n";
    let (repo, options, _folder) = with_script(script);
    let rendered = repo.render("apps", &options).unwrap();
    let data = objects(&rendered)[0].1.value["data"].as_object().unwrap().clone();
    let home = data["here"].as_str().unwrap().strip_suffix("/tree/apps").unwrap().to_owned() + "/home";
    let mut others = Vec::new();
    for (name, value) in &data {
        match (name.as_str(), value.as_str().unwrap()) {
            ("here" | "HELM_PLUGINS" | "PWD" | "_" | "GOGC" | "GOMAXPROCS" | "GOMEMLIMIT" | "GOTRACEBACK", _)
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
    let (repo, options, _folder) = with_script("exec cat a.yaml\n");
    let rendered = repo.render("apps", &options).unwrap();
    assert_eq!(rendered.output, CONFIG_MAP.as_bytes());
    let (file, object) = objects(&rendered)[0];
    assert_eq!((&**file, object.name.as_str()), ("apps/a.yaml", "a"));
}
