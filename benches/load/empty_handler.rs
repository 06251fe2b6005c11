//! What driftwall is compared with: the same stack (axum, rustls, hyper, tokio) with a handler that reads a
//! review and allows it by its uid.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use axum::routing::post;
use driftwall::certs::ServingCertificate;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Serves on `listener` for ever. Must be called on a runtime.
pub(crate) async fn serve(listener: std::net::TcpListener, pair: &ServingCertificate) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let acceptor = TlsAcceptor::from(Arc::new(server_config(pair)?));
    let app = Router::new().route("/validate", post(answer)).layer(DefaultBodyLimit::disable());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let stream = acceptor.accept(stream).await?;
            let service = service_fn(move |request| app.clone().oneshot(request));
            let builder = Builder::new(TokioExecutor::new()).http1_only();
            builder.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
        });
    }
}

async fn answer(body: Bytes) -> Response {
    const BEFORE: &[u8] = br#""uid":""#;
    let after = body.windows(BEFORE.len()).position(|window| window == BEFORE).map(|at| &body[at + BEFORE.len()..]);
    let uid = after.and_then(|after| after.split(|byte| *byte == b'"').next()).unwrap_or_default();
    let mut answer = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":""#.to_vec();
    answer.extend_from_slice(uid);
    answer.extend_from_slice(br#"","allowed":true}}"#);
    let response = Response::builder().header(CONTENT_TYPE, "application/json").body(Body::from(answer));
    response.expect("the header is valid")
}

fn server_config(pair: &ServingCertificate) -> anyhow::Result<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_no_client_auth().with_single_cert(chain, key)?)
}
