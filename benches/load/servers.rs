//! The servers that are measured: each a process of its own, which ends when this one does.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use driftwall::certs::{self, ServingCertificate};
use serde::Deserialize;
use tempfile::TempDir;

use super::client::Target;
use super::reviews::PRESETS;

/// A running server.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) process: u32,
    /// Whether its answers are to be those that were recorded.
    pub(crate) judges: bool,
    child: Child,
    /// Lines of its log so far.
    logged: Arc<AtomicUsize>,
    /// What it runs on; removed with it.
    _folder: TempDir,
}

/// What driftwall reads.
pub(crate) struct Sources {
    /// The repository.
    pub(crate) repository: PathBuf,
    /// A branch, or a commit: that is never looked for again.
    pub(crate) revision: String,
    /// A source for each.
    pub(crate) paths: Vec<String>,
}

/// The line of the log that says where driftwall listens.
#[derive(Deserialize)]
struct Serving {
    message: String,
    #[serde(default)]
    webhook: Option<SocketAddr>,
    #[serde(default)]
    admin: Option<SocketAddr>,
}

/// How long a server may take until it is ready: 100,000 objects are read first.
const READY_TIMEOUT: Duration = Duration::from_mins(2);

impl Server {
    /// Starts `driftwall serve` with its log on, in JSON, to a pipe that is read.
    pub(crate) fn driftwall(name: &str, program: &Path, sources: &Sources) -> anyhow::Result<Self> {
        let (folder, pair) = folder_with_certificate()?;
        fs::write(folder.path().join("driftwall.yaml"), configuration(sources)?)?;
        let mut command = Command::new(program);
        command.args([OsStr::new("serve"), OsStr::new("--config"), folder.path().join("driftwall.yaml").as_os_str()]);
        let mut child = command
            .env_remove("DRIFTWALL_LOG")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let log = child.stderr.take().context("failed to read the log")?;
        let mut server = Self::new(name, child, folder, pair);
        let mut log = BufReader::with_capacity(64 * 1024, log);
        let admin = loop {
            let mut line = String::new();
            if log.read_line(&mut line)? == 0 {
                bail!("failed to start {name}: it ended before it served");
            }
            let entry: Serving = serde_json::from_str(&line).with_context(|| format!("failed to read {line:?}"))?;
            if let Serving { message, webhook: Some(webhook), admin: Some(admin) } = entry
                && message == "Serving"
            {
                server.target.address = webhook;
                break admin;
            }
        };
        let logged = Arc::clone(&server.logged);
        thread::spawn(move || count_lines(log, &logged));
        let start = Instant::now();
        while !is_ready(admin) {
            if start.elapsed() > READY_TIMEOUT {
                bail!("failed to wait for {name}: it is not ready after {READY_TIMEOUT:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Starts this program once more, as the empty handler.
    pub(crate) fn empty_handler() -> anyhow::Result<Self> {
        let (folder, pair) = folder_with_certificate()?;
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command
            .arg("empty-handler")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the empty handler")?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("failed to read from the empty handler")?)
            .read_line(&mut address)?;
        let mut server = Self::new("empty handler", child, folder, pair);
        server.judges = false;
        server.target.address = address.trim().parse().context("failed to find where the empty handler listens")?;
        Ok(server)
    }

    fn new(name: &str, child: Child, folder: TempDir, pair: ServingCertificate) -> Self {
        let target = Target { address: SocketAddr::from(([127, 0, 0, 1], 0)), ca: pair.ca };
        let process = child.id();
        Self { name: name.to_owned(), target, process, judges: true, child, logged: Arc::default(), _folder: folder }
    }

    /// How many lines the log has had.
    pub(crate) fn logged(&self) -> usize {
        self.logged.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, after an error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The certificate that [`Server::empty_handler`] has put into a folder.
pub(crate) fn read_certificate(folder: &Path) -> anyhow::Result<ServingCertificate> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("failed to read {name}"));
    Ok(ServingCertificate { ca: String::new(), cert: read("tls.crt")?, key: read("tls.key")? })
}

fn folder_with_certificate() -> anyhow::Result<(TempDir, ServingCertificate)> {
    let folder = tempfile::tempdir()?;
    let pair = certs::generate(&["localhost".to_owned()], 1)?;
    for (name, text) in [("tls.crt", &pair.cert), ("tls.key", &pair.key)] {
        fs::File::create(folder.path().join(name))?.write_all(text.as_bytes())?;
    }
    Ok((folder, pair))
}

fn configuration(sources: &Sources) -> anyhow::Result<String> {
    let Sources { repository, revision, paths } = sources;
    let mut text = format!(
        "mode: enforce\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\ncluster: off\n\
         tls: {{certFile: tls.crt, keyFile: tls.key}}\npresets: {PRESETS}\nsources:\n"
    );
    for (index, path) in paths.iter().enumerate() {
        let repository = repository.display();
        writeln!(
            text,
            "  - {{name: source-{index}, repo: \"{repository}\", revision: {revision}, path: {path}, namespace: prod}}"
        )?;
    }
    Ok(text)
}

/// Reads a log to its end.
fn count_lines(mut log: impl Read, lines: &AtomicUsize) {
    let mut part = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = log.read(&mut part) {
        let ends = part[..length].split(|byte| *byte == b'\n').count() - 1;
        lines.fetch_add(ends, Ordering::Relaxed);
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
