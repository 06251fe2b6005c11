//! Git over HTTP, for libgit2: one connection for each request, TLS by rustls.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio_rustls::TlsConnector;

use super::connect::BlockingRuntime;
use super::context::FetchContext;
use super::error::{FetchError, one_line};
use super::http_client::{basic, connection_error, send};
use super::tls;
use super::url::{RemoteUrl, Scheme, redacted};

/// A repository on an HTTP server.
pub(super) struct HttpTransport(Arc<Client>);

struct Client {
    context: Arc<FetchContext>,
    blocking: BlockingRuntime,
    tls: Option<TlsConnector>,
    authorization: Option<HeaderValue>,
    /// The repository's path, as changed by the server's redirects.
    path: Mutex<String>,
}

/// A request that libgit2 writes, sent when it begins to read, and the response.
struct Exchange {
    client: Arc<Client>,
    request: Vec<u8>,
    response: Option<Incoming>,
    chunk: Bytes,
}

impl HttpTransport {
    pub(super) fn new(context: Arc<FetchContext>) -> Result<Self, FetchError> {
        let tls = match context.url.scheme() {
            Scheme::Https => Some(tls::client_config(context.credentials.ca_file()?)?.into()),
            Scheme::Http | Scheme::Ssh => None,
        };
        let authorization = context.credentials.http_login(&context.url)?.as_ref().and_then(basic);
        let blocking = BlockingRuntime::new(context.budget.clone())?;
        let path = Mutex::new(context.url.path().to_owned());
        Ok(Self(Arc::new(Client { context, blocking, tls, authorization, path })))
    }
}

impl SmartSubtransport for HttpTransport {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let client = self.0.clone();
        let response = match service {
            Service::UploadPackLs => Some(client.request_refs().map_err(|error| client.context.fail(error))?),
            Service::UploadPack => None,
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(git2::Error::from_str("a mirror never pushes"));
            }
        };
        Ok(Box::new(Exchange { client, request: Vec::new(), response, chunk: Bytes::new() }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Client {
    /// Asks for the list of references.
    fn request_refs(&self) -> Result<Incoming, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let target = format!("{}{INFO_REFS}", self.path());
            let response = self.request("GET", &target, None)?;
            match response.headers().get(header::LOCATION) {
                Some(location) if response.status().is_redirection() => {
                    let location = location.to_str().unwrap_or_default();
                    let Some(path) = redirected_path(&self.context.url, location) else {
                        return Err(FetchError::Redirect { to: display_redirect(location) });
                    };
                    *self.path() = path;
                }
                _ => return self.check_response(response, "application/x-git-upload-pack-advertisement"),
            }
        }
        Err(FetchError::Server { reason: "it redirects without end".to_owned() })
    }

    /// Asks for objects.
    fn request_pack(&self, request: Vec<u8>) -> Result<Incoming, FetchError> {
        let target = format!("{}/git-upload-pack", self.path());
        let response = self.request("POST", &target, Some(request))?;
        self.check_response(response, "application/x-git-upload-pack-result")
    }

    fn request(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Response<Incoming>, FetchError> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, self.context.url.authority())
            // Some servers speak Git's protocol only to clients that call themselves Git.
            .header(header::USER_AGENT, concat!("git/2.0 (driftwall/", env!("CARGO_PKG_VERSION"), ")"));
        if body.is_some() {
            request = request
                .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(header::ACCEPT, "application/x-git-upload-pack-result");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| connection_error(&self.context.url, &error))?;
        let (budget, url) = (&self.context.budget, &self.context.url);
        self.blocking.runtime().block_on(send(budget, url, self.tls.as_ref(), request))
    }

    /// The body of a response, if it is what was asked for.
    fn check_response(&self, response: Response<Incoming>, content_type: &str) -> Result<Incoming, FetchError> {
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.authorization.is_some() => {
                return Err(FetchError::Credentials { files: self.context.credentials.login_files() });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(FetchError::NoCredentials),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::NotFound),
            status => return Err(FetchError::Server { reason: format!("its status is {status}") }),
        }
        let is_expected = |value: &HeaderValue| value.as_bytes() == content_type.as_bytes();
        if !response.headers().get(header::CONTENT_TYPE).is_some_and(is_expected) {
            let reason = "it is not that of a Git repository; is the path right?".to_owned();
            return Err(FetchError::Server { reason });
        }
        Ok(response.into_body())
    }

    fn path(&self) -> MutexGuard<'_, String> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// Receives the next chunk of the response; leaves none at its end.
    fn fill(&mut self) -> Result<(), FetchError> {
        let client = self.client.clone();
        let budget = &client.context.budget;
        let response = match &mut self.response {
            Some(response) => response,
            None => self.response.insert(client.request_pack(std::mem::take(&mut self.request))?),
        };
        while self.chunk.is_empty() {
            let frame = budget.wait(budget.limits.idle, "waiting for data", response.frame());
            match client.blocking.runtime().block_on(frame)? {
                None => return Ok(()),
                Some(Err(error)) => return Err(connection_error(&client.context.url, &error)),
                Some(Ok(frame)) => self.chunk = frame.into_data().unwrap_or_default(),
            }
        }
        budget.count_received(self.chunk.len())
    }
}

impl Read for Exchange {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty()
            && let Err(error) = self.fill()
        {
            return Err(self.client.context.budget.record_error(error));
        }
        let size = self.chunk.len().min(into.len());
        self.chunk.copy_to_slice(&mut into[..size]);
        Ok(size)
    }
}

impl Write for Exchange {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The repository's new path, if a redirect stays on the same server: another
/// server must not get credentials that are meant for this one.
fn redirected_path(url: &RemoteUrl, location: &str) -> Option<String> {
    let scheme = if url.scheme() == Scheme::Https { "https" } else { "http" };
    let path = match location.split_once("://") {
        None => location,
        Some((to_scheme, rest)) => {
            let (authority, _) = rest.split_once('/')?;
            let is_same = to_scheme.eq_ignore_ascii_case(scheme) && authority.eq_ignore_ascii_case(&url.authority());
            if !is_same {
                return None;
            }
            &rest[authority.len()..]
        }
    };
    let path = path.strip_suffix(INFO_REFS)?;
    let is_on_same_server = path.starts_with('/') && !path.starts_with("//");
    is_on_same_server.then(|| path.to_owned())
}

fn display_redirect(location: &str) -> String {
    one_line(redacted(location).trim_end_matches("/info/refs"))
}

const INFO_REFS: &str = "/info/refs?service=git-upload-pack";
const MAX_REDIRECTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::url::Address;
    use super::*;

    #[test]
    fn only_redirects_on_the_same_server_are_followed() {
        let Ok(Address::Remote(url)) = Address::parse("https://git.example/a", "/".as_ref()) else {
            panic!("an address")
        };
        for (location, path) in [
            ("/a.git/info/refs?service=git-upload-pack", Some("/a.git")),
            ("https://git.example/a.git/info/refs?service=git-upload-pack", Some("/a.git")),
            ("http://git.example/a.git/info/refs?service=git-upload-pack", None),
            ("https://other.example/a.git/info/refs?service=git-upload-pack", None),
            ("https://git.example:8443/a.git/info/refs?service=git-upload-pack", None),
            ("//other.example/a.git/info/refs?service=git-upload-pack", None),
            ("https://git.example/login", None),
            ("", None),
        ] {
            assert_eq!(redirected_path(&url, location).as_deref(), path, "{location}");
        }
        assert_eq!(display_redirect("https://u:p@new.example/a/info/refs?x=y"), "https://***@new.example/a");
    }
}
