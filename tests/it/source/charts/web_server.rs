//! A web server for a folder of charts: TLS, a login, redirects, and validators
//! where they are wanted.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use driftwall::certs;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::common::tls::server_config;

pub(crate) struct WebServer {
    runtime: Runtime,
    pub(crate) port: u16,
    is_tls: bool,
    pub(crate) state: Arc<State>,
}

type Answer = Response<Full<Bytes>>;

#[derive(Default)]
pub(crate) struct State {
    root: PathBuf,
    /// `user:password`; anybody may read where there is none.
    pub(crate) login: Mutex<Option<String>>,
    /// Where to send whoever asks for a path.
    pub(crate) redirects: Mutex<HashMap<String, String>>,
    /// Where the next page of what is at a path is.
    pub(crate) links: Mutex<HashMap<String, String>>,
    /// Whether a file has an entity tag.
    pub(crate) has_etags: Mutex<bool>,
    /// Requests so far.
    pub(crate) requests: Mutex<Vec<Seen>>,
    /// Answers before anything else does.
    pub(crate) handler: Mutex<Option<Arc<Handler>>>,
}

type Handler = dyn Fn(&Parts) -> Option<(u16, Vec<u8>)> + Send + Sync;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) has_login: bool,
    pub(crate) status: u16,
}

impl WebServer {
    pub(crate) fn tls(root: &Path, pair: &certs::ServingCertificate) -> Self {
        Self::new(root, Some(server_config(pair.cert.as_bytes(), pair.key.as_bytes()).into()))
    }

    pub(crate) fn plain(root: &Path) -> Self {
        Self::new(root, None)
    }

    fn new(root: &Path, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let state = Arc::new(State { root: root.to_owned(), ..State::default() });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_tls, shared) = (tls.is_some(), state.clone());
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(TokioIo::new(stream), state).await;
                            }
                        }
                        None => serve(TokioIo::new(stream), state).await,
                    }
                });
            }
        });
        Self { runtime, port, is_tls, state }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// Paths that were asked for with these ends, so far.
    pub(crate) fn seen(&self, end: &str) -> Vec<Seen> {
        self.state.requests.lock().unwrap().iter().filter(|seen| seen.path.ends_with(end)).cloned().collect()
    }

    /// Ends serving, on this port for good.
    pub(crate) fn stop(self) {
        self.runtime.shutdown_background();
    }
}

async fn serve<T: hyper::rt::Read + hyper::rt::Write + Unpin>(stream: T, state: Arc<State>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request.into_parts().0, &state);
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
}

fn answer(request: &Parts, state: &State) -> Answer {
    let answer = find(request, state);
    state.requests.lock().unwrap().push(Seen {
        path: request.uri.path().to_owned(),
        has_login: request.headers.contains_key(header::AUTHORIZATION),
        status: answer.status().as_u16(),
    });
    answer
}

fn find(request: &Parts, state: &State) -> Answer {
    let plain = |status: u16, text: Vec<u8>| Response::builder().status(status).body(Full::from(text)).unwrap();
    let handler = state.handler.lock().unwrap().clone();
    if let Some((status, body)) = handler.and_then(|handler| handler(request)) {
        return plain(status, body);
    }
    let login = state.login.lock().unwrap().as_ref().map(|login| format!("Basic {}", STANDARD.encode(login)));
    let given = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if login.is_some() && login.as_deref() != given {
        return plain(401, Vec::new());
    }
    let path = request.uri.path();
    if let Some(to) = state.redirects.lock().unwrap().get(path) {
        return Response::builder().status(302).header(header::LOCATION, to).body(Full::default()).unwrap();
    }
    let Ok(content) = std::fs::read(state.root.join(path.trim_start_matches('/'))) else {
        return plain(404, Vec::new());
    };
    if let Some(link) = state.links.lock().unwrap().get(path) {
        return Response::builder().header(header::LINK, link).body(Full::from(content)).unwrap();
    }
    if !*state.has_etags.lock().unwrap() {
        return plain(200, content);
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    let etag = format!("\"{}\"", STANDARD.encode(hash));
    if request.headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return plain(304, Vec::new());
    }
    Response::builder().header(header::ETAG, etag).body(Full::from(content)).unwrap()
}
