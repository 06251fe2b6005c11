//! A renderer of its own, reached over mutual TLS: the real program, with real kubectl and helm.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use driftwall::certs::{CertificateAuthority, ServingCertificate};
use driftwall::source::render::{HelmOptions, RenderOptions, Rendered, Renderer};
use serde_json::Value;

use crate::source::render::fixtures::{CONFIG_MAP, Repo, objects, real_programs};

const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
const DAY: Duration = Duration::from_hours(24);

/// A renderer, and what its clients need.
pub(crate) struct RendererProcess {
    child: Child,
    folder: tempfile::TempDir,
    authority: CertificateAuthority,
    address: SocketAddr,
    options: RenderOptions,
}

impl RendererProcess {
    pub(crate) fn start(options: &RenderOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::generate(DAY).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let ServingCertificate { ca, cert, key } = authority.issue(&["localhost".into()], DAY).unwrap();
        for (name, text) in [("ca.crt", ca), ("tls.crt", cert), ("tls.key", key)] {
            write(name, &text);
        }
        let ServingCertificate { cert, key, .. } = authority.issue_client("driftwall", DAY).unwrap();
        for (name, text) in [("client.crt", cert), ("client.key", key)] {
            write(name, &text);
        }
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Self::spawn(&folder, address, options);
        let at = |name: &str| folder.path().join(name);
        let renderer = Renderer {
            host: "localhost".into(),
            port: address.port(),
            ca: at("ca.crt"),
            cert: at("client.crt"),
            key: at("client.key"),
        };
        let options = RenderOptions { renderer: Some(renderer), ..options.clone() };
        Self { child, folder, authority, address, options }
    }

    fn spawn(folder: &tempfile::TempDir, address: SocketAddr, options: &RenderOptions) -> Child {
        let program = |program: &Option<PathBuf>| program.clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_driftwall"))
            .current_dir(folder.path())
            .args(["renderer", "--admin", "127.0.0.1:0", "--listen", &address.to_string()])
            .args(["--cert-file", "tls.crt", "--key-file", "tls.key", "--client-ca-file", "ca.crt"])
            .arg("--helm")
            .arg(program(&options.programs.helm))
            .arg("--kubectl")
            .arg(program(&options.programs.kubectl))
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_mins(1), "the renderer does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// `render.renderer` of a configuration.
    pub(crate) fn settings(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "{{address: \"localhost:{}\", caFile: {folder}/ca.crt, certFile: {folder}/client.crt, keyFile: {folder}/client.key}}",
            self.address.port()
        )
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many jobs it has rendered since it began.
    pub(crate) fn jobs_rendered(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.matches("\"Job rendered\"").count()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for RendererProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repo(name: &str) -> Repo {
    let template = format!("{CONFIG_MAP}  {name}: {{{{ .Values.color }}}}\n");
    Repo::new(&[
        ("c/Chart.yaml", CHART),
        ("c/templates/a.yaml", &template),
        ("values.yaml", "color: red\n"),
        ("random/Chart.yaml", CHART),
        ("random/templates/a.yaml", &format!("{CONFIG_MAP}  {name}: {{{{ randAlphaNum 20 }}}}\n")),
        ("k/kustomization.yaml", &format!("resources: [../base]\nnamePrefix: {name}-\n")),
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("base/a.yaml", CONFIG_MAP),
        ("h/kustomization.yaml", "helmCharts: [{name: c, releaseName: r}]\nhelmGlobals: {chartHome: ..}\n"),
        ("c/values.yaml", ""),
    ])
}

#[test]
fn a_renderer_renders_what_this_machine_would() {
    let Some(here) = real_programs() else { return };
    let renderer = RendererProcess::start(&here);
    let repo = repo("same");
    for path in ["c", "k", "random"] {
        let helm = HelmOptions {
            values_files: vec!["/values.yaml".into()],
            values: Some("other: 1\n".into()),
            ..HelmOptions::default()
        };
        let with = |options: &RenderOptions| RenderOptions { helm: helm.clone(), ..options.clone() };
        let there = repo.render(path, &with(&renderer.options)).unwrap();
        let expected = repo.render(path, &with(&here)).unwrap();
        let values = |rendered| {
            objects(rendered).iter().map(|(file, object)| ((*file).clone(), object.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(values(&there), values(&expected), "{path}");
        assert_eq!(there.opaque, expected.opaque, "{path}");
        assert_eq!(there.by.program.version, expected.by.program.version, "{path}");
    }
}

#[test]
fn errors_of_a_renderer_are_those_of_this_machine() {
    let Some(here) = real_programs() else { return };
    let renderer = RendererProcess::start(&here);
    let eats = "{{- $l := list }}{{ range until 60 }}{{ $l = append $l (repeat 50000000 \"x\") }}{{ end }}\n";
    let repo = Repo::new(&[
        ("c/Chart.yaml", CHART),
        ("c/templates/a.yaml", "{{ fail \"no\" }}\n"),
        ("k/kustomization.yaml", "resources: [gone.yaml]\n"),
        ("m/Chart.yaml", CHART),
        ("m/templates/a.yaml", eats),
    ]);
    for path in ["c", "k"] {
        assert_eq!(repo.refusal(path, &renderer.options), repo.refusal(path, &here), "{path}");
    }
    let refusal = repo.refusal("m", &renderer.options);
    assert_eq!(refusal, "failed to render m/Chart.yaml: helm needed more than 224 MiB of memory");
    // And it lives on.
    let repo = self::repo("lives");
    assert_eq!(objects(&repo.render("k", &renderer.options).unwrap()).len(), 1);
}

#[test]
fn a_renderer_answers_only_clients_of_its_ca() {
    let Some(here) = real_programs() else { return };
    let renderer = RendererProcess::start(&here);
    let stranger = CertificateAuthority::generate(DAY).unwrap();
    let server = renderer.authority.issue(&["localhost".into()], DAY).unwrap();
    for (what, ServingCertificate { cert, key, .. }) in
        [("another CA's", stranger.issue_client("driftwall", DAY).unwrap()), ("a server's", server)]
    {
        let at = |name: &str| renderer.folder.path().join(name);
        std::fs::write(at("other.crt"), cert).unwrap();
        std::fs::write(at("other.key"), key).unwrap();
        let mut options = renderer.options.clone();
        options.renderer =
            options.renderer.map(|known| Renderer { cert: at("other.crt"), key: at("other.key"), ..known });
        let refusal = repo("refused").refusal("k", &options);
        assert!(refusal.starts_with("failed to use the renderer localhost:"), "{what}: {refusal}");
    }
}

#[test]
fn a_renderer_that_was_killed_is_used_again_when_it_is_back() {
    let Some(here) = real_programs() else { return };
    let mut renderer = RendererProcess::start(&here);
    let repo = repo("killed");
    assert!(repo.render("k", &renderer.options).is_ok());
    renderer.kill();
    let refusal = repo.refusal("c", &renderer.options);
    assert!(refusal.contains("failed to use the renderer localhost:"), "{refusal}");
    // What was rendered needs no renderer.
    repo.write(&[("elsewhere.yaml", CONFIG_MAP)]);
    assert!(repo.render("k", &renderer.options).is_ok());
    renderer.child = RendererProcess::spawn(&renderer.folder, renderer.address, &here);
    let helm = HelmOptions { values_files: vec!["/values.yaml".into()], ..HelmOptions::default() };
    let options = RenderOptions { helm, ..renderer.options.clone() };
    assert!(repo.render("c", &options).is_ok());
}

/// A process that renders for this one: its id.
fn rendering_child(parent: u32) -> Option<u32> {
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let is_child = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(&parent.to_string());
        let arguments = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if is_child && stat.contains("(helm)") && arguments.contains("template") {
            return Some(id);
        }
    }
    None
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn values(rendered: &Rendered) -> Vec<Value> {
    objects(rendered).iter().map(|(_, object)| object.value.clone()).collect()
}

#[test]
fn a_renderer_that_is_killed_while_it_renders_loses_nothing() {
    let Some(here) = real_programs() else { return };
    let mut renderer = RendererProcess::start(&here);
    let repo = repo("midway");
    let counts = "{{ range until 5000 }}{{ range until 4000 }}{{ end }}{{ end }}\n";
    repo.write(&[("slow/Chart.yaml", CHART), ("slow/templates/a.yaml", &format!("{CONFIG_MAP}{counts}"))]);
    let before = values(&repo.render("k", &renderer.options).unwrap());

    let parent = renderer.child.id();
    let killer = std::thread::spawn(move || {
        let mut found = None;
        wait_until("nothing renders", || {
            found = rendering_child(parent);
            found.is_some()
        });
        assert!(Command::new("kill").args(["-9", &parent.to_string()]).status().unwrap().success());
        found.unwrap()
    });
    let refusal = repo.refusal("slow", &renderer.options);
    let child = killer.join().unwrap();
    assert!(refusal.contains("failed to use the renderer localhost:"), "{refusal}");
    renderer.child.wait().unwrap();
    wait_until("its program did not end with it", || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        !stat.contains("(helm)") || stat.contains(") Z ")
    });

    assert_eq!(values(&repo.render("k", &renderer.options).unwrap()), before, "what was rendered is kept");
    renderer.child = RendererProcess::spawn(&renderer.folder, renderer.address, &here);
    assert_eq!(values(&repo.render("slow", &renderer.options).unwrap()).len(), 1);
}
