//! What answers the requests of a port.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use tower::ServiceExt as _;

/// Answers requests as they come from a connection.
pub trait Service: Clone + Send + Sync + 'static {
    /// Answers one.
    fn answer(self, request: Request<Incoming>) -> impl Future<Output = Response> + Send;
}

impl Service for Router {
    async fn answer(self, request: Request<Incoming>) -> Response {
        match self.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
