//! A web server for one repository: TLS, a login, and `git http-backend`.

use std::convert::Infallible;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use driftwall::certs;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::common::tls::server_config;

/// How the server answers requests for objects.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Behavior {
    #[default]
    Good,
    /// Half of the answer, and the connection is cut.
    Cut,
    /// Half of the answer, and then nothing.
    Stall,
}

pub(crate) struct GitHttpServer {
    runtime: Runtime,
    listening: Option<JoinHandle<()>>,
    pub(crate) port: u16,
    pub(crate) state: Arc<State>,
}

pub(crate) struct State {
    root: PathBuf,
    tls: Option<TlsAcceptor>,
    pub(crate) behavior: Mutex<Behavior>,
    /// `user:password`; anybody may read where there is none.
    pub(crate) login: Mutex<Option<String>>,
    /// Where to send whoever asks for `/moved.git`.
    pub(crate) moved: Mutex<Option<String>>,
    /// Requests so far, as `GET /path`.
    pub(crate) requests: Mutex<Vec<String>>,
}

impl GitHttpServer {
    pub(crate) fn tls(root: &Path, pair: &certs::ServingCertificate) -> Self {
        let config = server_config(pair.cert.as_bytes(), pair.key.as_bytes());
        Self::new(root, Some(config.into()))
    }

    pub(crate) fn plain(root: &Path) -> Self {
        Self::new(root, None)
    }

    fn new(root: &Path, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (behavior, login) = (Mutex::default(), Mutex::default());
        let (moved, requests) = (Mutex::default(), Mutex::default());
        let state = Arc::new(State { root: root.to_owned(), tls, behavior, login, moved, requests });
        let mut web = Self { runtime, listening: None, port: 0, state };
        web.start();
        web
    }

    /// Serves, again on the same port.
    pub(crate) fn start(&mut self) {
        let listener = self.runtime.block_on(TcpListener::bind(("127.0.0.1", self.port))).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let state = self.state.clone();
        self.listening = Some(self.runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, state.clone()));
            }
        }));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = self.runtime.block_on(listening);
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/gitops.git", self.port)
    }

    /// How often the server was asked for its references.
    pub(crate) fn looks(&self) -> usize {
        self.state.requests.lock().unwrap().iter().filter(|request| request.starts_with("GET")).count()
    }

    /// Requests for objects so far.
    pub(crate) fn fetches(&self) -> usize {
        self.state.requests.lock().unwrap().iter().filter(|request| request.starts_with("POST")).count()
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    match &state.tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                answer_all(TokioIo::new(stream), state.clone()).await;
            }
        }
        None => answer_all(TokioIo::new(stream), state.clone()).await,
    }
}

async fn answer_all<T: hyper::rt::Read + hyper::rt::Write + Unpin>(stream: T, state: Arc<State>) {
    let service = service_fn(|request| answer(request, state.clone()));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    state.requests.lock().unwrap().push(format!("{} {}", parts.method, parts.uri));
    let login = state.login.lock().unwrap().as_ref().map(|login| format!("Basic {}", STANDARD.encode(login)));
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if login.is_some() && login.as_deref() != given {
        return Ok(plain(401, "no"));
    }
    let moved = state.moved.lock().unwrap().clone().filter(|_| parts.uri.path().starts_with("/moved.git"));
    if let Some(to) = moved {
        let mut answer = plain(301, "");
        answer.headers_mut().insert(header::LOCATION, to.parse().unwrap());
        return Ok(answer);
    }
    let behavior = if parts.method == "POST" { *state.behavior.lock().unwrap() } else { Behavior::Good };
    let root = state.root.clone();
    let (status, kind, mut body) = tokio::task::spawn_blocking(move || cgi(&root, &parts, &body)).await.unwrap();
    let mut answer = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
    if behavior == Behavior::Good {
        return Ok(answer.body(full(body)).unwrap());
    }
    answer = answer.header(header::CONTENT_LENGTH, body.len());
    body.truncate(body.len() / 2);
    Ok(answer.body(Half { data: Some(body.into()), behavior }.boxed()).unwrap())
}

/// Half of an answer, and what comes after it.
struct Half {
    data: Option<Bytes>,
    behavior: Behavior,
}

impl Body for Half {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match (self.data.take(), self.behavior) {
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, Behavior::Stall) => Poll::Pending,
            (None, _) => Poll::Ready(Some(Err(std::io::Error::other("cut")))),
        }
    }
}

fn full(body: Vec<u8>) -> BoxBody<Bytes, std::io::Error> {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed()
}

fn plain(status: u16, text: &str) -> Answer {
    Response::builder().status(status).body(full(text.as_bytes().to_vec())).unwrap()
}

/// Runs git's own side of HTTP, as web servers do.
fn cgi(root: &Path, parts: &hyper::http::request::Parts, body: &[u8]) -> (u16, String, Vec<u8>) {
    let programs = Command::new("git").arg("--exec-path").output().unwrap().stdout;
    let program = Path::new(String::from_utf8(programs).unwrap().trim()).join("git-http-backend");
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut child = Command::new(program)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", root)
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or(""))
        .env("CONTENT_TYPE", kind)
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&said[..end]).into_owned();
    let of = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
    let status = of("Status:").map_or(200, |status| status[..3].parse().unwrap());
    (status, of("Content-Type:").unwrap_or_default(), said[end + 4..].to_vec())
}
