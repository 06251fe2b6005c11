//! Programs that take too much: memory, processes, disk, time; and those that look
//! for what is not theirs. One child ends, and its error says at what.

use std::net::TcpListener;
use std::time::Duration;

use driftwall::source::render::RenderOptions;
use landlock::{ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _};

use crate::source::render::fixtures::{CONFIG_MAP, Repo, objects, real_programs, with_script};

const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// Whether the kernel limits files; see the table of `src/source/render/confinement.rs`.
fn kernel_has_landlock() -> bool {
    let needed = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let has_it = needed.handle_access(AccessFs::from_all(ABI::V1)).is_ok();
    if !has_it {
        eprintln!("skipped: this kernel has no Landlock");
    }
    has_it
}

/// Scripts need other programs, and only those that may use the network may start them.
fn may_start_programs(options: RenderOptions) -> RenderOptions {
    RenderOptions { allow_remote: true, ..options }
}

#[test]
fn a_chart_that_eats_memory_ends_with_its_limit() {
    let Some(options) = real_programs() else { return };
    let eats = "{{- $l := list }}{{ range until 60 }}{{ $l = append $l (repeat 50000000 \"x\") }}{{ end }}\n";
    let repo = Repo::new(&[("c/Chart.yaml", CHART), ("c/templates/a.yaml", eats)]);
    let refusal = repo.refusal("c", &options);
    assert_eq!(refusal, "failed to render c/Chart.yaml: helm needed more than 384 MiB of memory");
}

#[test]
fn a_chart_that_computes_without_end_ends_in_time() {
    let Some(options) = real_programs() else { return };
    let loops = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}\n";
    let repo = Repo::new(&[("c/Chart.yaml", CHART), ("c/templates/a.yaml", loops)]);
    let mut limits = options.limits;
    limits.time = Duration::from_secs(2);
    let refusal = repo.refusal("c", &RenderOptions { limits, ..options });
    assert_eq!(refusal, "failed to render c/Chart.yaml: helm did not finish within 2 s");
}

#[test]
fn the_smallest_memory_is_enough_for_a_small_chart_and_kustomization() {
    let Some(options) = real_programs() else { return };
    let mut limits = options.limits;
    limits.memory = 128 << 20;
    let options = RenderOptions { limits, ..options };
    let repo = Repo::new(&[
        ("c/Chart.yaml", CHART),
        ("c/templates/a.yaml", CONFIG_MAP),
        ("k/kustomization.yaml", "resources: [a.yaml]\n"),
        ("k/a.yaml", CONFIG_MAP),
    ]);
    for path in ["c", "k"] {
        assert_eq!(objects(&repo.render(path, &options).unwrap()).len(), 1, "{path}");
    }
}

#[test]
fn each_limit_is_named() {
    for (script, words) in [
        ("sleep 1000 & sleep 1000\n", "started another program, which it may not"),
        ("exec yes > \"$HOME/a\"\n", "wrote more than 64 MiB into files"),
        ("i=0; while :; do i=$((i+1)); : > \"$HOME/$i\"; done\n", "wrote more than 64 MiB into files"),
    ] {
        let (repo, options, _folder) = with_script(script);
        let expected = format!("failed to render apps/kustomization.yaml: kustomize {words}");
        assert_eq!(repo.refusal("apps", &options), expected, "{script}");
    }
}

#[test]
fn a_program_reads_and_writes_only_what_is_its_own() {
    if !kernel_has_landlock() {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("token"), "secret").unwrap();
    let outside = outside.path().display();
    for attempt in [
        format!("cat {outside}/token"),
        format!("ls {outside}"),
        format!("echo x > {outside}/new"),
        format!("rm {outside}/token"),
        "cat /root/.bashrc".to_owned(),
        "cat /proc/self/environ".to_owned(),
        "cat /proc/$PPID/environ".to_owned(),
        "echo x > ../new.yaml".to_owned(),
        "echo x >> a.yaml".to_owned(),
    ] {
        let script = format!("if {attempt}; then echo \"a: b\"; else cat a.yaml; fi\n");
        let (repo, options, _folder) = with_script(&script);
        let options = may_start_programs(options);
        assert_eq!(objects(&repo.render("apps", &options).unwrap()).len(), 1, "{attempt}");
    }
    let (repo, options, _folder) =
        with_script("echo x > \"$HOME/copy\" && read -r x < \"$HOME/copy\" && exec cat a.yaml\n");
    assert_eq!(objects(&repo.render("apps", &options).unwrap()).len(), 1);
}

#[test]
fn a_program_reaches_no_address_of_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec bash -c 'echo x > /dev/tcp/127.0.0.1/{port} || exec cat a.yaml'\n");
    let (repo, options, _folder) = with_script(&script);
    assert_eq!(objects(&repo.render("apps", &options).unwrap()).len(), 1);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it connected");
}

#[test]
fn a_program_that_may_use_the_network_does() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("bash -c 'echo x > /dev/tcp/127.0.0.1/{port}' && cat a.yaml\n");
    let (repo, options, _folder) = with_script(&script);
    let options = may_start_programs(options);
    assert_eq!(objects(&repo.render("apps", &options).unwrap()).len(), 1);
    assert!(listener.accept().is_ok());
}
