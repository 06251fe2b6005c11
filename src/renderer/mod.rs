//! `driftwall renderer`: renders for other driftwalls, which send it the files. It has
//! nothing that is worth stealing: no token, no credentials, no network of its own.
//!
//! The process that accepts never renders: each rendering is a child with limits.
//! Only who has a certificate of its CA is answered.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::server::{Server, ServerSettings, shutdown_signals};
use crate::source::render::{JobRunner, LENGTHS, MAX_ARCHIVE_BYTES, PROGRAMS_PATH, RENDER_PATH};
use crate::telemetry::{Metrics, NoSources};

/// Jobs that are there at once, running or waiting; each has its files on the disk.
const MAX_JOBS: usize = 16;
/// How long the files of a job may be on their way.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// Serves until a signal.
///
/// # Errors
///
/// A port cannot be opened, the certificate cannot be served, or a task ends early.
pub async fn serve(settings: ServerSettings, runner: JobRunner) -> anyhow::Result<()> {
    let (shutdown, at_once) = shutdown_signals()?;
    // A renderer follows no source: it is ready when it listens.
    let server = Server::bind_service(settings, app(runner), Arc::new(NoSources), Arc::new(Metrics::new())).await?;
    Ok(server.run(shutdown, at_once).await?)
}

struct RendererState {
    runner: JobRunner,
    jobs: Semaphore,
    next: AtomicU64,
}

/// The routes, independent of any connection.
pub fn app(runner: JobRunner) -> Router {
    let state = Arc::new(RendererState { runner, jobs: Semaphore::new(MAX_JOBS), next: AtomicU64::new(0) });
    Router::new().route(RENDER_PATH, post(render)).route(PROGRAMS_PATH, get(programs)).with_state(state)
}

async fn programs(State(state): State<Arc<RendererState>>) -> Response {
    let runner = state.runner.clone();
    match tokio::task::spawn_blocking(move || runner.programs()).await {
        Ok(programs) => Json(programs).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn render(State(state): State<Arc<RendererState>>, request: Request) -> Response {
    let Ok(_permit) = state.jobs.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let archive = match timeout(UPLOAD_TIMEOUT, receive(request.into_body())).await {
        Ok(Ok(archive)) => archive,
        Ok(Err(status)) => return status.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let number = state.next.fetch_add(1, Ordering::Relaxed);
    // Whoever goes away wants no output any more.
    let cancel = CancelOnDrop(Arc::default());
    let (runner, cancelled) = (state.runner.clone(), Arc::clone(&cancel.0));
    let run = tokio::task::spawn_blocking(move || runner.run(&number.to_string(), archive, &cancelled));
    match run.await {
        Ok(Ok(output)) => {
            tracing::info!(number, bytes = output.first.len(), "Job rendered");
            let mut body = output.first;
            let mut lengths = body.len().to_string();
            if let Some(second) = output.second {
                lengths = format!("{lengths} {}", second.len());
                body.extend(second);
            }
            ([(LENGTHS, lengths)], body).into_response()
        }
        Ok(Err(error)) => {
            tracing::info!(number, %error, "Job failed");
            (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Sets its flag when the answer was sent, or nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Receives an archive into a file without a name.
async fn receive(mut body: Body) -> Result<File, StatusCode> {
    let mut file = tempfile::tempfile().map_err(|_| StatusCode::INSUFFICIENT_STORAGE)?;
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > MAX_ARCHIVE_BYTES {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        // Small writes into the page cache.
        file.write_all(&data).map_err(|_| StatusCode::INSUFFICIENT_STORAGE)?;
    }
    Ok(file)
}
