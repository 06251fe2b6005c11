//! Clients to ask the server with, and what they ask.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use driftwall::certs::Pair;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::harness::in_time;

pub(crate) fn roots(pairs: &[&Pair]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        let ca = CertificateDer::from_pem_slice(pair.ca.as_bytes()).unwrap();
        roots.add(ca).unwrap();
    }
    roots
}

pub(crate) fn trust(pairs: &[&Pair]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(pairs))
        .with_no_client_auth()
}

/// Trusts `pair` and shows a certificate of its own.
pub(crate) fn identified(pair: &Pair, cert: &str, key: &str) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&[pair]))
        .with_client_auth_cert(vec![cert], key)
        .unwrap()
}

pub(crate) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(crate) type Out = BoxBody<Bytes, Infallible>;

/// One connection to the webhook.
pub(crate) struct Client {
    sender: Sender,
    /// The certificate that the server showed.
    pub(crate) shown: Vec<u8>,
    pub(crate) connection: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Out>),
    Http2(http2::SendRequest<Out>),
}

/// What became of a request.
pub(crate) enum Sent {
    Answered(Answer),
    /// The connection had ended before the request was written.
    Unsent,
    /// The request was written, and no answer came.
    Lost(hyper::Error),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) async fn http1(stream: TlsStream<TcpStream>) -> hyper::Result<Self> {
        let shown = shown(&stream);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let sender = Sender::Http1(sender);
        Ok(Self { sender, shown, connection })
    }

    pub(crate) async fn http2(stream: TlsStream<TcpStream>) -> hyper::Result<Self> {
        let shown = shown(&stream);
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let sender = Sender::Http2(sender);
        Ok(Self { sender, shown, connection })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&mut self, request: Request<Out>) -> Sent {
        let tried = match &mut self.sender {
            Sender::Http1(sender) => {
                if sender.ready().await.is_err() {
                    return Sent::Unsent;
                }
                sender.try_send_request(request).await
            }
            Sender::Http2(sender) => {
                let mut sender = sender.clone();
                if sender.ready().await.is_err() {
                    return Sent::Unsent;
                }
                sender.try_send_request(request).await
            }
        };
        let response = match tried {
            Ok(response) => response,
            Err(mut failed) => {
                return match failed.take_message() {
                    Some(_) => Sent::Unsent,
                    None => Sent::Lost(failed.into_error()),
                };
            }
        };
        match Answer::read(response).await {
            Ok(answer) => Sent::Answered(answer),
            Err(error) => Sent::Lost(error),
        }
    }

    pub(crate) async fn must(&mut self, request: Request<Out>) -> Answer {
        match in_time(self.send(request)).await {
            Sent::Answered(answer) => answer,
            Sent::Unsent => panic!("the connection had ended"),
            Sent::Lost(error) => panic!("the answer was lost: {error:?}"),
        }
    }

    /// Another sender on the same HTTP/2 connection.
    pub(crate) fn stream(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else { panic!("HTTP/1.1 has one stream") };
        Self { sender: Sender::Http2(sender.clone()), shown: Vec::new(), connection: tokio::spawn(async {}) }
    }
}

impl Answer {
    async fn read(response: axum::http::Response<Incoming>) -> hyper::Result<Self> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        assert_eq!(parts.headers["content-type"], "application/json");
        Ok(Self { status: parts.status, headers: parts.headers, body: serde_json::from_slice(&body).unwrap() })
    }

    pub(crate) fn closes(&self) -> bool {
        self.headers.get("connection").is_some_and(|v| v == "close")
    }

    #[track_caller]
    pub(crate) fn is_status(&self, code: u16, reason: &str) {
        assert_eq!(self.status.as_u16(), code, "{self:?}");
        assert_eq!(self.body["kind"], "Status", "{self:?}");
        assert_eq!(self.body["reason"], reason, "{self:?}");
        assert_eq!(self.body["code"], code, "{self:?}");
    }

    #[track_caller]
    pub(crate) fn is_of(&self, uid: &str) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert_eq!(self.body["uid"], uid, "{self:?}");
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

pub(crate) fn der(pair: &Pair) -> Vec<u8> {
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
    cert.to_vec()
}

/// A review of the stub's own kind.
pub(crate) fn review(uid: &str) -> Request<Out> {
    asking("", &json!({"uid": uid}))
}

/// A review with a query and the whole body.
pub(crate) fn asking(query: &str, body: &Value) -> Request<Out> {
    let uri = format!("https://localhost/validate{query}");
    Request::post(uri)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(full(body.to_string()))
        .unwrap()
}

pub(crate) fn full(text: impl Into<Bytes>) -> Out {
    Full::new(text.into()).boxed()
}

/// A body that does not tell its length, so that it is sent in chunks.
pub(crate) struct Chunks(pub(crate) usize);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.0.min(64 * 1024);
        self.0 -= chunk;
        let frame = (chunk > 0).then(|| Ok(Frame::data(vec![b' '; chunk].into())));
        Poll::Ready(frame)
    }
}
