//! Two hundred sources in thirty repositories, half of them charts: ready in time, within memory,
//! polled by repository; and one bad source after the other harms no other.
//!
//! It takes minutes and both cores, so it runs when it is asked for:
//! `cargo test --release --test it many_sources -- --ignored --nocapture`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use driftwall::certs;
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, Signature};
use serde_json::{Value, json};

use crate::harness::reviews::Review;
use crate::program::serve_process::ServeProcess;
use crate::source::remote::git_http_server::GitHttpServer;
use crate::source::render::fixtures::real_programs;
use crate::source::render::renderer::RendererProcess;

const SOURCES: usize = 200;
const REPOSITORIES: usize = 30;
const OBJECTS: usize = 5;
const POLL: Duration = Duration::from_secs(5);
/// What the process and the renderer with all its children may take, in bytes.
const MEMORY: u64 = 256 << 20;
const RENDERER_MEMORY: u64 = 512 << 20;
const UNREADY: Duration = Duration::from_mins(1);

const LOOPS: &str = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}\n";
const EATS: &str = "{{- $l := list }}{{ range until 60 }}{{ $l = append $l (repeat 50000000 \"x\") }}{{ end }}\n";
const BROKEN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [broken\n";

/// Charts have even numbers, plain manifests odd ones.
fn is_chart(source: usize) -> bool {
    source.is_multiple_of(2)
}

fn repository_of(source: usize) -> usize {
    source % REPOSITORIES
}

fn config_map(source: usize, number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}, namespace: s{source}}}\ndata: {{k: \"{source}\"}}\n"
    )
}

/// The manifest's file of a source, in its repository.
fn file_of(source: usize) -> String {
    if is_chart(source) { format!("s{source}/templates/a.yaml") } else { format!("s{source}/a.yaml") }
}

fn content_of(source: usize) -> String {
    let text = (0..OBJECTS).map(|number| config_map(source, number)).collect::<Vec<_>>().join("---\n");
    if is_chart(source) { text.replace(&format!("k: \"{source}\""), "k: {{ .Values.k | quote }}") } else { text }
}

/// The repositories: folders of files, whose commits are made with libgit2.
struct Repositories {
    folder: tempfile::TempDir,
}

impl Repositories {
    fn new() -> Self {
        let repositories = Self { folder: tempfile::tempdir().unwrap() };
        for number in 0..REPOSITORIES {
            let options = &mut RepositoryInitOptions::new();
            Repository::init_opts(repositories.path(number), options.bare(true).initial_head("main")).unwrap();
            let mut files = Vec::new();
            for source in (0..SOURCES).filter(|source| repository_of(*source) == number) {
                files.push((file_of(source), content_of(source)));
                if is_chart(source) {
                    files.push((
                        format!("s{source}/Chart.yaml"),
                        format!("apiVersion: v2\nname: s{source}\nversion: 1.0.0\n"),
                    ));
                    files.push((format!("s{source}/values.yaml"), format!("k: \"{source}\"\n")));
                }
            }
            repositories.commit(number, &files);
        }
        repositories
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("r{number}.git"))
    }

    fn git(&self, number: usize) -> Repository {
        Repository::open(self.path(number)).unwrap()
    }

    /// A commit that writes these files.
    fn commit(&self, number: usize, files: &[(String, String)]) {
        let git = self.git(number);
        let parent = git.head().ok().map(|head| head.peel_to_commit().unwrap());
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, text) in files {
            update.upsert(path, git.blob(text.as_bytes()).unwrap(), git2::FileMode::Blob);
        }
        let empty = git.find_tree(git.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let base = parent.as_ref().map_or(empty, |parent| parent.tree().unwrap());
        let tree = update.create_updated(&git, &base).unwrap();
        commit_tree(&git, tree);
    }

    fn write(&self, source: usize, text: &str) {
        self.commit(repository_of(source), &[(file_of(source), text.to_owned())]);
    }

    /// Puts ten thousand million files in few bytes into the folder of a source.
    fn write_bomb(&self, source: usize) {
        let git = self.git(repository_of(source));
        let mut id = git.blob(config_map(source, 0).as_bytes()).unwrap();
        let mut mode = 0o100_644;
        for _ in 0..10 {
            let mut builder = git.treebuilder(None).unwrap();
            for name in 0..10 {
                builder.insert(format!("{name}.yaml"), id, mode).unwrap();
            }
            (id, mode) = (builder.write().unwrap(), 0o040_000);
        }
        assert_eq!(git.find_object(id, None).unwrap().kind(), Some(ObjectType::Tree));
        let base = git.head().unwrap().peel_to_tree().unwrap();
        let mut update = git2::build::TreeUpdateBuilder::new();
        update.upsert(format!("s{source}/bomb"), id, git2::FileMode::Tree);
        let tree = update.create_updated(&git, &base).unwrap();
        commit_tree(&git, tree);
    }

    fn remove_bomb(&self, source: usize) {
        let git = self.git(repository_of(source));
        let base = git.head().unwrap().peel_to_tree().unwrap();
        let tree = git2::build::TreeUpdateBuilder::new().remove(format!("s{source}/bomb")).create_updated(&git, &base);
        commit_tree(&git, tree.unwrap());
    }
}

/// A commit of this tree on top of `main`.
fn commit_tree(git: &Repository, tree: Oid) {
    let parent = git.head().ok().map(|head| head.peel_to_commit().unwrap());
    let author = Signature::now("someone", "someone@example.org").unwrap();
    let tree = git.find_tree(tree).unwrap();
    git.commit(Some("HEAD"), &author, &author, "change", &tree, &parent.iter().collect::<Vec<_>>()).unwrap();
}

fn config(port: u16, folder: &Path, renderer: &str, typo: bool) -> String {
    let mut text = format!(
        "cluster: off\ngit: {{poll: {}s}}\nrender:\n  timeout: 15s\n  renderer: {renderer}\nsources:\n",
        POLL.as_secs()
    );
    for source in 0..SOURCES {
        let revision = if typo && source == 11 { "mian" } else { "main" };
        writeln!(
            text,
            "  - {{name: s{source}, repo: \"https://127.0.0.1:{port}/r{}.git\", revision: {revision}, path: s{source}, \
             namespaces: [s{source}], auth: {{caFile: {}}}}}",
            repository_of(source),
            folder.join("git-ca.crt").display(),
        )
        .unwrap();
    }
    text
}

/// Alice's edit of the first object of a source.
fn drift(source: usize) -> Value {
    let object = |value: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value},
               "metadata": {"name": "c0", "namespace": format!("s{source}"), "uid": "u", "resourceVersion": "7"}})
    };
    Review::of(Some(&object(&source.to_string())), &object("drifted")).by("alice").0
}

/// The sources whose drift is not denied.
async fn undefended(server: &ServeProcess) -> BTreeSet<usize> {
    let mut undefended = BTreeSet::new();
    for source in 0..SOURCES {
        if server.review(&drift(source)).await["allowed"] == true {
            undefended.insert(source);
        }
    }
    undefended
}

/// Waits until a condition holds, and says how long it took.
async fn waited(what: &str, holds: impl AsyncFn() -> bool) -> Duration {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_mins(10), "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{what}: after {:.1?}", start.elapsed());
    start.elapsed()
}

async fn statuses(server: &ServeProcess) -> Vec<Value> {
    let (_, page) = server.admin_page("/sources").await;
    serde_json::from_str(&page).unwrap()
}

/// Each source that has an error, with it.
async fn errors(server: &ServeProcess) -> Vec<(usize, String)> {
    let number = |status: &Value| status["name"].as_str().unwrap()[1..].parse().unwrap();
    let error = |status: &Value| status["error"].as_str().map(|error| (number(status), error.to_owned()));
    statuses(server).await.iter().filter_map(error).collect()
}

async fn failing(server: &ServeProcess) -> BTreeSet<usize> {
    errors(server).await.into_iter().map(|(source, _)| source).collect()
}

/// Proportional memory of a process and all below it, in bytes.
fn memory(root: u32) -> u64 {
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", &root.to_string()]).output().unwrap();
    let children = String::from_utf8(children.stdout).unwrap();
    let below: u64 = children.split_whitespace().map(|child| memory(child.parse().unwrap())).sum();
    let own = std::fs::read_to_string(format!("/proc/{root}/smaps_rollup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
    below + own.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Watches memory and readiness until it is dropped.
struct Watch {
    stop: Arc<AtomicBool>,
    peaks: Arc<[AtomicU64; 2]>,
    unready: Arc<AtomicU64>,
    armed: Arc<AtomicBool>,
}

impl Watch {
    fn start(server: &ServeProcess, renderer: u32) -> Self {
        let watch =
            Self { stop: Arc::default(), peaks: Arc::default(), unready: Arc::default(), armed: Arc::default() };
        let (stop, peaks) = (watch.stop.clone(), watch.peaks.clone());
        let server_id = server.child.id();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                peaks[0].fetch_max(memory(server_id), Ordering::Relaxed);
                peaks[1].fetch_max(memory(renderer), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let (stop, unready, armed, admin) =
            (watch.stop.clone(), watch.unready.clone(), watch.armed.clone(), server.admin);
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let (status, ..) = crate::harness::http_client::get_page(admin, "/readyz").await;
                if armed.load(Ordering::Relaxed) && status != 200 {
                    unready.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        watch
    }

    fn report(&self, what: &str) {
        let [server, renderer] = [0, 1].map(|index| self.peaks[index].load(Ordering::Relaxed));
        println!(
            "{what}: driftwall at most {} MiB, renderer with its children at most {} MiB",
            server >> 20,
            renderer >> 20
        );
        assert!(server <= MEMORY, "driftwall");
        assert!(renderer <= RENDERER_MEMORY, "the renderer");
        assert_eq!(self.unready.load(Ordering::Relaxed), 0, "{what}: unready");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes"]
async fn two_hundred_sources_harm_each_other_in_nothing() {
    let Some(options) = real_programs() else { return };
    let (repositories, web, pair, renderer) = tokio::task::spawn_blocking(move || {
        let repositories = Repositories::new();
        let pair = certs::generate(&["127.0.0.1".to_owned()], 7).unwrap();
        let web = GitHttpServer::tls(repositories.folder.path(), &pair);
        (repositories, web, pair, RendererProcess::start(&options))
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("git-ca.crt"), &pair.ca).unwrap();
    let files = folder.path().to_owned();
    let settings = renderer.settings();
    let config = |typo: bool| config(web.port, &files, &settings, typo);

    let start = Instant::now();
    let server = ServeProcess::start(folder, &config(false), &[]);
    let watch = Watch::start(&server, renderer.id());
    let server = server.until_ready().await;
    println!("ready: after {:.1?}", start.elapsed());
    assert!(start.elapsed() <= UNREADY);
    watch.armed.store(true, Ordering::Relaxed);
    let all_read = async || {
        let read = statuses(&server).await.iter().filter(|status| status["objects"] == json!(OBJECTS)).count();
        read == SOURCES && failing(&server).await.is_empty()
    };
    waited("all sources read", all_read).await;
    assert_eq!(undefended(&server).await, BTreeSet::new());
    let jobs = renderer.jobs_rendered();
    assert_eq!(jobs, SOURCES / 2, "no chart is rendered twice");
    watch.report("cold start");

    let before = web.looks();
    tokio::time::sleep(POLL * 6).await;
    let polls = web.looks() - before;
    println!("{polls} polls in 6 rounds of {REPOSITORIES} repositories");
    assert!((REPOSITORIES * 5..=REPOSITORIES * 7).contains(&polls), "{polls}");
    assert_eq!(renderer.jobs_rendered(), jobs, "nothing is rendered again");

    // A broken commit, a chart that loops, a bomb, a chart that eats memory, a source's object moved to another, a typo.
    repositories.write(1, BROKEN);
    repositories.write(2, LOOPS);
    repositories.write_bomb(3);
    repositories.write(4, EATS);
    let moved = |to: usize| (0..OBJECTS).map(|number| config_map(to, number)).collect::<Vec<_>>();
    repositories.write(5, &moved(5)[1..].join("---\n"));
    repositories.write(
        9,
        &[moved(9), vec![config_map(5, 0).replace("namespace: s5", "namespace: s9").replace("c0", "c9")]]
            .concat()
            .join("---\n"),
    );
    server.configure(&config(true));
    let away = repositories.path(29);
    let hidden = away.with_extension("away");
    std::fs::rename(&away, &hidden).unwrap();
    let sources_of_29: BTreeSet<_> = (0..SOURCES).filter(|source| repository_of(*source) == 29).collect();
    let expected: BTreeSet<_> = [1, 2, 3, 4, 11].into_iter().chain(sources_of_29).collect();
    waited("each failure is told", async || failing(&server).await == expected).await;
    for (source, error) in errors(&server).await {
        println!("  s{source}: {error}");
        let metric = format!("driftwall_source_failing{{source=\"s{source}\"}}");
        assert_eq!(server.metric(&metric).await, 1.0, "{metric}");
    }
    // The object that moved is nobody's now; what is not read for a new revision is a warning at most.
    let undefended_now = undefended(&server).await;
    println!("not denied meanwhile: {undefended_now:?}");
    assert!(undefended_now.is_subset(&[1, 2, 3, 4, 5, 11].into()), "{undefended_now:?}");
    watch.report("with failures");

    for source in [1, 2, 4, 5, 9] {
        repositories.write(source, &content_of(source));
    }
    repositories.remove_bomb(3);
    std::fs::rename(&hidden, &away).unwrap();
    server.configure(&config(false));
    waited("healed", all_read).await;
    assert_eq!(undefended(&server).await, BTreeSet::new());
    watch.report("healed");
    tokio::task::spawn_blocking(move || drop((web, renderer, repositories))).await.unwrap();
}
