//! The repository of the tests behind HTTPS, as a forge serves it, well or not.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, header};

use crate::control_plane::ControlPlane;
use crate::https_server::HttpsServer;

/// How a forge answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    Serves,
    /// Each request fails.
    Fails,
    /// Connections are accepted, and nothing comes.
    Silent,
}

/// Serves the repository `git` of the work folder.
pub(crate) struct GitServer {
    server: HttpsServer,
    behavior: Arc<Mutex<Behavior>>,
}

impl GitServer {
    pub(crate) fn start(control_plane: &ControlPlane) -> Self {
        let behavior = Arc::new(Mutex::new(Behavior::Serves));
        let (current, folder) = (behavior.clone(), control_plane.folder.path().to_owned());
        let server = HttpsServer::start_any(control_plane, move |request| {
            let behavior = *current.lock().unwrap_or_else(PoisonError::into_inner);
            match behavior {
                Behavior::Serves => Some(http_backend(&folder, request)),
                Behavior::Fails => Some(Response::builder().status(503).body(Full::default()).unwrap()),
                Behavior::Silent => None,
            }
        });
        Self { server, behavior }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/git/.git", self.server.port)
    }

    pub(crate) fn set_behavior(&self, behavior: Behavior) {
        *self.behavior.lock().unwrap_or_else(PoisonError::into_inner) = behavior;
    }
}

/// git's own side of HTTP, run as web servers do.
fn http_backend(root: &Path, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let programs = Command::new("git").arg("--exec-path").output().unwrap().stdout;
    let program = PathBuf::from(String::from_utf8(programs).unwrap().trim()).join("git-http-backend");
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new(program)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", root)
        .env("REQUEST_METHOD", request.method().as_str())
        .env("PATH_INFO", request.uri().path())
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", header(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", request.body().len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request.body()).unwrap();
    let printed = child.wait_with_output().unwrap().stdout;
    let end = printed.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&printed[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(&value[..3]),
            _ => response.header(name, value),
        };
    }
    response.body(Full::from(printed[end + 4..].to_vec())).unwrap()
}
