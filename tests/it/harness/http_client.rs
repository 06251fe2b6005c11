//! HTTP clients for the webhook and for the admin port, and the requests that they send.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use driftwall::certs::{self, ServingCertificate};
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

use crate::harness::waiting::in_time;

/// A certificate for this machine, its key, and the CA that signed it.
pub(crate) fn localhost_pair() -> ServingCertificate {
    certs::generate(&["localhost".into(), "127.0.0.1".into()], 1).unwrap()
}

/// The CAs of these certificates.
pub(crate) fn roots(pairs: &[&ServingCertificate]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        let ca = CertificateDer::from_pem_slice(pair.ca.as_bytes()).unwrap();
        roots.add(ca).unwrap();
    }
    roots
}

/// A client that trusts the CAs of these certificates.
pub(crate) fn trusting(pairs: &[&ServingCertificate]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(pairs))
        .with_no_client_auth()
}

/// A client that trusts the CA of `pair` and presents a certificate of its own.
pub(crate) fn with_client_certificate(pair: &ServingCertificate, cert: &str, key: &str) -> ClientConfig {
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

/// Opens a TLS connection to the webhook.
pub(crate) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(crate) type RequestBody = BoxBody<Bytes, Infallible>;

/// One connection to the webhook.
pub(crate) struct Client {
    sender: Sender,
    /// The certificate that the server presented, as DER.
    pub(crate) server_certificate: Vec<u8>,
    pub(crate) connection: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

/// The result of sending a request.
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
        let server_certificate = presented_certificate(&stream);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let sender = Sender::Http1(sender);
        Ok(Self { sender, server_certificate, connection })
    }

    pub(crate) async fn http2(stream: TlsStream<TcpStream>) -> hyper::Result<Self> {
        let server_certificate = presented_certificate(&stream);
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let sender = Sender::Http2(sender);
        Ok(Self { sender, server_certificate, connection })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&mut self, request: Request<RequestBody>) -> Sent {
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

    /// Sends a request that must be answered in time.
    pub(crate) async fn expect_answer(&mut self, request: Request<RequestBody>) -> Answer {
        match in_time(self.send(request)).await {
            Sent::Answered(answer) => answer,
            Sent::Unsent => panic!("the connection had ended"),
            Sent::Lost(error) => panic!("the answer was lost: {error:?}"),
        }
    }

    /// Another sender on the same HTTP/2 connection.
    pub(crate) fn stream(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else { panic!("HTTP/1.1 has one stream") };
        Self {
            sender: Sender::Http2(sender.clone()),
            server_certificate: Vec::new(),
            connection: tokio::spawn(async {}),
        }
    }
}

impl Answer {
    async fn read(response: axum::http::Response<Incoming>) -> hyper::Result<Self> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        assert_eq!(parts.headers["content-type"], "application/json");
        Ok(Self { status: parts.status, headers: parts.headers, body: serde_json::from_slice(&body).unwrap() })
    }

    /// Whether the server closes the connection after this answer.
    pub(crate) fn closes(&self) -> bool {
        self.headers.get("connection").is_some_and(|v| v == "close")
    }

    /// Checks for an error in the form of a Kubernetes `Status`.
    #[track_caller]
    pub(crate) fn assert_status(&self, code: u16, reason: &str) {
        assert_eq!(self.status.as_u16(), code, "{self:?}");
        assert_eq!(self.body["kind"], "Status", "{self:?}");
        assert_eq!(self.body["reason"], reason, "{self:?}");
        assert_eq!(self.body["code"], code, "{self:?}");
    }

    /// Checks that the answer is the one to the request with this uid.
    #[track_caller]
    pub(crate) fn assert_answers(&self, uid: &str) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert_eq!(self.body["uid"], uid, "{self:?}");
    }
}

fn presented_certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// The certificate of a pair, as DER.
pub(crate) fn certificate_der(pair: &ServingCertificate) -> Vec<u8> {
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
    cert.to_vec()
}

/// A review that the stub reviewer of `server` understands.
pub(crate) fn simple_review(uid: &str) -> Request<RequestBody> {
    review_request("", &json!({"uid": uid}))
}

/// A request for a review, with the query of its URL and the whole body.
pub(crate) fn review_request(query: &str, body: &Value) -> Request<RequestBody> {
    let uri = format!("https://localhost/validate{query}");
    Request::post(uri)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(full_body(body.to_string()))
        .unwrap()
}

pub(crate) fn full_body(text: impl Into<Bytes>) -> RequestBody {
    Full::new(text.into()).boxed()
}

/// A body of this many bytes that does not tell its length, so that it is sent in chunks.
pub(crate) struct ChunkedBody(pub(crate) usize);

impl Body for ChunkedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.0.min(64 * 1024);
        self.0 -= chunk;
        let frame = (chunk > 0).then(|| Ok(Frame::data(vec![b' '; chunk].into())));
        Poll::Ready(frame)
    }
}

/// Gets a page of the admin port.
pub(crate) async fn get_page(admin: SocketAddr, path: &str) -> (StatusCode, HeaderMap, String) {
    get_page_as(admin, path, "*/*").await
}

/// Gets a page of the admin port in one of the accepted formats.
pub(crate) async fn get_page_as(admin: SocketAddr, path: &str, accept: &str) -> (StatusCode, HeaderMap, String) {
    let stream = TcpStream::connect(admin).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "localhost").header("accept", accept);
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let response = in_time(sender.send_request(request)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = in_time(body.collect()).await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The value of one series of the metrics; none where it is absent.
pub(crate) async fn get_metric(admin: SocketAddr, series: &str) -> Option<f64> {
    let (_, _, text) = get_page(admin, "/metrics").await;
    text.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        (name == series).then(|| value.parse().unwrap())
    })
}
