//! A server over TLS in this process, for what the API server calls besides driftwall.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::common::tls::server_config;
use crate::control_plane::ControlPlane;

/// A server with the control plane's certificate, for as long as it is kept.
pub(crate) struct HttpsServer {
    pub(crate) port: u16,
    _runtime: Runtime,
}

impl HttpsServer {
    /// Answers each request, read whole, with JSON.
    pub(crate) fn start(
        control_plane: &ControlPlane,
        answer: impl Fn(&Request<Bytes>) -> (StatusCode, Value) + Send + Sync + 'static,
    ) -> Self {
        Self::start_any(control_plane, move |request| {
            let (status, body) = answer(request);
            let mut response = Response::new(Full::from(body.to_string()));
            *response.status_mut() = status;
            let json = header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            Some(response)
        })
    }

    /// Answers each request, read whole, with whatever it is; not before there is an answer.
    pub(crate) fn start_any(
        control_plane: &ControlPlane,
        answer: impl Fn(&Request<Bytes>) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = control_plane.folder.path();
        let [chain, key] = ["server.crt", "server.key"].map(|name| std::fs::read(folder.join(name)).unwrap());
        let tls = TlsAcceptor::from(server_config(&chain, &key));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer) = (tls.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(|request: Request<Incoming>| async {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let request = Request::from_parts(head, body);
                        loop {
                            if let Some(response) = answer(&request) {
                                return Ok::<_, hyper::Error>(response);
                            }
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    // The API server may close the connection at any time.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, _runtime: runtime }
    }
}
