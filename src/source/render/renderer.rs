//! The renderer in the cluster, as its client: programs run there, not here.

use std::error::Error as _;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::unfold;
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::archive::JobArchive;
use super::error::RenderError;
use super::job::{Job, JobError, JobOutput, Tool};
use super::programs::{OfferedPrograms, Program};
use super::selection::Selection;
use super::subprocess::Limits;
use super::tree::CommitFiles;
use crate::certs::{handshake_failure, mutual_client_config};

/// Where the renderer is, and how it and driftwall know each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Renderer {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// PEM file of the CA of its certificate.
    pub ca: PathBuf,
    /// PEM file of driftwall's certificate, with its chain.
    pub cert: PathBuf,
    /// PEM file of the key of `cert`.
    pub key: PathBuf,
}

/// The header with the number of bytes that a program printed first, and, where it
/// printed something else the second time, of those: `1000` or `1000 990`.
pub const LENGTHS: &str = "x-driftwall-lengths";
/// The path of jobs.
pub const RENDER_PATH: &str = "/v1/render";
/// The path of the programs that a renderer has.
pub const PROGRAMS_PATH: &str = "/v1/programs";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a job may wait for its turn, and its files be on their way.
const WAITING_TIME: Duration = Duration::from_mins(3);
/// How often cancellation is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How long the programs of a renderer are taken for known.
const PROGRAMS_AGE: Duration = Duration::from_mins(1);
const CHUNK_BYTES: usize = 64 << 10;
/// The most bytes of an answer that is no output.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// An answer of the renderer.
struct Answer {
    status: StatusCode,
    lengths: Vec<usize>,
    body: Bytes,
}

impl std::fmt::Display for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Renderer {
    /// The program that renders there. While the renderer is away, it is what it was.
    pub(super) fn program(&self, tool: Tool) -> Result<Program, RenderError> {
        static KNOWN: Mutex<Vec<(Renderer, Instant, OfferedPrograms)>> = Mutex::new(Vec::new());
        let all = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            all().iter().find(|(renderer, ..)| renderer == self).map(|(_, asked, known)| (*asked, known.clone()));
        let offered = match known {
            Some((asked, programs)) if asked.elapsed() < PROGRAMS_AGE => programs,
            known => match (self.ask_programs(), known) {
                (Ok(programs), _) => {
                    let mut all = all();
                    all.retain(|(renderer, ..)| renderer != self);
                    all.push((self.clone(), Instant::now(), programs.clone()));
                    programs
                }
                (Err(_), Some((_, programs))) => programs,
                (Err(error), None) => return Err(error),
            },
        };
        offered.program(tool).ok_or_else(|| self.failed(format!("it has no program for {tool:?}")))
    }

    fn ask_programs(&self) -> Result<OfferedPrograms, RenderError> {
        let never = AtomicBool::new(false);
        let answer = self.request(Method::GET, PROGRAMS_PATH, None, MAX_MESSAGE_BYTES, CONNECT_TIMEOUT, &never)?;
        match answer {
            Some(Answer { status: StatusCode::OK, body, .. }) => {
                serde_json::from_slice(&body).map_err(|error| self.failed(error.to_string()))
            }
            Some(answer) => Err(self.failed(format!("it answered {}", answer.status))),
            None => Err(self.failed("the request was cancelled".to_owned())),
        }
    }

    /// Has a job run there; an error of the job is the inner one.
    pub(super) fn run(
        &self,
        job: &Job,
        selection: &Selection,
        files: &CommitFiles<'_>,
        limits: Limits,
        cancel: &AtomicBool,
    ) -> Result<Result<JobOutput, JobError>, RenderError> {
        let io = |reason| RenderError::Io { action: "write the files for the renderer".into(), reason };
        let mut archive = JobArchive::new(job, tempfile::tempfile().map_err(io)?).map_err(io)?;
        selection.copy_to(files, &mut archive)?;
        let mut file = archive.finish().map_err(io)?;
        file.flush().and_then(|()| file.seek(SeekFrom::Start(0))).map_err(io)?;

        let time = limits.time.saturating_mul(2).saturating_add(WAITING_TIME);
        let most = limits.output.saturating_mul(2).saturating_add(MAX_MESSAGE_BYTES);
        let Some(answer) = self.request(Method::POST, RENDER_PATH, Some(file), most, time, cancel)? else {
            return Ok(Err(JobError::Cancelled));
        };
        let Answer { status, lengths, body } = answer;
        match (status, lengths.as_slice()) {
            (StatusCode::OK, [first]) if *first == body.len() => {
                Ok(Ok(JobOutput { first: body.to_vec(), second: None }))
            }
            (StatusCode::OK, [first, second]) if first.checked_add(*second) == Some(body.len()) => {
                Ok(Ok(JobOutput { first: body[..*first].to_vec(), second: Some(body[*first..].to_vec()) }))
            }
            (StatusCode::UNPROCESSABLE_ENTITY, _) => match serde_json::from_slice(&body) {
                Ok(error) => Ok(Err(error)),
                Err(error) => Err(self.failed(error.to_string())),
            },
            _ => Err(self.failed(format!("it answered {status}"))),
        }
    }

    /// `None` after `cancel` was set. Blocks.
    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<File>,
        most: usize,
        time: Duration,
        cancel: &AtomicBool,
    ) -> Result<Option<Answer>, RenderError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.failed(error.to_string()))?;
        runtime.block_on(async {
            tokio::select! {
                answer = timeout(time, self.send(method, path, body, most)) => match answer {
                    Ok(Ok(answer)) => Ok(Some(answer)),
                    Ok(Err(error)) => Err(self.failed(error)),
                    Err(_) => Err(self.failed(format!("it did not answer within {} s", time.as_secs()))),
                },
                () = cancelled(cancel) => Ok(None),
            }
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<File>, most: usize) -> Result<Answer, String> {
        let connect = async {
            let config =
                mutual_client_config(&read(&self.ca).await?, &read(&self.cert).await?, &read(&self.key).await?)
                    .map_err(|error| error.to_string())?;
            let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
            let stream = stream.map_err(|error| format!("failed to connect: {error}"))?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            stream.map_err(|error| format!("failed to make a TLS connection: {}", handshake_failure(&error)))
        };
        let stream =
            timeout(CONNECT_TIMEOUT, connect).await.map_err(|_| "it did not accept a connection".to_owned())??;
        let body = StreamBody::new(file_frames(body).map_ok(Frame::data));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let request = Request::builder().method(method).uri(path).header("host", &self.host);
        let request = request.body(Box::pin(body)).map_err(|error| error.to_string())?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, most).collect().await.map_err(|error| error.to_string())?.to_bytes();
            let lengths = parts.headers.get(LENGTHS).and_then(|lengths| lengths.to_str().ok()).unwrap_or_default();
            let lengths = lengths.split(' ').filter_map(|length| length.parse().ok()).collect();
            Ok(Answer { status: parts.status, lengths, body })
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                // What has arrived is still to be taken.
                Ok(()) => exchange.await,
                Err(error) => Err(format!("the connection failed: {error}")),
            },
        }
    }

    fn failed(&self, reason: String) -> RenderError {
        RenderError::Renderer { renderer: self.to_string(), reason }
    }
}

/// Why an exchange ended early: the library says the cause apart.
fn broken(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

async fn read(file: &PathBuf) -> Result<String, String> {
    let text = tokio::fs::read_to_string(file).await;
    text.map_err(|error| format!("failed to read {}: {error}", file.display()))
}

async fn cancelled(cancel: &AtomicBool) {
    while !cancel.load(Ordering::Relaxed) {
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

/// A file in pieces.
fn file_frames(file: Option<File>) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send {
    unfold(file.map(tokio::fs::File::from_std), |file| async {
        let mut file = file?;
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(chunk.into()), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}
