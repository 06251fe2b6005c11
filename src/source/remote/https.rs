//! Git over HTTP, for libgit2: one connection for each request, TLS by rustls.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::connect::{Waiter, dial_web};
use super::error::FetchError;
use super::tls;
use super::transport::{Call, stopped};
use super::url::{RemoteUrl, Scheme, redacted};

/// A repository on a web server.
pub(super) struct Http(Arc<Client>);

struct Client {
    call: Arc<Call>,
    waiter: Waiter,
    tls: Option<TlsConnector>,
    authorization: Option<HeaderValue>,
    /// The repository's path, as the server's redirects have made it.
    path: Mutex<String>,
}

/// A request that is written, sent at the first read, and its answer.
struct Exchange {
    client: Arc<Client>,
    request: Vec<u8>,
    answer: Option<Incoming>,
    chunk: Bytes,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Http {
    pub(super) fn new(call: Arc<Call>) -> Result<Self, FetchError> {
        let tls = match call.url.scheme() {
            Scheme::Https => Some(tls::client(call.credentials.authorities()?)?.into()),
            Scheme::Http | Scheme::Ssh => None,
        };
        let login = call.credentials.login(&call.url)?;
        let authorization = login.and_then(|login| {
            let both = format!("{}:{}", login.user, login.password.reveal());
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(both))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let (waiter, path) = (Waiter::new(call.bounds.clone())?, Mutex::new(call.url.path().to_owned()));
        Ok(Self(Arc::new(Client { call, waiter, tls, authorization, path })))
    }
}

impl SmartSubtransport for Http {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let client = self.0.clone();
        let answer = match service {
            Service::UploadPackLs => Some(client.refs().map_err(|fault| stopped(&client.call.bounds, fault))?),
            Service::UploadPack => None,
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(git2::Error::from_str("a mirror pushes nothing"));
            }
        };
        Ok(Box::new(Exchange { client, request: Vec::new(), answer, chunk: Bytes::new() }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Client {
    /// Asks for the list of references.
    fn refs(&self) -> Result<Incoming, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let path = self.path.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let answer = self.ask("GET", &format!("{path}{REFS}"), None)?;
            if let Some(to) = answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection()) {
                let to = to.to_str().unwrap_or_default();
                let path = followed(&self.call.url, to).ok_or_else(|| FetchError::Redirect { to: shown(to) })?;
                *self.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
                continue;
            }
            return self.judged(answer, "application/x-git-upload-pack-advertisement");
        }
        Err(FetchError::Server { reason: "with redirects without end".to_owned() })
    }

    /// Asks for objects.
    fn pack(&self, request: Vec<u8>) -> Result<Incoming, FetchError> {
        let path = self.path.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = self.ask("POST", &format!("{path}/git-upload-pack"), Some(request))?;
        self.judged(answer, "application/x-git-upload-pack-result")
    }

    fn ask(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Result<Response<Incoming>, FetchError> {
        let call = &self.call;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, call.url.authority())
            // Some servers show Git's side of themselves only to what calls itself Git.
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
        let request = request.map_err(|error| self.broken(&error))?;
        self.waiter.runtime().block_on(self.send(request))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, FetchError> {
        let bounds = &self.call.bounds;
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        // Its errors come out of the request or the body too.
        tokio::spawn(async move { drop(connection.await) });
        let answer = bounds.wait(bounds.limits.idle, "waiting for an answer", sender.send_request(request)).await?;
        answer.map_err(|error| self.broken(&error))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, FetchError> {
        let (url, bounds) = (&self.call.url, &self.call.bounds);
        let stream = dial_web(bounds, url).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(url.host().to_owned()).map_err(|error| self.broken(&error))?;
        let stream = bounds.wait(bounds.limits.connect, "TLS handshake", tls.connect(name, stream)).await?;
        stream.map(|stream| Box::new(stream) as Box<dyn Stream>).map_err(|error| self.untrusted(&error))
    }

    /// The body of an answer that is what was asked for.
    fn judged(&self, answer: Response<Incoming>, kind: &str) -> Result<Incoming, FetchError> {
        let status = answer.status();
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.authorization.is_some() => {
                return Err(FetchError::Credentials { files: self.call.credentials.login_files() });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(FetchError::NoCredentials),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::NotFound),
            _ => return Err(FetchError::Server { reason: format!("with {status}") }),
        }
        let is_kind =
            answer.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == kind.as_bytes());
        if !is_kind {
            return Err(FetchError::Server {
                reason: "with something else than a Git repository; is the path right?".to_owned(),
            });
        }
        Ok(answer.into_body())
    }

    fn broken(&self, error: &dyn std::error::Error) -> FetchError {
        let url = &self.call.url;
        let reason = error.source().map_or(error.to_string(), |source| format!("{error}: {source}"));
        FetchError::Connect { host: format!("{}:{}", url.host(), url.port()), reason }
    }

    fn untrusted(&self, error: &io::Error) -> FetchError {
        use rustls::CertificateError::UnknownIssuer;
        let inner = error.get_ref().and_then(|error| error.downcast_ref());
        let Some(rustls::Error::InvalidCertificate(reason)) = inner else { return self.broken(error) };
        let reason = match reason {
            UnknownIssuer => "no authority that is trusted here has signed it".to_owned(),
            other => other.to_string(),
        };
        FetchError::Certificate { host: self.call.url.host().to_owned(), reason }
    }
}

impl Exchange {
    fn fill(&mut self) -> Result<(), FetchError> {
        let client = self.client.clone();
        let bounds = &client.call.bounds;
        let answer = match &mut self.answer {
            Some(answer) => answer,
            None => self.answer.insert(client.pack(std::mem::take(&mut self.request))?),
        };
        while self.chunk.is_empty() {
            let frame = bounds.wait(bounds.limits.idle, "waiting for data", answer.frame());
            match client.waiter.runtime().block_on(frame)? {
                None => return Ok(()),
                Some(Err(error)) => return Err(client.broken(&error)),
                Some(Ok(frame)) => self.chunk = frame.into_data().unwrap_or_default(),
            }
        }
        bounds.receive(self.chunk.len())
    }
}

impl Read for Exchange {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            self.fill().map_err(|fault| self.client.call.bounds.stop(fault))?;
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

/// The repository's new path where a redirect stays on the same server. Another
/// server would get credentials that are not meant for it.
fn followed(url: &RemoteUrl, to: &str) -> Option<String> {
    let scheme = if url.scheme() == Scheme::Https { "https" } else { "http" };
    let path = match to.split_once("://") {
        None => to,
        Some((to_scheme, rest)) => {
            let (authority, _) = rest.split_once('/')?;
            let is_same = to_scheme.eq_ignore_ascii_case(scheme) && authority.eq_ignore_ascii_case(&url.authority());
            &rest[is_same.then_some(authority.len())?..]
        }
    };
    let path = path.strip_suffix(REFS)?;
    (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
}

fn shown(to: &str) -> String {
    super::error::words(redacted(to).trim_end_matches("/info/refs"))
}

const REFS: &str = "/info/refs?service=git-upload-pack";
const MAX_REDIRECTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::url::Address;
    use super::*;

    #[test]
    fn redirects_are_followed_on_the_same_server_only() {
        let Ok(Address::Remote(url)) = Address::parse("https://git.example/a", "/".as_ref()) else {
            panic!("an address")
        };
        for (to, path) in [
            ("/a.git/info/refs?service=git-upload-pack", Some("/a.git")),
            ("https://git.example/a.git/info/refs?service=git-upload-pack", Some("/a.git")),
            ("http://git.example/a.git/info/refs?service=git-upload-pack", None),
            ("https://other.example/a.git/info/refs?service=git-upload-pack", None),
            ("https://git.example:8443/a.git/info/refs?service=git-upload-pack", None),
            ("//other.example/a.git/info/refs?service=git-upload-pack", None),
            ("https://git.example/login", None),
            ("", None),
        ] {
            assert_eq!(followed(&url, to).as_deref(), path, "{to}");
        }
        assert_eq!(shown("https://u:p@new.example/a/info/refs?x=y"), "https://***@new.example/a");
    }
}
