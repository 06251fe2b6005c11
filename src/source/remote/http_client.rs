//! Requests to web servers, one connection for each, TLS by rustls: bounded in
//! time and bytes, through the proxy that the environment names.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::budget::{FetchBudget, FetchLimits};
use super::connect::BlockingRuntime;
use super::credentials::{Credentials, HttpLogin};
use super::error::{FetchError, one_line};
use super::http_url::HttpUrl;
use super::proxy::connect_http;
use super::tls;
use super::url::RemoteUrl;
use crate::certs::{certificate_failure, handshake_failure};

/// Asks web servers for what one fetch needs. Its calls block.
pub(in crate::source) struct HttpClient {
    blocking: BlockingRuntime,
    credentials: Credentials,
    tls: OnceCell<TlsConnector>,
}

/// What a server is asked for.
pub(in crate::source) struct HttpRequest<'a> {
    pub(in crate::source) url: &'a HttpUrl,
    /// Sent to this server alone, not to those that it redirects to.
    pub(in crate::source) authorization: Option<HeaderValue>,
    pub(in crate::source) headers: &'a [(HeaderName, String)],
    /// The most bytes of the answer.
    pub(in crate::source) max_bytes: u64,
}

/// What a server answers; the body has been written to where the caller wants it.
pub(in crate::source) struct HttpResponse {
    pub(in crate::source) status: StatusCode,
    pub(in crate::source) headers: HeaderMap,
    /// Who answered, after redirects.
    pub(in crate::source) url: HttpUrl,
}

impl HttpClient {
    /// A client that trusts the system's CAs and the `caFile` of `credentials`.
    pub(in crate::source) fn new(
        limits: FetchLimits,
        cancel: &Arc<AtomicBool>,
        credentials: &Credentials,
    ) -> Result<Self, FetchError> {
        let blocking = BlockingRuntime::new(FetchBudget::new(limits, cancel.clone()))?;
        Ok(Self { blocking, credentials: credentials.clone(), tls: OnceCell::new() })
    }

    /// The login for a server, from files or the URL, as the value of `Authorization`.
    pub(in crate::source) fn basic_authorization(&self, url: &HttpUrl) -> Result<Option<HeaderValue>, FetchError> {
        Ok(self.credentials.http_login(url.server())?.and_then(|login| basic(&login)))
    }

    /// The files that the login comes from, as errors name them.
    pub(in crate::source) fn login_files(&self) -> String {
        self.credentials.login_files()
    }

    /// Asks with GET, and writes the body of a good answer to `sink`. Redirects are
    /// followed, except from `https` to `http`; another server gets no credentials.
    pub(in crate::source) fn get(
        &self,
        request: &HttpRequest<'_>,
        sink: &mut dyn Write,
    ) -> Result<HttpResponse, FetchError> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let authorization = request.authorization.as_ref().filter(|_| url.has_same_origin(request.url));
            let response = self.send(&url, authorization, request.headers)?;
            let status = response.status();
            let Some(location) = response.headers().get(header::LOCATION).filter(|_| status.is_redirection()) else {
                let (parts, body) = response.into_parts();
                if status.is_success() {
                    self.receive(&url, body, request.max_bytes, sink)?;
                }
                return Ok(HttpResponse { status, headers: parts.headers, url });
            };
            let target = location.to_str().ok().and_then(|location| url.join(location).ok());
            url = match target {
                Some(target) if target.is_tls() || !url.is_tls() => target,
                Some(target) => return Err(FetchError::Redirect { to: one_line(&target.to_string()) }),
                None => return Err(FetchError::Server { reason: "it redirects to what is no address".to_owned() }),
            };
        }
        Err(FetchError::Server { reason: "it redirects without end".to_owned() })
    }

    fn send(
        &self,
        url: &HttpUrl,
        authorization: Option<&HeaderValue>,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Incoming>, FetchError> {
        let mut request = Request::builder()
            .uri(url.target())
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, concat!("driftwall/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::new()));
        let request = request.map_err(|error| connection_error(url.server(), &error))?;
        let tls = if url.is_tls() { Some(self.tls()?) } else { None };
        let budget = &self.blocking.budget;
        self.blocking.runtime().block_on(send(budget, url.server(), tls, request))
    }

    fn tls(&self) -> Result<&TlsConnector, FetchError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls);
        }
        let config = tls::client_config(self.credentials.ca_file()?)?;
        Ok(self.tls.get_or_init(|| config.into()))
    }

    fn receive(
        &self,
        url: &HttpUrl,
        mut body: Incoming,
        max_bytes: u64,
        sink: &mut dyn Write,
    ) -> Result<(), FetchError> {
        let budget = &self.blocking.budget;
        let mut received = 0;
        loop {
            let frame = budget.wait(budget.limits.idle, "waiting for data", body.frame());
            let data = match self.blocking.runtime().block_on(frame)? {
                None => return Ok(()),
                Some(Err(error)) => return Err(connection_error(url.server(), &error)),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            // What is received here is no part of a mirror, of whose limit the budget speaks.
            budget.count_received(data.len()).map_err(|error| match error {
                FetchError::TooLarge { limit } => FetchError::AnswerTooLarge { limit },
                error => error,
            })?;
            received += data.len() as u64;
            if received > max_bytes {
                return Err(FetchError::AnswerTooLarge { limit: max_bytes });
            }
            sink.write_all(&data).map_err(|reason| FetchError::Mirror {
                action: "write what was received to",
                file: "the data folder".into(),
                reason,
            })?;
        }
    }
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A login as the value of `Authorization`; `None` where it cannot be one.
pub(super) fn basic(login: &HttpLogin) -> Option<HeaderValue> {
    let both = format!("{}:{}", login.user, login.password.reveal());
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(both))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Sends a request over a connection of its own; with `tls`, encrypted.
pub(super) async fn send(
    budget: &FetchBudget,
    server: &RemoteUrl,
    tls: Option<&TlsConnector>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, FetchError> {
    let stream = connect(budget, server, tls).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| connection_error(server, &error))?;
    // The request or the body reports its errors too.
    tokio::spawn(async move { drop(connection.await) });
    let response = sender.send_request(request);
    let response = budget.wait(budget.limits.idle, "waiting for a response", response).await?;
    response.map_err(|error| connection_error(server, &error))
}

async fn connect(
    budget: &FetchBudget,
    server: &RemoteUrl,
    tls: Option<&TlsConnector>,
) -> Result<Box<dyn Stream>, FetchError> {
    let stream = connect_http(budget, server).await?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(server.host().to_owned()).map_err(|error| connection_error(server, &error))?;
    let handshake = tls.connect(name, stream);
    match budget.wait(budget.limits.connect, "making a TLS connection", handshake).await? {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(handshake_error(server, &error)),
    }
}

pub(super) fn connection_error(server: &RemoteUrl, error: &dyn std::error::Error) -> FetchError {
    let reason = error.source().map_or(error.to_string(), |source| format!("{error}: {source}"));
    FetchError::Connect { host: format!("{}:{}", server.host(), server.port()), reason }
}

fn handshake_error(server: &RemoteUrl, error: &io::Error) -> FetchError {
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            FetchError::Certificate { host: server.host().to_owned(), reason: certificate_failure(reason) }
        }
        Some(_) => {
            let host = format!("{}:{}", server.host(), server.port());
            FetchError::Connect { host, reason: handshake_failure(error) }
        }
        None => connection_error(server, error),
    }
}

const MAX_REDIRECTS: usize = 5;
