//! A small HTTP client: the API server's part in the demo, and for the admin port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use axum::http::{Request, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certs::client_config;

/// How long a page may take.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Client {
    tls: TlsConnector,
}

impl Client {
    /// A client that trusts only certificates of this CA (PEM).
    pub(super) fn new(ca: &str) -> anyhow::Result<Self> {
        Ok(Self { tls: TlsConnector::from(Arc::new(client_config(ca)?)) })
    }

    /// Posts JSON over TLS, and returns the response's body.
    pub(super) async fn post(&self, to: SocketAddr, path: &str, json: &str) -> anyhow::Result<Vec<u8>> {
        let stream = TcpStream::connect(to).await?;
        let stream = self.tls.connect(ServerName::from(to.ip()), stream).await?;
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        exchange(stream, to, request.body(json.to_owned().into())?).await
    }

    /// Gets a page without TLS, and returns its body.
    pub(super) async fn get(from: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
        let page =
            async { exchange(TcpStream::connect(from).await?, from, Request::get(path).body(Full::default())?).await };
        match tokio::time::timeout(TIMEOUT, page).await {
            Ok(page) => page,
            Err(_) => bail!("it did not answer within {} s", TIMEOUT.as_secs()),
        }
    }
}

async fn exchange<S>(stream: S, to: SocketAddr, mut request: Request<Full<Bytes>>) -> anyhow::Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(header::HOST, to.to_string().parse()?);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse::<Uri>()?;
    *request.uri_mut() = path;
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) if error.is_parse() => bail!("it does not answer in HTTP; is it the right port?"),
        Err(_) => bail!("it closed the connection without an answer; is it the right port?"),
    };
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        bail!("the server answered {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body.to_vec())
}
